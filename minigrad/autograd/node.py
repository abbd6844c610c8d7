"""What is recorded: a tensor knows the node that made it, a node knows its parents and keeps what its rules need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minigrad.backend import Array, Shape

# Numbers nodes in order of creation, and dates every write into an array on the same scale. A node can only use
# tensors that exist already, so falling numbers are a topological order; and a kept array was overwritten exactly
# if its last write is dated later than the node that keeps it.
clock = itertools.count(1)


class Writes:
    """When an array was last written to in place. Shared by all tensors that look at the same memory."""

    __slots__ = ("count", "last", "last_recorded", "writer")

    def __init__(self) -> None:
        self.count = 0  # how often: PyTorch's ``_version``
        self.last = 0  # when, on the clock
        self.last_recorded = 0  # when last by an op with history; older histories of this memory are then out of date
        self.writer = ""  # by which method: for the message

    def add(self, writer: str, recorded_as: Node | None = None) -> None:
        """Date a write by ``writer`` now, or, if an op recorded it, at the number of that op's node."""
        self.count += 1
        self.writer = writer
        if recorded_as is None:
            self.last = next(clock)
        else:
            self.last = self.last_recorded = recorded_as.number


class TensorBase:
    """What autograd knows of a tensor: an array, whether its gradient is wanted, and the node that made it.

    The names below are defaults; an instance carries only what differs. ``Tensor`` adds everything a user sees.
    """

    array: Array
    node: Node | None = None  # None for a leaf: a tensor that no recorded op made
    _requires_grad: bool = False
    _grad: TensorBase | None = None
    _hooks: list[Callable[[Any], Any]] | None = None
    is_view: bool = False
    _writes: Writes | None = None  # None until somebody writes in place or takes a view
    plain: type[TensorBase]  # the class of results: an op on a Parameter gives a Tensor

    @property
    def shape(self) -> Shape:
        return self.array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    def writes(self) -> Writes:
        """Return the record of in-place writes to this memory, made on first use."""
        if self._writes is None:
            self._writes = Writes()
        return self._writes


def tensor_of(like: type[TensorBase], array: Array, node: Node | None = None) -> Any:
    """Wrap ``array`` in a tensor, without copying or checking."""
    tensor = like.__new__(like)
    tensor.array = array
    if node is not None:
        tensor.node = node
        tensor._requires_grad = True
    return tensor


class Node:
    """One recorded call of an op: which tensors it came from, and what its derivative rules need.

    ``parents[k]`` is where the gradient of rule ``k`` goes: the node that made that input, or the input itself if
    it is a leaf. ``kept`` holds the inputs that the rules name and nothing else, so that memory nobody needs is
    freed at once. The output is kept as an alias without history: a node that held the tensor which holds the node
    would be a circle, and circles are only freed by the cycle collector.
    """

    __slots__ = ("__weakref__", "dtype", "hooks", "kept", "number", "parents", "plan", "shape")

    def __init__(self, plan: Any, parents: list[Any], kept: Sequence[Any], y: Array) -> None:
        self.number = next(clock)
        self.plan = plan
        self.parents = parents
        self.kept: Sequence[Any] | None = kept
        self.shape = y.shape
        self.dtype = y.dtype
        self.hooks: list[Callable[[Any], Any]] | None = None

    def contributions(self, g: Any, create_graph: bool) -> Iterator[tuple[Any, Any]]:
        """Yield (parent, its share of the gradient) for the incoming gradient ``g`` of this node's output.

        ``g`` is an array, and so are the shares; with ``create_graph`` they are tensors and have a history too.
        """
        shares = self.plan.shares(g, self._unpack(create_graph), create_graph)
        for parent, share in zip(self.parents, shares, strict=True):
            if share is not None:
                of = parent if type(parent) is Node else parent.array
                if share.shape != of.shape or share.dtype is not of.dtype:
                    share = self.plan.fit(share, of.shape, of.dtype)
                yield parent, share

    def _unpack(self, create_graph: bool) -> list[Any]:
        if self.kept is None:
            raise RuntimeError(
                f"backward: the graph was walked before, and what {self.name()} kept for it is freed. Call "
                "backward(retain_graph=True) the first time if you need to walk it twice. If this happens in a loop, "
                "some tensor was computed before the loop: move that line inside, or detach() it."
            )
        values: list[Any] = []
        for x in self.kept:
            if isinstance(x, TensorBase):
                writes = x._writes
                if writes is not None and writes.last > self.number:
                    raise RuntimeError(
                        f"backward: {self.name()} needs an array of shape {tuple(x.shape)} as it was in the forward "
                        f"pass, but {writes.writer} has overwritten it since. Use the form that makes a new tensor "
                        "(x = x + 1 instead of x += 1), or clone() the tensor before changing it."
                    )
                if not create_graph:
                    x = x.array
            values.append(x)
        at = self.plan.y_at
        if create_graph and at >= 0:
            y = values[at]
            values[at] = tensor_of(y.plain, y.array, self)
        return values

    def release(self) -> None:
        """Let go of the kept arrays and the parents."""
        self.kept = None
        self.parents = []

    # What PyTorch's grad_fn offers to look at

    def name(self) -> str:
        """Return PyTorch's name of this node, ``MulBackward0`` for a multiplication."""
        return str(self.plan.op.node_name)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The parents: nodes, or leaf tensors, each with 0, the number of its output."""
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


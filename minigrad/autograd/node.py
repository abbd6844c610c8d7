"""What is recorded: a tensor knows the node that made it, a node knows its parents and keeps what its rules need."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from minigrad.backend import Array, Shape, array_module

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
        """Date a write by ``writer`` now; if an op recorded it, tensors older than its node are out of date."""
        self.count += 1
        self.writer = writer
        self.last = next(clock)  # after that node, which may itself have kept a view of this memory
        if recorded_as is not None:
            self.last_recorded = recorded_as.number


def date_writes(records: Iterable[Writes], writer: str) -> None:
    """Date a write by ``writer`` into several arrays now."""
    now = next(clock)
    for record in records:
        record.count += 1
        record.last = now
        record.writer = writer


class TensorBase:
    """What autograd knows of a tensor. ``Tensor`` adds everything a user sees."""

    __slots__ = ("_grad", "_hooks", "_requires_grad", "_writes", "array", "is_view", "node")

    array: Array
    node: Node | None  # None for a leaf: a tensor that no recorded op made
    is_view: bool
    _requires_grad: bool
    _grad: TensorBase | None
    _hooks: list[Callable[[Any], Any]] | None  # what to show the gradient of a leaf
    _writes: Writes | None  # None until somebody writes in place or takes a view

    result_class: type[TensorBase]  # the class of results: an op on a Parameter gives a Tensor

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return tensor_of(None, None, cls)

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
            if self.node is not None:  # which may have kept this array as its output
                self.node.writes = self._writes
        return self._writes


_new = object.__new__


def tensor_of(array: Array, node: Node | None = None, cls: Any = None) -> Any:
    """Wrap ``array`` in a tensor, without copying or checking."""
    tensor = _new(cls or TensorBase.result_class)
    tensor.array = array
    tensor.node = node
    tensor.is_view = False
    tensor._requires_grad = node is not None
    tensor._grad = tensor._hooks = tensor._writes = None
    return tensor


class Node:
    """One recorded call of an op: which tensors it came from, and what its derivative rules need.

    ``parents[k]`` is where the gradient of rule ``k`` goes: the node that made that input, or the input itself if
    it is a leaf. ``kept`` holds the values that the rules name and nothing else, so that memory nobody needs is
    freed at once, and ``tensors`` the tensors among them, for their history and their record of writes. The output
    is kept as an array: a node that held the tensor which holds the node would be a circle, and circles are only
    freed by the cycle collector.
    """

    __slots__ = ("__weakref__", "dtype", "hooks", "kept", "number", "parents", "plan", "shape", "tensors", "writes")

    def __init__(self, plan: Any, parents: list[Any], kept: Any, tensors: Sequence[Any], y: Array) -> None:
        self.number = next(clock)
        self.plan = plan  # which rules to run, and on which of the kept values
        self.parents = parents
        self.kept = kept
        self.tensors = tensors
        self.shape = y.shape
        self.dtype = y.dtype
        self.hooks: list[Callable[[Any], Any]] | None = None
        self.writes: Writes | None = None  # to the memory of the output

    def shares(self, g: Any, create_graph: bool) -> list[Any]:
        """Return each parent's share of the gradient ``g`` of this node's output; None for no share.

        ``g`` is an array, and so are the shares; with ``create_graph`` they are tensors and have a history too.
        """
        plan, values = self.plan, self.kept
        if values is None:
            self.refuse_released()
        for x in self.tensors:
            if isinstance(x, TensorBase) and x._writes is not None and x._writes.last > self.number:
                self.refuse_overwritten(x._writes, x.shape)
        if self.writes is not None and self.writes.last > self.number and plan.y_at is not None:
            self.refuse_overwritten(self.writes, self.shape)
        if plan.raw_rule is not None and not create_graph:
            xp = np if type(g) is np.ndarray else array_module(g)
            shares: list[Any] = plan.raw_rule(xp, plan.wanted, g, *plan.pick_raw(values))
            return shares if plan.all_wanted else [shares[k] for k in plan.inputs]
        if create_graph:
            values = plan.with_history(values, self.tensors, self)
        shares = []
        for (rule, pick), x in zip(plan.rules, self.parents):
            share = rule(g, *pick(values))
            # Broadcasting and promotion are undone here and nowhere else: a share is of its input's shape and dtype.
            if type(x) is not Node:
                x = x.array
            if share is not None and (share.shape != x.shape or share.dtype is not x.dtype):
                share = plan.fit(share, x.shape, x.dtype)
            shares.append(share)
        return shares

    def refuse_released(self) -> NoReturn:
        """Explain why this node cannot be walked again."""
        raise RuntimeError(
            f"backward: the graph was walked before, and what {self.name()} kept for it is freed. Call "
            "backward(retain_graph=True) the first time if you need to walk it twice. If this happens in a loop, "
            "some tensor was computed before the loop: move that line inside, or detach() it."
        )

    def refuse_overwritten(self, writes: Writes, shape: Shape) -> None:
        raise RuntimeError(
            f"backward: {self.name()} needs an array of shape {tuple(shape)} as it was in the forward pass, but "
            f"{writes.writer} has overwritten it since. Use the form that makes a new tensor (x = x + 1 instead "
            "of x += 1), or clone() the tensor before changing it."
        )

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


def refuse_stale(x: TensorBase, name: str) -> None:
    """Refuse a tensor whose memory was given a new history through another tensor."""
    assert x._writes is not None
    if x.node.number < x._writes.last_recorded if x.node is not None else x.is_view:
        raise RuntimeError(
            f"{name}: this tensor of shape {tuple(x.shape)} shares memory with one that {x._writes.writer} has "
            "changed since, so its history no longer describes its values. Take the view after the change, or "
            "write without changing in place: y = x * 2 instead of x *= 2."
        )

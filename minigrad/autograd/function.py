"""``Function``: an op of your own, forward and backward in your hands, through the same door as minigrad's."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.grad_mode import is_grad_enabled, no_grad, set_grad_enabled
from minigrad.autograd.node import Node, TensorBase, tensor_of
from minigrad.backend import array_module
from minigrad.ops.op import REQUIRED, Op, Plan, sum_to_size


class Function:
    """Base class of differentiable functions whose backward you write yourself.

    A subclass has two static methods. ``forward(ctx, *args)`` computes with tensors, unrecorded, and returns a
    tensor or a tuple of them. ``backward(ctx, *grads)`` gets one gradient per output and returns one per argument of
    forward: the gradient of its shape, or None. ``ctx`` is the same object in both: it takes tensors to
    :meth:`~Context.save_for_backward` and any attribute. Call the function as ``MyFunction.apply(*args)``.

    Backward is made of tensor operations, so that it can be differentiated in its turn; if it is not (because it goes
    through NumPy, say), decorate it with :func:`once_differentiable`. Prove it with
    :func:`minigrad.autograd.gradcheck`.

    PyTorch's other form works too: ``forward(*args)`` without ctx, and ``setup_context(ctx, inputs, output)``.

    >>> import minigrad
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * 3 * x**2
    >>> x = minigrad.tensor(2.0, requires_grad=True)
    >>> y = Cube.apply(x)
    >>> y.backward()
    >>> y.item(), x.grad.item()
    (8.0, 12.0)
    """

    _doors: dict[int, Op]  # the op of this class for each number of tensors among the arguments
    _exits: dict[int, Plan]  # for functions of several outputs: what the node of output number k does

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._doors, cls._exits = {}, {}

    def __init__(self) -> None:
        name = type(self).__name__
        raise RuntimeError(f"{name}: a Function is not instantiated; call {name}.apply(...)")

    @staticmethod
    def forward(*args: Any) -> Any:
        """Compute the outputs. To be written by the subclass."""
        raise NotImplementedError("Function: write forward(ctx, *args) as a static method of your subclass")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what backward needs, if ``forward`` is written without ctx."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Return the gradient of each argument of forward. To be written by the subclass."""
        raise NotImplementedError(
            f"{ctx.name}: write backward(ctx, *grads) as a static method, returning one gradient for each argument of "
            "forward"
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward, and record it if an argument requires grad."""
        ctx = Context(cls, args)
        result = ctx.run(args)
        tensors = [x for x in args if isinstance(x, TensorBase)]
        if ctx.main is None or not tensors:
            return result
        door = cls._doors.get(len(tensors))
        if door is None:
            door = cls._doors[len(tensors)] = _door(cls, len(tensors))
        return ctx.recorded(door(*tensors, ctx), tensors)


class Context:
    """What a Function's forward hands to its backward: the ``ctx`` of both."""

    def __init__(self, function: type[Function], args: tuple[Any, ...]) -> None:
        self.name = function.__name__
        #: for each argument of forward, whether its gradient will be asked for
        self.needs_input_grad = tuple(isinstance(x, TensorBase) and x._requires_grad for x in args)
        self.main: TensorBase | None = None  # the output that the door returns
        self._function = function
        self._inputs = [k for k, x in enumerate(args) if isinstance(x, TensorBase)]
        self._constants = [None if isinstance(x, TensorBase) else x for x in args]
        self._saved: tuple[Any, ...] = ()
        self._not_differentiable: tuple[Any, ...] = ()
        self._materialize = True
        self._node: Any = None  # a weak reference to the node: the node holds this
        self._pending: dict[int, Any] = {}  # shares computed together, not yet fetched

    # For the author of forward

    def save_for_backward(self, *tensors: TensorBase | None) -> None:
        """Keep inputs, outputs or other tensors; ``saved_tensors`` has them in backward, with their history."""
        for x in tensors:
            if x is not None and not isinstance(x, TensorBase):
                raise TypeError(
                    f"{self.name}: save_for_backward takes tensors, got {type(x).__name__}; keep other things as "
                    "attributes: ctx.name = value"
                )
        self._saved = tensors

    def mark_non_differentiable(self, *outputs: TensorBase) -> None:
        """Say which outputs have no gradient, such as indices; integer outputs have none anyway."""
        self._not_differentiable = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Let backward get None, and not zeros, for an output that was not used."""
        self._materialize = value

    def mark_dirty(self, *tensors: TensorBase) -> None:
        """Refuse: a Function cannot record that it changed its inputs in place."""
        raise NotImplementedError(
            f"{self.name}: mark_dirty is not supported; compute the output out of place and return it"
        )

    # For the author of backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept."""
        node = None if self._node is None else self._node()
        return tuple(self._recalled(x, node) for x in self._saved)

    def _recalled(self, x: Any, node: Any) -> Any:
        if isinstance(x, _Output):
            x = tensor_of(x.array, None if x.node is None else x.node())
        if node is not None and x is not None:
            for writes in (x._writes, None if x.node is None else x.node.writes):
                if writes is not None and writes.last > node.number:
                    node.refuse_overwritten(writes, x.shape)
        return x

    # Recording

    def run(self, args: tuple[Any, ...]) -> Any:
        """Run forward, unrecorded, note what the outputs are, and return them."""
        function = self._function
        with no_grad():
            if function.setup_context is Function.setup_context:
                result = function.forward(self, *args)
            else:
                result = function.forward(*args)
                function.setup_context(self, args, result)
        self._tuple = isinstance(result, tuple)
        outputs = result if isinstance(result, tuple) else (result,)
        if not self._tuple and not isinstance(result, TensorBase):
            raise TypeError(f"{self.name}: forward returned {type(result).__name__}, expected a Tensor or a tuple")
        self._outputs: list[Any] = list(outputs)
        self._differentiable = [
            k
            for k, y in enumerate(outputs)
            if isinstance(y, TensorBase)
            and y.array.dtype.kind == "f"
            and not any(y is other for other in self._not_differentiable)
        ]
        self._kinds = [(y.array.shape, y.array.dtype) if isinstance(y, TensorBase) else None for y in outputs]
        self.main = outputs[self._differentiable[0]] if self._differentiable else None
        return result

    def recorded(self, out: Any, inputs: list[TensorBase]) -> Any:
        """Return the outputs of forward with the history of ``out``, which the door made of the main one."""
        outputs, saved = self._outputs, list(self._saved)
        self._outputs, self.main = [], None  # or this, which the node keeps, would hold the outputs and they the node
        node = out.node
        several = node is not None and len(self._differentiable) > 1
        for k in self._differentiable:
            y = outputs[k]
            made = tensor_of(y.array, Node(self._exit(k), [node], (), (), y.array)) if several else out
            if k != self._differentiable[0] and not several:
                made = tensor_of(y.array)
            outputs[k] = made
            for x in (*inputs, y):
                if x.array is y.array and x._writes is not None:
                    made._writes = x._writes
            saved = [_Output(made) if x is y else x for x in saved]
        if several:
            node.shape = node.dtype = None  # it has several; see _Arrived
        self._saved = tuple(saved) if node is not None else ()
        self._node = None if node is None else weakref.ref(node)
        return tuple(outputs) if self._tuple else outputs[0]

    def _exit(self, k: int) -> Plan:
        plan = self._function._exits.get(k)
        if plan is None:
            leave = Op(_no_forward, {"x": REQUIRED}, 1, promote=None, name=self.name)
            leave.node_name = _node_name(self._function)
            leave.derivative(x=lambda g: _Arrived({k: g}))
            plan = self._function._exits[k] = Plan(leave, 1)
        return plan

    def again(self, *tensors: TensorBase) -> Any:
        """Apply the same function to other tensors, for a check of it alone."""
        args = list(self._constants)
        for k, x in zip(self._inputs, tensors, strict=True):
            args[k] = x
        return self._function.apply(*args)

    # Walking back

    def share(self, g: Any, i: int) -> Any:
        """Return what tensor number ``i`` gets of ``g``, as a tensor with history; all are computed when one is."""
        if not self._pending:
            wanted = [j for j, k in enumerate(self._inputs) if self.needs_input_grad[k]]
            shares = self.shares(g, create_graph=True)
            self._pending = {j: shares[j] for j in wanted}
        return self._pending.pop(i)

    def shares(self, g: Any, create_graph: bool = False) -> list[Any]:
        """Call backward and return a checked tensor, or None, for each tensor among the arguments of forward."""
        arrived = g.by_output if isinstance(g, _Arrived) else {self._differentiable[0]: g}
        grads = []
        for k, kind in enumerate(self._kinds):
            got = arrived.get(k)
            if got is None and kind is not None and self._materialize:
                got = array_module(next(iter(arrived.values()))).zeros(*kind)
            grads.append(got if got is None or isinstance(got, TensorBase) else tensor_of(got))
        with set_grad_enabled(create_graph):
            result = self._function.backward(self, *grads)
        returned = list(result) if isinstance(result, (tuple, list)) else [result]
        while len(returned) > len(self._constants) and returned[-1] is None:
            returned.pop()
        if len(returned) != len(self._constants):
            raise RuntimeError(
                f"{self.name}: backward returned {len(returned)} gradients, expected {len(self._constants)}, one for "
                "each argument of forward; return None where there is none"
            )
        node = self._node()
        parents = iter(node.parents)
        return [
            self._checked(returned[k], k, next(parents)) if self.needs_input_grad[k] else None for k in self._inputs
        ]

    def _checked(self, share: Any, k: int, parent: Any) -> Any:
        """Return one of backward's gradients in its input's shape and dtype, or refuse it."""
        if share is None:
            return None
        x = parent if type(parent) is Node else parent.array
        if not isinstance(share, TensorBase):
            raise TypeError(
                f"{self.name}: backward returned {type(share).__name__} for argument {k}, expected a Tensor"
            )
        if share.array.dtype.kind != "f":
            raise RuntimeError(
                f"{self.name}: backward returned a gradient of {share.dtype} for argument {k}, expected {x.dtype}"
            )
        if share.array.shape != x.shape:
            try:
                fits = np.broadcast_shapes(share.array.shape, x.shape) == share.array.shape
            except ValueError:
                fits = False
            if not fits:
                raise RuntimeError(
                    f"{self.name}: backward returned a gradient of shape {tuple(share.shape)} for argument {k}, "
                    f"expected {tuple(x.shape)}, the shape of that argument"
                )
            share = sum_to_size(share, x.shape)
        return share


class _Output:
    """A saved output. Not the tensor itself: its node holds the context, and a circle would not be freed at once."""

    def __init__(self, y: TensorBase) -> None:
        self.array = y.array
        self.node = None if y.node is None else weakref.ref(y.node)


class _Arrived:
    """The gradients of a Function's outputs, as they arrive one by one: what the walk adds up for its node."""

    shape = dtype = None  # of the node of several outputs too: nothing to be made fit

    def __init__(self, by_output: dict[int, Any]) -> None:
        self.by_output = by_output

    def __add__(self, other: _Arrived) -> _Arrived:
        return _Arrived(self.by_output | other.by_output)


def _door(cls: type[Function], n: int) -> Op:
    """Return the op through which ``cls`` is recorded when ``n`` of its arguments are tensors."""
    names = [f"x{i}" for i in range(n)]
    door = Op(_main_output, dict.fromkeys([*names, "ctx"], REQUIRED), n, promote=None, name=cls.__name__)
    door.node_name = _node_name(cls)
    door.derivative(**{name: _rule(i) for i, name in enumerate(names)})
    door.raw_derivative(_raw_rule)
    return door


def _main_output(xp: Any, *values: Any) -> Any:
    return values[-1].main.array


def _no_forward(xp: Any, x: Any) -> Any:
    raise NotImplementedError


def _rule(i: int) -> Callable[..., Any]:
    return lambda g, ctx: ctx.share(g, i)


def _raw_rule(xp: Any, wanted: Any, g: Any, ctx: Context) -> list[Any]:
    with no_grad():
        shares = ctx.shares(g)
    parents = iter(ctx._node().parents)
    arrays: list[Any] = []
    for share, want in zip(shares, wanted, strict=True):
        x = next(parents) if want else None
        x = x.array if isinstance(x, TensorBase) else x
        arrays.append(None if share is None or x is None else share.array.astype(x.dtype, copy=False))
    return arrays


def _node_name(cls: type[Function]) -> str:
    return f"{cls.__name__}Backward"


# --------------------------------------------------------------------------------------------------------------
# A backward that cannot be differentiated


def _dead_end(xp: Any, value: Any, source: Any, name: str) -> Any:
    """value, which depends on source in a way that is not recorded"""
    return value


def _dead_end_rule(g: Any, name: str) -> Any:
    raise RuntimeError(
        f"{name}: its backward is marked once_differentiable, so there is no second derivative through it. Write it "
        "with tensor operations only, and take the mark away"
    )


_DEAD_END = Op(_dead_end, dict.fromkeys(("value", "source", "name"), REQUIRED), 2, promote=None)
_DEAD_END.derivative(value=_dead_end_rule, source=_dead_end_rule)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``Function.backward`` that leaves tensors, for NumPy say: it is run unrecorded, second order is refused.

    Put it under ``@staticmethod``.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            result = backward(ctx, *grads)
        if not is_grad_enabled():
            return result
        returned = result if isinstance(result, tuple) else (result,)
        blocked = []
        for share in returned:
            if isinstance(share, TensorBase):
                for source in (*ctx._node().parents, *grads):
                    if type(source) is Node:
                        source = tensor_of(share.array, source)
                    if isinstance(source, TensorBase) and source._requires_grad:
                        share = _DEAD_END(share, source, ctx.name)
            blocked.append(share)
        return tuple(blocked)

    return once

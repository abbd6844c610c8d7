"""The one door: every computation on tensors goes through ``Op.__call__``, and nothing else makes a node.

An op is one object with three faces: called with arrays it computes; called with tensors it computes and records;
and it carries its derivative rules, written with the same ops::

    @op
    def mul(xp, a, b, /):
        "a b;   d(a b) = b da + a db"
        return a * b

    mul.derivative(a=lambda g, b: g * b, b=lambda g, a: g * a)

``xp`` is the array module, numpy or cupy. Parameters before the slash are *inputs*, arrays or numbers, which may be
tensors; those behind it are options. A rule's parameter names say what it needs, and the node keeps exactly that:

=============  ===========================================================================================
``g``          the incoming gradient, of the shape of the output
``y``          the output
``x``          (or ``a``, ``weight``, ``dim`` ...) the argument of that name
``x_shape``    only the shape of an input, so that its array is not kept
others         what the forward computed on the way and returned beside ``y``: see ``keeps``
=============  ===========================================================================================

Because rules are made of ops, the same rule runs on arrays in an ordinary ``backward()`` and on tensors when
``create_graph=True`` asks for gradients that can be differentiated again. A rule may return the broadcast shape:
the node sums it back.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from types import MethodType, ModuleType
from typing import Any, overload

import numpy as np

from minigrad.autograd import watch
from minigrad.autograd.grad_mode import mode
from minigrad.autograd.node import Node, TensorBase, refuse_stale, tensor_of
from minigrad.backend import array_module, device_of, is_array
from minigrad.ops.promotion import FLOAT32, FLOAT64, get_default_dtype, result_type

Rule = Callable[..., Any]

# Every op by name, for the tests (an op without samples fails) and the documentation.
registry: dict[str, Op | Variadic] = {}

_PLAIN = (float, int, bool, type(None))  # what an input may be besides an array
NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}  # accepted as PyTorch accepts them


class Op:
    """A differentiable function of arrays. Made by the decorator :func:`op`."""

    def __init__(
        self,
        forward: Callable[..., Any],
        parameters: dict[str, Any],
        n_inputs: int,
        promote: str | None = "same",
        apart: Sequence[str] = (),
        view: bool = False,
        keeps: Sequence[str] = (),
        name: str | None = None,
    ) -> None:
        self.forward = forward
        self.parameters = list(parameters)
        self.inputs = self.parameters[:n_inputs]
        self.promote = promote
        self.view = view
        self.keeps = tuple(keeps)
        self.rules: dict[str, Rule] = {}
        self.raw_rule: Rule | None = None
        self._defaults = {name: default for name, default in parameters.items() if default is not REQUIRED}
        self._promoted = [k for k, name in enumerate(self.inputs) if name not in apart]
        self._arity = len(self.parameters)
        self._inputs = [(k, 1 << k, k in self._promoted) for k in range(len(self.inputs))]
        self._plans: dict[int, Plan] = {}
        self.name = self.__name__ = self.__qualname__ = name or forward.__name__
        self.node_name = "".join(word.capitalize() for word in self.name.split("_")) + "Backward0"
        self.__module__ = forward.__module__
        self.__doc__ = forward.__doc__

    @property
    def __signature__(self) -> Any:
        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        return inspect.Signature(
            [inspect.Parameter(name, kind, default=self._defaults.get(name, empty)) for name in self.parameters]
        )

    def __get__(self, instance: Any, owner: type) -> Any:
        """As an attribute of a class an op is a method: ``x.exp()`` is ``exp(x)``."""
        return self if instance is None else MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<op {self.name}{self.__signature__}>"

    @property
    def formula(self) -> str:
        """What the op computes: the first paragraph of its docstring up to ``;   d``."""
        return self._formulas()[0]

    @property
    def derivative_formula(self) -> str:
        """How its output changes with its inputs: what stands behind; "" if the op has no derivative."""
        return self._formulas()[1]

    def _formulas(self) -> tuple[str, str]:
        paragraph = (self.__doc__ or "").strip().partition("\n\n")[0]
        formula, _, derivative = paragraph.partition(";   ")
        return " ".join(formula.split()), " ".join(derivative.split())

    # ----------------------------------------------------------------------------------------------------------
    # Defining

    def derivative(self, **rules: Rule) -> Op:
        """Set the rule of each named input: from the incoming gradient to that input's share of it."""
        for name, rule in rules.items():
            if name not in self.inputs:
                raise TypeError(f"{self.name}.derivative: {name!r} is not one of its inputs {self.inputs}")
            self.positions(rule, skip=1)  # refuse unknown names here, not in somebody's backward
        self.rules.update(rules)
        self._plans.clear()
        return self

    def raw_derivative(self, rule: Rule) -> Rule:
        """Set one fast rule for all inputs, used on raw arrays only; decorator.

        ``rule(xp, wanted, g, ...)`` returns one share per input, in order, of its shape and dtype; those where
        ``wanted`` says False may be None. It can compute once what the shares have in common, and write in place
        into arrays it made. The plain rules stay the definition: they serve ``create_graph``, and a test holds the
        two equal.
        """
        if self.promote not in ("exact", None):
            raise TypeError(f"{self.name}.raw_derivative: only for ops with promote='exact' or None")
        self.positions(rule, skip=3)
        self.raw_rule = rule
        self._plans.clear()
        return rule

    def positions(self, rule: Rule, skip: int) -> list[int]:
        """Where the values that ``rule`` names stand in a call's pool: arguments, output, keeps, input shapes."""
        pool = [*self.parameters, "y", *self.keeps, *(f"{name}_shape" for name in self.inputs)]
        names = _argument_names(rule)[skip:]
        for name in names:
            if name not in pool:
                raise TypeError(f"{self.name}: a rule asks for {name!r}; it can have g, {', '.join(pool)}")
        return [pool.index(name) for name in names]

    # ----------------------------------------------------------------------------------------------------------
    # Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) != self._arity:
            args = self._bind(args, kwargs)
        # 1. Unwrap: arrays for the forward; parents, and one bit each, for the inputs whose gradient is wanted.
        values = list(args)
        kind = dtype = None
        alike = True
        wanted = 0
        parents: list[Any] = []
        for k, bit, promoted in self._inputs:
            x = args[k]
            if isinstance(x, TensorBase):
                values[k] = array = x.array
                if kind is None:
                    kind, dtype = type(array), array.dtype
                elif type(array) is not kind or (promoted and array.dtype is not dtype):
                    alike = False
                if x._requires_grad:
                    wanted |= bit
                    parents.append(x.node or x)
                if x._writes is not None and x._writes.last_recorded and mode.recording:
                    refuse_stale(x, self.name)
            elif type(x) not in _PLAIN:
                alike = False
        if kind is None:  # called with arrays: compute, that is all
            xp = np if type(values[0]) is np.ndarray else array_module(values[0])
            y = self.forward(xp, *values)
            return y[0] if self.keeps else y
        # 2. Check devices and apply promotion. Floats of one dtype on the CPU need neither.
        xp = np
        if not alike or kind is not np.ndarray or not (dtype is FLOAT32 or dtype is FLOAT64):
            xp = self._reconcile(values)
        # 3. Run the forward.
        try:
            y = self.forward(xp, *values)
        except (ValueError, IndexError, TypeError) as error:
            raise self._explained(error, values) from error
        extras: Sequence[Any] = ()
        if self.keeps:
            y, *extras = y
        if type(y) is not kind and not is_array(y):
            y = xp.asarray(y)  # NumPy's arithmetic on 0-d arrays returns scalars
        out = tensor_of(y)
        if self.view:
            _share_writes(args[0], out)
        # 4. Record.
        if wanted and mode.recording and self.rules:
            plan = self._plans.get(wanted) or self._plan(wanted)
            if not plan.only_arguments:
                values += (y, *extras)
                if plan.needs_shapes:
                    values += [x.shape if is_array(x) else () for x in values[: len(self._inputs)]]
            out.node = Node(plan, parents, plan.keep(values), plan.keep_tensors(args), y)
            out._requires_grad = True
            for look in watch.recorded:
                look(self, args, out)
        elif wanted and watch.cut:
            for look_away in watch.cut:
                look_away(
                    args, f"{self.name}, under no_grad()" if self.rules else f"{self.name}, which has no gradient"
                )
        return out

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return one value per parameter, in order, from positional and named arguments and defaults."""
        given = {self._spelled(name): value for name, value in kwargs.items()}
        bound = list(args)
        for name in self.parameters[len(args) :]:
            if name in given:
                bound.append(given.pop(name))
            elif name in self._defaults:
                bound.append(self._defaults[name])
            else:
                raise TypeError(f"{self.name}{self.__signature__}: missing argument {name!r}")
        if given or len(bound) != len(self.parameters):
            extra = f"unexpected argument {next(iter(given))!r}" if given else f"got {len(args)} arguments"
            raise TypeError(f"{self.name}{self.__signature__}: {extra}")
        return tuple(bound)

    def _spelled(self, name: str) -> str:
        """Return our name of an argument that was given by NumPy's or PyTorch's."""
        if name in self.parameters:
            return name
        if name == "input":
            return self.inputs[0]
        if name in ("other", "exponent", "end", "mat2") and len(self.inputs) > 1:
            return self.inputs[1]
        return NUMPY_NAMES.get(name, name)

    def _reconcile(self, values: list[Any]) -> ModuleType:
        """Refuse mixed devices and bring the inputs to a common dtype, in place; return the array module."""
        inputs = range(len(self.inputs))
        for k in inputs:
            x = values[k]
            if isinstance(x, np.generic):  # as weak as Python's numbers: float32 times np.float64(2) is float32
                values[k] = x.item()
            elif type(x) not in _PLAIN and not is_array(x):
                raise TypeError(
                    f"{self.name}: expected a tensor or a number for {self.inputs[k]!r}, got {type(x).__name__}; "
                    "wrap it in minigrad.tensor(...)"
                )
        arrays = [values[k] for k in inputs if is_array(values[k])]
        on_gpu = [x for x in arrays if not isinstance(x, np.ndarray)]
        if on_gpu:
            if len({str(device_of(x)) for x in arrays if x.ndim or not isinstance(x, np.ndarray)}) > 1:
                self._refuse_devices(values)
            for k in inputs:  # a 0-d constant on the host goes along as a number
                if isinstance(values[k], np.ndarray):
                    values[k] = values[k][()]
        if self.promote is not None:
            dtype = result_type(*(values[k] for k in self._promoted))
            if self.promote == "float" and dtype.kind != "f":
                dtype = get_default_dtype()
            if self.promote == "exact":
                self._refuse_dtypes(values)
            for k in self._promoted:
                if is_array(values[k]) and values[k].dtype != dtype:
                    values[k] = values[k].astype(dtype)
        return array_module(on_gpu[0] if on_gpu else None)

    def _refuse_devices(self, values: list[Any]) -> None:
        where = ", ".join(
            f"{name} {tuple(x.shape)} on {device_of(x)}"
            for name, x in zip(self.inputs, values, strict=False)
            if is_array(x)
        )
        raise RuntimeError(
            f"{self.name}: expected all tensors on one device, got {where}. Move them together first: "
            "x = x.to('cuda'), or model.to('cpu')"
        )

    def _refuse_dtypes(self, values: list[Any]) -> None:
        found = {self.inputs[k]: values[k].dtype for k in self._promoted if is_array(values[k])}
        if len(set(found.values())) > 1:
            raise RuntimeError(
                f"{self.name}: expected inputs of one dtype, got "
                + ", ".join(f"{name} {dtype}" for name, dtype in found.items())
                + "; convert one of them: x.float(), x.double(), or x.to(other.dtype)"
            )

    def _explained(self, error: Exception, values: list[Any]) -> Exception:
        """Say which op was called with what, in the kind of error PyTorch raises."""
        if str(error).startswith(f"{self.name}:"):
            return error
        got = ", ".join(
            f"{name}: {tuple(x.shape)} {x.dtype}" if is_array(x) else f"{name}={x!r}"
            for name, x in zip(self.parameters, values, strict=True)
        )
        kind = next((kind for kind in (IndexError, TypeError) if isinstance(error, kind)), RuntimeError)
        return kind(f"{self.name}: {error} (got {got})")

    def _plan(self, wanted: int) -> Plan:
        plan = self._plans[wanted] = Plan(self, wanted)
        return plan


REQUIRED = object()  # stands where a parameter has no default


def _parameters(forward: Callable[..., Any]) -> tuple[dict[str, Any], int]:
    """Return the parameters of a forward behind ``xp``, with defaults, and how many of them stand before the slash.

    ``inspect.signature`` says the same in thirty times the time, which for 150 ops is felt in every import.
    """
    code = forward.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    parameters = dict.fromkeys(names[1:], REQUIRED)
    defaults = forward.__defaults__ or ()  # of the last positional ones
    parameters.update(zip(names[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True))
    parameters.update(forward.__kwdefaults__ or {})
    return parameters, max(code.co_posonlyargcount - 1, 0)


def _argument_names(rule: Rule) -> Sequence[str]:
    while hasattr(rule, "__wrapped__"):
        rule = rule.__wrapped__
    names: Sequence[str] = rule.__code__.co_varnames[: rule.__code__.co_argcount]
    return names


class Plan:
    """What to keep and which rules to run when just these inputs of an op want a gradient; made once for each case."""

    def __init__(self, op: Op, wanted: int) -> None:
        self.op = op
        self.inputs = [k for k in range(len(op.inputs)) if wanted >> k & 1]
        for k in self.inputs:
            if op.inputs[k] not in op.rules:
                raise RuntimeError(
                    f"{op.name}: not differentiable with respect to {op.inputs[k]!r}, which requires grad; "
                    "detach() it first"
                )
        rules = [op.rules[op.inputs[k]] for k in self.inputs]
        needs = [op.positions(rule, skip=1) for rule in rules]
        raw_needs = [] if op.raw_rule is None else op.positions(op.raw_rule, skip=3)
        kept = sorted({position for need in [*needs, raw_needs] for position in need})
        y = len(op.parameters)
        self.keep = _picker(kept)
        self.y_at = kept.index(y) if y in kept else None
        self.only_arguments = all(position < y for position in kept)
        self.needs_shapes = any(position > y + len(op.keeps) for position in kept)
        tensors = [position for position in kept if position < len(op.inputs)]
        self.keep_tensors = _picker(tensors)
        self.tensors_at = [kept.index(position) for position in tensors]
        self.rules = [(rule, _picker(map(kept.index, need))) for rule, need in zip(rules, needs, strict=True)]
        self.raw_rule = op.raw_rule
        self.pick_raw = _picker(map(kept.index, raw_needs))
        self.wanted = [k in self.inputs for k in range(len(op.inputs))]
        self.all_wanted = all(self.wanted)
        self.fit = fit

    def with_history(self, values: Sequence[Any], tensors: Sequence[Any], node: Node) -> list[Any]:
        """Return the kept values with tensors in place of arrays, so that rules are recorded in their turn."""
        values = list(values)
        for at, tensor in zip(self.tensors_at, tensors, strict=True):
            values[at] = tensor
        if self.y_at is not None:
            values[self.y_at] = tensor_of(values[self.y_at], node)
        return values


def _picker(at: Iterable[int]) -> Callable[[Any], Any]:
    """Return a function from a sequence to its elements at some positions, as a sequence, however many they are."""
    positions = list(at)
    if len(positions) < 2:  # itemgetter(3) would return the element itself
        start = positions[0] if positions else 0
        return itemgetter(slice(start, start + len(positions)))
    return itemgetter(*positions)


@overload
def op(function: Callable[..., Any]) -> Op: ...


@overload
def op(
    *,
    promote: str | None = "same",
    apart: Sequence[str] = (),
    view: bool = False,
    keeps: Sequence[str] = (),
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Op]: ...


def op(
    function: Callable[..., Any] | None = None,
    *,
    promote: str | None = "same",
    apart: Sequence[str] = (),
    view: bool = False,
    keeps: Sequence[str] = (),
    name: str | None = None,
) -> Any:
    """Make an op of a forward function on arrays; decorator.

    Parameters
    ----------
    promote : {"same", "float", "exact", None}
        Inputs are brought to a common dtype; to a floating one; must have one dtype; or are left as they are.
    apart : sequence of str
        Inputs that take no part in promotion: masks, indices, labels.
    view : bool
        The output looks at the memory of the first input.
    keeps : sequence of str
        The forward returns a tuple of the output and these values, which rules can ask for by name.
    name : str, optional
        What users call it, where the forward's own name would hide one of Python's.
    """

    def make(forward: Callable[..., Any]) -> Op:
        made = Op(forward, *_parameters(forward), promote, apart, view, keeps, name)
        known = registry.get(made.name, made)
        # A user's op of the name of one of ours is another op, and hides nothing.
        registry[made.name if known.__module__ == made.__module__ else f"{made.__module__}.{made.name}"] = made
        return made

    return make if function is None else make(function)


class Variadic:
    """An op of any number of inputs: a family of ops, one for each number, made when first used. Decorator.

    Its derivative is given once, as a function from the number of an input to that input's rule.
    """

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward = forward
        self.options = _parameters(forward)[0]
        self.name = self.__name__ = forward.__name__
        self.__doc__ = forward.__doc__
        self._rule: Callable[[int], Rule] | None = None
        self.of = functools.cache(self._of)
        registry[self.name] = self

    def derivative(self, rule: Callable[[int], Rule]) -> Variadic:
        """Set ``rule(i)``, the rule of input number i."""
        self._rule = rule
        return self

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.of(len(inputs))(*inputs, **options)

    def _of(self, n: int) -> Op:
        names = [f"x{i}" for i in range(n)]

        @functools.wraps(self.forward)
        def forward(xp: Any, *values: Any) -> Any:
            return self.forward(xp, *values[:n], **dict(zip(self.options, values[n:], strict=True)))

        member = Op(forward, dict.fromkeys(names, REQUIRED) | self.options, n)
        if self._rule is not None:
            member.derivative(**{name: self._rule(i) for i, name in enumerate(names)})
        return member


def _share_writes(base: TensorBase, view: TensorBase) -> None:
    """Let a view that looks at its base's memory share the record of writes to it."""
    x, y = base.array, view.array
    if y is x or (y.base is not None and (y.base is x or y.base is x.base)):
        view._writes = base.writes()
        view.is_view = True


# --------------------------------------------------------------------------------------------------------------
# Undoing what the door does to inputs: broadcasting and promotion


@op(promote=None)
def sum_to_size(xp: Any, x: Any, /, size: tuple[int, ...]) -> Any:
    """sum of x over the dimensions that broadcasting added or stretched from size"""
    if x.shape == size:
        return x
    leading = x.ndim - len(size)
    stretched = [d + leading for d, n in enumerate(size) if n == 1 and x.shape[d + leading] != 1]
    return x.sum(axis=(*range(leading), *stretched)).reshape(size)


@op(promote=None, view=True)
def broadcast_to(xp: Any, x: Any, /, size: tuple[int, ...]) -> Any:
    """x repeated along new and stretched dimensions, without copying"""
    return xp.broadcast_to(x, size)


@op(promote=None)
def cast(xp: Any, x: Any, /, dtype: Any) -> Any:
    """x in another floating dtype"""
    return x.astype(dtype)


sum_to_size.derivative(x=lambda g, x_shape: broadcast_to(g, x_shape))
broadcast_to.derivative(x=lambda g, x_shape: sum_to_size(g, x_shape))
cast.derivative(x=lambda g: g)  # the node casts a share to its parent's dtype


def fit(share: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return a rule's result in the shape and dtype of the input it belongs to."""
    if share.shape != shape:
        share = sum_to_size(share, shape)
    return share if share.dtype == dtype else cast(share, dtype)

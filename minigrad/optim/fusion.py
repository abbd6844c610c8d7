"""A whole update as one kernel on a GPU, made from the same ``update`` that runs on the CPU.

On a GPU each call in an update starts a kernel, which fetches its arrays from memory and puts one back: Adam's twelve
calls are twelve starts and twenty-eight passes over memory. A kernel that does everything to an element while it has it
at hand takes one start and seven passes. Nobody needs to write it. ``update`` is run with *symbols* in the place of its
arrays, each of which stands for one element, and in the place of ``xp`` with something that writes down what is done to
them. Of ::

    m *= beta1
    m += xp.multiply(g, 1 - beta1, out=s)

this is left, which is C::

    b0 = b0 * c0;
    s0 = g * c1;
    b0 = b0 + s0;

p is the parameter and g its gradient, b0, b1, ... are the buffers, s0, s1, ... is scratch, and t1, t2, ... is what an
operator made. Every number is an argument of the kernel, c0, c1, ..., so that another learning rate needs no other
kernel. What Python decides, by an option or by the step, it decides while this is written down. That is done anew in
every step, so it cannot be out of date, and takes less time than the calls would. Only statements that were never seen
before are compiled.

An ``update`` that does more than arithmetic with single elements, such as a sum, asks the symbols for something they
cannot do. Nothing has been changed by then, and the update is run as on the CPU, call by call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from types import MappingProxyType, ModuleType
from typing import Any

from minigrad.backend import Array
from minigrad.optim.blocks import Block

_OPERATORS = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "truediv": "{} / {}", "lt": "{} < {}", "le": "{} <= {}",
    "gt": "{} > {}", "ge": "{} >= {}", "eq": "{} == {}", "ne": "{} != {}",
}  # fmt: skip
_FUNCTIONS = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}", "true_divide": "{} / {}",
    "negative": "-{}", "abs": "abs({})", "absolute": "abs({})", "sign": "sign({})", "square": "square({})",
    "sqrt": "sqrt({})", "exp": "exp({})", "log": "log({})", "tanh": "tanh({})", "maximum": "maximum({}, {})",
    "minimum": "minimum({}, {})", "clip": "minimum(maximum({}, {}), {})",
}  # fmt: skip
_NOT_IN_C = """
__device__ T sign(T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; }
__device__ T square(T x) { return x * x; }
__device__ T maximum(T a, T b) { return a > b || a != a ? a : b; }  // NaN if one of them is
__device__ T minimum(T a, T b) { return a < b || a != a ? a : b; }
__device__ T where(bool chosen, T a, T b) { return chosen ? a : b; }
"""


class NotElementwise(Exception):
    """An update asked for something that cannot be done with single elements."""


class Program:
    """What is done to one element: statements in C, and the numbers in them."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.statements: list[str] = []
        self.numbers: list[float] = []

    def name(self, x: Any, kind: str = "T") -> str:
        """Return what ``x`` is called in C, a symbol of this kind or a number."""
        if isinstance(x, Symbol) and x.program is self and x.kind == kind:
            return x.name
        if kind != "T" or not isinstance(x, (int, float)):
            raise NotElementwise(f"expected an array or a number, got {x!r}")
        self.numbers.append(x)
        return f"c{len(self.numbers) - 1}"

    def record(self, expression: str, *operands: Any, out: Any = None) -> Symbol:
        """Write an expression down, and return where its value is: in ``out``, or in a new symbol."""
        if expression.count("{}") != len(operands):
            raise NotElementwise(f"{expression} of {len(operands)} operands")
        value = expression.format(*map(self.name, operands))
        if out is None:
            kind = "bool" if set("<>!=") & set(expression) else "T"
            new = Symbol(self, f"t{len(self.statements)}", kind)
            self.statements.append(f"{kind} {new.name} = {value}")
            return new
        if not isinstance(out, Symbol) or out.name == "g":  # the gradient is not to be changed
            raise NotElementwise(f"cannot write into {out!r}")
        self.statements.append(f"{self.name(out)} = {value}")
        return out


class Symbol:
    """Stands for an array, and is one element of it; what is done with it is written down."""

    __array_ufunc__ = None  # NumPy's functions leave it alone
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, program: Program, name: str, kind: str = "T") -> None:
        self.program, self.name, self.kind, self.dtype = program, name, kind, program.dtype

    def __setitem__(self, key: Any, value: Any) -> None:
        if key is not Ellipsis and key != slice(None):
            raise NotElementwise(f"a part of an array, {key!r}")
        self.program.record("{}", value, out=self)

    def __bool__(self) -> bool:
        raise NotElementwise("a decision that depends on an element")

    def __pow__(self, exponent: Any) -> Symbol:
        return self.program.record({2: "square({})", 0.5: "sqrt({})"}[exponent], self)

    __neg__ = lambda self: self.program.record("-{}", self)
    __abs__ = lambda self: self.program.record("abs({})", self)


def _operator(name: str, expression: str) -> None:
    setattr(Symbol, f"__{name}__", lambda a, b: a.program.record(expression, a, b))
    if name in ("add", "sub", "mul", "truediv"):
        setattr(Symbol, f"__r{name}__", lambda a, b: a.program.record(expression, b, a))
        setattr(Symbol, f"__i{name}__", lambda a, b: a.program.record(expression, a, b, out=a))


for _name, _expression in _OPERATORS.items():
    _operator(_name, _expression)


def _record(expression: str, *operands: Any, out: Any = None) -> Symbol:
    for x in operands:
        if isinstance(x, Symbol):
            return x.program.record(expression, *operands, out=out)
    raise NotElementwise(f"{expression} of numbers alone")


def _where(condition: Symbol, a: Any, b: Any) -> Symbol:
    name = condition.program.name(condition, "bool")
    return condition.program.record(f"where({name}, {{}}, {{}})", a, b)


RECORDER = ModuleType("recorder", "Stands in for ``xp``: its functions write down what NumPy's would do.")
vars(RECORDER).update({name: partial(_record, expression) for name, expression in _FUNCTIONS.items()}, where=_where)
vars(RECORDER).update(array=lambda value, dtype: value)  # of ``backend.constants``


@lru_cache(maxsize=256)
def kernel(cupy: ModuleType, statements: str, numbers: int, buffers: int, scratch: int) -> Callable[..., None]:
    """Return a kernel that does this; CuPy compiles it for each dtype it is called with, and keeps that on disk.

    P is the element of p in memory, and p a copy at hand. Were it P all along, C would have to put it back after every
    statement: for all it knows, g may lie in the same place.
    """
    changed = ["p", *(f"b{k}" for k in range(buffers))]
    operation = [
        *(f"T {x} = {x.upper()}" for x in changed),
        *(f"T s{k}" for k in range(scratch)),
        statements,
        *(f"{x.upper()} = {x}" for x in changed),
    ]
    return cupy.ElementwiseKernel(  # type: ignore[no-any-return]
        ", ".join(["T g", *(f"T c{k}" for k in range(numbers))]),
        ", ".join(f"T {x.upper()}" for x in changed),
        "; ".join(operation),
        "minigrad_update",
        preamble=_NOT_IN_C,
        no_return=True,
    )


def update_in_one_kernel(optimizer: Any, block: Block, g: Array, group: dict[str, Any]) -> bool:
    """Update a block by one kernel and return True; or False, with nothing changed, if it takes more than one."""
    program = Program(block.p.dtype)
    p, gradient = Symbol(program, "p"), Symbol(program, "g")
    buffers = {name: Symbol(program, f"b{k}") for k, name in enumerate(block.buffers)}
    scratch = [Symbol(program, f"s{k}") for k in range(optimizer.scratch_arrays)]
    try:
        optimizer.update(RECORDER, p, gradient, MappingProxyType({**buffers, **block.scalars}), group, scratch)
    except Exception:  # whatever is wrong, the update itself will say
        return False
    run = kernel(block.xp, "; ".join(program.statements), len(program.numbers), len(buffers), len(scratch))
    run(g, *program.numbers, block.p, *block.buffers.values())
    return True

"""CuPy's ElementwiseKernel without a GPU: the statements that C would do to each element, NumPy does to whole arrays.

Statements are declarations and assignments, ``T t0 = a * b`` or ``p = p - t0``; the right sides are read alike by C and
Python. As in C a name must be declared before it is assigned to, has a value before it is read, and keeps its type.
What a function of the preamble does is known by its name; that C agrees, a compiler says in
``tests/optim/test_fusion.py``.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np

_OF_CUDA = {"abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh}
_OF_PREAMBLES = {
    "maximum": np.maximum, "minimum": np.minimum, "sign": np.sign, "square": np.square, "where": np.where,
}  # fmt: skip
_STATEMENT = re.compile(r"(?:(\w+) )?(\w+)(?: = (.*\S))?")


class CompileError(Exception):
    """What the compiler would not take."""


class Parameter:
    """One of ``"T x, T y"``: a single letter stands for any type, the same for all that have it."""

    def __init__(self, text: str) -> None:
        *keywords, kind, self.name = text.split() if len(text.split()) > 1 else ["", "", ""]
        if not self.name:
            raise Exception(f"Syntax error: {text}")
        if keywords:
            raise NotImplementedError(f"the stand-in's kernels know no {' '.join(keywords)}")
        self.kind = kind if len(kind) == 1 else np.dtype(kind)


def _parameters(text: str) -> list[Parameter]:
    return [Parameter(part) for part in text.strip().split(",")] if text else []


class ElementwiseKernel:
    """Statements for each element of the arrays it is called with, inputs first; outputs may be read as well."""

    def __init__(
        self, in_params: str, out_params: str, operation: str, name: str = "kernel", reduce_dims: bool = True,
        preamble: str = "", no_return: bool = False, return_tuple: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        if not re.match("^[a-zA-Z_][a-zA-Z_0-9]*$", name):
            raise ValueError(f'Invalid kernel name: "{name}"')
        self.name, self.operation, self.preamble = name, operation, preamble
        self._in, self._out = _parameters(in_params), _parameters(out_params)
        self.nin, self.nout, self.nargs = len(self._in), len(self._out), len(self._in) + len(self._out)
        self._returns = None if no_return else tuple if return_tuple or self.nout != 1 else "one"
        if "i" in [p.name for p in (*self._in, *self._out)]:
            raise ValueError("Can not use 'i' as a parameter name")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        cupy = sys.modules[__package__]
        if kwargs.keys() - {"size", "stream", "block_size"}:
            raise TypeError(f"Wrong arguments {kwargs}")
        if len(args) not in (self.nin, self.nargs):
            raise TypeError(
                f"Wrong number of arguments for {self.name!r}. It must be either {self.nin} or {self.nargs} (with "
                f"outputs), but given {len(args)}."
            )
        for x in args:
            if not isinstance(x, (cupy.ndarray, bool, int, float, np.generic)):
                raise TypeError(f"Unsupported type {type(x)}")
        arrays = [x for x in args if isinstance(x, cupy.ndarray)]
        if not arrays:
            raise ValueError("Loop size is undecided.")
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
        outs = args[self.nin :]
        for x in outs:
            if not isinstance(x, cupy.ndarray):
                raise TypeError("Output arguments type must be cupy.ndarray")
            if x.shape != shape:
                raise ValueError("Out shape is mismatched")
        dtypes = self._dtypes(args[: self.nin], outs, cupy)
        outs = outs or tuple(cupy.empty(shape, dtypes[p.kind]) for p in self._out)
        cupy.launches += 1
        self._run(shape, args[: self.nin], outs, dtypes, cupy)
        return None if self._returns is None else outs if self._returns is tuple else outs[0]

    def _dtypes(self, ins: Any, outs: Any, cupy: Any) -> dict[Any, np.dtype]:
        """What each letter stands for, which numbers do not decide."""
        found: dict[Any, np.dtype] = {p.kind: p.kind for p in (*self._in, *self._out) if isinstance(p.kind, np.dtype)}
        for p, x in (*zip(self._out, outs), *zip(self._in, ins)):
            if isinstance(x, cupy.ndarray) and found.setdefault(p.kind, x.dtype) != x.dtype:
                raise TypeError(f"Type is mismatched. {p.name} {x.dtype} {found[p.kind]} {p.kind}")
        return found

    def _run(self, shape: Any, ins: Any, outs: Any, dtypes: dict[Any, np.dtype], cupy: Any) -> None:
        values: dict[str, Any] = {}
        kinds = {p.name: dtypes[p.kind] for p in (*self._in, *self._out)}
        for p, x in zip(self._in, ins):
            values[p.name] = np.broadcast_to(np.asarray(cupy._unwrap(x), kinds[p.name]), shape)
        values |= {p.name: x._a for p, x in zip(self._out, outs)}
        functions = _OF_CUDA | {name: f for name, f in _OF_PREAMBLES.items() if f" {name}(" in self.preamble}
        types = {"bool": np.dtype(bool), "float": np.dtype("f"), "double": np.dtype("d"), **dtypes}
        constant = {p.name for p in self._in}
        for statement in filter(None, map(str.strip, self.operation.split(";"))):
            match = _STATEMENT.fullmatch(statement)
            if not match:
                raise CompileError(f"the stand-in cannot read {statement!r}")
            kind, name, expression = match.groups()
            if (kind is not None) == (name in kinds) or name in constant or (kind and kind not in types):
                raise CompileError(f"{statement!r}: unknown, declared twice, or constant")
            kinds[name] = kinds[name] if kind is None else types[kind]
            if expression is None:
                continue
            with np.errstate(all="ignore"):
                try:
                    value = eval(expression, {"__builtins__": {}}, functions | values)
                except (NameError, SyntaxError) as error:
                    raise CompileError(f"{statement!r}: {error}") from None
            if kind is None and name in values:
                values[name][...] = value
            else:
                values[name] = np.array(np.broadcast_to(value, shape), kinds[name])

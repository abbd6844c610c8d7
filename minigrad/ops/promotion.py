"""Which dtype an op computes in: PyTorch's rules, which are not NumPy's.

NumPy goes by safety (int64 with float32 gives float64, because float32 cannot hold every int64); PyTorch goes by
category, bool < integer < float, and never widens float32 because of an integer. Within the highest category,
tensors with dimensions decide, then 0-d tensors, then Python numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
INT32, INT64, BOOL = np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.bool_)

PYTORCH_NAMES = {
    **{"float32": "Float", "float64": "Double", "bool": "Bool"},
    **{"int64": "Long", "int32": "Int", "int16": "Short", "int8": "Char", "uint8": "Byte"},
}

_default = FLOAT32


def get_default_dtype() -> Any:
    """Return the dtype of tensors made from Python floats: float32 unless ``set_default_dtype`` changed it."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make tensors from Python floats have ``dtype`` (float32 or float64) from now on."""
    global _default
    if np.dtype(dtype) not in (FLOAT32, FLOAT64):
        raise TypeError(f"set_default_dtype: expected float32 or float64, got {dtype}")
    _default = np.dtype(dtype)


def checked_dtype(dtype: Any) -> Any:
    """Return a NumPy dtype that minigrad computes in; refuse the others with a sentence."""
    found = np.dtype(dtype)
    found = np.dtype(found.type)  # NumPy's one object for it, in this machine's byte order: ops compare with ``is``
    if found.kind not in "biuf" or found.itemsize > 8:
        raise TypeError(
            f"dtype {found}: minigrad computes in booleans, integers, float32 and float64 "
            "(complex, strings and objects are not supported)"
        )
    if found == np.float16:
        raise TypeError("dtype float16: half precision is slow and inexact on the CPU; use float32")
    return found


def category(dtype: Any) -> int:
    """Return 0 for booleans, 1 for integers, 2 for floats."""
    return {"b": 0, "u": 1, "i": 1, "f": 2}.get(dtype.kind, 3)


def join(a: Any, b: Any) -> Any:
    """Join two dtypes: the one of the higher category, or the one that holds both."""
    if a is None or b is None:
        return b if a is None else a
    if category(a) != category(b):
        return a if category(a) > category(b) else b
    return np.promote_types(a, b)


def of_number(x: object) -> Any:
    """Return the dtype a Python or NumPy number has as a tensor of its own."""
    if isinstance(x, np.generic):
        return x.dtype
    if isinstance(x, bool):
        return BOOL
    return INT64 if isinstance(x, int) else _default


def result_type(*operands: Any) -> Any:
    """Return the dtype in which arrays and numbers are combined.

    >>> result_type(np.zeros(2, np.int64), np.zeros(2, np.float32))
    dtype('float32')
    >>> result_type(np.zeros(2, np.float32), np.zeros((), np.float64))
    dtype('float32')
    >>> result_type(np.zeros(2, np.int64), 0.5)
    dtype('float32')
    """
    dimensioned = scalar = number = None
    for x in operands:
        if x is None:
            continue
        if isinstance(x, (bool, int, float, np.generic)):
            number = join(number, of_number(x))
        elif x.ndim:
            dimensioned = join(dimensioned, x.dtype)
        else:
            scalar = join(scalar, x.dtype)
    result = None
    for candidate in (dimensioned, scalar, number):  # a later one counts only if its category is higher
        if result is None or (candidate is not None and category(candidate) > category(result)):
            result = candidate
    return result

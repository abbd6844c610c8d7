"""Samples of the sheet ``sorting``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import TIES, F, I, M, T, call, row

ODD = F([[3.0, math.nan, 1.0, 2.0], [2.0, 1.0, math.inf, -math.inf]])
LINES = [call(T(2, 4)), call(T(4, 2), 0), call(T(2, 5, 2), 1), call(T(5)), call(T()), call(T(0, 2), 0)]
PARTS = [call(T(2, 5), 2), call(T(5, 2), 1, 0), call(T(2, 4, 2), 4, -2), call(T(3), 3), call(T(), 1)]
ROWS_OF = [call(T(2, 5), 1), call(T(4, 2), 0), call(T(2, 3, 2), -2, True), call(T(), 0)]
EQUAL = [call(TIES), call(F([[1.0, 1.0, 3.0], [1.0, 5.0, 6.0]]))]
REPEATS = F([[2.0, 1.0, 2.0, 1.0], [3.0, 3.0, 4.0, 4.0], [7.0, 6.0, 5.0, 6.0]])
REPEATED = I([[2, 1, 2, 1], [3, 3, 4, 4], [7, 6, 5, 6]])


def lines(f: Callable[..., Any]) -> Callable[..., Any]:
    """Apply ``f``, which returns (values, indices) of one row, along ``dim``."""

    def reference(x: Any, *args: Any, dim: int = -1, **options: Any) -> Any:
        line = np.moveaxis(x.reshape(x.shape or (1,)), dim, -1)
        found = [np.apply_along_axis(lambda a, k=k: f(a, *args, **options)[k], -1, line) for k in (0, 1)]
        if found[0].ndim < line.ndim or not x.ndim:
            return tuple(y.reshape(y.shape if x.ndim else ()) for y in found)
        return tuple(np.moveaxis(y, -1, dim) for y in found)

    return reference


def np_sort(x: Any, dim: int = -1, descending: bool = False) -> Any:
    if not x.size:
        return x, x

    def one(a: Any) -> Any:
        at = sorted(range(len(a)), key=lambda k: (-a[k] if descending else a[k], k))
        return a[at], np.array(at)

    return lines(one)(x, dim=dim)


def np_topk(x: Any, k: int, dim: int = -1, largest: bool = True) -> Any:
    values, indices = np_sort(x, dim, largest)
    cut = [np.moveaxis(np.moveaxis(y.reshape(x.shape or (1,)), dim, 0)[:k], 0, dim) for y in (values, indices)]
    return tuple(y.reshape(y.shape if x.ndim else ()) for y in cut)


def at_rank(rank: Callable[[Any], int]) -> Callable[..., Any]:
    def reference(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
        k = rank(x.shape[dim] if x.ndim else 1)
        values, indices = (np.sort(x, dim), np.argsort(x, dim)) if x.ndim else (x, np.zeros((), int))
        if not x.ndim:
            return values, indices
        found = [np.take(y, [k], dim) for y in (values, indices)]
        return tuple(y if keepdim else y.squeeze(dim) for y in found)

    return reference


def np_kthvalue(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    return at_rank(lambda n: k - 1)(x, dim, keepdim)


def np_median(x: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    if dim is None:
        return np.sort(x.ravel())[(x.size - 1) // 2]
    return at_rank(lambda n: (n - 1) // 2)(x, dim, keepdim)


def np_mode(x: Any, dim: int = -1, keepdim: bool = False) -> Any:
    def one(a: Any) -> Any:
        count = Counter(a.tolist())
        value = min(v for v in count if count[v] == max(count.values()))
        return value, max(k for k in range(len(a)) if a[k] == value)

    values, indices = lines(one)(x, dim=dim)
    return (np.expand_dims(values, dim), np.expand_dims(indices, dim)) if keepdim else (values, indices)


def np_unique(x: Any, sorted: bool = True, inverse: bool = False, counts: bool = False, dim: int | None = None) -> Any:
    found = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    wanted = [found[0], *([found[1]] if inverse else []), *([found[2]] if counts else [])]
    return wanted if len(wanted) > 1 else wanted[0]


def np_runs(x: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    rows = list(x.ravel() if dim is None else np.moveaxis(x, dim, 0))
    first = [k for k in range(len(rows)) if k == 0 or not np.array_equal(rows[k], rows[k - 1])]
    number = np.array([sum(f <= k for f in first) - 1 for k in range(len(rows))])
    values = np.moveaxis(np.array([rows[k] for k in first]), 0, dim or 0)
    result = [values, *([number.reshape(x.shape if dim is None else -1)] if return_inverse else [])]
    result += [np.diff([*first, len(rows)])] if return_counts else []
    return result if len(result) > 1 else result[0]


def np_position(sequence: Any, values: Any, right: bool = False) -> Any:
    if sequence.ndim == 1:
        return np.searchsorted(sequence, values, "right" if right else "left")
    return np.array([np_position(s, v, right) for s, v in zip(sequence, values, strict=True)])


RISING = F([1.0, 2.0, 2.0, 5.0])
SEQUENCES = F([[1.0, 2.0, 2.0, 5.0, 7.0], [-3.0, -1.0, 0.0, 0.0, 4.0]])
SOUGHT = F([[2.0, 0.0, 9.0], [0.0, -1.5, 4.0]])
SEARCHES = [call(RISING, SOUGHT), call(RISING, SOUGHT, right=True), call(SEQUENCES, SOUGHT),
            call(SEQUENCES, SOUGHT, right=True), call(RISING, F(2.0))]  # fmt: skip
WHOLE = dict(gradient=False, dtype="int64")

# fmt: off
ROWS = [
    row("argsort", lambda *args: np_sort(*args)[1], *LINES[:-1], *EQUAL, call(TIES, 1, True), call(T(2, 4), -1, True),
        torch=lambda x, dim=-1, descending=False: x.argsort(dim=dim, descending=descending, stable=True), **WHOLE),
    row("sort", np_sort, *LINES, call(T(2, 4), 1, True), call(T(4), descending=True), ints="int64", kinks=[
        *EQUAL, call(TIES, 1, True), call(ODD), call(ODD, 1, True), call(ODD, 0, True)]),
    row("msort", lambda x: np.sort(x, 0), call(T(4, 2)), call(T(3)), ints="int64"),
    row("_argtop", lambda x, k, dim, largest: np_topk(x, k, dim, largest)[1], call(T(2, 5), 2, -1, True),
        call(T(5, 2), 3, 0, False), torch=lambda x, k, dim, largest: x.topk(k, dim, largest).indices, **WHOLE),
    row("topk", np_topk, *PARTS, *(call(*c.args, largest=False) for c in PARTS),
        kinks=[call(ODD, 2), call(ODD, 3, largest=False), call(T(2, 3), 0)]),
    row("_argkth", lambda x, k, dim: np_kthvalue(x, k, dim, True)[1], call(T(2, 5), 2, 1), call(T(), 1, 0),
        torch=lambda x, k, dim: x.kthvalue(k, dim, True).indices, **WHOLE),
    row("kthvalue", np_kthvalue, *PARTS, call(T(2, 5), 3, 1, True), kinks=[call(ODD, 3), call(ODD, 4)]),
    row("_argmedian", lambda x, dim, ignore_nan: np_median(x, dim, True)[1], call(T(2, 5), 1, False),
        call(T(2, 4), 1, True), torch=lambda x, dim, ignore_nan: x.median(dim, True).indices, **WHOLE),
    row("_shared_entry", lambda x, at: x[at], call(T(4), I(2)), torch=lambda x, at: x[at]),
    row("median", np_median, *ROWS_OF, call(T(2, 3)), call(T(4)), call(T()), ints="int64",
        kinks=[call(ODD), call(ODD, 1), call(TIES), call(F([2.0, 1.0, 2.0, 2.0, 5.0]))]),
    row("nanmedian", np_median, *ROWS_OF, call(T(2, 3)), call(T(4)), call(T()), ints="int64",
        kinks=[call(ODD), call(ODD, 1), call(ODD, 0), call(TIES), call(F([math.nan]))]),
    row("_argmode", lambda x, dim: np_mode(x, dim)[1].reshape(x.shape[0], 1), call(T(2, 3), 1),
        torch=lambda x, dim: x.mode(dim, True).indices, **WHOLE),
    row("mode", np_mode, call(T(2, 3)), call(T(2, 3), 0), call(T(2, 3), 1, True), call(T()), call(T(3)),
        kinks=[call(REPEATS), call(REPEATS, 0, True), call(REPEATED)], ints="int64"),
    row("unique", np_unique, call(F([2.0, 1.0, 2.0])), call(REPEATED, True, True, True),
        call(REPEATED, True, False, True),
        call(I([[1, 2, 1], [1, 2, 1], [0, 3, 0]]), True, True, True, 0), call(I([[1, 2, 1], [0, 3, 0]]), dim=1),
        call(M([True, True])), gradient=False, reads=True),
    row("unique_consecutive", np_runs, call(F([2.0, 1.0, 1.0])), call(REPEATED, True, True),
        call(REPEATED, return_counts=True),
        call(I([[1, 2], [1, 2], [0, 3], [1, 2]]), return_inverse=True, dim=0), call(I([[1, 1, 2], [0, 0, 3]]), dim=1),
        gradient=False, reads=True),
    row("_position", np_position, call(RISING, SOUGHT, False), call(SEQUENCES, SOUGHT, True),
        torch=lambda a, v, right: __import__("torch").searchsorted(a, v, right=right), **WHOLE),
    row("searchsorted", np_position, *SEARCHES, **WHOLE),
    row("bucketize", lambda x, boundaries, right=False: np.searchsorted(boundaries, x, "right" if right else "left"),
        call(SOUGHT, RISING), call(SOUGHT, RISING, right=True), call(F(2.0), RISING), **WHOLE),
    row("_isin", lambda a, b, invert: np.isin(a, b, invert=invert), call(SOUGHT, RISING, False), gradient=False,
        torch=lambda a, b, invert: __import__("torch").isin(a, b), dtype="bool"),
    row("isin", lambda a, b, invert=False: np.isin(a, b, invert=invert), call(SOUGHT, RISING),
        call(I([1, 2]), I([2]), invert=True), call(I([[1], [2]]), 2), gradient=False, dtype="bool"),
]
# fmt: on

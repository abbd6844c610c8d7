"""The text of a tensor, character for character as PyTorch prints it.

A tensor becomes text in four steps, one function each: pick the elements that are shown, write them all in one notation
and one width, set them in brackets, and add what else is worth knowing (`dtype=...`, `grad_fn=...`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

__all__ = ["format_tensor", "printoptions", "set_printoptions"]


class _Options(NamedTuple):
    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_PROFILES = {
    "default": _Options(),
    "short": _Options(precision=2, edgeitems=2),
    "full": _Options(threshold=math.inf),
}
_options = _Options()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed from now on; what is not given keeps its value.

    The exception is `sci_mode`, as in PyTorch: a call without it goes back to the automatic choice.

    Parameters
    ----------
    precision
        Digits after the point (4).
    threshold
        A tensor with more elements than this is summarised with "..." (1000). `math.inf` for never.
    edgeitems
        Elements shown at each end of a summarised dimension (3).
    linewidth
        Columns in a line (80).
    profile
        Values to start from: "default", "short" (2 digits, 2 edge items) or "full" (never summarised).
    sci_mode
        True: scientific notation. False: never. None: chosen by the values, see `format_tensor`.

    Raises
    ------
    ValueError
        For an unknown profile, or a number that is negative or not whole. Nothing is changed then.

    Examples
    --------
    >>> set_printoptions(precision=2)
    >>> print(format_tensor(np.array([0.5, 1 / 3], np.float32)))
    tensor([0.50, 0.33])
    >>> set_printoptions(profile="default")
    """
    global _options
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"set_printoptions: expected profile to be one of {list(_PROFILES)}, got {profile!r}.")
    numbers = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    given: dict[str, Any] = {name: number for name, number in numbers.items() if number is not None}
    for name, number in given.items():
        if not (number >= 0 and (name == "threshold" or isinstance(number, int | np.integer))):
            raise ValueError(f"set_printoptions: expected {name} to be a whole number, 0 or more, got {number!r}.")
    start = _options if profile is None else _PROFILES[profile]
    _options = start._replace(sci_mode=sci_mode, **given)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """`set_printoptions` for the length of a `with` block.

    Examples
    --------
    >>> with printoptions(sci_mode=True):
    ...     print(format_tensor(np.array([1, 20], np.float32)))
    tensor([1.0000e+00, 2.0000e+01])
    """
    global _options
    before = _options
    try:
        set_printoptions(**options)
        yield
    finally:
        _options = before


def format_tensor(
    array: Array,
    *,
    prefix: str = "tensor",
    suffixes: Sequence[str] = (),
    default_dtype: Any = np.float32,
    to_numpy: Callable[[Any], Array] = np.asarray,
) -> str:
    """Text of a tensor that holds `array`.

    Floats are written with 4 digits after the point, or as "1." when all of them are whole. They turn to scientific
    notation when, of the absolute values (zeros, nan and inf aside), the largest is above 1e8, the smallest is below
    1e-4, or the largest is more than 1000 times the smallest.

    With more than 1000 elements, each dimension longer than 6 is cut to its first 3 and last 3 indices. Notation and
    width then follow from the shown elements alone, and the others are never read. `set_printoptions` changes these
    numbers.

    Parameters
    ----------
    array
        Booleans, integers or floats, any shape.
    prefix
        The word before the bracket.
    suffixes
        More to say, in order: `device='cuda:0'`, then `grad_fn=<...>` or `requires_grad=True`. The dtype goes between
        them, unless it is `default_dtype`, int64 or bool. An empty tensor has no values to tell its kind by, so there
        only `default_dtype` is left out, and the size is given too unless it is (0,).
    default_dtype
        The dtype that goes without saying.
    to_numpy
        Brings the shown elements to NumPy, for arrays of a device.

    Raises
    ------
    TypeError
        For an array of anything but booleans, integers and floats.

    Examples
    --------
    >>> print(format_tensor(np.array([[2, 4], [6, 8]], np.float32), suffixes=["grad_fn=<MulBackward0>"]))
    tensor([[2., 4.],
            [6., 8.]], grad_fn=<MulBackward0>)
    >>> print(format_tensor(np.arange(2000) / 8))
    tensor([0.0000e+00, 1.2500e-01, 2.5000e-01,  ..., 2.4962e+02, 2.4975e+02,
            2.4988e+02], dtype=minigrad.float64)
    """
    if array.dtype.kind not in "biuf":
        raise TypeError(f"format_tensor: expected booleans, integers or floats, got an array of dtype {array.dtype}.")
    options, indent = _options, len(prefix) + 1
    unspoken = {np.dtype(default_dtype)}
    if array.size == 0:
        body = "[]"
        say_size = array.ndim != 1
    else:
        body = _body(array, indent, options, to_numpy)
        say_size = options.edgeitems == 0  # as PyTorch, summarised or not
        unspoken |= {np.dtype(np.int64), np.dtype(np.bool_)}

    device = [note for note in suffixes if note.startswith("device=")]
    size = [f"size={array.shape}"] if say_size else []
    dtype = [f"dtype=minigrad.{array.dtype.name}"] if array.dtype not in unspoken else []
    rest = [note for note in suffixes if note not in device]
    return _append(f"{prefix}({body}", device + size + dtype + rest, indent, options.linewidth) + ")"


def _body(array: Array, indent: int, options: _Options, to_numpy: Callable[[Any], Array]) -> str:
    """The values in their brackets, summarised or not."""
    summarised = array.size > options.threshold
    if summarised and options.edgeitems == 0 and array.ndim > 0:
        return "[...]"
    cut = [summarised and size > 2 * options.edgeitems for size in array.shape]
    shown = to_numpy(_edges(array, cut, options.edgeitems))
    cells, width = _cells(shown, options)
    per_line = max(1, (options.linewidth - indent - array.ndim + 1) // (width + 2))
    return _brackets(iter(cells), shown.shape, cut, per_line, indent)


def _edges(array: Array, cut: list[bool], edgeitems: int) -> Array:
    """The first and last indices of each dimension that is cut, all of the others."""
    if not any(cut):
        return array
    ends = np.r_[:edgeitems, -edgeitems:0]
    # One indexing for all dimensions: one after the other would copy whole slices of a large array.
    shown: Array = array[np.ix_(*[ends if c else np.arange(n) for c, n in zip(cut, array.shape, strict=True)])]
    return shown


def _cells(shown: Array, options: _Options) -> tuple[list[str], int]:
    """The elements as text, in one notation, right-aligned to one width; and that width."""
    if shown.dtype.kind != "f":
        texts = [str(value) for value in shown.ravel().tolist()]
        width = max(map(len, texts))
    else:
        values = shown.ravel().astype(np.float64)
        counted = np.isfinite(values) & (values != 0)
        write = _notation(np.abs(values[counted]), options)
        texts = [write(value) for value in values.tolist()]
        # Only what decides the notation decides the width: nan, inf and "-0." may stick out of their column.
        width = max((len(text) for text, counts in zip(texts, counted.tolist(), strict=True) if counts), default=1)
    return [text.rjust(width) for text in texts], width


def _notation(sizes: Array, options: _Options) -> Callable[[float], str]:
    """How to write floats with these absolute values (the finite ones that are not 0)."""
    digits, scientific = options.precision, False
    if sizes.size > 0:
        smallest, largest = float(sizes.min()), float(sizes.max())
        scientific = largest > 1e8 or smallest < 1e-4 or largest / smallest > 1000
        if options.sci_mode is not None:
            scientific = options.sci_mode
    if scientific:
        return lambda value: f"{value:.{digits}e}"
    if np.all(sizes == np.trunc(sizes)):
        return lambda value: f"{value:.0f}." if math.isfinite(value) else str(value)
    return lambda value: f"{value:.{digits}f}"


def _brackets(cells: Iterator[str], shape: tuple[int, ...], cut: list[bool], per_line: int, indent: int) -> str:
    """The next cells as nested brackets, the first of them in column `indent`.

    An innermost row breaks after `per_line` cells. Blocks of k dimensions stand k line breaks apart: rows below each
    other, matrices with a blank line between.
    """
    if not shape:
        return next(cells)
    if len(shape) == 1:
        words = [next(cells) for _ in range(shape[0])]
        if cut[0]:
            words.insert(shape[0] // 2, " ...")
        lines = [", ".join(words[start : start + per_line]) for start in range(0, len(words), per_line)]
    else:
        lines = [_brackets(cells, shape[1:], cut[1:], per_line, indent + 1) for _ in range(shape[0])]
        if cut[0]:
            lines.insert(shape[0] // 2, "...")
    line_breaks = "\n" * max(1, len(shape) - 1)
    return "[" + ("," + line_breaks + " " * (indent + 1)).join(lines) + "]"


def _append(text: str, notes: Sequence[str], indent: int, linewidth: int) -> str:
    """Add `, note` for each note, on a new line where it would not fit."""
    # PyTorch's bookkeeping, to the column: it starts 2 columns after the end of the text, a note that begins a line
    # counts without its comma, and "minigrad." must count as "torch." for the lines to break at the same notes.
    column = len(text) - (text.rfind("\n") + 1) + 2
    for note in notes:
        length = len(note.replace("minigrad.", "torch."))
        fits = column + 2 + length <= linewidth
        text += (", " if fits else ",\n" + " " * indent) + note
        column = (column + 2 if fits else indent) + length
    return text

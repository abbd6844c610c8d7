"""Labels as vectors: one-hot, or rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.nn.functional.loss import in_range
from minigrad.tensor import Tensor

__all__ = ["embedding", "embedding_bag", "one_hot"]


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return a new last dimension with 1 at the label and 0 elsewhere, int64; -1 takes the largest label + 1.

    >>> import minigrad
    >>> one_hot(minigrad.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = tensor.array
    if labels.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot: expected integer labels, got {labels.dtype}; use .long()")
    if num_classes < 0 and labels.size == 0:
        raise RuntimeError("one_hot: without labels the number of classes cannot be seen; pass num_classes=")
    classes = num_classes if num_classes >= 0 else int(labels.max()) + 1
    if not in_range(labels, classes):
        limits = f"0 to {classes - 1}" if num_classes >= 0 else "0 on"
        raise RuntimeError(f"one_hot: expected labels from {limits}, got {labels.min()} to {labels.max()}")
    xp = array_module(labels)
    encoded: Tensor = tensor_of((labels[..., None] == xp.arange(classes)).astype(np.int64))
    return encoded


# --------------------------------------------------------------------------------------------------------------
# Rows of a table


def _check_table(name: str, input: Tensor, weight: Tensor, padding_idx: int | None, sparse: bool) -> int | None:
    """Refuse what is no table, or indices that do not fit it; return ``padding_idx`` counted from the front."""
    if not isinstance(input, Tensor) or not isinstance(weight, Tensor):
        wrong = weight if isinstance(input, Tensor) else input
        raise TypeError(f"{name}: expected tensors, got {type(wrong).__name__}; wrap it in minigrad.tensor(...)")
    index, shape = input.array, weight.array.shape
    if len(shape) != 2:
        raise RuntimeError(f"{name}: expected a weight of shape (num_embeddings, embedding_dim), got {tuple(shape)}")
    if index.dtype.kind != "i" or index.dtype.itemsize < 4:
        swapped = "; the indices come first, then the table" * (weight.array.dtype.kind == "i")
        raise RuntimeError(
            f"{name}: expected indices of int64 or int32, got {index.dtype}{swapped or '; use x.long()'}"
        )
    if sparse:
        raise NotImplementedError(f"{name}: sparse gradients are not supported; leave out sparse=True")
    rows = shape[0]
    if isinstance(index, np.ndarray) and not in_range(index, rows):
        wrong = (index < 0) | (index >= rows)
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        place = "" if not at else f" at {at[0] if len(at) == 1 else at}"
        raise IndexError(
            f"{name}: index {int(index[at])}{place} is out of range for a table of {rows} rows (0 to {rows - 1}); "
            "num_embeddings must be larger than the largest index"
        )
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise ValueError(f"{name}: expected a padding_idx from {-rows} to {rows - 1}, got {padding_idx}")
    return padding_idx % rows


def _hold_norms(name: str, index: Any, weight: Tensor, max_norm: float, norm_type: float) -> None:
    """Shorten the rows that are about to be used and are longer than ``max_norm``, in place, unseen by autograd."""
    table = weight.array
    rows = table.take(index.reshape(-1), axis=0)
    norms = ops.norm(rows, norm_type, 1, True)
    # A row that is named several times is written several times, with the same values.
    table[index.reshape(-1)] = rows * array_module(table).minimum(max_norm / (norms + 1e-7), 1.0).astype(table.dtype)
    weight.writes().add(f"{name}(max_norm={max_norm})")


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return row ``weight[i]`` for each index i: (...) integers to (..., embedding_dim).

    The same as one-hot vectors times the table, without the zeros. Row ``padding_idx`` gets no gradient; rows longer
    than ``max_norm`` are first shortened to it, in place; ``scale_grad_by_freq`` divides a row's gradient by how often
    the row was used.

    Raises
    ------
    IndexError
        An index is out of range; the message names it. (On a GPU, its row is NaN.)

    Examples
    --------
    >>> import minigrad
    >>> embedding(minigrad.tensor([2, 0]), minigrad.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))
    tensor([[3., 3.],
            [1., 1.]])
    """
    padding_idx = _check_table("embedding", input, weight, padding_idx, sparse)
    if max_norm is not None:
        _hold_norms("embedding", input.array, weight, max_norm, norm_type)
    return ops.embedding(weight, input, padding_idx, scale_grad_by_freq)


# --------------------------------------------------------------------------------------------------------------
# Sums of rows


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Return the mean, the sum or the largest entries of the rows in each bag of indices: (bags, embedding_dim).

    Parameters
    ----------
    input : Tensor, shape (B, N) or (n,)
        Indices: B bags of N, or the indices of all bags one behind the other.
    weight : Tensor, shape (num_embeddings, embedding_dim)
    offsets : Tensor, shape (B,)
        Where each bag starts in a 1-D input: 0 first, never falling. With ``include_last_offset`` there is one more,
        where the last bag ends. A bag without indices gives zeros.
    mode : {"mean", "sum", "max"}
    per_sample_weights : Tensor, of the shape of ``input``, optional
        Factor of each row, for ``mode="sum"``.
    padding_idx : int, optional
        An index that stands for nothing: it is left out.

    Others as for :func:`embedding`.

    Examples
    --------
    >>> import minigrad
    >>> table = minigrad.tensor([[1.0], [2.0], [4.0]])
    >>> embedding_bag(minigrad.tensor([0, 1, 2]), table, minigrad.tensor([0, 1]), mode="sum").tolist()
    [[1.0], [6.0]]
    """
    padding_idx = _check_table("embedding_bag", input, weight, padding_idx, sparse)
    if mode not in ("mean", "sum", "max"):
        raise ValueError(f"embedding_bag: expected mode 'mean', 'sum' or 'max', got {mode!r}")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("embedding_bag: scale_grad_by_freq is not defined for mode='max'")
    if per_sample_weights is not None:
        if mode != "sum":
            raise NotImplementedError(f"embedding_bag: per_sample_weights is for mode='sum' only, got mode={mode!r}")
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                f"embedding_bag: expected per_sample_weights of the input's shape {tuple(input.shape)}, got "
                f"{tuple(per_sample_weights.shape)}"
            )
    index = input.array
    bag, bags = _bags(index, offsets, include_last_offset)
    index = index.reshape(-1)
    if max_norm is not None:
        _hold_norms("embedding_bag", index, weight, max_norm, norm_type)
    rows = ops.embedding(weight, ops.reshape(input, (-1,)), None, scale_grad_by_freq)
    if padding_idx is not None:  # into a bag of its own, behind the others
        bag = array_module(bag).where(index == padding_idx, bags, bag)
    bag = tensor_of(bag)
    if mode == "max":
        return _largest(rows, bag, bags, input.shape)
    if per_sample_weights is not None:
        rows = rows * ops.reshape(per_sample_weights, (-1, 1))
    total = ops.sum_rows(rows, bag, bags + 1)[:bags]
    if mode == "sum":
        return total
    count = ops.sum_rows(ops.cast(ops.eq(bag, bag), weight.dtype), bag, bags + 1)[:bags]
    return total / ops.reshape(ops.clamp(count, 1.0), (-1, 1))


def _bags(index: Any, offsets: Tensor | None, include_last_offset: bool) -> tuple[Any, int]:
    """Return the number of the bag of each index, and how many bags there are; what is in none is in one more."""
    xp = array_module(index)
    if index.ndim == 2:
        if offsets is not None:
            raise ValueError("embedding_bag: a 2-D input has one bag in each row; leave out offsets")
        return xp.arange(index.size) // max(index.shape[1], 1), len(index)
    if index.ndim != 1:
        raise ValueError(f"embedding_bag: expected an input of 1 or 2 dimensions, got shape {tuple(index.shape)}")
    if offsets is None or offsets.ndim != 1 or offsets.dtype.kind != "i" or not len(offsets) >= include_last_offset:
        got = "none" if offsets is None else f"{offsets.dtype} of shape {tuple(offsets.shape)}"
        raise ValueError(f"embedding_bag: for a 1-D input expected offsets, integers of shape (bags,), got {got}")
    starts = offsets.array
    if isinstance(starts, np.ndarray) and starts.size:
        if starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] > len(index):
            raise ValueError(
                f"embedding_bag: expected offsets that start with 0, never fall and end at {len(index)}, the number of "
                f"indices, at the latest; got {starts.tolist()[:10]}"
            )
    return xp.searchsorted(starts, xp.arange(len(index)), side="right") - 1, len(starts) - include_last_offset


def _largest(rows: Tensor, bag: Tensor, bags: int, shape: tuple[int, ...]) -> Tensor:
    """Return the largest entries of the rows in each bag, the first of equals taking the gradient."""
    xp = array_module(bag.array)
    n = rows.shape[0]
    # One line per bag with the numbers of its rows, filled up with n, the number of a row of -inf behind them all.
    if len(shape) == 2 and n:
        lines = xp.where(bag.array < bags, xp.arange(n), n).reshape(shape)
    else:
        order = bag.array.argsort(kind="stable")
        sorted_bag = bag.array[order]
        place = xp.arange(n) - xp.searchsorted(sorted_bag, sorted_bag)
        lines = xp.full((bags + 1, int(place.max()) + 1 if n else 1), n)
        lines[sorted_bag, place] = order
        lines = lines[:bags]
    ended = ops.cat([rows, rows.new_full((1, rows.shape[1]), -np.inf)])
    found = ops.max_(ops.embedding(ended, tensor_of(lines)), 1).values
    return ops.where(tensor_of((lines < n).any(1, keepdims=True)), found, 0.0)

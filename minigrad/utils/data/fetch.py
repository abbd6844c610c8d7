"""Fetching: from the indices of a batch to the batch, the same way in the main process and in a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from typing import Any, TypeAlias

import numpy as np

from minigrad.backend import Generator, array_module, swap_default_generator
from minigrad.creation import as_tensor
from minigrad.ops.shape import cat
from minigrad.tensor import Tensor
from minigrad.utils.data.collate import default_collate, default_collate_fn_map
from minigrad.utils.data.dataset import (
    ConcatDataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    samples_of,
)

Fetch: TypeAlias = Callable[[Any], Any]
Rows = np.ndarray[Any, np.dtype[np.int64]]


class StreamEnd(Exception):
    """An IterableDataset has no more samples."""


def fetcher(dataset: Any, collate_fn: Callable[[Any], Any], batched: bool, drop_last: bool) -> Fetch:
    """Return a function that makes a batch of the indices that a sampler yields.

    ``batched`` says whether these are lists of indices or single ones. Of a stream only their number counts, and the
    function raises StreamEnd when nothing is left.
    """
    if isinstance(dataset, IterableDataset):
        return _from_stream(iter(dataset), collate_fn, batched, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    read = whole_batches(dataset) if collate_fn is default_collate else None

    def fetch(indices: Any) -> Any:
        if read is not None:
            rows = np.asarray(indices)
            if rows.dtype.kind in "iu" and rows.ndim == 1:
                return read(rows)
        return collate_fn(samples_of(dataset, indices.tolist() if isinstance(indices, np.ndarray) else indices))

    return fetch


def _from_stream(stream: Iterator[Any], collate_fn: Callable[[Any], Any], batched: bool, drop_last: bool) -> Fetch:
    ended = False

    def fetch(indices: Any) -> Any:
        nonlocal ended
        samples = [] if ended else list(islice(stream, len(indices) if batched else 1))
        ended = len(samples) < (len(indices) if batched else 1)
        if not samples or (ended and drop_last):
            raise StreamEnd
        return collate_fn(samples if batched else samples[0])

    return fetch


# --------------------------------------------------------------------------------------------------------------
# Whole batches at once


def whole_batches(dataset: Any) -> Callable[[Rows], Any] | None:
    """Return a function from numbers of samples to what ``default_collate`` makes of these samples, or None.

    It indexes each tensor once instead of once per sample. A data set that is not built of tensors has no such
    function, and neither has a subclass with a ``__getitem__`` of its own, such as one that augments its images.
    """
    if default_collate_fn_map:  # tensors may be collated in another way
        return None
    if isinstance(dataset, (Tensor, np.ndarray)):
        if not dataset.shape or dataset.dtype.kind not in "biuf":
            return None
        return lambda rows: _rows(as_tensor(dataset), rows)
    method = getattr(type(dataset), "__getitem__", None)
    several = getattr(type(dataset), "__getitems__", None)
    if method is TensorDataset.__getitem__ and several is None:
        return lambda rows: [_rows(tensor, rows) for tensor in dataset.tensors]
    if method is Subset.__getitem__ and several is Subset.__getitems__:
        read = whole_batches(dataset.dataset)
        numbers = dataset.indices.tolist() if isinstance(dataset.indices, Tensor) else dataset.indices
        numbers = np.asarray(numbers if len(numbers) else np.arange(0))
        if read is None or numbers.dtype.kind not in "iu" or numbers.ndim != 1:
            return None
        return lambda rows: read(numbers[rows])
    if method is StackDataset.__getitem__ and several is StackDataset.__getitems__:
        named = isinstance(dataset.datasets, dict)
        readers = [whole_batches(part) for part in (dataset.datasets.values() if named else dataset.datasets)]
        if None in readers:
            return None
        if named:
            return lambda rows: {name: read(rows) for name, read in zip(dataset.datasets, readers)}  # type: ignore[misc]
        return lambda rows: [read(rows) for read in readers]  # type: ignore[misc]
    if method is ConcatDataset.__getitem__ and several is None:
        readers = [whole_batches(part) for part in dataset.datasets]
        if None in readers or any(a != b for a, b in pairwise(_form(read(np.arange(0))) for read in readers)):  # type: ignore[misc]
            return None  # of different shapes: collating the samples says which
        return lambda rows: _from_parts(readers, np.asarray(dataset.cumulative_sizes), rows)
    return None


def _rows(tensor: Tensor, rows: Rows) -> Tensor:
    return tensor[array_module(tensor.array).asarray(rows)]


def _form(batch: Any) -> Any:
    """Return what two batches must have in common to be joined."""
    if isinstance(batch, dict):
        return {name: _form(part) for name, part in batch.items()}
    if isinstance(batch, list):
        return [_form(part) for part in batch]
    return tuple(batch.shape[1:]), batch.dtype, str(batch.device)


def _from_parts(readers: list[Any], ends: Rows, rows: Rows) -> Any:
    """Read each data set's samples of a batch together, and put them back into the order of the batch."""
    n = int(ends[-1])
    wrong = rows[(rows < -n) | (rows >= n)]
    if len(wrong):
        raise IndexError(f"ConcatDataset: expected an index below {n}, got {wrong[0]}")
    rows = np.where(rows < 0, rows + n, rows)
    part_of = np.searchsorted(ends, rows, side="right")
    places = [np.flatnonzero(part_of == k) for k in range(len(readers))]
    starts = [0, *ends[:-1]]
    parts = [read(rows[at] - start) for read, at, start in zip(readers, places, starts) if len(at)]
    if not parts:
        return readers[0](rows)
    return parts[0] if len(parts) == 1 else _joined(parts, np.argsort(np.concatenate(places)))


def _joined(parts: list[Any], order: Rows) -> Any:
    if isinstance(parts[0], dict):
        return {name: _joined([part[name] for part in parts], order) for name in parts[0]}
    if isinstance(parts[0], list):
        return [_joined(list(column), order) for column in zip(*parts)]
    return _rows(cat(parts), order)


# --------------------------------------------------------------------------------------------------------------
# Random numbers of a batch


@contextmanager
def drawing_from(generator: Generator, seed: int) -> Iterator[None]:
    """Let everything that draws from minigrad's default generator draw from ``generator``, begun at ``seed``.

    Each batch is made under a seed of its own. What is drawn in it, by random crops for instance, then depends neither
    on which process makes it nor on what the training draws meanwhile, such as dropout; nor the other way round.
    """
    before = swap_default_generator(generator.manual_seed(seed))
    try:
        yield
    finally:
        swap_default_generator(before)

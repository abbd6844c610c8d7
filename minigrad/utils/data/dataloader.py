"""DataLoader: what a training loop iterates over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.backend import Generator, array_module
from minigrad.tensor import Tensor
from minigrad.utils.data.collate import default_collate, default_convert
from minigrad.utils.data.dataset import Subset, TensorDataset
from minigrad.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "dataset", "drop_last", "persistent_workers", "sampler")


class DataLoader(Generic[T_co]):
    """Mini-batches of a data set, in a new random order each epoch if ``shuffle=True``.

    ``for x, y in loader:`` runs through the data once. Each new loop is a new epoch with a new order; the orders
    repeat after ``minigrad.manual_seed``, or follow ``generator`` alone if one is given.

    Parameters
    ----------
    dataset : Dataset
        Any object with ``__getitem__`` and, unless a sampler is given, ``__len__``.
    batch_size : int or None
        Samples per batch; None yields the samples one by one, without a batch dimension.
    shuffle : bool, optional
        Draw a new order for each epoch.
    sampler : iterable of int, optional
        In which order the samples come, instead of ``shuffle``.
    batch_sampler : iterable of list of int, optional
        Which samples form each batch, instead of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
    num_workers : int
        Only 0: the samples are loaded where the loop runs.
    collate_fn : callable, optional
        Makes a batch of a list of samples; by default :func:`default_collate`.
    pin_memory : bool
        Accepted and without effect, here as in PyTorch without a GPU.
    drop_last : bool
        Leave out the last batch if it is smaller than ``batch_size``.
    timeout, worker_init_fn, multiprocessing_context, prefetch_factor, persistent_workers, in_order
        PyTorch's settings for worker processes; without workers they must keep their defaults, but for
        ``worker_init_fn`` and ``in_order``, which then have no effect.
    generator : Generator, optional
        Where the randomness of ``shuffle`` comes from.

    Raises
    ------
    ValueError
        If arguments exclude each other, or are out of range.
    TypeError
        If the data set has no length and the order needs one.
    NotImplementedError
        If ``num_workers`` is above 0.

    Notes
    -----
    A :class:`TensorDataset`, or a :class:`Subset` of one, with the default collate is indexed once per batch and
    tensor, instead of once per sample.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.arange(10).reshape(5, 2)
    >>> for (batch,) in DataLoader(TensorDataset(x), batch_size=2):
    ...     print(batch.tolist())
    [[0, 1], [2, 3]]
    [[4, 5], [6, 7]]
    [[8, 9]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: expected num_workers of 0 or more, got {num_workers}")
        if num_workers > 0:
            raise NotImplementedError(
                f"DataLoader: num_workers={num_workers} asks for worker processes, which minigrad does not have yet; "
                "use num_workers=0. Data that fits in memory is fastest as a TensorDataset"
            )
        for name, value in (
            ("timeout", timeout),
            ("multiprocessing_context", multiprocessing_context),
            ("prefetch_factor", prefetch_factor),
            ("persistent_workers", persistent_workers),
        ):
            if value:
                raise ValueError(f"DataLoader: {name}={value!r} is for worker processes, and num_workers is 0")
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: expected sampler or shuffle=True, got both; the sampler decides the order")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                "DataLoader: batch_sampler decides the batches alone; leave out batch_size, shuffle, sampler, drop_last"
            )
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches, so drop_last=True has nothing to drop")
        if batch_size is not None and (isinstance(batch_size, bool) or not isinstance(batch_size, int)):
            raise ValueError(f"DataLoader: expected batch_size to be an integer or None, got {batch_size!r}")
        if batch_size is not None and batch_size <= 0:
            raise ValueError(f"DataLoader: expected batch_size of 1 or more, got {batch_size}")

        if batch_sampler is not None:
            batch_size = None
        if sampler is None:
            if not hasattr(dataset, "__len__") and batch_sampler is None:
                raise TypeError(
                    f"DataLoader: the data set, a {type(dataset).__name__}, has no __len__, so its indices are not "
                    "known; define __len__, or pass sampler="
                )
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate

        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and hasattr(self, "_complete"):  # the samplers were made from it and would not notice
            raise ValueError(f"DataLoader: {name} cannot be changed afterwards; make a new DataLoader")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if self.batch_sampler is None:
            return (self.collate_fn(self.dataset[index]) for index in self.sampler)
        if self.collate_fn is default_collate and (columns := _columns(self.dataset)) is not None:
            return self._batches_of_rows(*columns)
        return (self.collate_fn(self._samples(indices)) for indices in self.batch_sampler)

    def _samples(self, indices: list[Any]) -> Any:
        if hasattr(self.dataset, "__getitems__"):  # PyTorch's name for "these samples, as a list"
            return self.dataset.__getitems__(indices)
        return [self.dataset[index] for index in indices]

    def _batches_of_rows(self, tensors: tuple[Tensor, ...], subset: Any) -> Iterator[list[Tensor]]:
        """Yield what collating sample by sample would give, with one indexing operation per tensor and batch."""
        batches = self.batch_sampler
        for rows in batches.arrays() if type(batches) is BatchSampler else map(np.asarray, batches or ()):
            if subset is not None:
                rows = subset[rows]
            yield [tensor[array_module(tensor.array).asarray(rows)] for tensor in tensors]

    def __len__(self) -> int:
        counted = self.sampler if self.batch_sampler is None else self.batch_sampler
        if not isinstance(counted, Sized):
            raise TypeError(f"DataLoader: its sampler, a {type(counted).__name__}, has no __len__")
        return len(counted)


def _columns(dataset: Any) -> tuple[tuple[Tensor, ...], Any] | None:
    """Return the tensors of a TensorDataset, and which rows of them a Subset of one selects; None for others.

    A subclass with a ``__getitem__`` of its own, such as one that augments its images, counts as other.
    """
    rows = None
    while isinstance(dataset, Subset) and type(dataset).__getitem__ is Subset.__getitem__:
        indices = dataset.indices
        own = np.asarray(indices.tolist() if isinstance(indices, Tensor) else indices, dtype=np.int64)
        rows = own if rows is None else own[rows]
        dataset = dataset.dataset
    if isinstance(dataset, TensorDataset) and type(dataset).__getitem__ is TensorDataset.__getitem__:
        return dataset.tensors, rows
    return None

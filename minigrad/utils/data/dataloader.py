"""DataLoader: what a training loop iterates over."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Generic, TypeVar

from minigrad.backend import Generator, default_generator
from minigrad.utils.data.collate import default_collate, default_convert
from minigrad.utils.data.dataset import IterableDataset, Subset, TensorDataset
from minigrad.utils.data.fetch import StreamEnd, drawing_from, fetcher, whole_batches
from minigrad.utils.data.sampler import BatchSampler, Endless, RandomSampler, SequentialSampler, require_generator
from minigrad.utils.data.worker import Workers, context_named

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "dataset", "drop_last", "persistent_workers", "sampler")


class DataLoader(Generic[T_co]):
    """Mini-batches of a data set, in a new random order each epoch if ``shuffle=True``.

    ``for x, y in loader:`` runs through the data once. Each new loop is a new epoch with a new order; the orders
    repeat after ``minigrad.manual_seed``, or follow ``generator`` alone if one is given.

    Parameters
    ----------
    dataset : Dataset or IterableDataset
        Any object with ``__getitem__`` and, unless a sampler is given, ``__len__``; or a stream.
    batch_size : int or None
        Samples per batch; None yields the samples one by one, without a batch dimension.
    shuffle : bool, optional
        Draw a new order for each epoch.
    sampler : iterable of int, optional
        In which order the samples come, instead of ``shuffle``.
    batch_sampler : iterable of list of int, optional
        Which samples form each batch, instead of ``batch_size``, ``shuffle``, ``sampler`` and ``drop_last``.
    num_workers : int
        How many processes make the batches ahead of the loop; with 0 they are made where the loop runs.
    collate_fn : callable, optional
        Makes a batch of a list of samples; by default :func:`default_collate`.
    pin_memory : bool
        Accepted and without effect, here as in PyTorch without a GPU.
    drop_last : bool
        Leave out the last batch if it is smaller than ``batch_size``; of a stream, each worker's last.
    timeout : float
        How many seconds to wait for a worker's batch; with 0, however long it takes.
    worker_init_fn : callable, optional
        Called in each worker at its start, with its number.
    multiprocessing_context : str or context, optional
        How processes are started: ``"fork"`` by default on Linux, elsewhere what Python does by default.
    generator : Generator, optional
        Where the randomness comes from: of ``shuffle``, and the seeds of the batches.
    prefetch_factor : int, optional
        How many batches each worker is ahead; by default 2.
    persistent_workers : bool
        Keep the workers, and their copies of the data set, from one epoch to the next.
    in_order : bool
        False yields whichever batch is ready first, with workers.

    Raises
    ------
    ValueError
        If arguments exclude each other, or are out of range.
    TypeError
        If the data set has no length and the order needs one.
    RuntimeError
        If a worker is killed, or ``timeout`` is over. An error in a worker is raised as it is, with a note that tells
        where in the worker it happened.

    Notes
    -----
    *Random numbers.* Each epoch draws a seed, and each batch is made with minigrad's default generator set to a stream
    of its own that begins at this seed plus the batch's number. So a data set that draws from it, such as one with
    random crops, gives the same batches for any number of workers, zero too, and new ones in each epoch. In workers,
    Python's ``random`` and NumPy's global generator are seeded in the same way. A generator that the data set keeps for
    itself is copied into each worker, and all copies draw the same: seed them in ``worker_init_fn``.

    *Speed.* Tensors, arrays and a :class:`TensorDataset` are indexed once per batch instead of once per sample, also
    inside :class:`Subset`, :class:`ConcatDataset` and :class:`StackDataset`; processes cannot make that faster. Workers
    pay where a sample takes long: files to decode, images to crop.

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
        if isinstance(num_workers, bool) or not isinstance(num_workers, int) or num_workers < 0:
            raise ValueError(f"DataLoader: expected num_workers to be an integer of 0 or more, got {num_workers!r}")
        if timeout < 0:
            raise ValueError(f"DataLoader: expected timeout of 0 or more seconds, got {timeout}")
        if prefetch_factor is not None and num_workers and prefetch_factor < 1:
            raise ValueError(f"DataLoader: expected prefetch_factor of 1 or more, got {prefetch_factor}")
        for name, value in (
            ("timeout", timeout or None),
            ("multiprocessing_context", multiprocessing_context),
            ("prefetch_factor", prefetch_factor),
            ("persistent_workers", persistent_workers or None),
        ):
            if value is not None and num_workers == 0:
                raise ValueError(f"DataLoader: {name}={value!r} is for worker processes, and num_workers is 0")
        require_generator("DataLoader", generator)
        stream = isinstance(dataset, IterableDataset)
        for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
            if stream and value is not None:
                raise ValueError(
                    f"DataLoader: {name} chooses samples by number, which those of an IterableDataset, here a "
                    f"{type(dataset).__name__}, do not have; leave it out, and let __iter__ decide the order"
                )
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
            if not stream and not hasattr(dataset, "__len__") and batch_sampler is None:
                raise TypeError(
                    f"DataLoader: the data set, a {type(dataset).__name__}, has no __len__, so its indices are not "
                    "known; define __len__, pass sampler=, or make it an IterableDataset"
                )
            if stream:
                sampler = Endless()
            else:
                sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(
                sampler,  # type: ignore[arg-type]
                batch_size,
                drop_last,
            )
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        if num_workers > 0:
            prefetch_factor = 2 if prefetch_factor is None else prefetch_factor
            multiprocessing_context = context_named(multiprocessing_context)
            _check_workers(num_workers, dataset)

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
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._workers: Workers | None = None  # those that stay from epoch to epoch
        self._announced: int | None = None  # the length that was told of a stream
        self._complete = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and hasattr(self, "_complete"):  # the samplers were made from it and would not notice
            raise ValueError(f"DataLoader: {name} cannot be changed afterwards; make a new DataLoader")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        # Seed and order are drawn now, in the same way with and without workers, and not when the loop takes a batch.
        base_seed = int((self.generator or default_generator()).integers(2**32, 2**62, ()))
        batches, whole = self.batch_sampler, False
        if batches is None:
            tasks = iter(self.sampler)
        else:
            whole = self.collate_fn is default_collate and whole_batches(self.dataset) is not None
            tasks = batches.arrays() if whole and type(batches) is BatchSampler else iter(batches)
        found = self._from_workers(tasks, base_seed) if self.num_workers else self._from_here(tasks, base_seed, whole)
        return found if self._announced is None else self._counted(found)

    def _fetcher(self) -> Callable[[], Callable[[Any], Any]]:
        """Return what begins an epoch; in a worker with a copy of the data set."""
        batched = self.batch_sampler is not None
        return functools.partial(fetcher, self.dataset, self.collate_fn, batched, self.drop_last)

    def _from_here(self, tasks: Iterator[Any], base_seed: int, whole: bool) -> Iterator[Any]:
        generator = Generator()
        with drawing_from(generator, base_seed - 1):
            fetch = self._fetcher()()
        if whole:  # of tensors, which draw nothing
            yield from map(fetch, tasks)
            return
        for number, indices in enumerate(tasks):
            try:
                with drawing_from(generator, base_seed + number):
                    batch = fetch(indices)
            except StreamEnd:
                return
            yield batch

    def _from_workers(self, tasks: Iterator[Any], base_seed: int) -> Iterator[Any]:
        workers = self._workers
        if workers is None or not workers.close.alive:
            context = self.multiprocessing_context
            workers = Workers(self.num_workers, self._fetcher(), self.dataset, self.worker_init_fn, context, base_seed)
        if self.persistent_workers:
            self._workers = workers
        try:
            yield from workers.batches(tasks, base_seed, self.prefetch_factor or 2, self.in_order, self.timeout)
        finally:
            if not self.persistent_workers:
                workers.close()

    def _counted(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Warn when a stream gives more batches than ``len(loader)`` said."""
        for number, batch in enumerate(batches, 1):
            if number == (self._announced or 0) + 1:
                warnings.warn(
                    f"DataLoader: len() said {self._announced} batches, and there are more; check __len__ of the data "
                    "set, and whether each worker takes only its share (get_worker_info)",
                    stacklevel=2,
                )
            yield batch

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            if not isinstance(self.dataset, Sized):
                raise TypeError(f"DataLoader: its stream, a {type(self.dataset).__name__}, has no __len__")
            n, size = len(self.dataset), self.batch_size or 1
            self._announced = n // size if self.drop_last else -(-n // size)
            return self._announced
        counted = self.sampler if self.batch_sampler is None else self.batch_sampler
        if not isinstance(counted, Sized):
            raise TypeError(f"DataLoader: its sampler, a {type(counted).__name__}, has no __len__")
        return len(counted)


def _check_workers(num_workers: int, dataset: Any) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or num_workers
    if num_workers > cores:
        warnings.warn(
            f"DataLoader: num_workers={num_workers}, but this machine has {cores} processor cores for this program; "
            "more workers than that slow each other down",
            stacklevel=3,
        )
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    if isinstance(dataset, TensorDataset) and any(tensor.is_cuda for tensor in dataset.tensors):
        raise ValueError(
            "DataLoader: the data set is on the GPU, which worker processes cannot use; num_workers=0 is fastest there"
        )

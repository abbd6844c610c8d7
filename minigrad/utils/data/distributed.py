"""Samplers for several processes: which samples each rank sees."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np

from minigrad.backend import Generator
from minigrad.distributed.group import get_rank, get_world_size, messages
from minigrad.utils.data.sampler import ArraySampler, Indices, Sampler


def _place(name: str, num_replicas: int | None, rank: int | None) -> tuple[int, int]:
    """Return how many ranks there are and which this is, as given or as the group says."""
    num_replicas = get_world_size() if num_replicas is None else num_replicas
    rank = get_rank() if rank is None else rank
    if not 0 <= rank < num_replicas:
        raise ValueError(f"{name}: expected rank to be from 0 to {num_replicas - 1}, got {rank}")
    return num_replicas, rank


class DistributedSampler(ArraySampler):
    """The share of a data set that is this rank's: every ``num_replicas``-th index of an order that all ranks have.

    The shares are of equal length. Where the data set cannot be divided evenly, the first samples of the order come
    once more at its end, so that some are seen twice; with ``drop_last`` the last ones are left out instead. Call
    :meth:`set_epoch` before each epoch, or all have the same order.

    Parameters
    ----------
    dataset : sized
        Only its length counts.
    num_replicas, rank : int, optional
        How many shares there are and which one this is; by default the world size and the rank.
    shuffle : bool
        Draw an order from ``seed`` and the epoch, instead of 0, 1, 2, ...
    seed : int
        The same on all ranks.
    drop_last : bool
        Leave out the odd samples instead of repeating some.

    Examples
    --------
    >>> [list(DistributedSampler(range(5), num_replicas=2, rank=rank, shuffle=False)) for rank in range(2)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_replicas, self.rank = _place("DistributedSampler", num_replicas, rank)
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0

    @property
    def num_samples(self) -> int:
        """How many indices this rank gets in one pass."""
        n = len(self.dataset)
        return n // self.num_replicas if self.drop_last else -(-n // self.num_replicas)

    @property
    def total_size(self) -> int:
        """How many indices all ranks get together."""
        return self.num_samples * self.num_replicas

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch

    def order(self) -> Indices:
        n = len(self.dataset)
        order = Generator().manual_seed(self.seed + self.epoch).permutation(n) if self.shuffle else np.arange(n)
        return np.resize(order, self.total_size)[self.rank :: self.num_replicas]  # cut, or begun again at the end

    def __len__(self) -> int:
        return self.num_samples


class DistributedBatchSampler(Sampler[list[int]]):
    """The share of each batch that is this rank's: no sample comes twice, and none is left out.

    The batches are those of one process, so that training is too, whatever the number of ranks; only their shares may
    differ in size by one, and the loss then needs :func:`minigrad.distributed.batch_weight`. Not in PyTorch, where a
    batch size is that of each rank.

    Parameters
    ----------
    batch_sampler : iterable of list of int
        Draws the whole batches, the same on all ranks: give its sampler a generator of its own, with the same seed.
    num_replicas, rank : int, optional
        How many shares there are and which one this is; by default the world size and the rank. If both are left out,
        the ranks compare the first batch of each pass.

    Raises
    ------
    ValueError
        In iteration: a batch has fewer samples than there are ranks.
    RuntimeError
        In iteration: another rank draws another batch.

    Examples
    --------
    >>> from minigrad.utils.data import BatchSampler
    >>> whole = BatchSampler(range(7), batch_size=5, drop_last=False)
    >>> [list(DistributedBatchSampler(whole, num_replicas=2, rank=rank)) for rank in range(2)]
    [[[0, 2, 4], [5]], [[1, 3], [6]]]
    """

    def __init__(
        self, batch_sampler: Iterable[list[int]], num_replicas: int | None = None, rank: int | None = None
    ) -> None:
        self.batch_sampler = batch_sampler
        self._in_a_group = num_replicas is None and rank is None
        self.num_replicas, self.rank = _place("DistributedBatchSampler", num_replicas, rank)

    def __iter__(self) -> Iterator[list[int]]:
        for number, batch in enumerate(self.batch_sampler):
            if number == 0 and self._in_a_group:
                self._compare(batch)
            if len(batch) < self.num_replicas:
                raise ValueError(
                    f"DistributedBatchSampler: batch {number} has {len(batch)} samples, too few for "
                    f"{self.num_replicas} ranks; leave it out (drop_last=True), or choose another batch_size"
                )
            yield batch[self.rank :: self.num_replicas]

    def _compare(self, batch: Any) -> None:
        others = messages("DistributedBatchSampler").objects(list(batch))
        for other, theirs in enumerate(others):
            if theirs != others[self.rank]:
                raise RuntimeError(
                    f"DistributedBatchSampler: ranks {self.rank} and {other} draw different batches, so their shares "
                    "would overlap. Give the sampler the same randomness everywhere: "
                    "RandomSampler(data, generator=minigrad.Generator().manual_seed(0))"
                )

    def __len__(self) -> int:
        return len(self.batch_sampler)  # type: ignore[arg-type]

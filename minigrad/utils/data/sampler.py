"""Samplers: in which order the samples come, and how they are grouped into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.backend import Generator, default_generator

T_co = TypeVar("T_co", covariant=True)
Indices = np.ndarray[Any, np.dtype[np.int64]]


class Sampler(Generic[T_co]):
    """What a DataLoader asks for indices: subclasses define ``__iter__``, and ``__len__`` where it is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__ is not defined: a Sampler must yield indices")


class ArraySampler(Sampler[int]):
    """A sampler that knows one pass in advance, as an array.

    For whoever iterates it yields Python integers, like any sampler. A DataLoader over tensors asks for the array and
    slices it: 60,000 integers that travel one by one cost a third of the time that fetching their rows takes.
    """

    def order(self) -> Indices:
        """Return the indices of one pass; a new draw with each call if the sampler is random."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        return iter(self.order().tolist())


class SequentialSampler(ArraySampler):
    """0, 1, 2, ... in order.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def order(self) -> Indices:
        return np.arange(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(ArraySampler):
    """Indices in random order, newly drawn for each pass.

    Parameters
    ----------
    data_source : sized
        Only its length counts.
    replacement : bool
        Draw each index independently, so that some come twice and others not at all.
    num_samples : int, optional
        How many indices one pass has; by default ``len(data_source)``. Without replacement, a longer pass is
        several shuffles one after another.
    generator : Generator, optional
        Where the randomness comes from; by default what ``minigrad.manual_seed`` seeds.

    Examples
    --------
    >>> import minigrad
    >>> sampler = RandomSampler(range(5), generator=minigrad.Generator().manual_seed(0))
    >>> sorted(sampler)
    [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: expected replacement to be True or False, got {replacement!r}")
        if num_samples is not None and (isinstance(num_samples, bool) or not isinstance(num_samples, int)):
            raise TypeError(f"RandomSampler: expected num_samples to be an integer, got {num_samples!r}")
        if num_samples is not None and num_samples <= 0:
            raise ValueError(f"RandomSampler: expected num_samples of 1 or more, got {num_samples}")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(
                f"RandomSampler: expected generator to be a minigrad.Generator, got {type(generator).__name__}; "
                "write minigrad.Generator().manual_seed(0)"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if self.num_samples == 0:
            raise ValueError("RandomSampler: the data set is empty, there is nothing to draw from")

    @property
    def num_samples(self) -> int:
        """The number of indices in one pass; a data set that grows makes it grow."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def order(self) -> Indices:
        generator = self.generator or default_generator()
        n, count = len(self.data_source), self.num_samples
        if self.replacement:
            return np.asarray(generator.integers(0, n, (count,)))
        if count == n:
            return generator.permutation(n)
        return np.concatenate([generator.permutation(n) for _ in range(-(-count // n))])[:count]

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups another sampler's indices into lists.

    Parameters
    ----------
    sampler : iterable of int
        Any sampler.
    batch_size : int
        The length of each list but the last.
    drop_last : bool
        Leave out the last list if it is shorter.

    Examples
    --------
    >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
    [[0, 1, 2], [3, 4, 5], [6]]
    >>> len(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=True))
    2
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size <= 0:
            raise ValueError(f"BatchSampler: expected batch_size to be an integer of 1 or more, got {batch_size!r}")
        if not isinstance(drop_last, bool):
            raise ValueError(f"BatchSampler: expected drop_last to be True or False, got {drop_last!r}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def arrays(self) -> Iterator[Indices]:
        """Yield the same batches as arrays: slices of the sampler's own array if it has one."""
        if not isinstance(self.sampler, ArraySampler) or type(self.sampler).__iter__ is not ArraySampler.__iter__:
            yield from map(np.asarray, self)
            return
        order = self.sampler.order()
        end = len(order) - len(order) % self.batch_size if self.drop_last else len(order)
        for start in range(0, end, self.batch_size):
            yield order[start : start + self.batch_size]

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

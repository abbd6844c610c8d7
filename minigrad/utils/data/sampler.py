"""Samplers: in which order the samples come, and how they are grouped into batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice, repeat
from typing import Any, Generic, TypeVar

import numpy as np

from minigrad.backend import Generator, default_generator
from minigrad.creation import as_tensor
from minigrad.draws import multinomial

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
        require_generator("RandomSampler", generator)
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


class SubsetRandomSampler(Sampler[Any]):
    """The given indices, each once, in an order newly drawn for each pass.

    >>> import minigrad
    >>> sorted(SubsetRandomSampler([3, 5, 8]))
    [3, 5, 8]
    """

    def __init__(self, indices: Sequence[Any], generator: Generator | None = None) -> None:
        require_generator("SubsetRandomSampler", generator)
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[Any]:
        order = (self.generator or default_generator()).permutation(len(self.indices))
        return map(self.indices.__getitem__, order.tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(ArraySampler):
    """Indices 0 ... n-1 drawn with a weight for each: what comes twice as often has twice the weight.

    To balance classes of unequal size, give each sample one over the size of its class.

    Parameters
    ----------
    weights : sequence of float
        Not negative, not all 0; they need not sum to 1.
    num_samples : int
        How many indices one pass has.
    replacement : bool
        Draw each index independently; else no index comes twice.
    generator : Generator, optional
        Where the randomness comes from; by default what ``minigrad.manual_seed`` seeds.

    Examples
    --------
    >>> list(WeightedRandomSampler([0.0, 1.0, 0.0], 4))
    [1, 1, 1, 1]
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(num_samples, bool) or not isinstance(num_samples, int) or num_samples <= 0:
            raise ValueError(
                f"WeightedRandomSampler: expected num_samples to be an integer of 1 or more, got {num_samples!r}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(f"WeightedRandomSampler: expected replacement to be True or False, got {replacement!r}")
        require_generator("WeightedRandomSampler", generator)
        self.weights = as_tensor(weights, dtype=np.float64, device="cpu")
        if len(self.weights.shape) != 1:
            raise ValueError(
                "WeightedRandomSampler: expected weights to be a vector, one weight for each sample, got shape "
                f"{tuple(self.weights.shape)}"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def order(self) -> Indices:
        drawn = multinomial(self.weights, self.num_samples, self.replacement, generator=self.generator)
        return drawn.numpy()  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self.num_samples


class Endless(Sampler[None]):
    """The sampler of a stream, whose samples have no numbers: None without end."""

    def __iter__(self) -> Iterator[None]:
        return repeat(None)


def require_generator(caller: str, generator: Any) -> None:
    """Refuse what is neither a generator nor None."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(
            f"{caller}: expected generator to be a minigrad.Generator, got {type(generator).__name__}; "
            "write minigrad.Generator().manual_seed(0)"
        )


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
        return self._batches(iter(self.sampler))  # a random order is drawn here, not when the first batch is asked for

    def _batches(self, indices: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def arrays(self) -> Iterator[Indices]:
        """Yield the same batches as arrays: slices of the sampler's own array if it has one."""
        if not isinstance(self.sampler, ArraySampler) or type(self.sampler).__iter__ is not ArraySampler.__iter__:
            return map(np.asarray, self)
        order = self.sampler.order()
        end = len(order) - len(order) % self.batch_size if self.drop_last else len(order)
        return (order[start : start + self.batch_size] for start in range(0, end, self.batch_size))

    def __len__(self) -> int:
        if not isinstance(self.sampler, Sized):
            raise TypeError(f"BatchSampler: its sampler, a {type(self.sampler).__name__}, has no __len__")
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

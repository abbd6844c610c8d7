"""Data sets: something that knows its samples by number."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from minigrad.backend import Generator, default_generator
from minigrad.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A collection of samples known by number: subclasses define ``__getitem__(index)`` and ``__len__()``.

    Any object with these two methods serves as one, a list too. There is no default ``__len__``: a data set that
    forgot it should say so, not count as empty or as true. One that is faster when asked for many samples at once may
    define ``__getitems__(indices)``, which returns them in a list. ``a + b`` is both, one after the other.

    Examples
    --------
    >>> class Squares(Dataset):
    ...     def __len__(self):
    ...         return 5
    ...
    ...     def __getitem__(self, index):
    ...         return index, index**2
    >>> Squares()[3]
    (3, 9)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"{type(self).__name__}.__getitem__ is not defined: a Dataset must return the sample of the given index"
        )

    def __add__(self, other: Any) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """A stream of samples that come one after another, without numbers: subclasses define ``__iter__``.

    With worker processes each worker runs through a copy of its own, so ``__iter__`` has to choose that worker's share,
    or every sample comes once per worker. ``a + b`` is both, one after the other.

    Examples
    --------
    >>> from minigrad.utils.data import DataLoader, get_worker_info
    >>> class Countdown(IterableDataset):
    ...     def __iter__(self):
    ...         info = get_worker_info()  # None without workers
    ...         start, step = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter([5, 4, 3, 2, 1][start::step])
    >>> [batch.tolist() for batch in DataLoader(Countdown(), batch_size=2)]
    [[5, 4], [3, 2], [1]]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} is an IterableDataset: its samples have no numbers; iterate")

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"{type(self).__name__}.__iter__ is not defined: an IterableDataset must return an iterator of its samples"
        )

    def __add__(self, other: Any) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors side by side: sample i is the tuple of their i-th rows.

    A :class:`~minigrad.utils.data.DataLoader` reads a whole batch of it with one indexing operation per tensor.

    Parameters
    ----------
    *tensors : Tensor
        All with the same size in dimension 0.

    Raises
    ------
    TypeError
        If one of them is no tensor.
    ValueError
        If their sizes in dimension 0 differ.

    Examples
    --------
    >>> import minigrad
    >>> data = TensorDataset(minigrad.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), minigrad.tensor([0, 1, 1]))
    >>> len(data)
    3
    >>> data[-1]
    (tensor([5., 6.]), tensor(1))
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        for k, tensor in enumerate(tensors):
            if not isinstance(tensor, Tensor):
                raise TypeError(
                    f"TensorDataset: expected tensors, argument {k} is a {type(tensor).__name__}; "
                    "wrap it: minigrad.as_tensor(x)"
                )
        if not tensors or any(not tensor.shape for tensor in tensors):
            raise ValueError(
                "TensorDataset: expected at least one tensor, each with at least one dimension (the samples), "
                f"got shapes {[tuple(tensor.shape) for tensor in tensors]}"
            )
        if len({tensor.shape[0] for tensor in tensors}) > 1:
            raise ValueError(
                "TensorDataset: expected tensors with the same number of samples (size of dimension 0), got "
                + " and ".join(f"{tensor.shape[0]} {tuple(tensor.shape)}" for tensor in tensors)
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])


class Subset(Dataset[T_co]):
    """Some samples of another data set: sample i is ``dataset[indices[i]]``.

    Parameters
    ----------
    dataset : Dataset
        Any object with ``__getitem__``.
    indices : sequence of int
        Which samples, in which order; an index may come twice.

    Examples
    --------
    >>> vowels = Subset("abcdefghi", [0, 4, 8])
    >>> vowels[1], len(vowels)
    ('e', 3)
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        if str(getattr(indices, "dtype", "")) == "bool":
            raise TypeError(
                "Subset: expected the numbers of the samples, got a mask of True and False; "
                "pass numpy.flatnonzero(mask)"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]  # type: ignore[no-any-return]
        return self.dataset[self.indices[index]]  # type: ignore[no-any-return]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        if type(self).__getitem__ is not Subset.__getitem__:  # a subclass changes its samples one by one
            return [self[i] for i in indices]
        return samples_of(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Data sets one after another: the numbers of each go on where those of the one before end.

    Parameters
    ----------
    datasets : iterable of Dataset
        At least one, each with a length. ``cumulative_sizes`` holds where each of them ends.

    Examples
    --------
    >>> both = ConcatDataset(["abc", "de"])
    >>> both[3], both[-1], both.cumulative_sizes
    ('d', 'e', [3, 5])
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected at least one data set, got none")
        for k, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise ValueError(
                    f"ConcatDataset: expected data sets whose samples have numbers, but data set {k}, a "
                    f"{type(dataset).__name__}, is an IterableDataset; use ChainDataset for streams"
                )
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def _place(self, index: int) -> tuple[int, int]:
        """Return the number of the data set, and the index within it."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"ConcatDataset: expected an index below {len(self)}, got {index}")
        index += len(self) if index < 0 else 0
        k = bisect_right(self.cumulative_sizes, index)
        return k, index - (self.cumulative_sizes[k - 1] if k else 0)

    def __getitem__(self, index: int) -> T_co:
        k, within = self._place(index)
        return self.datasets[k][within]  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """Streams one after another.

    Parameters
    ----------
    datasets : iterable of IterableDataset
        Which streams; each is begun when the one before has ended.
    """

    def __init__(self, datasets: Iterable[IterableDataset[T_co]]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[IterableDataset[T_co]]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: expected IterableDatasets, got a {type(dataset).__name__}; "
                    "use ConcatDataset for data sets whose samples have numbers"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self._streams()))  # type: ignore[arg-type]


class StackDataset(Dataset[Any]):
    """Data sets side by side: sample i is the tuple of their samples i, or the dict if they are given by name.

    Parameters
    ----------
    *args, **kwargs : Dataset
        All of the same length, and either all without names or all with.

    Examples
    --------
    >>> StackDataset("abc", [1, 2, 3])[1]
    ('b', 2)
    >>> StackDataset(letter="abc", number=[1, 2, 3])[1]
    {'letter': 'b', 'number': 2}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: expected data sets all without names (for tuples) or all with names (for dicts), got "
                f"{len(args)} without and {len(kwargs)} with"
            )
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        sizes = [len(dataset) for dataset in args or kwargs.values()]
        if len(set(sizes)) > 1:
            raise ValueError(f"StackDataset: expected data sets of the same length, got lengths {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        if type(self).__getitem__ is not StackDataset.__getitem__:
            return [self[i] for i in indices]
        if isinstance(self.datasets, dict):
            columns = [samples_of(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row)) for row in zip(*columns, strict=True)]
        return list(zip(*(samples_of(dataset, indices) for dataset in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


def samples_of(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    """Return several samples in a list, fetched together if the data set has ``__getitems__`` for that."""
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[index] for index in indices]
    samples: list[Any] = dataset.__getitems__(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__: expected {len(indices)} samples, one for each index, "
            f"got {len(samples)}"
        )
    return samples


def random_split(dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None) -> list[Subset[Any]]:
    """Split a data set at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
        Any object with ``__getitem__`` and ``__len__``.
    lengths : sequence of int or float
        Integers that sum to ``len(dataset)``, or fractions that sum to 1. A fraction f gives floor(f n) samples, and
        what rounding left over goes to the parts one each, from the first on.
    generator : Generator, optional
        Where the randomness comes from; by default what ``minigrad.manual_seed`` seeds.

    Raises
    ------
    ValueError
        If the lengths sum to neither, or one is negative.

    Examples
    --------
    >>> import minigrad
    >>> parts = random_split(range(10), [0.75, 0.25], generator=minigrad.Generator().manual_seed(0))
    >>> [len(part) for part in parts]
    [8, 2]
    >>> sorted([*parts[0], *parts[1]])
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    n = len(dataset)
    if any(length < 0 for length in lengths):
        raise ValueError(f"random_split: expected lengths of 0 or more, got {list(lengths)}")
    if all(isinstance(length, int) for length in lengths):
        counts = [int(length) for length in lengths]
        if sum(counts) != n:
            raise ValueError(
                f"random_split: expected lengths that sum to the {n} samples of the data set, got "
                f"{' + '.join(map(str, counts)) or '0'} = {sum(counts)}"
            )
    elif math.isclose(sum(lengths), 1):
        counts = [math.floor(n * fraction) for fraction in lengths]
        for k in range(n - sum(counts)):
            counts[k % len(counts)] += 1
        if 0 in counts:
            warnings.warn(f"random_split: {n} samples by {list(lengths)} leave a part empty: {counts}", stacklevel=2)
    else:
        raise ValueError(
            f"random_split: expected integers that sum to {n} or fractions that sum to 1, got {list(lengths)}, "
            f"which sum to {sum(lengths)}"
        )
    order = (generator or default_generator()).permutation(n).tolist()
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, accumulate(counts), strict=True)]

"""Data sets: something that knows its samples by number."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from minigrad.backend import Generator, default_generator
from minigrad.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A collection of samples known by number: subclasses define ``__getitem__(index)`` and ``__len__()``.

    Any object with these two methods serves as one, a list too. There is no default ``__len__``: a data set that
    forgot it should say so, not count as empty or as true.

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

    def __len__(self) -> int:
        return len(self.indices)


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

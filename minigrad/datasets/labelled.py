"""Samples with labels, and functions that they pass through on their way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.tensor import Tensor
from minigrad.utils.data import Dataset, StackDataset, TensorDataset, default_collate

Function = Callable[[Any], Any]


class Labelled(StackDataset):
    """Samples and their labels side by side: ``dataset[i]`` is (sample, label).

    Parameters
    ----------
    data : Tensor
        The samples, along dimension 0.
    targets : Tensor
        Their labels.
    transform, target_transform : callable, optional
        What samples and labels pass through when they are read, each time anew.

    Attributes
    ----------
    data, targets : Tensor
        All of them, as they are stored: before the transforms.

    Notes
    -----
    ``dataset[[3, 1, 4]]`` and a :class:`~minigrad.utils.data.DataLoader` read many at once. A transform that takes
    batches as it takes images, as minigrad's own do, then gets all of them in one call; any other gets one by one.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad.transforms import RandomInvert
    >>> x, y = minigrad.rand(5, 1, 8, 8), minigrad.arange(5)
    >>> dataset = Labelled(x, y, transform=RandomInvert(p=1.0), target_transform=lambda y: 10 * y)
    >>> images, labels = dataset[[3, 1, 4]]
    >>> bool((images == 1 - x[[3, 1, 4]]).all()), labels
    (True, tensor([30, 10, 40]))
    """

    def __init__(
        self,
        data: Tensor,
        targets: Tensor,
        transform: Function | None = None,
        target_transform: Function | None = None,
    ) -> None:
        TensorDataset(data, targets)  # complains if they do not fit together
        if transform is None and target_transform is None:
            super().__init__(data, targets)  # of tensors a DataLoader reads whole batches at once
        else:
            super().__init__(Column(data, transform), Column(targets, target_transform))
        self.data, self.targets = data, targets
        self.transform, self.target_transform = transform, target_transform

    @property
    def tensors(self) -> tuple[Any, Any]:
        """Data and targets as they are stored, as a TensorDataset calls them."""
        return self.data, self.targets

    def as_tensors(self) -> TensorDataset:
        """Return all samples as they come out of the transforms now, to be computed once and not in each epoch."""
        return TensorDataset(*self[:])


class Column(Dataset[Any]):
    """The rows of a tensor as ``function`` makes them; single ones are Python numbers first if ``numbers``."""

    def __init__(self, tensor: Tensor, function: Function | None, numbers: bool = False) -> None:
        if function is not None and not callable(function):
            raise TypeError(f"expected a transform to be a function, got {type(function).__name__}")
        self.tensor, self.function, self.numbers = tensor, function, numbers

    def __len__(self) -> int:
        return len(self.tensor)

    def __getitem__(self, index: Any) -> Any:
        rows = self.tensor[index]
        if isinstance(index, (int, np.integer)) or (isinstance(index, Tensor) and not index.ndim):
            return self._passed(rows)
        whole = self._whole(rows)
        return default_collate([self._passed(row) for row in rows]) if whole is None and len(rows) else whole

    def __getitems__(self, indices: list[int]) -> list[Any]:
        rows = self.tensor[array_module(self.tensor.array).asarray(indices)]
        whole = self._whole(rows)
        if whole is None:
            return [self._passed(row) for row in rows]
        if self.numbers and self.function is None:
            return whole.tolist()  # type: ignore[no-any-return]
        return list(whole) if whole.requires_grad else [tensor_of(whole.array[k, ...]) for k in range(len(whole))]

    def _whole(self, rows: Tensor) -> Any:
        """Return what the function makes of many rows in one call; None if it must be called for each."""
        if self.function is None:
            return rows
        return self.function(rows) if getattr(self.function, "takes_batches", False) else None

    def _passed(self, row: Tensor) -> Any:
        entry = row.item() if self.numbers else row
        return entry if self.function is None else self.function(entry)

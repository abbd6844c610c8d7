"""Labels as vectors."""

from __future__ import annotations

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.nn.functional.loss import in_range
from minigrad.tensor import Tensor

__all__ = ["one_hot"]


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

"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from minigrad import ops
from minigrad.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all entries of all parameters in one vector; gradients pass through.

    >>> import minigrad
    >>> layer = minigrad.nn.Linear(3, 2)
    >>> minigrad.nn.utils.parameters_to_vector(layer.parameters()).shape
    minigrad.Size([8])
    """
    listed = list(parameters)
    if not listed:
        raise ValueError("parameters_to_vector: got no parameters; model.parameters() can be walked once: call it anew")
    return ops.cat([ops.reshape(x, (-1,)) for x in listed])  # type: ignore[no-any-return]


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Make the parameters consecutive parts of a vector, whose memory they then share.

    Raises
    ------
    ValueError
        The vector has more or fewer entries than the parameters together.
    """
    if not isinstance(vec, Tensor) or vec.ndim != 1:
        got = f"shape {tuple(vec.shape)}" if isinstance(vec, Tensor) else type(vec).__name__
        raise TypeError(f"vector_to_parameters: expected a tensor of one dimension, got {got}")
    listed = list(parameters)
    wanted = sum(x.numel() for x in listed)
    if wanted != vec.numel():
        raise ValueError(
            f"vector_to_parameters: {len(listed)} parameters have {wanted} entries, the vector {vec.numel()}"
        )
    start = 0
    for x in listed:
        x.data = vec.detach()[start : start + x.numel()].reshape(tuple(x.shape))
        start += x.numel()

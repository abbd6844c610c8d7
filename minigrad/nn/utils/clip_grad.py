"""Holding gradients within bounds, between ``backward()`` and ``step()``."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module, device_of, to_device
from minigrad.creation import tensor
from minigrad.inplace import check_writeable
from minigrad.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]


def _listed(name: str, tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for x in found:
        if not isinstance(x, Tensor):
            hint = "; model.named_parameters() gives pairs, model.parameters() what is wanted" * isinstance(x, tuple)
            raise TypeError(f"{name}: expected a Tensor or several, got {type(x).__name__} among them{hint}")
    return found


def _gradients(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients there are; warn where there are none, since then nothing is clipped."""
    listed = _listed(name, parameters)
    grads = [x.grad for x in listed if x._grad is not None]
    if not listed:
        why = "got no parameters: model.parameters() can be walked once, so call it anew for each use"
    elif not grads:
        why = "no parameter has a gradient: call this between backward() and step()"
    else:
        return grads  # type: ignore[return-value]
    warnings.warn(f"{name}: {why}. Nothing was clipped", stacklevel=3)
    return []


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients by one factor, in place, so that their norm is at most ``max_norm``; return the norm before.

    The norm is that of all gradients together, as if they were one vector: its direction stays, only its length is
    held. Against the steps that throw a training off: Pascanu, Mikolov and Bengio, "On the difficulty of training
    recurrent neural networks", 2013.

    Parameters
    ----------
    parameters : Tensor or iterable of Tensor
        Those without a gradient are passed over.
    max_norm : float
    norm_type : float
        The p of the p-norm; ``math.inf`` for the largest absolute value.
    error_if_nonfinite : bool
        Refuse a norm that is NaN or infinite, which would make all gradients NaN or 0. To look costs a wait on a GPU.
    foreach : bool, optional
        Accepted and ignored.

    Returns
    -------
    Tensor
        The norm before clipping, without dimensions.

    Warns
    -----
    UserWarning
        There is nothing to clip.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 4.0], requires_grad=True)
    >>> (0.5 * x * x).sum().backward()
    >>> minigrad.nn.utils.clip_grad_norm_([x], max_norm=1.0)
    tensor(5.)
    >>> x.grad
    tensor([0.6000, 0.8000])
    """
    grads = _gradients("clip_grad_norm_", parameters)
    total_norm = get_total_norm(grads, norm_type, error_if_nonfinite)
    _scale("clip_grad_norm_", grads, max_norm, total_norm)
    return total_norm


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the p-norm of all entries of all tensors, as if they were one vector."""
    listed = [x for x in _listed("get_total_norm", tensors) if x.numel()]
    if not listed:
        return tensor(0.0)
    p = float(norm_type)
    first = listed[0].array
    total = _joined([to_device(_powers(x.array, p), device_of(first)) for x in listed], p)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"get_total_norm: the norm of order {p:g} is {float(total)}, so the gradients cannot be clipped by it. "
            "Look where it comes from with minigrad.autograd.detect_anomaly(), or leave out error_if_nonfinite=True"
        )
    found: Tensor = tensor_of(array_module(first).asarray(total, dtype=first.dtype))
    return found


def _powers(x: Any, p: float) -> Any:
    """Return the p-th power of the p-norm, which adds up over tensors; the largest or smallest |x| for infinite p."""
    flat = x.reshape(-1)
    if p == 2.0:
        return flat.dot(flat)
    if p == math.inf:
        return abs(flat).max()
    if p == -math.inf:
        return abs(flat).min()
    if p == 0.0:
        return (flat != 0).sum(dtype=x.dtype)
    return (abs(flat) if p == 1.0 else abs(flat) ** p).sum()


def _joined(parts: list[Any], p: float) -> Any:
    xp = array_module(parts[0])
    stacked = xp.stack([xp.asarray(part) for part in parts])
    if math.isinf(p):
        return stacked.max() if p > 0 else stacked.min()
    total = stacked.sum()
    return xp.sqrt(total) if p == 2.0 else total if p in (0.0, 1.0) else total ** (1.0 / p)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by ``max_norm / total_norm`` where that is less than 1: the second half of clipping.

    For those who compute the norm themselves, with :func:`get_total_norm`.
    """
    _scale("clip_grads_with_norm_", _gradients("clip_grads_with_norm_", parameters), max_norm, total_norm)


def _scale(name: str, grads: list[Tensor], max_norm: float, total_norm: Tensor) -> None:
    norm = total_norm.array
    factor = array_module(norm).minimum(float(max_norm) / (norm + 1e-6), 1.0)
    if isinstance(norm, np.ndarray) and factor == 1.0:  # on a GPU to look would take longer than to multiply by 1
        return
    for g in grads:
        check_writeable(name, g.array)
        g.array *= to_device(factor, device_of(g.array)).astype(g.dtype)
        g.writes().add(f"{name}()")


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Hold every entry of every gradient between -clip_value and clip_value, in place. That changes the direction.

    >>> import minigrad
    >>> x = minigrad.tensor([3.0, 0.1], requires_grad=True)
    >>> (0.5 * x * x).sum().backward()
    >>> minigrad.nn.utils.clip_grad_value_([x], 1.0)
    >>> x.grad
    tensor([1.0000, 0.1000])
    """
    bound = float(clip_value)
    for g in _gradients("clip_grad_value_", parameters):
        check_writeable("clip_grad_value_", g.array)
        array_module(g.array).clip(g.array, -bound, bound, out=g.array)
        g.writes().add("clip_grad_value_()")

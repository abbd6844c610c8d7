"""Writing into a tensor: ``x.add_(1)``, ``x += 1``, ``x[0] = 1``.

An op never writes into its inputs. What is done in place is done out of place, checked, and then copied in, so that a
refusal changes nothing and every in-place method is one line.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.gradients import retain_grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.ops.promotion import category


def in_place(op: Any) -> Callable[..., Any]:
    """Return the method that overwrites a tensor with what ``op`` makes of it."""

    @functools.wraps(op, assigned=("__doc__",), updated=())
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return overwrite(self, method.__name__, op, args, kwargs)

    method.__name__ = f"{op.__name__}_"
    return method


def kept_in_shape(name: str, instead: str = "") -> Callable[..., Any]:
    """Return the method that refuses to change a shape in place and says what to write instead."""
    instead = instead or name.rstrip("_")

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(
            f"{name}: a tensor does not change its shape in place, because what was recorded with the old one would no "
            f"longer fit; write x = x.{instead}(...)"
        )

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Not supported: write ``x = x.{instead}(...)``."
    return method


def overwrite(tensor: Any, name: str, op: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Replace the values by ``op(tensor, ...)``, and the history by that op's, if it is recorded; return the tensor.

    The op runs on a copy, which then holds the old values that its rule may need.
    """
    before = tensor
    operands = (tensor, *args, *kwargs.values())
    if is_grad_enabled() and any(isinstance(x, TensorBase) and x._requires_grad for x in operands):
        before = tensor_of(tensor.array.copy(), tensor.node)
        before._requires_grad = tensor._requires_grad
    kwargs = {key: before if x is tensor else x for key, x in kwargs.items()}
    result = op(before, *(before if x is tensor else x for x in args), **kwargs)
    _check(tensor, name, result)
    tensor.array[...] = result.array
    tensor.writes().add(f"{name}()", result.node)
    if result._requires_grad:
        keep = tensor.__dict__.pop("_retains_grad", None)
        if keep is not None:
            tensor.node.hooks.remove(keep)
        tensor.node = result.node
        tensor._requires_grad = True
        if keep is not None:  # the gradient of the new value is wanted; hooks of the user's stay with the old
            retain_grad(tensor)
    return tensor


def _check(tensor: Any, name: str, result: Any) -> None:
    """Refuse to store ``result`` in ``tensor`` where it does not fit, or where a gradient would be lost."""
    recorded = result._requires_grad
    if recorded and tensor._requires_grad and tensor.node is None:
        raise RuntimeError(
            f"{name}: a leaf that requires grad cannot be changed in place: its gradient would be that of the old "
            "value. To update a parameter, do it under no_grad(); to compute with it, write x = x + 1"
        )
    if recorded and tensor.is_view:
        raise RuntimeError(
            f"{name}: this tensor is a view, and the tensor it looks at would not know of the change. Assign "
            "through that one (x[0] = ...), or write out of place"
        )
    if tensor._requires_grad and not recorded and is_grad_enabled():
        raise RuntimeError(
            f"{name}: the result has no gradient, and this tensor requires grad: backward() would take it for the old "
            "value. Write out of place, or do it under no_grad()"
        )
    if result.shape != tensor.shape:
        raise RuntimeError(
            f"{name}: the result has shape {tuple(result.shape)}, which does not fit into {tuple(tensor.shape)}"
        )
    if category(result.dtype) > category(tensor.dtype):
        raise RuntimeError(
            f"{name}: a result of {result.dtype} cannot be stored in a tensor of {tensor.dtype}; "
            "convert it first (x = x.float()), or write out of place"
        )
    check_writeable(name, tensor.array)


def check_writeable(name: str, array: Any) -> None:
    """Refuse to write into memory that several entries share."""
    if isinstance(array, np.ndarray) and not array.flags.writeable:
        raise ValueError(
            f"{name}: this tensor of shape {array.shape} is read-only, as are the results of expand(), whose entries "
            "share memory; call clone() first"
        )


def without_leading_ones(shape: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Return the shape in which a value is assigned to ``ndim`` dimensions.

    NumPy lets a (1, 3) value be assigned to 3 entries; the gradient then has to find its way back.
    """
    extra = max(len(shape) - ndim, 0)
    return tuple(shape[extra:]) if all(n == 1 for n in shape[:extra]) else tuple(shape)

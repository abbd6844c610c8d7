"""Taking a batch norm into the layer in front of it: in evaluation both are affine, and so are the two together."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from minigrad import ops
from minigrad.autograd.grad_mode import no_grad
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]

T = TypeVar("T", bound=Module)


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Return weight and bias of the convolution that does what the given one and a batch norm behind it do.

    ``W' = s W`` and ``b' = s (b - mean) + beta``, where ``s = gamma / sqrt(var + eps)`` for each output channel, which
    is dim 0 of W, or dim 1 of a transposed convolution's.
    """
    with no_grad():
        scale = ops.rsqrt(bn_rv + bn_eps)
        scale = scale if bn_w is None else scale * bn_w
        shape = [1] * conv_w.ndim
        shape[1 if transpose else 0] = -1
        shift = (-bn_rm if conv_b is None else conv_b - bn_rm) * scale
        shift = shift if bn_b is None else shift + bn_b
        weight = conv_w * ops.reshape(scale, shape)
    with_bias = conv_b is not None and conv_b.requires_grad
    return Parameter(weight.to(conv_w.dtype), conv_w.requires_grad), Parameter(shift.to(conv_w.dtype), with_bias)


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Return weight and bias of the linear layer that does what the given one and a batch norm behind it do."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def fuse_conv_bn_eval(conv: T, bn: Module, transpose: bool = False) -> T:
    """Return a copy of a convolution that also does what the batch norm behind it does; both must be in evaluation."""
    fused: T = _fused("fuse_conv_bn_eval", conv, bn, transpose)
    return fused


def fuse_linear_bn_eval(linear: T, bn: Module) -> T:
    """Return a copy of a linear layer that also does what the batch norm behind it does; both must be in evaluation.

    >>> import minigrad
    >>> from minigrad import nn
    >>> linear, bn = nn.Linear(3, 2).eval(), nn.BatchNorm1d(2).eval()
    >>> x = minigrad.randn(4, 3)
    >>> minigrad.allclose(nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
    True
    """
    fused: T = _fused("fuse_linear_bn_eval", linear, bn, False)
    return fused


def _fused(name: str, layer: Any, bn: Any, transpose: bool) -> Any:
    if layer.training or bn.training:
        raise RuntimeError(f"{name}: expected both modules in evaluation; call .eval() on them first")
    mean, var = getattr(bn, "running_mean", None), getattr(bn, "running_var", None)
    channels = layer.weight.shape[1 if transpose else 0]
    if mean is None or var is None or len(mean) != channels:
        got = "none" if mean is None else f"those of {len(mean)}"
        raise ValueError(f"{name}: expected running statistics of the {channels} outputs of the layer, got {got}")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        layer.weight, layer.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused

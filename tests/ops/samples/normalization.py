"""Samples of the sheet ``normalization``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import POSITIVE, T, call, row, torch


def np_batch_norm(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    dims = (0, *range(2, x.ndim))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    y = (x - x.mean(axis=dims, keepdims=True)) / np.sqrt(x.var(axis=dims, keepdims=True) + eps)
    return y * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


def np_group_norm(x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    apart = np_batch_norm(x.reshape(1, len(x) * groups, -1), None, None, eps).reshape(x.shape)
    return channel_affine(apart, weight, bias)


def channel_affine(x: Any, weight: Any, bias: Any) -> Any:  # of NumPy's arrays or PyTorch's tensors
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return x * (1.0 if weight is None else weight.reshape(shape)) + (0.0 if bias is None else bias.reshape(shape))


def np_layer_norm(x: Any, weight: Any, bias: Any, ndim: int, eps: float, centred: bool = True) -> Any:
    dims = tuple(range(x.ndim - ndim, x.ndim))
    c = x - x.mean(axis=dims, keepdims=True) if centred else x
    y = c / np.sqrt((c * c).mean(axis=dims, keepdims=True) + eps)
    return y * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)


def torch_layer_norm(x: Any, weight: Any, bias: Any, ndim: int, eps: float, centred: bool = True) -> Any:
    F, shape = torch("nn.functional"), x.shape[x.ndim - ndim :]
    if weight is None and bias is not None:  # of which PyTorch has no second derivative
        weight = torch("ones_like")(bias)
    if centred:
        return F.layer_norm(x, shape, weight, bias, eps)
    return F.rms_norm(x, shape, weight, eps) + (0 if bias is None else bias)


# fmt: off
ROWS = [
    row("batch_norm", np_batch_norm, call(T(4, 3), T(3), T(3), 1e-3), call(T(4, 3), None, None, 1e-3),
        call(T(2, 3, 2, 2), T(3), T(3), 1e-3), call(T(2, 3, 4), T(3), None, 1e-3),
        torch=lambda x, w, b, eps: torch("nn.functional.batch_norm")(x, None, None, w, b, training=True, eps=eps)),
    row("group_norm", np_group_norm, call(T(2, 4, 3), T(4), T(4), 2, 1e-3), call(T(3, 4), T(4), T(4), 2, 1e-3),
        call(T(2, 2, 2, 3), None, None, 2, 1e-3), call(T(2, 2, 2, 3), T(2), None, 1, 1e-3),
        torch=lambda x, w, b, groups, eps:
        torch("nn.functional.group_norm")(x, groups, w, b, eps)),
    row("layer_norm", np_layer_norm, call(T(4, 3), T(3), T(3), 1, 1e-3), call(T(2, 3, 4), None, None, 1, 1e-3),
        call(T(2, 3, 4), T(3, 4), T(3, 4), 2, 1e-3), call(T(2, 3, 4), T(4), None, 1, 1e-3),
        call(T(2, 3, 4), None, T(4), 1, 1e-3), call(T(5), T(5), T(5), 1, 1e-3), call(T(0, 3), T(3), T(3), 1, 1e-3),
        torch=torch_layer_norm),
    row("layer_norm", np_layer_norm, call(T(2, 3, 4), T(3, 4), T(3, 4), 2, 1e-3, centred=False),
        call(T(4, 3), None, None, 1, 1e-3, False), call(T(5), T(5), None, 1, 1e-3, False), note="not centred",
        torch=torch_layer_norm),
    row("channel_affine", channel_affine, call(T(4, 3), T(3), T(3)),
        call(T(2, 3, 2, 2), T(3), None), call(T(2, 3, 4), None, T(3)), call(T(0, 3, 2), T(3), T(3)),
        torch=channel_affine),
    row("batch_norm_fixed", lambda x, m, v, w, b, eps: (x - m) / np.sqrt(v + eps) * w + b,
        call(T(4, 3), T(3), T(3, **POSITIVE), T(3), T(3), 1e-3),
        torch=lambda x, m, v, w, b, eps: (x - m) / (v + eps).sqrt() * w + b),
]
# fmt: on

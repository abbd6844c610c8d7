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


# fmt: off
ROWS = [
    row("batch_norm", np_batch_norm, call(T(4, 3), T(3), T(3), 1e-3), call(T(4, 3), None, None, 1e-3),
        call(T(2, 3, 2, 2), T(3), T(3), 1e-3), call(T(2, 3, 4), T(3), None, 1e-3),
        torch=lambda x, w, b, eps: torch("nn.functional.batch_norm")(x, None, None, w, b, training=True, eps=eps)),
    row("batch_norm_fixed", lambda x, m, v, w, b, eps: (x - m) / np.sqrt(v + eps) * w + b,
        call(T(4, 3), T(3), T(3, **POSITIVE), T(3), T(3), 1e-3),
        torch=lambda x, m, v, w, b, eps: (x - m) / (v + eps).sqrt() * w + b),
]
# fmt: on

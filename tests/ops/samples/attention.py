"""Samples of the sheet ``attention``."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops import cast
from minigrad.ops.attention import attention

from .table import F, M, T, call, np_softmax, row, torch

NO = -np.inf
SOME = F([[0.0, NO, 0.5], [NO, NO, NO]])  # the second query may look nowhere


def np_masked_softmax(x: Any, mask: Any = None) -> Any:
    y = np_softmax(x if mask is None else np.where(mask == NO, -1e300, x + np.where(mask == NO, 0, mask)), -1)
    return y if mask is None else np.where(mask == NO, 0, y)


def np_attention(q: Any, k: Any, v: Any, mask: Any = None, drop: Any = None, scale: float = 1.0) -> Any:
    weights = np_masked_softmax(np.einsum("...le,...se->...ls", q, k) * scale, mask)
    return np.einsum("...ls,...sv->...lv", weights if drop is None else weights * drop, v)


def torch_masked_softmax(x: Any, mask: Any = None) -> Any:
    eye = x.new_ones(x.shape[-1]).diag().expand(*x.shape[:-2], -1, -1)
    return torch("nn.functional.scaled_dot_product_attention")(x, eye, eye, mask, scale=1.0)


def dropped(q: Any, k: Any, v: Any, keep: Any) -> Any:
    """Attention with dropout of a half; ``keep`` says which weights it kept."""
    return attention(q, k, v, None, cast(keep, q.dtype) * 2.0, 0.5)


def torch_dropped(q: Any, k: Any, v: Any, keep: Any) -> Any:
    return (torch("softmax")(q @ k.mT * 0.5, -1) * keep.to(q.dtype) * 2.0) @ v


def torch_attention(q: Any, k: Any, v: Any, mask: Any = None, scale: float = 1.0) -> Any:
    return torch("nn.functional.scaled_dot_product_attention")(q, k, v, mask, scale=scale)


# fmt: off
ROWS = [
    row("masked_softmax", np_masked_softmax, call(T(2, 3)), call(T(2, 2, 3), T(2, 3)), call(T(0, 3)),
        call(T(2, 3), SOME), torch=torch_masked_softmax),
    row("attention", np_attention, call(T(2, 3), T(4, 3), T(4, 2)), call(T(2, 2, 3), T(2, 2, 3), T(2, 2, 2), scale=0.5),
        call(T(2, 1, 2, 3), T(2, 2, 3, 3), T(2, 3, 1), T(2, 3), scale=0.3), torch=torch_attention),
    row("attention", lambda q, k, v, keep: np_attention(q, k, v, None, keep * 2.0, 0.5),
        call(T(2, 3), T(4, 3), T(4, 2), M([[True, False, True, True], [False, True, False, True]])),
        note="dropout", run=dropped, torch=torch_dropped),
]
# fmt: on

"""Metrics of language models."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module, is_array
from minigrad.creation import zeros
from minigrad.metrics.metric import Metric
from minigrad.ops.activation import log_softmax
from minigrad.tensor import Tensor

__all__ = ["Perplexity"]


class Perplexity(Metric):
    """How many tokens a language model wavers between: exp(-mean log p(token)), 1 if it is always sure and right.

    Parameters
    ----------
    ignore_index : int, optional
        Tokens with this number do not count, such as padding.

    Examples
    --------
    >>> import minigrad
    >>> perplexity = Perplexity(ignore_index=-100)
    >>> logits = minigrad.zeros(1, 3, 50)  # no idea, of 50
    >>> perplexity(logits, minigrad.tensor([[7, 8, -100]]))
    tensor(50.0000)
    """

    higher_is_better = False
    total_log_probs: Tensor
    count: Tensor
    invalid: Tensor

    def __init__(self, ignore_index: int | None = None) -> None:
        super().__init__()
        if ignore_index is not None and not isinstance(ignore_index, int):
            raise ValueError(f"Perplexity: expected ignore_index to be None or an integer, got {ignore_index!r}")
        self.ignore_index = ignore_index
        self.add_state("total_log_probs", zeros((), dtype=np.float64), dist_reduce_fx="sum")
        self.add_state("count", zeros((), dtype=np.int64), dist_reduce_fx="sum")
        self.add_state("invalid", zeros((), dtype=np.int64), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch: logits (N, T, V), and tokens (N, T) from 0 to V-1."""
        logits, tokens = (x.array if isinstance(x, Tensor) else x for x in (preds, target))
        if not is_array(logits) or not is_array(tokens):
            raise TypeError(f"Perplexity: expected tensors, got {type(preds).__name__} and {type(target).__name__}")
        if logits.ndim != 3 or logits.shape[:2] != tokens.shape or logits.dtype.kind != "f":
            raise ValueError(
                "Perplexity: expected preds to be logits (N, T, V) and target tokens (N, T), got preds "
                f"{tuple(logits.shape)} {logits.dtype} and target {tuple(tokens.shape)} {tokens.dtype}"
            )
        if tokens.dtype.kind not in "iu":
            raise ValueError(f"Perplexity: expected target to hold tokens (integers), got {tokens.dtype}")
        xp = array_module(logits)
        known = xp.ones(tokens.shape, bool) if self.ignore_index is None else tokens != self.ignore_index
        invalid = known & ((tokens < 0) | (tokens >= logits.shape[2]))
        if xp is np and invalid.any():
            raise RuntimeError(
                f"Perplexity: expected tokens from 0 to {logits.shape[2] - 1}, got {tokens[known].min()} to "
                f"{tokens[known].max()}; give ignore_index if some are padding"
            )
        self.invalid = tensor_of(self.invalid.array + invalid.sum())  # on a GPU, for compute to complain
        counts = known & ~invalid
        at: Array = xp.where(counts, tokens, 0).astype(np.int64)
        chosen = xp.take_along_axis(log_softmax(logits, 2), at[..., None], axis=2)[..., 0]
        self.total_log_probs = tensor_of(self.total_log_probs.array - (chosen * counts).sum(dtype=np.float64))
        self.count = tensor_of(self.count.array + counts.sum())

    def compute(self) -> Tensor:
        """Return the perplexity of everything since the last reset: 0-d float32."""
        if bad := int(self.invalid.item()):
            raise RuntimeError(f"Perplexity: {bad} tokens in the batches so far were out of range")
        xp = array_module(self.count.array)
        mean = self.total_log_probs.array / xp.maximum(self.count.array, 1)
        return tensor_of(xp.asarray(xp.exp(mean), dtype=np.float32))  # type: ignore[no-any-return]

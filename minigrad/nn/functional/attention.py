"""Attention as functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.autograd.node import tensor_of
from minigrad.backend import array_module
from minigrad.creation import ones, zeros
from minigrad.nn.functional.regularization import dropout
from minigrad.ops.attention import attention
from minigrad.ops.promotion import BOOL
from minigrad.tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


# --------------------------------------------------------------------------------------------------------------
# One head, or many beside each other


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Mean of the values, weighted by how well each query fits their keys: softmax(Q K^T / sqrt(E) + mask) V.

    Dot products of E random numbers vary as sqrt(E); divided by it, they leave the softmax where it has a slope
    (Vaswani et al., "Attention is all you need", 2017).

    Parameters
    ----------
    query, key, value : Tensor, shapes (..., L, E), (..., S, E), (..., S, V)
        The dimensions in front, such as batch and heads, broadcast.
    attn_mask : Tensor, optional
        Broadcasts to (..., L, S). Boolean: True where a query may look. Floating: added to the scores. A query that
        may look nowhere gets zeros.
    dropout_p : float
        Share of the weights to drop. Always applied: pass 0 in evaluation.
    is_causal : bool
        Let query i look at keys 0 ... i only, in place of a mask.
    scale : float, optional
        Factor of the scores. Default: 1 / sqrt(E).
    enable_gqa : bool
        Let several heads (dim -3) of the query share one of key and value (Ainslie et al., 2023).

    Returns
    -------
    Tensor, shape (..., L, V)

    Raises
    ------
    RuntimeError
        Shapes or dtypes do not fit, or there are both a mask and ``is_causal``.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0]  # it can look at itself alone
    tensor([1., 0.])
    """
    _check_attention(query, key, value, dropout_p)
    if enable_gqa and query.ndim > 2:
        key, value = (_repeated(x, query.shape[-3]) for x in (key, value))
    batch = _batch(query, key, value)
    scores = (*batch, query.shape[-2], key.shape[-2])
    mask = _added_mask(query, scores, attn_mask, is_causal)
    factors = None
    if dropout_p:
        factors = dropout(ops.expand(ones((), dtype=query.dtype, device=query.device), scores), dropout_p)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    return attention(query, key, value, mask, factors, scale)


def _check_attention(query: Tensor, key: Tensor, value: Tensor, dropout_p: float) -> None:
    name, three = "scaled_dot_product_attention", {"query": query, "key": key, "value": value}
    if min(x.ndim for x in three.values()) < 2:
        raise _unlike("at least 2 dimensions each, (length, features)", three)
    if len({x.dtype for x in three.values()}) > 1 or query.dtype.kind != "f":
        found = ", ".join(f"{role} {x.dtype}" for role, x in three.items())
        raise RuntimeError(f"{name}: expected floating tensors of one dtype, got {found}")
    if query.shape[-1] != key.shape[-1]:
        raise _unlike("query and key with the same number of features (the last dimension)", three)
    if key.shape[-2] != value.shape[-2]:
        raise _unlike("a value for each key (the last dimension but one)", three)
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"{name}: expected dropout_p between 0 and 1, got {dropout_p}")


def _unlike(expected: str, tensors: dict[str, Tensor]) -> RuntimeError:
    found = ", ".join(f"{role} {tuple(x.shape)}" for role, x in tensors.items())
    return RuntimeError(f"scaled_dot_product_attention: expected {expected}; got {found}")


def _batch(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(query.shape[:-2], key.shape[:-2], value.shape[:-2])
    except ValueError:
        raise _unlike(
            "dimensions in front of the last two that are equal or 1; fewer heads of key and value than of the query "
            "go with enable_gqa=True",
            {"query": query, "key": key, "value": value},
        ) from None


def _repeated(x: Tensor, heads: int) -> Tensor:
    """Let each head (dim -3) stand ``heads / x.shape[-3]`` times in a row."""
    *front, own, length, features = x.shape
    if heads % own:
        raise RuntimeError(f"scaled_dot_product_attention: {own} heads of key or value cannot be shared by {heads}")
    spread = ops.expand(ops.unsqueeze(x, -3), (*front, own, heads // own, length, features))
    return ops.reshape(spread, (*front, heads, length, features))


def _added_mask(query: Tensor, scores: tuple[int, ...], attn_mask: Tensor | None, is_causal: bool) -> Tensor | None:
    """Return what is added to scores of shape ``scores``."""
    name = "scaled_dot_product_attention"
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                f"{name}: is_causal=True is a mask already; leave out attn_mask, or merge the two into it"
            )
        return causal_mask(scores[-2], scores[-1], query)
    if attn_mask is None:
        return None
    if attn_mask.dtype not in (BOOL, query.dtype):
        raise RuntimeError(
            f"{name}: expected attn_mask of bool or {query.dtype}, got {attn_mask.dtype}; use mask.bool()"
        )
    if attn_mask.ndim > len(scores) or any(
        n not in (1, m) for n, m in zip(attn_mask.shape[::-1], scores[::-1], strict=False)
    ):
        raise RuntimeError(
            f"{name}: expected attn_mask (L, S) = {scores[-2:]}, with batch {scores} or sizes of 1, got "
            f"{tuple(attn_mask.shape)}"
        )
    return attn_mask if attn_mask.dtype != BOOL else excluding(ops.logical_not(attn_mask), query)


def causal_mask(length: int, keys: int, like: Tensor) -> Tensor:
    """Return a mask to be added to scores (length, keys): -inf where a key comes after the query."""
    xp = array_module(like.array)
    return excluding(tensor_of(xp.arange(keys) > xp.arange(length)[:, None]), like)


def excluding(mask: Tensor, like: Tensor) -> Tensor:
    """Return a mask to be added to scores: -inf where a boolean one is True."""
    zero = zeros((), dtype=like.dtype, device=like.device)
    return ops.where(mask, -math.inf, zero)


# --------------------------------------------------------------------------------------------------------------
# Many heads, with their projections


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Project queries, keys and values, cut each into heads, attend in each, join the heads, and project again.

    What :class:`minigrad.nn.MultiheadAttention` computes, with all its parameters given; shapes, masks, results and
    errors as there. ``batch_first`` is minigrad's own option.
    """
    name = "multi_head_attention_forward"
    if static_k is not None or static_v is not None:
        raise NotImplementedError(f"{name}: static_k and static_v are not supported; use scaled_dot_product_attention")
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    refused = attention_input_error(
        query, key, value, embed_dim_to_check, num_heads, key_padding_mask, attn_mask, is_causal, batch_first
    )
    if refused is not None:
        raise RuntimeError(f"{name}: {refused}")
    batched = query.ndim == 3
    if not batched:
        own = {id(x): ops.unsqueeze(x, 0 if batch_first else 1) for x in (query, key, value)}
        query, key, value = (own[id(x)] for x in (query, key, value))
    to_heads = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)  # to (N, heads, L, features), from the one or the other
    q, k, v = (
        ops.permute(ops.reshape(x, (*x.shape[:2], num_heads, -1)), to_heads)
        for x in _projected(query, key, value, weights, in_proj_bias)
    )
    more = []  # keys and values that everybody may look at, one or none of each kind
    if bias_k is not None and bias_v is not None:
        more.append([ops.reshape(x, (1, num_heads, 1, -1)) for x in (bias_k, bias_v)])
    if add_zero_attn:
        more.append([zeros(1, 1, 1, 1, dtype=k.dtype, device=k.device)] * 2)
    for pair in more:
        k, v = (
            ops.cat([x, ops.expand(y, (*x.shape[:2], 1, x.shape[3]))], 2) for x, y in zip((k, v), pair, strict=True)
        )
    mask = _merged(q, key_padding_mask, attn_mask, len(more))
    dropout_p = dropout_p if training else 0.0
    seen = None
    if need_weights:  # step by step
        scores = ops.matmul(q * (1 / math.sqrt(q.shape[-1])), ops.transpose(k, -1, -2))
        seen = dropout(ops.softmax(scores if mask is None else scores + mask, -1), dropout_p)
        y = ops.matmul(seen, v)
        seen = ops.mean(seen, 1) if average_attn_weights else seen
        seen = seen if batched else ops.squeeze(seen, 0)
    else:
        y = scaled_dot_product_attention(q, k, v, mask, dropout_p)
    y = ops.permute(y, (0, 2, 1, 3) if batch_first else (2, 0, 1, 3))
    y = ops.linear(ops.flatten(y, 2), out_proj_weight, out_proj_bias)
    return (y if batched else ops.squeeze(y, 0 if batch_first else 1)), seen


def _projected(query: Tensor, key: Tensor, value: Tensor, weights: Any, bias: Tensor | None) -> Any:
    """Return queries, keys and values, by a single product for those that are made of one tensor.

    ``weights`` is a matrix of the three below each other, or, where their inputs differ in width, a tuple of them.
    """
    biases = (None, None, None) if bias is None else ops.chunk(bias, 3)
    if isinstance(weights, tuple):
        return [ops.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
    if query is key and key is value:
        return ops.chunk(ops.linear(query, weights, bias), 3, -1)
    if key is value:
        size = len(weights) // 3
        both = ops.linear(key, weights[size:], None if bias is None else bias[size:])
        return ops.linear(query, weights[:size], biases[0]), *ops.chunk(both, 2, -1)
    return _projected(query, key, value, ops.chunk(weights, 3), bias)


def _merged(q: Tensor, padding: Tensor | None, attn_mask: Tensor | None, more: int) -> Tensor | None:
    """Return what is added to the scores (N, heads, L, S + more): both masks, and 0 for the keys that came later."""
    n, heads = q.shape[:2]
    masks = []
    if attn_mask is not None:
        masks.append(ops.unflatten(attn_mask, 0, (n, heads)) if attn_mask.ndim == 3 else attn_mask)
    if padding is not None:
        masks.append(ops.reshape(padding, (n, 1, 1, -1)))
    masks = [excluding(mask, q) if mask.dtype == BOOL else mask for mask in masks]
    if more:
        masks = [ops.cat([m, zeros(*m.shape[:-1], more, dtype=m.dtype, device=m.device)], -1) for m in masks]
    return masks[0] + masks[1] if len(masks) == 2 else masks[0] if masks else None


def attention_input_error(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim: int,
    num_heads: int,
    padding: Tensor | None,
    attn_mask: Tensor | None,
    is_causal: bool,
    batch_first: bool,
) -> str | None:
    """Say what is wrong with the inputs of attention with many heads; None if nothing is."""
    order = "(batch, length, features)" if batch_first else "(length, batch, features)"
    found = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if query.ndim not in (2, 3) or not query.ndim == key.ndim == value.ndim:
        return f"expected query, key and value {order}, or all three (length, features), got {found}."
    if query.shape[-1] != embed_dim:
        return f"expected query (..., {embed_dim}), got {tuple(query.shape)}."
    if key.shape[:-1] != value.shape[:-1]:
        return f"expected a value for each key, got {found}."
    batched = query.ndim == 3
    at = 0 if batch_first else 1
    if batched and query.shape[at] != key.shape[at]:
        other = f"\n  If the batch comes {'second' if batch_first else 'first'}, use batch_first={not batch_first}."
        return f"expected query and key of one batch, in the order {order}, got {found}.{other}"
    n = query.shape[at] if batched else 1
    length, keys = (x.shape[1 - at if batched else 0] for x in (query, key))
    if is_causal and attn_mask is None:
        return (
            "is_causal=True says what kind of mask attn_mask is, and there is none.\n  Pass "
            f"attn_mask=nn.Transformer.generate_square_subsequent_mask({length}) too."
        )
    shapes = {"attn_mask": [(length, keys), (n * num_heads, length, keys)]}
    shapes["key_padding_mask"] = [(n, keys) if batched else (keys,)]
    for name, mask in (("attn_mask", attn_mask), ("key_padding_mask", padding)):
        if mask is None:
            continue
        if mask.dtype not in (BOOL, query.dtype):
            return f"expected {name} of bool (True: do not look) or {query.dtype}, got {mask.dtype}.\n  Use mask.bool()"
        if tuple(mask.shape) not in shapes[name]:
            what = " or ".join(map(str, shapes[name]))
            return f"expected {name} {what}, got {tuple(mask.shape)}, for {found}."
    return None

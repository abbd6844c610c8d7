"""Attention with many heads, as a layer."""

from __future__ import annotations

from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import empty, zeros
from minigrad.nn import init
from minigrad.nn.functional import multi_head_attention_forward
from minigrad.nn.functional.attention import attention_input_error
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Let each entry of one sequence look at the entries of another, or of its own, in several ways at once.

    | head_i = softmax(Q_i K_i^T / sqrt(d)) V_i with Q = W_q query + b_q, K = W_k key + b_k, V = W_v value + b_v
    | output = W_o [head_1 ... head_h] + b_o

    Q, K and V are cut into h heads of d = embed_dim / h features, each with weights of its own over the keys.
    Vaswani et al., "Attention is all you need", 2017.

    Parameters
    ----------
    embed_dim : int
        Features E of query and output; all that stands between has as many.
    num_heads : int
        h, which must divide ``embed_dim``.
    dropout : float
        In training, drop this share of the attention weights.
    bias : bool
        Whether the projections have biases.
    add_bias_kv : bool
        Append one learned key and value to each sequence of keys.
    add_zero_attn : bool
        Append a key and a value of zeros: something to look at when nothing fits.
    kdim, vdim : int, optional
        Features of key and value. Default: E.
    batch_first : bool
        Inputs and output are (N, L, features) instead of (L, N, features).

    Raises
    ------
    ValueError
        ``num_heads`` does not divide ``embed_dim``.
    RuntimeError
        Inputs or masks do not fit; the message says which, and what would.

    Notes
    -----
    Called with query (L, N, E), key (S, N, kdim), value (S, N, vdim), or all three without N, and

    - ``key_padding_mask`` (N, S): True for keys that are padding;
    - ``attn_mask`` (L, S) or (N h, L, S): True where a query must not look (the opposite of
      :func:`~minigrad.nn.functional.scaled_dot_product_attention`), or numbers to be added to the scores;
    - ``need_weights=False``: return None for the weights, which is faster. A query that may look nowhere then gets
      zeros, and NaN otherwise, as in PyTorch;
    - ``average_attn_weights``: whether the weights are the mean over the heads, (N, L, S), or (N, h, L, S);
    - ``is_causal=True``: a hint that ``attn_mask`` is the causal one, which must be given all the same.

    Returns the output, of the shape of query, and the weights. ``in_proj_weight`` (3 E, E) holds W_q, W_k and W_v
    below each other, one product for all three in self-attention; with other ``kdim`` or ``vdim`` they are
    ``q_proj_weight``, ``k_proj_weight`` and ``v_proj_weight``. They start Xavier uniform, biases at 0.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.MultiheadAttention(16, num_heads=4, batch_first=True)
    >>> x = minigrad.randn(2, 5, 16)
    >>> output, weights = layer(x, x, x)
    >>> output.shape, weights.shape
    (minigrad.Size([2, 5, 16]), minigrad.Size([2, 5, 5]))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if embed_dim < 1 or num_heads < 1:
            raise ValueError(
                f"MultiheadAttention: expected embed_dim and num_heads above 0, got {embed_dim} and {num_heads}"
            )
        if embed_dim % num_heads:
            fits = [n for n in range(1, embed_dim + 1) if embed_dim % n == 0]
            raise ValueError(
                f"MultiheadAttention: embed_dim {embed_dim} cannot be cut into {num_heads} heads of one size; "
                f"num_heads can be {', '.join(map(str, fits))}"
            )
        if not 0 <= dropout <= 1:
            raise ValueError(f"MultiheadAttention: expected a dropout probability between 0 and 1, got {dropout}")
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn

        def parameter(*shape: int) -> Parameter:
            return Parameter(empty(shape, device=device, dtype=dtype))

        self.in_proj_weight = self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = parameter(3 * embed_dim, embed_dim)
        else:
            self.q_proj_weight = parameter(embed_dim, embed_dim)
            self.k_proj_weight = parameter(embed_dim, self.kdim)
            self.v_proj_weight = parameter(embed_dim, self.vdim)
        self.in_proj_bias = Parameter(zeros(3 * embed_dim, device=device, dtype=dtype)) if bias else None
        self.bias_k = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.bias_v = parameter(1, 1, embed_dim) if add_bias_kv else None
        self.out_proj = Linear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for extra in (self.bias_k, self.bias_v):
            if extra is not None:
                init.xavier_normal_(extra)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        self._check(query, key, value, key_padding_mask, attn_mask, is_causal)
        return multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            self.training,
            key_padding_mask,
            need_weights,
            attn_mask,
            self.in_proj_weight is None,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            batch_first=self.batch_first,
        )

    def _check(self, query: Any, key: Any, value: Any, padding: Any, attn_mask: Any, is_causal: bool) -> None:
        for x in (query, key, value, padding, attn_mask):
            if x is not None and not isinstance(x, Tensor):
                raise self._not_a_tensor(x)
        for x in (query, key, value):
            if x.dtype != self.out_proj.weight.dtype:
                raise self._other_dtype(x, self.out_proj.weight)
        error = attention_input_error(
            query, key, value, self.embed_dim, self.num_heads, padding, attn_mask, is_causal, self.batch_first
        )
        if error is None and (key.shape[-1], value.shape[-1]) != (self.kdim, self.vdim):
            error = f"expected key (..., {self.kdim}) and value (..., {self.vdim}), got {tuple(key.shape)} and "
            error += f"{tuple(value.shape)}.\n  Other widths are the options kdim and vdim."
        if error is not None:
            raise self.input_error(error)

    def _label(self) -> str:
        return f"MultiheadAttention {self.embed_dim}, {self.num_heads} heads"

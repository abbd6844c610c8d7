"""Transformers: layers of attention and small networks, with a shortcut around each (Vaswani et al., 2017)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from minigrad.backend import DeviceLike, array_module
from minigrad.creation import zeros
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.attention import MultiheadAttention
from minigrad.nn.container import ModuleList
from minigrad.nn.dropout import Dropout
from minigrad.nn.linear import Linear
from minigrad.nn.module import Module
from minigrad.nn.normalization import LayerNorm
from minigrad.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[[Tensor], Tensor]


def _activation(layer: str, activation: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(activation, str):
        return activation
    if activation not in ("relu", "gelu"):
        raise RuntimeError(f"{layer}: expected activation 'relu', 'gelu' or a function, got {activation!r}")
    return F.relu if activation == "relu" else F.gelu


# --------------------------------------------------------------------------------------------------------------
# One layer


class _Layer(Module):
    """What both kinds of layers have: self-attention, and a small network for each entry by itself."""

    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    dropout3: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int,
        dropout: float,
        activation: Activation,
        batch_first: bool,
        norm_first: bool,
        cross: bool,
        layer_norm_eps: float,
        bias: bool,
        kind: dict[str, Any],
    ) -> None:
        super().__init__()
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias=bias, batch_first=batch_first, **kind)
        if cross:
            self.multihead_attn = MultiheadAttention(
                d_model, nhead, dropout, bias=bias, batch_first=batch_first, **kind
            )
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **kind)
        self.norm_first = norm_first
        for k in range(1, 4 if cross else 3):
            setattr(self, f"norm{k}", LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **kind))
        for k in range(1, 4 if cross else 3):
            setattr(self, f"dropout{k}", Dropout(dropout))
        self.activation = _activation(type(self).__name__, activation)

    def _around(self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """Add what a part makes of x to x itself, and normalise: behind the sum, or (norm_first) before the part.

        The first is the paper's order. The second leaves the shortcut untouched from input to output, so that deep
        networks train without warming up (Xiong et al., 2020).
        """
        if self.norm_first:
            return x + part(norm(x))
        return norm(x + part(x))  # type: ignore[no-any-return]

    def _feed_forward(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]

    def _label(self) -> str:
        return f"{type(self).__name__} {self.self_attn.embed_dim}"


class TransformerEncoderLayer(_Layer):
    """Each entry looks at the others, then passes through a small network; a shortcut leads around either.

    | x = norm1(x + dropout1(self_attn(x)))
    | x = norm2(x + dropout2(linear2(dropout(activation(linear1(x))))))

    Parameters
    ----------
    d_model, nhead : int
        Features of each entry, and the number of attention heads, which divides it.
    dim_feedforward : int
        Width of the small network's hidden layer.
    dropout : float
        Share dropped, in training, of attention weights, of the hidden layer and of what is added to the shortcut.
    activation : {"relu", "gelu"} or callable
    layer_norm_eps : float
    batch_first : bool
        Inputs are (N, L, d_model) instead of (L, N, d_model).
    norm_first : bool
        Normalise in front of each part and not behind the sum.
    bias : bool
        Whether linear maps and norms have biases.

    Notes
    -----
    Called with src (L, N, d_model); ``src_mask`` and ``src_key_padding_mask`` are ``attn_mask`` and
    ``key_padding_mask`` of :class:`MultiheadAttention`, whose errors it raises. Training and evaluation compute the
    same but for dropout: there is no second path for evaluation that leaves out padded entries, as PyTorch has.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.TransformerEncoderLayer(d_model=16, nhead=4, dim_feedforward=32, batch_first=True)
    >>> layer(minigrad.randn(2, 5, 16)).shape
    minigrad.Size([2, 5, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *(d_model, nhead, dim_feedforward, dropout, activation, batch_first, norm_first, False),
            *(layer_norm_eps, bias, {"device": device, "dtype": dtype}),
        )

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(x, x, x, src_key_padding_mask, False, src_mask, is_causal=is_causal)
            return self.dropout1(y)  # type: ignore[no-any-return]

        x = self._around(src, self.norm1, attend)
        return self._around(x, self.norm2, lambda x: self.dropout2(self._feed_forward(x)))


class TransformerDecoderLayer(_Layer):
    """As :class:`TransformerEncoderLayer`, with a second attention between the two parts, from tgt to memory.

    | x = norm1(x + dropout1(self_attn(x)))
    | x = norm2(x + dropout2(multihead_attn(x, memory, memory)))
    | x = norm3(x + dropout3(linear2(dropout(activation(linear1(x))))))

    Called with tgt (L, N, d_model) and memory (S, N, d_model), what the encoder made of the other sequence. Masks named
    ``tgt_`` are for the first attention, those named ``memory_`` for the second. Parameters as there.

    >>> import minigrad
    >>> from minigrad import nn
    >>> layer = nn.TransformerDecoderLayer(d_model=16, nhead=4)
    >>> layer(minigrad.randn(5, 2, 16), minigrad.randn(7, 2, 16)).shape
    minigrad.Size([5, 2, 16])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *(d_model, nhead, dim_feedforward, dropout, activation, batch_first, norm_first, True),
            *(layer_norm_eps, bias, {"device": device, "dtype": dtype}),
        )

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        def attend(x: Tensor) -> Tensor:
            y, _ = self.self_attn(x, x, x, tgt_key_padding_mask, False, tgt_mask, is_causal=tgt_is_causal)
            return self.dropout1(y)  # type: ignore[no-any-return]

        def look_up(x: Tensor) -> Tensor:
            y, _ = self.multihead_attn(
                x, memory, memory, memory_key_padding_mask, False, memory_mask, is_causal=memory_is_causal
            )
            return self.dropout2(y)  # type: ignore[no-any-return]

        x = self._around(tgt, self.norm1, attend)
        x = self._around(x, self.norm2, look_up)
        return self._around(x, self.norm3, lambda x: self.dropout3(self._feed_forward(x)))


# --------------------------------------------------------------------------------------------------------------
# Several layers


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class TransformerEncoder(Module):
    """``num_layers`` layers one after the other, and a ``norm`` behind the last if it is given.

    The layers are copies of ``encoder_layer`` and start with the same weights. ``enable_nested_tensor`` and
    ``mask_check`` choose between ways to compute the same in PyTorch; here there is one, and they change nothing.

    >>> import minigrad
    >>> from minigrad import nn
    >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d_model=16, nhead=4), num_layers=2)
    >>> encoder(minigrad.randn(5, 2, 16)).shape
    minigrad.Size([5, 2, 16])
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, is_causal=bool(is_causal))
        return x if self.norm is None else self.norm(x)


class TransformerDecoder(Module):
    """``num_layers`` copies of ``decoder_layer``, each of which looks at the same memory; then ``norm`` if given.

    >>> import minigrad
    >>> from minigrad import nn
    >>> decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(d_model=16, nhead=4), num_layers=2)
    >>> decoder(minigrad.randn(5, 2, 16), minigrad.randn(7, 2, 16)).shape
    minigrad.Size([5, 2, 16])
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        x = tgt
        for layer in self.layers:
            x = layer(
                *(x, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask),
                *(bool(tgt_is_causal), memory_is_causal),
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder that reads one sequence, and a decoder that writes another while looking at the first.

    Vaswani et al., "Attention is all you need", 2017. Embeddings, positions and the final linear layer are not part
    of it. Takes the parameters of :class:`TransformerEncoderLayer`, the numbers of layers of both halves, and modules
    to use in their place, ``custom_encoder`` and ``custom_decoder``. All matrices start Xavier uniform.

    Called with src (S, N, d_model) and tgt (L, N, d_model), or both without N; returns (L, N, d_model). In training the
    decoder reads the whole target at once, and ``tgt_mask`` keeps it from looking ahead:
    :meth:`generate_square_subsequent_mask`.

    Raises
    ------
    RuntimeError
        src and tgt do not have d_model features, or not the same batch.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> model = nn.Transformer(16, 4, 1, 1, 32, batch_first=True)
    >>> src, tgt = minigrad.randn(2, 7, 16), minigrad.randn(2, 5, 16)
    >>> model(src, tgt, tgt_mask=model.generate_square_subsequent_mask(5)).shape
    minigrad.Size([2, 5, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        settings = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias)
        kind: dict[str, Any] = {"device": device, "dtype": dtype}
        self.encoder: Any = custom_encoder
        if custom_encoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **kind)
            self.encoder = TransformerEncoder(TransformerEncoderLayer(*settings, **kind), num_encoder_layers, norm)
        self.decoder: Any = custom_decoder
        if custom_decoder is None:
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **kind)
            self.decoder = TransformerDecoder(TransformerDecoderLayer(*settings, **kind), num_decoder_layers, norm)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        for x in (src, tgt):
            if not isinstance(x, Tensor):
                raise self._not_a_tensor(x)
        found = f"src {tuple(src.shape)} and tgt {tuple(tgt.shape)}"
        order = "(batch, length, {})" if self.batch_first else "(length, batch, {})"
        at = 0 if self.batch_first else 1
        if src.ndim != tgt.ndim or src.ndim not in (2, 3) or {src.shape[-1], tgt.shape[-1]} != {self.d_model}:
            raise self.input_error(f"expected src and tgt {order.format(self.d_model)}, or without batch, got {found}.")
        if src.ndim == 3 and src.shape[at] != tgt.shape[at]:
            raise self.input_error(
                f"expected src and tgt of one batch, in the order {order.format('...')}, got {found}."
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(  # type: ignore[no-any-return]
            *(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask),
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: DeviceLike = None, dtype: Any = None) -> Tensor:
        """Return a mask (sz, sz) that keeps position i from looking at positions behind it: -inf there, else 0.

        >>> Transformer.generate_square_subsequent_mask(3)
        tensor([[0., -inf, -inf],
                [0., 0., -inf],
                [0., 0., 0.]])
        """
        mask = zeros(sz, sz, device=device, dtype=dtype)
        mask.array[...] = array_module(mask.array).triu(mask.array - math.inf, 1)
        return mask

    def _label(self) -> str:
        return f"Transformer {self.d_model}"

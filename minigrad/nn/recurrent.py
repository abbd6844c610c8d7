"""Recurrent layers: the same step, with the same weights, for each entry of a sequence.

A *cell* takes one step: from an input and the state before to the state after. A *layer* (RNN, LSTM, GRU) takes all
steps of a sequence, and may be several layers on top of each other, each reading what the one below put out, in one
direction or in both. The steps themselves stand as formulas in ``minigrad/ops/recurrent.py``.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from minigrad.backend import DeviceLike
from minigrad.creation import empty, zeros
from minigrad.nn import init
from minigrad.nn.functional import dropout
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.ops import cat, flip, linear, squeeze, stack, transpose, unsqueeze
from minigrad.ops.recurrent import gru, gru_step, lstm, lstm_step, rnn, rnn_step, unrolled
from minigrad.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class _Recurrent(Module):
    """What cells and layers share: first weights, and what they say about wrong inputs."""

    input_size: int
    hidden_size: int

    def reset_parameters(self) -> None:
        """Draw all weights and biases anew, uniform between -k and k with k = 1 / sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _check_input(self, input: Any, ranks: tuple[int, int], wanted: str, weight: Tensor) -> None:
        if not isinstance(input, Tensor):
            if type(input).__name__ == "PackedSequence":
                raise self.input_error(
                    "packed sequences are not supported.\n  Pad the sequences to one length, and pick each one's last "
                    "output by its length: y[lengths - 1, range(batch)]",
                    TypeError,
                )
            raise self._not_a_tensor(input)
        shape = tuple(input.shape)
        if len(shape) not in ranks:
            hint = "A sequence of class numbers goes through nn.Embedding first." * (input.dtype.kind != "f")
            raise self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}".rstrip(), ValueError)
        if shape[-1] != self.input_size:
            hint = f"Does each entry have {shape[-1]} features? Then it is {type(self).__name__}({shape[-1]}, ...)."
            if self.input_size in shape[:-1]:
                hint = f"The features come last: move the dimension of size {self.input_size} there, x.movedim(k, -1)."
            raise self.input_error(f"expected input {wanted}, got {shape}.\n  {hint}")
        if input.dtype != weight.dtype:
            raise self._other_dtype(input, weight)

    def _check_state(self, name: str, state: Any, shape: tuple[int, ...], wanted: str, hint: str = "") -> None:
        if not isinstance(state, Tensor):
            pair = " The LSTM's state is a pair, (h, c)." * ("LSTM" in type(self).__name__)
            raise self.input_error(f"expected a Tensor as {name}, got {type(state).__name__}.{pair}", TypeError)
        if tuple(state.shape) != shape:
            raise self.input_error(f"expected {name} {wanted} = {shape}, got {tuple(state.shape)}.{hint}")

    def _pair(self, hx: Any) -> tuple[Any, Any]:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise self.input_error(
                f"expected a pair (h, c) as state, got {type(hx).__name__}.\n  An LSTM carries two: layer(x, (h, c))",
                TypeError,
            )
        return hx[0], hx[1]

    def _label(self) -> str:
        return f"{type(self).__name__} {self.input_size} -> {self.hidden_size}"


# --------------------------------------------------------------------------------------------------------------
# One step


class RNNCellBase(_Recurrent):
    """Weights of one step: ``weight_ih`` (gates hidden, input), ``weight_hh`` (gates hidden, hidden), two biases."""

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        n, kind = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(empty(n, input_size, **kind))
        self.weight_hh = Parameter(empty(n, hidden_size, **kind))
        self.bias_ih = Parameter(empty(n, **kind)) if bias else None
        self.bias_hh = Parameter(empty(n, **kind)) if bias else None
        self.reset_parameters()

    def _checked(self, input: Any, states: tuple[Any, ...] | None, count: int = 1) -> tuple[Tensor, list[Tensor], bool]:
        """Return the input as (N, input_size), the states as (N, hidden_size), and whether they came without N."""
        self._check_input(input, (1, 2), f"(batch, {self.input_size}) or ({self.input_size},)", self.weight_ih)
        shape = (*input.shape[:-1], self.hidden_size)
        if states is None:
            states = (zeros(shape, dtype=input.dtype, device=input.device),) * count
        for name, state in zip(("the hidden state", "the cell state"), states, strict=False):
            self._check_state(name, state, shape, f"({'batch, ' * (input.ndim - 1)}hidden_size)")
        if input.ndim == 2:
            return input, list(states), False
        return unsqueeze(input, 0), [unsqueeze(x, 0) for x in states], True

    def extra_repr(self) -> str:
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return (
            f"{self.input_size}, {self.hidden_size}"
            + ", bias=False" * (not self.bias)
            + f", nonlinearity={nonlinearity}" * (nonlinearity != "tanh")
        )


def _sum(a: Parameter | None, b: Parameter | None) -> Any:
    return None if a is None or b is None else a + b


class RNNCell(RNNCellBase):
    """One step of Elman's network, h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu of it (Elman, 1990).

    Called with x (N, input_size) and h (N, hidden_size), zeros if not given; returns h'. Both may lack N.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.RNNCell(10, 20)(minigrad.randn(3, 10)).shape
    minigrad.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = _nonlinearity("RNNCell", nonlinearity)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), single = self._checked(input, None if hx is None else (hx,))
        gates = linear(x, self.weight_ih, _sum(self.bias_ih, self.bias_hh))
        h = rnn_step(gates, h, self.weight_hh, self.nonlinearity)[0]
        return squeeze(h, 0) if single else h  # type: ignore[no-any-return]


class LSTMCell(RNNCellBase):
    """One step of long short-term memory (Hochreiter and Schmidhuber, 1997): c' = f c + i g, h' = o tanh(c').

    The gates i, f, o are sigmoids and g is a tanh, each of W_ih x + b_ih + W_hh h + b_hh with weights of its own: the
    four stand below each other in the parameters, in the order i, f, g, o. Called with x (N, input_size) and the pair
    (h, c) of (N, hidden_size), zeros if not given; returns (h', c'). All may lack N.

    >>> import minigrad
    >>> from minigrad import nn
    >>> h, c = nn.LSTMCell(10, 20)(minigrad.randn(3, 10))
    >>> h.shape, c.shape
    (minigrad.Size([3, 20]), minigrad.Size([3, 20]))
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        x, (h, c), single = self._checked(input, None if hx is None else self._pair(hx), 2)
        gates = linear(x, self.weight_ih, _sum(self.bias_ih, self.bias_hh))
        h, c = lstm_step(gates, h, c, self.weight_hh)
        return (squeeze(h, 0), squeeze(c, 0)) if single else (h, c)


class GRUCell(RNNCellBase):
    """One step of a gated recurrent unit (Cho et al., 2014): h' = (1 - z) n + z h.

    | r = sigma(W_ir x + b_ir + W_hr h + b_hr)
    | z = sigma(W_iz x + b_iz + W_hz h + b_hz)
    | n = tanh(W_in x + b_in + r (W_hn h + b_hn))

    The three stand below each other in the parameters. In the paper the reset gate r acts before the product,
    W_hn (r h); here, as in PyTorch, after it. Called with x (N, input_size) and h (N, hidden_size), zeros if not given;
    returns h'. Both may lack N.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.GRUCell(10, 20)(minigrad.randn(3, 10)).shape
    minigrad.Size([3, 20])
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: DeviceLike = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        x, (h,), single = self._checked(input, None if hx is None else (hx,))
        h = gru_step(linear(x, self.weight_ih, self.bias_ih), h, self.weight_hh, self.bias_hh)[0]
        return squeeze(h, 0) if single else h  # type: ignore[no-any-return]


def _nonlinearity(layer: str, name: str) -> str:
    if name not in ("tanh", "relu"):
        raise ValueError(f"{layer}: expected nonlinearity 'tanh' or 'relu', got {name!r}")
    return name


# --------------------------------------------------------------------------------------------------------------
# Sequences


class RNNBase(_Recurrent):
    """The loop over layers and directions that RNN, LSTM and GRU share; ``mode`` says which step is taken.

    Layer k has ``weight_ih_l{k}`` (gates hidden, input), ``weight_hh_l{k}`` (gates hidden, hidden), ``bias_ih_l{k}``
    and ``bias_hh_l{k}``, and the same again with ``_reverse`` for the way back.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._check_settings(mode, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        shown = proj_size or hidden_size  # the size of h, which the next layer and the next step read
        n = GATES[mode] * hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else shown * (1 + bidirectional)
            shapes: dict[str, tuple[int, ...]] = {"weight_ih": (n, width), "weight_hh": (n, shown)}
            shapes |= {"bias_ih": (n,), "bias_hh": (n,)} if bias else {}
            shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
            for suffix in self._suffixes(layer):
                for name, shape in shapes.items():
                    self.register_parameter(name + suffix, Parameter(empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def _check_settings(self, mode: str, hidden_size: int, num_layers: int, dropout: float, proj_size: int) -> None:
        name = type(self).__name__
        if mode not in GATES:
            raise ValueError(f"{name}: expected a mode of {', '.join(GATES)}, got {mode!r}")
        for what, number in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if not isinstance(number, int):
                raise TypeError(f"{name}: expected an integer as {what}, got {type(number).__name__}")
            if number < 1:
                raise ValueError(f"{name}: expected {what} of at least 1, got {number}")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"{name}: expected a dropout probability between 0 and 1, got {dropout!r}")
        if dropout and num_layers == 1:
            warnings.warn(f"{name}: dropout falls between layers, and there is one; see num_layers", stacklevel=4)
        if proj_size and mode != "LSTM":
            raise ValueError(f"{name}: proj_size is an option of LSTM; put an nn.Linear behind this layer instead")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: expected 0 <= proj_size < hidden_size = {hidden_size}, got {proj_size}")

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"] if self.bidirectional else [f"_l{layer}"]

    def _weights(self, suffix: str) -> list[Parameter]:
        names = ["weight_ih", "weight_hh", *(["bias_ih", "bias_hh"] if self.bias else [])]
        names += ["weight_hr"] if self.proj_size else []
        return [self.__dict__[name + suffix] for name in names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [self._weights(suffix) for layer in range(self.num_layers) for suffix in self._suffixes(layer)]

    def flatten_parameters(self) -> None:
        """Do nothing. PyTorch moves the weights into one block of GPU memory here; minigrad has no need of it."""

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        order = "(batch, sequence, {})" if self.batch_first else "(sequence, batch, {})"
        wanted = order.format(self.input_size) + f", or (sequence, {self.input_size}) without a batch"
        self._check_input(input, (2, 3), wanted, self.all_weights[0][0])
        batched = input.ndim == 3
        x = unsqueeze(input, 1) if not batched else transpose(input, 0, 1) if self.batch_first else input
        if x.shape[0] == 0:
            raise self.input_error("expected a sequence of at least one step, got none.")
        states = self._states(hx, x, batched)
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer:
                x = dropout(x, self.dropout, self.training)
            outputs = []
            for suffix in self._suffixes(layer):
                first = [state[len(last)] for state in states]
                backwards = suffix.endswith("_reverse")
                y, final = self._run(flip(x, 0) if backwards else x, first, *self._weights(suffix))
                outputs.append(flip(y, 0) if backwards else y)
                last.append(final)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
        y = squeeze(x, 1) if not batched else transpose(x, 0, 1) if self.batch_first else x
        h_n = tuple(stack(s) if batched else squeeze(stack(s), 1) for s in zip(*last, strict=True))
        return y, (h_n if self.mode == "LSTM" else h_n[0])

    def _states(self, hx: Any, x: Tensor, batched: bool) -> list[Tensor]:
        """Return h, of an LSTM also c, as (layers directions, N, size), zeros if ``hx`` is None."""
        names = {"the hidden state": self.proj_size or self.hidden_size}
        if self.mode == "LSTM":
            names["the cell state"] = self.hidden_size
        count, batch = self.num_layers * (1 + self.bidirectional), x.shape[1]
        if hx is None:
            return [zeros(count, batch, n, dtype=x.dtype, device=x.device) for n in names.values()]
        states = self._pair(hx) if self.mode == "LSTM" else (hx,)
        for state, (name, n) in zip(states, names.items(), strict=True):
            hint = ""
            shape = (count, batch, n) if batched else (count, n)
            found = tuple(getattr(state, "shape", ()))
            if batched and found == (count, x.shape[0], n):
                order = "(sequence, batch, ...)" if self.batch_first else "(batch, sequence, ...)"
                hint = f"\n  Is the input {order}? Then the layer wants batch_first={not self.batch_first}."
            elif batched and found == (batch, count, n):
                hint = "\n  States are (layers, batch, size) also with batch_first=True: h.transpose(0, 1)."
            wanted = "(layers * directions, batch, size)" if batched else "(layers * directions, size)"
            self._check_state(name, state, shape, wanted, hint)
        return list(states) if batched else [unsqueeze(state, 1) for state in states]

    def _run(self, x: Tensor, state: list[Tensor], *weights: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the outputs of all steps and the last state, for one layer in one direction."""
        weight_ih, weight_hh, *rest = weights
        bias_ih, bias_hh = rest[:2] if self.bias else (None, None)
        if self.mode == "GRU":
            y = gru(x, *state, weight_ih, weight_hh, bias_ih, bias_hh)
            return y, (y[-1],)
        bias = _sum(bias_ih, bias_hh)
        if self.mode != "LSTM":
            y = rnn(x, *state, weight_ih, weight_hh, bias, self.mode[4:].lower())
            return y, (y[-1],)
        if self.proj_size:
            y, (h, c) = unrolled(lstm_step, linear(x, weight_ih, bias), tuple(state), weight_hh, rest[-1])
            return y, (h, c)
        both = lstm(x, *state, weight_ih, weight_hh, bias)
        return both[:-1], (both[-2], both[-1])

    def extra_repr(self) -> str:
        settings = [f"{self.input_size}, {self.hidden_size}"]
        defaults = dict(proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False)
        settings += [f"{name}={getattr(self, name)}" for name, d in defaults.items() if getattr(self, name) != d]
        return ", ".join(settings)


class RNN(RNNBase):
    """Elman's network over a sequence: h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh) (Elman, 1990).

    The simplest memory there is. The gradient reaches a step far back through many factors W_hh and fades or grows
    with their power (Bengio et al., 1994), which is what LSTM and GRU were made against.

    Parameters
    ----------
    input_size, hidden_size : int
        Features of each x_t, and of each h_t.
    num_layers : int
        Layers on top of each other: each reads the outputs of the one below.
    nonlinearity : {"tanh", "relu"}
    bias : bool
        Whether b_ih and b_hh are there.
    batch_first : bool
        Input and output are (N, T, features) instead of (T, N, features). States are not affected.
    dropout : float
        In training, drop this share of the outputs of every layer but the last.
    bidirectional : bool
        Read the sequence in both directions; the outputs stand beside each other, 2 hidden_size features.

    Returns
    -------
    output : Tensor, shape (T, N, directions hidden_size)
        h_t of the top layer for all t.
    h_n : Tensor, shape (num_layers directions, N, hidden_size)
        The last h of each layer and direction.

    Raises
    ------
    RuntimeError, ValueError
        Input or state have the wrong number of dimensions or features, or an impossible setting was asked for.

    Notes
    -----
    Called with an input (T, N, input_size) and, if they are not to be zeros, the first states ``hx`` of the shape of
    h_n. Without a batch both lack N. Weights start uniform between -k and k with k = 1 / sqrt(hidden_size).
    Sequences of different lengths are padded; packed sequences are not supported.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> output, h_n = nn.RNN(10, 20, num_layers=2)(minigrad.randn(5, 3, 10))
    >>> output.shape, h_n.shape
    (minigrad.Size([5, 3, 20]), minigrad.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        mode = f"RNN_{_nonlinearity('RNN', nonlinearity).upper()}"
        super().__init__(
            mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory over a sequence (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

    | i, f, o = sigma(W x_t + b + W' h_(t-1) + b'), each with weights of its own; g = tanh of the same
    | c_t = f c_(t-1) + i g
    | h_t = o tanh(c_t)

    The parameters hold the four below each other, in the order i, f, g, o. Options, shapes and errors as in
    :class:`RNN`, but the state is a pair: called as ``layer(x, (h_0, c_0))``, returns ``output, (h_n, c_n)``.

    Parameters
    ----------
    proj_size : int
        If not 0, h_t = W_hr (o tanh(c_t)) has this many features (Sak et al., 2014). Slower: it runs step by step.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> output, (h_n, c_n) = nn.LSTM(10, 20, batch_first=True, bidirectional=True)(minigrad.randn(3, 5, 10))
    >>> output.shape, h_n.shape, c_n.shape
    (minigrad.Size([3, 5, 40]), minigrad.Size([2, 3, 20]), minigrad.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            *("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size),
            device,
            dtype,
        )


class GRU(RNNBase):
    """Gated recurrent units over a sequence (Cho et al., 2014).

    | r = sigma(W_ir x_t + b_ir + W_hr h_(t-1) + b_hr)
    | z = sigma(W_iz x_t + b_iz + W_hz h_(t-1) + b_hz)
    | n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn))
    | h_t = (1 - z) n + z h_(t-1)

    The parameters hold the three below each other, in the order r, z, n. In the paper the reset gate acts before the
    product, W_hn (r h); here, as in PyTorch, after it. Options, shapes and errors as in :class:`RNN`.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> output, h_n = nn.GRU(10, 20)(minigrad.randn(5, 3, 10))
    >>> bool((output[-1] == h_n[0]).all())
    True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: DeviceLike = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )

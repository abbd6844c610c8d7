"""Op sheet: recurrent networks. One step of each kind as a formula, and the loop over all steps as one op.

The steps ``rnn_step``, ``lstm_step`` and ``gru_step`` are the definition: they are composed of ops, they are what the
cells in ``nn`` compute, and what is differentiated when ``create_graph=True`` asks for more than one derivative. The
ops ``rnn``, ``lstm`` and ``gru`` run a step over a whole sequence without recording anything on the way, and walk
back through it by hand: backpropagation through time (Werbos, 1990), one node in the graph instead of hundreds.

In a step ``gates`` is what the input alone contributes, W_ih x + b. It does not depend on the state, so it is computed
for all steps at once, by one large product, before the loop starts. ``weight`` is W_hh, the part that the loop has to
wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.autograd.gradients import grad
from minigrad.backend import constant_row, constants
from minigrad.ops.activation import relu, sigmoid
from minigrad.ops.elementwise import tanh
from minigrad.ops.op import op
from minigrad.ops.product import linear
from minigrad.ops.shape import chunk, reshape, stack, unbind

# --------------------------------------------------------------------------------------------------------------
# One step: from what the input contributes and the state before to the state after, always a tuple


def rnn_step(gates: Any, h: Any, weight: Any, nonlinearity: str = "tanh") -> tuple[Any]:
    """Elman's network (1990): h' = tanh(W_ih x + b + W_hh h), or relu of it."""
    z = gates + linear(h, weight)
    return (relu(z) if nonlinearity == "relu" else tanh(z),)


def lstm_step(gates: Any, h: Any, c: Any, weight: Any, projection: Any = None) -> tuple[Any, Any]:
    """Long short-term memory: c' = f c + i g, h' = o tanh(c').

    The cell c is carried along by a sum, so that its gradient need not fade on the way back (Hochreiter and
    Schmidhuber, 1997). Three gates between 0 and 1 decide what enters, i, what stays, f (Gers et al., 2000), and what
    is shown, o: each is a sigma of W_ih x + b + W_hh h, and the candidate g a tanh. With a projection P,
    h' = P (o tanh(c')) (Sak et al., 2014).
    """
    i, f, g, o = chunk(gates + linear(h, weight), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return (h if projection is None else linear(h, projection)), c


def gru_step(gates: Any, h: Any, weight: Any, bias: Any = None) -> tuple[Any]:
    """Gated recurrent unit (Cho et al., 2014): h' = (1 - z) n + z h.

    The reset gate r says how much of the past the candidate n sees, the update gate z how much of it stays. As in
    PyTorch r acts *after* the product, n = tanh(W_in x + b_in + r (W_hn h + b_hn)); in the paper it acts before,
    W_hn (r h). That is why ``bias``, which belongs to the product with h, is not part of ``gates`` here.
    """
    r_x, z_x, n_x = chunk(gates, 3, -1)
    r_h, z_h, n_h = chunk(linear(h, weight, bias), 3, -1)
    r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
    n = tanh(n_x + r * n_h)
    return ((1 - z) * n + z * h,)


def unrolled(step: Callable[..., Any], gates: Any, state: tuple[Any, ...], *weights: Any) -> tuple[Any, Any]:
    """Run a step over a sequence; return h after each step, (T, N, hidden), and the last state."""
    outputs = []
    for x in unbind(gates):
        state = step(x, *state, *weights)
        outputs.append(state[0])
    return stack(outputs), state


def _share(wanted: int, g: Any, definition: Callable[..., Any], *inputs: Any) -> Any:
    """Return the gradient of one input by walking back through the definition, which can be differentiated again.

    The walk must end at the inputs and not at what they were made of, hence the views.
    """
    ends = [reshape(x, x.shape) if hasattr(x, "shape") else x for x in inputs]
    return grad(definition(*ends), ends[wanted], g, create_graph=True)[0]


# --------------------------------------------------------------------------------------------------------------
# Whole sequences
#
# Inside these ops a state stands in columns, one for each sequence: h is (hidden, N), and what the loop waits for is
# W h instead of h W^T, for which BLAS can need several times as long. Then each gate is a block of rows, without gaps.
# What the way back needs is kept for all steps, (T, rows, N); ``hidden`` and ``cells`` begin with the first state.


def _states(xp: Any, steps: int, first: Any) -> Any:
    """Return room for the state before each step and after the last, the first one filled in."""
    states = xp.empty((steps + 1, *first.T.shape), first.dtype)
    states[0] = first.T
    return states


def _turned(x: Any) -> Any:
    """Return a copy of (T, N, n) as (T, n, N), or the other way round."""
    return x.swapaxes(1, 2).copy()


def _rows(x: Any) -> Any:
    """Return (T, N, n) as (T N, n)."""
    return x.reshape(-1, x.shape[-1])


def _columns(x: Any) -> Any:
    """Return (T, n, N) as (n, T N)."""
    return x.swapaxes(0, 1).reshape(x.shape[1], -1)


def _parts(z: Any, n: int) -> list[Any]:
    """Return views of the ``n`` gates in (T, gates, N)."""
    size = z.shape[1] // n
    return [z[:, k * size : (k + 1) * size] for k in range(n)]


def _backwards(*arrays: Any) -> Any:
    return zip(*(x[::-1] for x in arrays), strict=True)


def _from_input(xp: Any, x: Any, weight: Any, bias: Any) -> Any:
    """Return W_ih x + b of all steps: (T, gates, N)."""
    gates = weight.dot(_rows(x).T).reshape(len(weight), *x.shape[:2]).swapaxes(0, 1)
    return xp.add(gates, 0 if bias is None else bias[:, None], out=xp.empty(gates.shape, gates.dtype))


def _to_input(xp: Any, wanted: Any, dz: Any, x: Any, weight: Any) -> tuple[Any, Any, Any]:
    """Return the gradients of x, W_ih and b from that of W_ih x + b, (gates, T N): one product each, for all steps."""
    dx = dz.T.dot(weight).reshape(x.shape) if wanted[0] else None
    return dx, dz.dot(_rows(x)), dz.dot(constant_row(xp, 1, dz.shape[1], dz.dtype))


def _halved(xp: Any, candidate: slice, *weights: Any) -> list[Any]:
    """Halve all rows but the candidate's; return also what each row was multiplied by.

    A sigmoid is a tanh in another place, sigma(x) = (1 + tanh(x/2)) / 2, so that one call serves all gates.
    """
    halves = xp.full(len(weights[0]), 0.5, weights[0].dtype)
    halves[candidate] = 1
    return [*(w if w is None else (w.T * halves).T for w in weights), halves]


@op(promote="exact", keeps=("hidden",))
def rnn(
    xp: Any, x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias: Any = None, /, nonlinearity: str = "tanh"
) -> Any:
    """h_t = tanh(z_t) or relu, z_t = W_ih x_t + b + W_hh h_t-1;   dz_t = (d_t + W_hh^T dz_t+1) (1 - h_t^2)"""
    hidden = _states(xp, len(x), h)
    h = hidden[0]
    for x_t, h_t in zip(_from_input(xp, x, weight_ih, bias), hidden[1:], strict=True):
        h = xp.add(weight_hh.dot(h), x_t, out=h_t)
        h = xp.maximum(h, 0, out=h) if nonlinearity == "relu" else xp.tanh(h, out=h)
    return _turned(hidden[1:]), hidden


def _rnn(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias: Any, nonlinearity: str) -> Any:
    return unrolled(rnn_step, linear(x, weight_ih, bias), (h,), weight_hh, nonlinearity)[0]


def _rnn_rule(k: int) -> Callable[..., Any]:
    return lambda g, x, h, weight_ih, weight_hh, bias, nonlinearity: _share(
        k, g, _rnn, x, h, weight_ih, weight_hh, bias, nonlinearity
    )


rnn.derivative(**{name: _rnn_rule(k) for k, name in enumerate(rnn.inputs)})


@rnn.raw_derivative
def _rnn_raw(
    xp: Any, wanted: Any, g: Any, x: Any, weight_ih: Any, weight_hh: Any, nonlinearity: str, hidden: Any
) -> Any:
    y = hidden[1:]
    dz = (y > 0).astype(y.dtype) if nonlinearity == "relu" else 1 - y * y
    dh = xp.zeros_like(y[0])
    for g_t, dz_t in _backwards(_turned(g), dz):
        dh += g_t
        dz_t *= dh
        dh = weight_hh.T.dot(dz_t)
    dz = _columns(dz)
    dx, dw, db = _to_input(xp, wanted, dz, x, weight_ih)
    return [dx, dh.T, dw, dz.dot(_columns(hidden[:-1]).T), db]


@op(promote="exact", keeps=("gates", "cells", "tanh_cells", "hidden"))
def lstm(xp: Any, x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias: Any = None, /) -> Any:
    """h_1 ... h_T and, behind them, the last c: c_t = f c_t-1 + i g, h_t = o tanh(c_t);   d: through time, see rule"""
    steps, (batch, size) = len(x), h.shape
    weight_ih, weight_hh, bias, halves = _halved(xp, slice(2 * size, 3 * size), weight_ih, weight_hh, bias)
    scale = xp.repeat(halves[:, None], batch, axis=1)  # the size of z, as that is faster than broadcasting
    shift = 1 - scale
    gates = xp.empty((steps, *scale.shape), x.dtype)
    cells, hidden = _states(xp, steps, c), _states(xp, steps, h)
    tanh_cells = xp.empty_like(cells[1:])
    h, c = hidden[0], cells[0]
    for x_t, z, i, f, g, o, c_t, s_t, h_t in zip(
        *(_from_input(xp, x, weight_ih, bias), gates, *_parts(gates, 4), cells[1:], tanh_cells, hidden[1:]), strict=True
    ):
        xp.add(weight_hh.dot(h), x_t, out=z)
        xp.tanh(z, out=z)
        z *= scale
        z += shift
        c = xp.multiply(f, c, out=c_t)
        c += i * g
        h = xp.multiply(o, xp.tanh(c, out=s_t), out=h_t)
    y = xp.empty((steps + 1, batch, size), x.dtype)
    y[:-1] = hidden[1:].swapaxes(1, 2)
    y[-1] = c.T
    return y, gates, cells, tanh_cells, hidden


def _lstm(x: Any, h: Any, c: Any, weight_ih: Any, weight_hh: Any, bias: Any) -> Any:
    outputs, (_, last) = unrolled(lstm_step, linear(x, weight_ih, bias), (h, c), weight_hh)
    return stack([*unbind(outputs), last])


def _lstm_rule(k: int) -> Callable[..., Any]:
    return lambda g, x, h, c, weight_ih, weight_hh, bias: _share(k, g, _lstm, x, h, c, weight_ih, weight_hh, bias)


lstm.derivative(**{name: _lstm_rule(k) for k, name in enumerate(lstm.inputs)})


@lstm.raw_derivative
def _lstm_raw(
    xp: Any, wanted: Any, g: Any, x: Any, weight_ih: Any, weight_hh: Any,
    gates: Any, cells: Any, tanh_cells: Any, hidden: Any,
) -> Any:  # fmt: skip
    # What c' = f c + i n and h = o s, s = tanh(c), make of each change, for all steps at once
    i, f, n, o = _parts(gates, 4)
    dz = gates * gates
    xp.subtract(gates, dz, out=dz)  # sigma' = sigma - sigma^2
    di, df, dn, do = _parts(dz, 4)
    di *= n
    df *= cells[:-1]
    dn[...] = i * (1 - n * n)
    do *= tanh_cells
    slope = o - hidden[1:] * tanh_cells  # o s' = o (1 - s^2) = o - h s
    # The loop multiplies by what comes from behind
    g = _turned(g)
    dh, dc = xp.zeros_like(g[-1]), g[-1]
    d_ifn = dz[:, : 3 * len(dc)].reshape(len(dz), 3, *dc.shape)
    for g_t, slope_t, f_t, d_ifn_t, do_t, dz_t in _backwards(g[:-1], slope, f, d_ifn, do, dz):
        dh += g_t
        dc += dh * slope_t
        d_ifn_t *= dc
        do_t *= dh
        dc *= f_t
        dh = weight_hh.T.dot(dz_t)
    dz = _columns(dz)
    dx, dw, db = _to_input(xp, wanted, dz, x, weight_ih)
    return [dx, dh.T, dc.T, dw, dz.dot(_columns(hidden[:-1]).T), db]


@op(promote="exact", keeps=("gates", "from_state", "hidden"))
def gru(xp: Any, x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any = None, bias_hh: Any = None, /) -> Any:
    """h_t = (1 - z) n + z h_t-1 for each step;   d: through time, see rule"""
    size = h.shape[-1]
    weight_ih, weight_hh, bias_ih, bias_hh, halves = _halved(
        xp, slice(2 * size, None), weight_ih, weight_hh, bias_ih, bias_hh
    )
    bias_ih, bias_hh = (xp.zeros_like(halves) if bias is None else bias for bias in (bias_ih, bias_hh))
    bias_ih[: 2 * size] += bias_hh[: 2 * size]  # that of n stays with the product that r multiplies
    bias_n = bias_hh[2 * size :, None]
    from_input = _from_input(xp, x, weight_ih, bias_ih)
    gates = xp.empty_like(from_input)
    hidden = _states(xp, len(x), h)
    from_state = xp.empty_like(hidden[1:])
    (half,) = constants(xp, x.dtype, 0.5)
    h = hidden[0]
    for x_t, a, r, z, n, n_h, h_t in zip(from_input, gates, *_parts(gates, 3), from_state, hidden[1:], strict=True):
        product = weight_hh.dot(h)
        rz = xp.add(product[: 2 * size], x_t[: 2 * size], out=a[: 2 * size])
        xp.tanh(rz, out=rz)
        rz *= half
        rz += half
        xp.add(product[2 * size :], bias_n, out=n_h)
        xp.multiply(r, n_h, out=n)
        n += x_t[2 * size :]
        xp.tanh(n, out=n)
        h = xp.subtract(h, n, out=h_t)  # (1 - z) n + z h = n + z (h - n)
        h *= z
        h += n
    return _turned(hidden[1:]), gates, from_state, hidden


def _gru(x: Any, h: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any) -> Any:
    return unrolled(gru_step, linear(x, weight_ih, bias_ih), (h,), weight_hh, bias_hh)[0]


def _gru_rule(k: int) -> Callable[..., Any]:
    return lambda g, x, h, weight_ih, weight_hh, bias_ih, bias_hh: _share(
        k, g, _gru, x, h, weight_ih, weight_hh, bias_ih, bias_hh
    )


gru.derivative(**{name: _gru_rule(k) for k, name in enumerate(gru.inputs)})


@gru.raw_derivative
def _gru_raw(
    xp: Any, wanted: Any, g: Any, x: Any, weight_ih: Any, weight_hh: Any, gates: Any, from_state: Any, hidden: Any
) -> Any:
    # What h' = n + z (h - n) and n = tanh(x_n + r n_h) make of each change, for all steps at once. The product with h
    # sees what the one with x sees, but n only through r: rows n, r, z for the one, and r, z, n r for the other.
    size = hidden.shape[1]
    r, z, n = _parts(gates, 3)
    d = xp.empty((len(gates), 4 * size, *gates.shape[2:]), gates.dtype)
    dn, dr, dz, dn_r = _parts(d, 4)
    dn[...] = (1 - z) * (1 - n * n)
    dr[...] = dn * from_state * (r - r * r)
    dz[...] = (hidden[:-1] - n) * (z - z * z)
    xp.multiply(dn, r, out=dn_r)
    # The loop multiplies by what comes from behind
    dh = xp.zeros_like(hidden[0])
    for g_t, z_t, d_t, all_t in _backwards(_turned(g), z, d, d.reshape(len(d), 4, *dh.shape)):
        dh += g_t
        all_t *= dh
        dh *= z_t
        dh += weight_hh.T.dot(d_t[size:])
    d = _columns(d)
    dx, dw, db = _to_input(xp, wanted, d[: 3 * size], x, xp.roll(weight_ih, size, axis=0))
    dw_hh = d[size:].dot(_columns(hidden[:-1]).T)
    db_hh = d[size:].dot(constant_row(xp, 1, d.shape[1], d.dtype))
    return [dx, dh.T, xp.roll(dw, -size, axis=0), dw_hh, xp.roll(db, -size, axis=0), db_hh]

"""Op sheet: recurrent networks. One step of each kind as a formula, and the loop over all steps as one op.

The steps ``rnn_step``, ``lstm_step`` and ``gru_step`` are the definition: they are composed of ops, they are what the
cells in ``nn`` compute, and what is differentiated when ``create_graph=True`` asks for more than one derivative. The
ops ``rnn``, ``lstm`` and ``gru`` run a step over a whole sequence without recording anything on the way, and walk
back through it by hand: backpropagation through time (Werbos, 1990), one node in the graph instead of hundreds.

Everywhere ``gates`` is what the input alone contributes, W_ih x + b. It does not depend on the state, so it is
computed for all steps at once, by one large product, before the loop starts: shape (T, N, gates), one step after the
other. ``weight`` is W_hh, the part that the loop has to wait for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigrad.autograd.gradients import grad
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


def _before(h: Any, y: Any) -> Any:
    """Return the state before each step: the first, and all that came out but the last."""
    before = y.copy()
    before[0] = h
    before[1:] = y[:-1]
    return before


def _rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


# --------------------------------------------------------------------------------------------------------------
# Whole sequences


@op(promote="exact")
def rnn(xp: Any, gates: Any, h: Any, weight: Any, /, nonlinearity: str = "tanh") -> Any:
    """h_t = tanh(x_t + W h_t-1), or relu;   dx_t = (d_t + W^T dx_t+1) (1 - h_t^2), dW = sum of dx_t h_t-1^T"""
    y = gates.copy()
    for z in y:
        z += h.dot(weight.T)
        h = xp.maximum(z, 0, out=z) if nonlinearity == "relu" else xp.tanh(z, out=z)
    return y


def _rnn(gates: Any, h: Any, weight: Any, nonlinearity: str) -> Any:
    return unrolled(rnn_step, gates, (h,), weight, nonlinearity)[0]


rnn.derivative(
    gates=lambda g, gates, h, weight, nonlinearity: _share(0, g, _rnn, gates, h, weight, nonlinearity),
    h=lambda g, gates, h, weight, nonlinearity: _share(1, g, _rnn, gates, h, weight, nonlinearity),
    weight=lambda g, gates, h, weight, nonlinearity: _share(2, g, _rnn, gates, h, weight, nonlinearity),
)


@rnn.raw_derivative
def _rnn_raw(xp: Any, wanted: Any, g: Any, h: Any, weight: Any, y: Any, nonlinearity: str) -> Any:
    dz = (y > 0).astype(y.dtype) if nonlinearity == "relu" else 1 - y * y
    dh = xp.zeros_like(h)
    for t in reversed(range(len(y))):
        dz[t] *= g[t] + dh
        dh = dz[t].dot(weight)
    return [dz, dh, _rows(dz).T.dot(_rows(_before(h, y)))]


@op(promote="exact", keeps=("gates_after", "cells", "tanh_cells"))
def lstm(xp: Any, gates: Any, h: Any, c: Any, weight: Any, /) -> Any:
    """h_1 ... h_T and, behind them, the last c: c_t = f c_t-1 + i g, h_t = o tanh(c_t);   d: through time, see rule

    The sigmoid is a tanh in another place, sigma(x) = (1 + tanh(x/2)) / 2, so one call serves all four gates.
    """
    steps, size = len(gates), h.shape[-1]
    half = xp.full(4 * size, 0.5, gates.dtype)
    half[2 * size : 3 * size] = 1  # of g, which is a tanh
    rest = 1 - half
    halved = xp.ascontiguousarray((weight * half[:, None]).T)  # in this order a product of BLAS is faster
    gates = gates * half
    cells = xp.empty((steps + 1, *c.shape), c.dtype)
    cells[0] = c
    y, tanh_cells = xp.empty_like(cells), xp.empty_like(cells[1:])
    for t in range(steps):
        z = gates[t]
        z += h.dot(halved)
        xp.tanh(z, out=z)
        z *= half
        z += rest
        i, f, g, o = _quarters(z)
        c = xp.multiply(f, c, out=cells[t + 1])
        c += i * g
        h = xp.multiply(o, xp.tanh(c, out=tanh_cells[t]), out=y[t])
    y[-1] = c
    return y, gates, cells, tanh_cells


def _quarters(z: Any) -> Any:
    n = z.shape[-1] // 4
    return z[..., :n], z[..., n : 2 * n], z[..., 2 * n : 3 * n], z[..., 3 * n :]


def _lstm(gates: Any, h: Any, c: Any, weight: Any) -> Any:
    outputs, (_, last) = unrolled(lstm_step, gates, (h, c), weight)
    return stack([*unbind(outputs), last])


lstm.derivative(
    gates=lambda g, gates, h, c, weight: _share(0, g, _lstm, gates, h, c, weight),
    h=lambda g, gates, h, c, weight: _share(1, g, _lstm, gates, h, c, weight),
    c=lambda g, gates, h, c, weight: _share(2, g, _lstm, gates, h, c, weight),
    weight=lambda g, gates, h, c, weight: _share(3, g, _lstm, gates, h, c, weight),
)


@lstm.raw_derivative
def _lstm_raw(
    xp: Any, wanted: Any, g: Any, h: Any, weight: Any, y: Any, gates_after: Any, cells: Any, tanh_cells: Any
) -> Any:
    i, f, n, o = _quarters(gates_after)
    dz = gates_after - gates_after * gates_after  # sigma' = s (1 - s)
    di, df, dn, do = _quarters(dz)
    di *= n  # what c' = f c + i n makes of each, and h = o s with s = tanh(c), for all steps at once
    df *= cells[:-1]
    dn[...] = i * (1 - n * n)
    do *= tanh_cells
    slope = o * (1 - tanh_cells * tanh_cells)
    dh, dc = xp.zeros_like(h), g[-1].copy()
    for t in reversed(range(len(dz))):  # the loop multiplies by what comes from behind
        dh += g[t]
        dc += dh * slope[t]
        di[t] *= dc
        df[t] *= dc
        dn[t] *= dc
        do[t] *= dh
        dc *= f[t]
        dh = dz[t].dot(weight)
    return [dz, dh, dc, _rows(dz).T.dot(_rows(_before(h, y[:-1])))]


@op(promote="exact", keeps=("gates_after", "n_h"))
def gru(xp: Any, gates: Any, h: Any, weight: Any, bias: Any = None, /) -> Any:
    """h_t = (1 - z) n + z h_t-1 for each step;   d: through time, see rule"""
    size = h.shape[-1]
    y = xp.empty((len(gates), *h.shape), h.dtype)
    n_h = xp.empty_like(y)
    gates = gates.copy()
    for t in range(len(gates)):
        product = h.dot(weight.T)
        if bias is not None:
            product += bias
        n_h[t] = product[:, 2 * size :]
        rz, n = gates[t][:, : 2 * size], gates[t][:, 2 * size :]
        rz += product[:, : 2 * size]
        rz *= 0.5  # sigma(x) = (1 + tanh(x/2)) / 2
        xp.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        n += rz[:, :size] * n_h[t]
        xp.tanh(n, out=n)
        h = xp.multiply(rz[:, size:], h - n, out=y[t])
        h += n
    return y, gates, n_h


def _gru(gates: Any, h: Any, weight: Any, bias: Any) -> Any:
    return unrolled(gru_step, gates, (h,), weight, bias)[0]


gru.derivative(
    gates=lambda g, gates, h, weight, bias: _share(0, g, _gru, gates, h, weight, bias),
    h=lambda g, gates, h, weight, bias: _share(1, g, _gru, gates, h, weight, bias),
    weight=lambda g, gates, h, weight, bias: _share(2, g, _gru, gates, h, weight, bias),
    bias=lambda g, gates, h, weight, bias: _share(3, g, _gru, gates, h, weight, bias),
)


@gru.raw_derivative
def _gru_raw(xp: Any, wanted: Any, g: Any, h: Any, weight: Any, y: Any, gates_after: Any, n_h: Any) -> Any:
    size = h.shape[-1]
    before = _before(h, y)
    dx = xp.empty_like(gates_after)  # of what the input contributes; the same but for n goes to W h + b
    dp = xp.empty_like(gates_after)
    dh = xp.zeros_like(h)
    for t in reversed(range(len(dx))):
        a = gates_after[t]
        r, z, n = a[:, :size], a[:, size : 2 * size], a[:, 2 * size :]
        dh += g[t]
        dn = dh * (1 - z) * (1 - n * n)  # h' = n + z (h - n)
        dx[t, :, :size] = dn * n_h[t] * (r * (1 - r))
        dx[t, :, size : 2 * size] = dh * (before[t] - n) * (z * (1 - z))
        dx[t, :, 2 * size :] = dn
        dp[t] = dx[t]
        dp[t, :, 2 * size :] *= r
        dh *= z
        dh += dp[t].dot(weight)
    return [dx, dh, _rows(dp).T.dot(_rows(before)), _rows(dp).sum(axis=0)]

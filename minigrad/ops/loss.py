"""Op sheet: losses that deserve a rule of their own. The others are compositions, in ``nn/functional``."""

from __future__ import annotations

from typing import Any

from minigrad.backend import constant_row
from minigrad.ops.activation import sigmoid, softmax
from minigrad.ops.elementwise import clamp, eq, exp, gt, log, where
from minigrad.ops.op import op
from minigrad.ops.reduction import sum_
from minigrad.ops.shape import reshape, roll, stack, unbind, unsqueeze


@op(promote="exact", apart=("target",), keeps=("e", "total", "at", "share"))
def softmax_cross_entropy(xp: Any, x: Any, target: Any, factors: Any = None, /) -> Any:
    """mean over the rows of -log softmax(x)[target];   dx = g (softmax(x) - one_hot(target)) / n

    Softmax, logarithm and choice in one op: the derivative of the three together is a subtraction. With a factor for
    each row the mean is weighted by them, and so is dx.
    """
    n, classes = x.shape
    if not x.flags.c_contiguous:
        x = xp.ascontiguousarray(x)  # in the order in which ``at`` counts: a transposed x would be one in columns
    row = xp.arange(0, n * classes, classes)  # where each row starts in memory
    # Less its largest entry, so that nothing overflows. x.max(axis=1) finds it too, in three times the time.
    z = x - x.take(row + x.argmax(axis=1))[:, None]
    at = row + target
    z_target = z.take(at)
    e = xp.exp(z, out=z)
    total = e.dot(constant_row(xp, 1, classes, x.dtype))
    mean, share = _mean(xp, xp.log(total) - z_target, factors)
    return mean, e, total, at, share


def _mean(xp: Any, losses: Any, factors: Any) -> tuple[Any, Any]:
    """Return the mean, and the share of each row in it; a row with the factor 0 has none, whatever its loss."""
    if factors is None:
        return losses.dot(constant_row(xp, 1 / len(losses), len(losses), losses.dtype)), None
    total, unused = factors.sum(), factors == 0
    return xp.where(unused, 0, losses).dot(factors) / total, xp.where(unused, 0, factors / total)


def _share_of(g: Any, x: Any, factors: Any) -> Any:
    if factors is None:
        return g / x.shape[0]
    return reshape(where(eq(factors, 0), 0.0, g * factors / sum_(factors)), (-1, 1))


@op(promote=None)
def one_hot_like(xp: Any, x: Any, target: Any, /) -> Any:
    """1 where the column is the row's target, else 0"""
    return (target[:, None] == xp.arange(x.shape[1])).astype(x.dtype)


softmax_cross_entropy.derivative(
    x=lambda g, x, target, factors: (softmax(x, 1) - one_hot_like(x, target)) * _share_of(g, x, factors)
)


@softmax_cross_entropy.raw_derivative
def _softmax_cross_entropy_raw(xp: Any, wanted: Any, g: Any, e: Any, total: Any, at: Any, share: Any) -> Any:
    scale = g / len(e) if share is None else g * share
    dx = e * (scale / total)[:, None]
    dx.reshape(-1)[at] -= scale
    return [dx, None, None]


@op(promote="exact", apart=("target",), keeps=("at", "share"))
def nll(xp: Any, x: Any, target: Any, factors: Any = None, /) -> Any:
    """mean over the rows of -x[target], weighted by the factors if there are any;   dx = -g one_hot(target) / n"""
    n, classes = x.shape
    at = xp.arange(0, n * classes, classes) + target
    mean, share = _mean(xp, x.take(at), factors)
    return -mean, at, share


nll.derivative(x=lambda g, x, target, factors: -one_hot_like(x, target) * _share_of(g, x, factors))


@nll.raw_derivative
def _nll_raw(xp: Any, wanted: Any, g: Any, x_shape: Any, at: Any, share: Any) -> Any:
    dx = xp.zeros(x_shape, g.dtype)
    dx.reshape(-1)[at] = -g / len(at) if share is None else share * -g
    return [dx, None, None]


TINY = 1e-44  # below e^-100, and above 0 in float32 too: its logarithm is finite


@op
def binary_cross_entropy(xp: Any, x: Any, target: Any, /) -> Any:
    """-(t log x + (1 - t) log(1 - x)), logarithms held above -100;   dx = (x - t) / (x (1 - x))"""
    log_x = xp.maximum(xp.log(xp.maximum(x, TINY)), -100)
    log_rest = xp.maximum(xp.log(xp.maximum(1 - x, TINY)), -100)
    return -(target * log_x + (1 - target) * log_rest)


def _held_log(x: Any) -> Any:
    return clamp(log(clamp(x, TINY)), -100.0)


binary_cross_entropy.derivative(
    x=lambda g, x, target: g * ((x - target) / clamp(x * (1 - x), 1e-12)),
    target=lambda g, x: g * (_held_log(1 - x) - _held_log(x)),
)


@op
def binary_cross_entropy_with_logits(xp: Any, x: Any, target: Any, /) -> Any:
    """-(t log s + (1 - t) log(1 - s)), s = sigmoid(x), as max(x, 0) - t x + log(1 + e^-|x|);   dx = s - t, dt = -x"""
    y = xp.log1p(xp.exp(-xp.abs(x)))
    y += xp.maximum(x, 0)
    y -= target * x
    return y


binary_cross_entropy_with_logits.derivative(
    x=lambda g, x, target: g * (sigmoid(x) - target),
    target=lambda g, x: -g * x,
)


@op
def huber(xp: Any, x: Any, target: Any, /, delta: float = 1.0) -> Any:
    """d^2 / 2 for |d| < delta, else delta (|d| - delta / 2), with d = x - t;   dx = d held between -delta and delta"""
    d = x - target
    held = xp.clip(d, -delta, delta)
    d -= 0.5 * held
    d *= held
    return d


def _huber_rule(g: Any, x: Any, target: Any, delta: float) -> Any:
    return g * clamp(x - target, -delta, delta)


huber.derivative(x=_huber_rule, target=lambda g, x, target, delta: -_huber_rule(g, x, target, delta))


# --------------------------------------------------------------------------------------------------------------
# Connectionist temporal classification (Graves et al., 2006)

IMPOSSIBLE = -1e30  # stands for log(0): -inf - (-inf) would be NaN


@op(promote="exact", apart=("ways",))
def ctc_paths(xp: Any, emit: Any, ways: Any, /) -> Any:
    """a[t,s] = emit[t,s] + log(e^a[t-1,s] + e^a[t-1,s-1] + e^a[t-1,s-2]), of all paths to s;   da[t-1,s] = sum over the
    three a[t,s'] that s leads to, each with the share of a path through s in it

    emit (T, N, S) has the log probability of being in state s at time t. A path starts in state 0 or 1, and at each
    step stays, goes on by one, or by two; ``ways`` (3, N, S) says which of the three may lead into a state. The
    derivative walks the same ways back in time; a share is e^a[t-1,s] / (sum of the three). That is the backward
    recursion of the paper.
    """
    steps, n, size = emit.shape
    a = xp.full((steps, n, size + 2), IMPOSSIBLE, emit.dtype)  # two more in front, so that each state has two before
    a[0, :, 2:4] = emit[0, :, :2]
    bars = xp.where(ways, 0, emit.dtype.type(IMPOSSIBLE))
    into = xp.empty_like(bars)
    for before, said, now in zip(a[:-1], emit[1:], a[1:, :, 2:], strict=True):
        for k in range(3):
            xp.add(before[:, 2 - k : 2 - k + size], bars[k], out=into[k])
        stay, one, two = into
        top = xp.maximum(xp.maximum(stay, one), two)
        into -= top
        xp.exp(into, out=into)
        stay += one
        stay += two
        xp.log(stay, out=now)
        now += top
        now += said
    return a[:, :, 2:].copy()


def _into(a: Any) -> Any:
    """Return what comes into each state from itself, from one before and from two before; those wrap around."""
    return stack([a, roll(a, 1, -1), roll(a, 2, -1)])


def _ctc_shares(y: Any, emit: Any, ways: Any) -> Any:
    into = where(unsqueeze(ways, 1), _into(y[:-1]), IMPOSSIBLE)
    return exp(into - (y - emit)[1:])


def _ctc_rule(g: Any, y: Any, emit: Any, ways: Any) -> Any:
    shares = _ctc_shares(y, emit, ways)
    g = g * gt(y, 0.5 * IMPOSSIBLE)
    da = [g[-1]]
    for t in range(len(g) - 2, -1, -1):
        stay, one, two = unbind(shares[:, t] * da[-1])
        da.append(g[t] + stay + roll(one, -1, -1) + roll(two, -2, -1))
    return stack(da[::-1])


ctc_paths.derivative(emit=_ctc_rule)


@ctc_paths.raw_derivative
def _ctc_raw(xp: Any, wanted: Any, g: Any, y: Any, emit: Any, ways: Any) -> Any:
    shares = _ctc_shares(y, emit, ways)
    da = g * (y > 0.5 * IMPOSSIBLE)
    for t in range(len(da) - 1, 0, -1):
        stay, one, two = shares[:, t - 1] * da[t]
        before = da[t - 1]
        before += stay
        before[:, :-1] += one[:, 1:]
        before[:, :-2] += two[:, 2:]
    return [da, None]

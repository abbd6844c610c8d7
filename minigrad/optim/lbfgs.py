"""L-BFGS: Newton's method with a curvature that is read off the last few steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any, NamedTuple

from minigrad.autograd.grad_mode import enable_grad
from minigrad.autograd.node import TensorBase, date_writes, tensor_of
from minigrad.backend import Array, array_module
from minigrad.optim.optimizer import Group, Optimizer

# --------------------------------------------------------------------------------------------------------------
# Line search


class Point(NamedTuple):
    """A place on the line x + t d: the loss there, its gradient, and its slope along d."""

    t: float
    loss: float
    grad: Array
    slope: float


def cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Return where the cubic with the losses and slopes of two points is least, kept between ``low`` and ``high``.

    With a left of b::

        c = a' + b' - 3 (a - b) / (t_a - t_b);  e = sqrt(c^2 - a' b')
        t = t_b - (t_b - t_a) (b' + e - c) / (b' - a' + 2 e)

    It is the middle of the bounds if there is none. Nocedal and Wright, equation 3.59.
    """
    if a.t > b.t:
        a, b = b, a
    c = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = c * c - a.slope * b.slope
    if square >= 0:
        e = math.sqrt(square)
        under = b.slope - a.slope + 2 * e
        if under:
            return min(max(b.t - (b.t - a.t) * ((b.slope + e - c) / under), low), high)
    return (low + high) / 2


def strong_wolfe(
    at: Callable[[float], Point], start: Point, t: float, length: float, least_change: float = 1e-9, most: int = 25
) -> tuple[Point, int]:
    """Return a point that satisfies the strong Wolfe conditions, and how many were looked at.

    ::

        loss <= start.loss + 1e-4 t start.slope     it descends, by a part of what the slope promised
        |slope| <= 0.9 |start.slope|                and the descent has slowed: t is not too short

    Two phases, as in Nocedal and Wright, algorithms 3.5 and 3.6: go further until two points have a good one between
    them, then narrow them down. ``t`` is the first to try, ``length`` the largest entry of d: where two points are
    nearer than ``least_change``, or after ``most`` rounds, the best one so far is taken.
    """

    def too_high(point: Point) -> bool:  # written so that a loss of nan is, too
        return not point.loss <= start.loss + 1e-4 * point.t * start.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -0.9 * start.slope

    # Further: until the loss or the slope rises.
    before, here, rounds, seen = start, at(t), 0, 1
    while rounds < most and not too_high(here) and not (rounds > 1 and here.loss >= before.loss):
        if flat(here):
            return here, seen
        if here.slope >= 0:
            break
        t = cubic_minimum(before, here, here.t + 0.01 * (here.t - before.t), 10 * here.t)
        before, here = here, at(t)
        rounds, seen = rounds + 1, seen + 1
    if rounds == most:
        before = start
    # Between: `low` is the end with the lower loss.
    low, high = (here, before) if here.loss < before.loss else (before, here)
    stuck = False
    while rounds < most and abs(high.t - low.t) * length >= least_change:
        left, right = sorted((low.t, high.t))
        t = cubic_minimum(low, high, left, right)
        margin = 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near = False
        stuck = near  # too near an end, once: that may be so; twice, and it would creep
        here = at(t)
        rounds, seen = rounds + 1, seen + 1
        if too_high(here) or here.loss >= low.loss:
            low, high = (here, low) if here.loss < low.loss else (low, here)
        elif flat(here):
            return here, seen
        else:
            if here.slope * (high.t - low.t) >= 0:
                high = low
            low = here
    return low, seen


# --------------------------------------------------------------------------------------------------------------
# The optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS: many steps of Newton's method, on all the data, for one call of ``step(closure)``.

    With g the gradient in all parameters, laid out as one vector x; in each of up to ``max_iter`` iterations::

        y = g - g before,  s = x - x before     how the gradient changed along the last step: curvature
        d = -H g                                H is the inverse Hessian that these pairs suggest
        x <- x + t d                            t = lr, or what the line search finds, starting from lr

    H is never formed: ``inverse_hessian_times`` goes through the last ``history_size`` pairs twice. Where the loss is
    smooth and every gradient that of all the data, this takes far fewer gradients than descent. Noise of small batches
    spoils the pairs.

    The closure clears the gradients, computes the loss, calls ``backward()`` and returns the loss. It is called
    several times a step. Without a line search t = lr is trusted, so the loss may rise; ``"strong_wolfe"`` tries more
    places and is the safer choice.

    The iteration stops when the largest entry of g is at most ``tolerance_grad``, when the largest entry of the move
    or the change of the loss falls to ``tolerance_change``, or when the closure was called ``max_eval`` times. These
    decisions need the numbers: on a GPU, each iteration waits for them.

    Parameters
    ----------
    params : iterable
        Tensors or (name, tensor) pairs, all on one device; one group only.
    lr : float
        The step length that is tried first.
    max_iter : int
        The most iterations in a step.
    max_eval : int or None
        The most calls of the closure in a step; None is 5/4 of ``max_iter``. A line search may call it once more.
    tolerance_grad, tolerance_change : float
        When to stop.
    history_size : int
        How many pairs are kept, each twice the size of the parameters.
    line_search_fn : str or None
        "strong_wolfe", or None.

    Raises
    ------
    ValueError
        There is more than one group, or an option is out of range.
    TypeError
        ``step`` is called without a closure.

    References
    ----------
    Nocedal and Wright, "Numerical optimization", 2nd edition, 2006, algorithms 7.4 and 7.5; the rules for stopping and
    for the first step are those of Schmidt's minFunc, 2005.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([-1.0, 1.0], requires_grad=True)
    >>> optimizer = LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2  # Rosenbrock's valley
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(2):
    ...     loss = optimizer.step(closure)
    >>> [round(number, 3) for number in x.tolist()]
    [1.0, 1.0]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        what = dict(lr=lr, max_iter=max_iter, max_eval=max_eval, tolerance_grad=tolerance_grad)
        how = dict(tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn)
        super().__init__(params, {**what, **how})

    def check(self, group: Group) -> None:
        super().check(group)
        search, size = group["line_search_fn"], group["history_size"]
        self.require(not self.param_groups, "one group: all parameters share one history", "another")
        self.require(isinstance(size, int) and size >= 1, "an integer history_size >= 1", size)
        self.require(search in (None, "strong_wolfe"), "line_search_fn None or 'strong_wolfe'", search)

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        if closure is None:
            raise TypeError(
                f"{self._name}.step: expected a closure, because it computes the loss several times a step: "
                "def closure(): optimizer.zero_grad(); loss = ...; loss.backward(); return loss"
            )
        (group,) = self.param_groups
        lr, max_iter, max_eval = float(group["lr"]), group["max_iter"], group["max_eval"]
        line = _Line(group["params"], closure)
        first_loss, loss, grad = line.evaluate()
        xp = array_module(grad)

        def largest(x: Array) -> float:
            return float(abs(x).max()) if x.size else 0.0

        memory = _Memory(self._state[group["params"][0]])
        memory.func_evals += 1
        evaluations, iterations = 1, 0
        done = largest(grad) <= group["tolerance_grad"]
        while not done and iterations < max_iter:
            iterations += 1
            memory.n_iter += 1
            if memory.n_iter == 1:
                d = -grad
                t = min(1.0, 1.0 / float(abs(grad).sum())) * lr  # nothing is known of the curvature: a short step
            else:
                memory.learn(grad, group["history_size"])
                d = -memory.inverse_hessian_times(grad)
                t = lr
            previous_loss = loss
            memory.d, memory.prev_flat_grad, memory.prev_loss, memory.t = d, grad, loss, t
            slope = float(xp.dot(grad, d))
            if slope > -group["tolerance_change"]:
                break
            line.follow(d)
            if group["line_search_fn"] == "strong_wolfe":
                start = Point(0.0, loss, grad, slope)
                rounds = min(25, max_eval - evaluations)
                point, calls = strong_wolfe(line.at, start, t, largest(d), most=rounds)
                t, loss, grad = point.t, point.loss, point.grad
                line.move(t)
                memory.t = t
            else:
                line.move(t)
                calls = 0
                if iterations != max_iter:  # else the next step will ask for it
                    _, loss, grad = line.evaluate()
                    calls = 1
            evaluations += calls
            memory.func_evals += calls
            done = (
                evaluations >= max_eval
                or (iterations < max_iter and largest(grad) <= group["tolerance_grad"])
                or largest(d) * abs(t) <= group["tolerance_change"]
                or abs(loss - previous_loss) < group["tolerance_change"]
            )
        memory.store()
        return first_loss


class _Line:
    """The parameters as one vector, on a line through where they were, and the closure that tells the loss there."""

    def __init__(self, params: list[Any], closure: Callable[[], Any]) -> None:
        self.params, self.closure = params, closure
        ends = accumulate(p.array.size for p in params)
        self.places = [slice(end - p.array.size, end) for p, end in zip(params, ends, strict=True)]

    def evaluate(self) -> tuple[Any, float, Array]:
        """Return what the closure returns, as a number too, and the gradient as one vector."""
        with enable_grad():
            loss = self.closure()
        xp = array_module(self.params[0].array)
        parts = [xp.zeros_like(p.array) if p._grad is None else p._grad.array for p in self.params]
        return loss, float(loss), xp.concatenate(parts, None)

    def follow(self, d: Array) -> None:
        """Let the line begin where the parameters are, along ``d``."""
        self.d = d
        self.start = array_module(d).concatenate([p.array for p in self.params], None)

    def move(self, t: float) -> None:
        """Put the parameters at start + t d."""
        x = self.start + t * self.d
        for p, where in zip(self.params, self.places, strict=True):
            p.array[...] = x[where].reshape(p.array.shape)
        date_writes([p.writes() for p in self.params], "optimizer.step()")

    def at(self, t: float) -> Point:
        self.move(t)
        _, loss, grad = self.evaluate()
        return Point(t, loss, grad, float(array_module(grad).dot(grad, self.d)))


class _Memory:
    """What is known of the curvature; kept in ``optimizer.state`` of the first parameter, by PyTorch's names."""

    n_iter = func_evals = 0
    d: Any = None
    prev_flat_grad: Any = None
    t: Any = None
    prev_loss: Any = None
    H_diag: float = 1.0

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.old_dirs: list[Array] = []  # y
        self.old_stps: list[Array] = []  # s
        self.ro: list[float] = []  # 1 / y.s
        for name, value in state.items():
            if name in ("ro", "H_diag"):
                setattr(self, name, [float(x) for x in value] if name == "ro" else float(value))
            elif name != "al":
                setattr(self, name, _mapped(value, lambda x: x.array if isinstance(x, TensorBase) else x))

    def store(self) -> None:
        for name, value in vars(self).items():
            if name != "state":
                self.state[name] = _mapped(value, lambda x: tensor_of(x) if hasattr(x, "shape") else x)

    def learn(self, grad: Array, size: int) -> None:
        """Take in the pair of the last step, unless it curves the wrong way."""
        y, s = grad - self.prev_flat_grad, self.d * float(self.t)
        dot = array_module(y).dot
        curvature = float(dot(y, s))
        if curvature > 1e-10:
            self.old_dirs, self.old_stps, self.ro = (
                [*old[-size + 1 :], new] if size > 1 else [new]
                for old, new in ((self.old_dirs, y), (self.old_stps, s), (self.ro, 1 / curvature))
            )
            self.H_diag = curvature / float(dot(y, y))

    def inverse_hessian_times(self, g: Array) -> Array:
        """Return H g: the two loops of Nocedal and Wright's algorithm 7.4.

        ::

            newest to oldest:  a = s.q / y.s;  q <- q - a y
            r = (y.s / y.y) q                            of the newest pair: a guess at the size of H
            oldest to newest:  r <- r + (a - y.r / y.s) s
        """
        dot, q, shares = array_module(g).dot, g.copy(), []
        pairs = list(zip(self.old_dirs, self.old_stps, self.ro, strict=True))
        for y, s, ro in reversed(pairs):
            shares.append(dot(s, q) * ro)
            q -= shares[-1] * y
        q *= self.H_diag
        for y, s, ro in pairs:
            q += (shares.pop() - dot(y, q) * ro) * s
        return q


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    return [change(x) for x in value] if isinstance(value, list) else change(value)

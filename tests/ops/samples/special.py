"""Samples of the sheet ``special``. The references are integrals, sums and products, worked out by brute force."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .table import INSIDE, POSITIVE, F, T, call, row, torch, unary

Array = np.ndarray[Any, Any]
NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def integral(f: Callable[[Any], Any], low: Any, high: Any) -> Any:
    """Integrate a smooth function between arrays of bounds by Gauss' rule."""
    low, high = np.broadcast_arrays(np.asarray(low, float)[..., None], np.asarray(high, float)[..., None])
    half = (high - low) / 2
    return (f(low + half * (NODES + 1)) * WEIGHTS * half).sum(-1)


def bell(t: Any) -> Any:
    return np.exp(-t * t) * (2 / math.sqrt(math.pi))


def np_erf(x: Any) -> Any:
    return integral(bell, 0.0, x)


def np_erfc(x: Any) -> Any:
    return integral(bell, x, 6.5)


def np_ndtr(x: Any) -> Any:
    return np_erfc(-x / math.sqrt(2)) / 2


def inverse(f: Callable[[Any], Any], low: float, high: float) -> Callable[[Any], Any]:
    """Return the inverse of a rising function, found by halving an interval 60 times."""

    def found(y: Any) -> Any:
        a, b = np.full(np.shape(y), low), np.full(np.shape(y), high)
        for _ in range(60):
            middle = (a + b) / 2
            below = f(middle) < y
            a, b = np.where(below, middle, a), np.where(below, b, middle)
        return (a + b) / 2

    return found


def lifted(x: Any, steps: int = 40) -> list[Any]:
    return [x + k for k in range(steps)]


def np_lgamma(x: Any) -> Any:
    """Stirling's series at x + 40, and down again by gamma(x + 1) = x gamma(x)."""
    z = x + 40
    far = (z - 0.5) * np.log(z) - z + 0.5 * math.log(2 * math.pi) + 1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5)
    return far - sum(np.log(np.abs(y)) for y in lifted(x))


def np_digamma(x: Any) -> Any:
    z = x + 40
    far = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6)
    return far - sum(1 / y for y in lifted(x))


def np_zeta(x: Any, q: Any) -> Any:
    """400 terms, and Euler and Maclaurin's formula for the others."""
    x, q = np.asarray(x, float), np.asarray(q, float)
    z = q + 400
    far = z ** (1 - x) / (x - 1) + z**-x / 2 + x * z ** (-x - 1) / 12 - x * (x + 1) * (x + 2) * z ** (-x - 3) / 720
    return far + sum(y**-x for y in lifted(q, 400))


def np_polygamma(n: int, x: Any) -> Any:
    return np_digamma(x) if n == 0 else (-1) ** (n + 1) * math.factorial(n) * np_zeta(n + 1, x)


def np_bessel(n: int) -> Callable[[Any], Any]:
    return lambda x: integral(lambda t: np.exp(x[..., None] * np.cos(t)) * np.cos(n * t), 0.0 * x, math.pi) / math.pi


def np_mvlgamma(x: Any, p: int) -> Any:
    return sum(np_lgamma(x - 0.5 * k) for k in range(p)) + p * (p - 1) / 4 * math.log(math.pi)


def special(name: str) -> dict[str, Any]:
    return dict(torch=f"special.{name}", ints="float32")


PAIRS = [  # no numbers: PyTorch computes them in float32
    call(T(*a, **POSITIVE), T(*b, **POSITIVE))
    for a, b in (((2, 3), (2, 3)), ((2, 1), (3,)), ((), (2,)), ((0, 3), (3,)))
]
NONNEGATIVE = F([[0.0, 1.0, 2.0], [0.0, 0.0, 3.0]])

# fmt: off
ROWS = [
    unary("erf", np_erf, ints="float32", kinks=[call(F([-9.0, -1.0, -0.0, 1.0, 9.0]))]),
    unary("erfc", np_erfc, ints="float32", kinks=[call(F([-9.0, -1.0, 0.0, 1.0, 9.0]))]),
    unary("erfcx", lambda x: np.exp(x * x) * np_erfc(x), **special("erfcx"), kinks=[call(F([-3.0, 0.0, 5.0, 40.0]))]),
    unary("erfinv", inverse(np_erf, -3.0, 3.0), **INSIDE, kinks=[call(F([-1.0, 0.0, 0.99999, 1.0]))]),
    unary("ndtr", np_ndtr, **special("ndtr"), kinks=[call(F([-9.0, 0.0, 9.0]))]),
    unary("ndtri", inverse(np_ndtr, -4.0, 4.0), 0.05, 0.95, torch="special.ndtri",
          kinks=[call(F([0.0, 1e-20, 0.5, 1.0]))]),
    unary("log_ndtr", lambda x: np.log(np_ndtr(x)), **special("log_ndtr"), kinks=[call(F([-9.0, -1.0, 0.0, 9.0]))]),

    unary("lgamma", np_lgamma, **POSITIVE, ints="float32"),
    row("lgamma", np_lgamma, call(T(2, 3, low=-0.9, high=-0.1)), call(F([0.5, 3.0, 8.0, 20.0])), note="elsewhere"),
    unary("digamma", np_digamma, **POSITIVE, ints="float32"),
    row("digamma", np_digamma, call(F([0.5, 3.0, 8.0, 20.0])), note="elsewhere"),
    row("_polygamma", lambda x, n: np_polygamma(n, x), call(T(2, 3, **POSITIVE), 1), call(T(**POSITIVE), 2),
        call(T(0, 3), 3), call(T(2, **POSITIVE), 0), torch=lambda x, n: torch("polygamma")(n, x), ints="float32"),
    row("polygamma", np_polygamma, call(1, T(2, 3, **POSITIVE)), call(2, T(3, **POSITIVE)), call(0, T(**POSITIVE))),
    row("_zeta", lambda q, x: np_zeta(x, q), call(T(2, 3, **POSITIVE), 3.0), call(T(**POSITIVE), 1.5),
        torch=lambda q, x: torch("special.zeta")(x, q)),
    row("zeta", np_zeta, call(3.0, T(2, 3, **POSITIVE)), call(1.5, T(**POSITIVE)), call(4.0, T(0, 3)),
        torch=lambda x, q: torch("special.zeta")(x, q)),
    row("mvlgamma", np_mvlgamma, call(T(2, 3, low=1.2, high=4.0), 3), call(T(low=0.6, high=4.0), 2),
        call(T(2, **POSITIVE), 1), ints="float32"),

    unary("i0", np_bessel(0), ints="float32", kinks=[call(F([-20.0, 0.0, 12.0]))]),
    unary("i1", np_bessel(1), **special("i1"), kinks=[call(F([-20.0, 0.0, 12.0]))]),
    unary("i0e", lambda x: np_bessel(0)(x) * np.exp(-np.abs(x)), **special("i0e"),
          kinks=[call(F([-20.0, 0.0, 12.0, 1e4]))]),
    unary("i1e", lambda x: np_bessel(1)(x) * np.exp(-np.abs(x)), **special("i1e"),
          kinks=[call(F([-20.0, 0.0, 12.0, 1e4]))]),

    row("xlogy", lambda a, b: a * np.log(b), *PAIRS, ints="float32",
        kinks=[call(F([0.0, 1.0]), F([2.0, 1.0])), call(NONNEGATIVE, F([math.nan] * 3)), call(0.0, F([-1.0, 2.0]))]),
    row("xlog1py", lambda a, b: a * np.log1p(b), *PAIRS, **special("xlog1py"),
        kinks=[call(NONNEGATIVE, F([-0.5, 0.0, 2.0]))]),
    unary("entr", lambda x: -x * np.log(x), **POSITIVE, **special("entr"), kinks=[call(F([1e-30, 1.0]))]),
    unary("logit", lambda x: np.log(x) - np.log(1 - x), 0.1, 0.9,
          kinks=[call(F([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5]), 0.25)]),
    row("logit", lambda x, eps: np.log(np.clip(x, eps, 1 - eps)) - np.log(1 - np.clip(x, eps, 1 - eps)),
        call(T(2, 3, low=0.0, high=1.0), 0.3), call(T(3, low=0.0, high=1.0), eps=0.3), note="eps"),
    unary("sinc", np.sinc, ints="float32", kinks=[call(F([-1.0, 0.0, 2.0]))]),
    row("sinc", np.sinc, call(T(2, 3, low=-0.25, high=0.25)), note="near 0"),
]
# fmt: on

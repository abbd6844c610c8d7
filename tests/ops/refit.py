"""Find the coefficients in ``minigrad/ops/approximation.py`` again, with mpmath, which comes with PyTorch.

    python tests/ops/refit.py ERF GAMMALN

A quotient P / Q is fitted to f at 160 points by least squares of P - f Q, a linear problem. Dividing the weights by
the last Q makes it that of P / Q - f (Sanathanan and Koerner, 1963); multiplying them by the error that is left evens
the errors out, until the largest is as small as it can be (Lawson, 1961). It takes some seconds for each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def fit(
    mp: Any, f: Callable[[Any], Any], low: Any, high: Any, m: int, n: int, rounds: int = 40
) -> tuple[Any, Any, Any]:
    """Return P of degree m, Q of degree n and the largest relative error between ``low`` and ``high``."""
    points = 160
    ts = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * k / (points - 1)) for k in range(points)]
    ys = [f(t) for t in ts]
    rows = [[t**k for k in range(m + 1)] + [-y * t**k for k in range(1, n + 1)] for t, y in zip(ts, ys, strict=True)]
    weights, qs = [mp.mpf(1)] * points, [mp.mpf(1)] * points
    best: tuple[Any, Any, Any] = (None, None, mp.inf)
    for _ in range(rounds):
        scales = [w / (y * q) ** 2 for w, y, q in zip(weights, ys, qs, strict=True)]
        normal = mp.matrix(m + n + 1, m + n + 1)
        right = mp.matrix(m + n + 1, 1)
        for i in range(m + n + 1):
            for j in range(m + n + 1):
                normal[i, j] = mp.fsum(s * row[i] * row[j] for s, row in zip(scales, rows, strict=True))
            right[i] = mp.fsum(s * row[i] * y for s, row, y in zip(scales, rows, ys, strict=True))
        solution = list(mp.lu_solve(normal, right))
        p, q = solution[: m + 1], [mp.mpf(1), *solution[m + 1 :]]
        qs = [mp.polyval(q[::-1], t) for t in ts]
        errors = [abs(mp.polyval(p[::-1], t) / c / y - 1) for t, c, y in zip(ts, qs, ys, strict=True)]
        largest = max(errors)
        if largest < best[2]:
            best = p, q, largest
        weights = [w * (e / largest + mp.mpf("0.001")) for w, e in zip(weights, errors, strict=True)]
        top = max(weights)
        weights = [w / top for w in weights]
    return best


def tables(mp: Any) -> dict[str, tuple[Any, ...]]:
    """Return what each table fits: the function, the interval, and the degrees of P and Q."""
    root, tiny = mp.findroot(mp.digamma, 1.46), mp.mpf(10) ** -14

    def erf(z: Any) -> Any:
        return mp.erf(mp.sqrt(z)) / mp.sqrt(z) if z else 2 / mp.sqrt(mp.pi)

    def erfcx(t: Any) -> Any:
        if t == 1:
            return 2 / mp.sqrt(mp.pi)
        x = 3 * (1 + t) / (1 - t)
        if x < 60:
            return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)
        series = mp.fsum((-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(12))
        return (1 + 2 * x) * series / (x * mp.sqrt(mp.pi))

    def gammaln(x: Any) -> Any:
        x = x if min(abs(x - 1), abs(x - 2)) > tiny else x + tiny
        return mp.loggamma(x) / ((x - 1) * (x - 2))

    def stirling(u: Any) -> Any:
        x = 1 / mp.sqrt(u) if u else mp.inf
        if x == mp.inf:
            return mp.mpf(1) / 12
        return x * (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)

    def psi_far(u: Any) -> Any:
        x = 1 / mp.sqrt(u) if u else mp.inf
        return mp.mpf(1) / 12 if x == mp.inf else x * x * (mp.log(x) - 1 / (2 * x) - mp.digamma(x))

    def bessel_far(n: int) -> Callable[[Any], Any]:
        def scaled(u: Any) -> Any:
            if u > 0.002:
                return mp.besseli(n, 1 / u) * mp.exp(-1 / u) / mp.sqrt(u)
            terms = [  # DLMF 10.40.1
                (-1) ** k
                * mp.fprod(4 * n * n - (2 * i - 1) ** 2 for i in range(1, k + 1))
                / mp.factorial(k)
                * (u / 8) ** k
                for k in range(24)
            ]
            return mp.fsum(terms) / mp.sqrt(2 * mp.pi)

        return scaled

    half, ninth, twelfth = mp.mpf(1) / 2, mp.mpf(1) / 9, mp.mpf(1) / 12
    return {
        "ERF32": (erf, mp.mpf(0), mp.mpf("3.92") ** 2, 5, 5),
        "ERF": (erf, mp.mpf(0), mp.mpf(1), 5, 5),
        "ERFCX": (erfcx, mp.mpf(-1), mp.mpf(1), 11, 11),
        "GAMMALN": (gammaln, half, mp.mpf(3), 8, 8),
        "STIRLING": (stirling, mp.mpf(0), ninth, 9, 0),
        "PSI": (lambda x: mp.digamma(x) / (x - root), half, mp.mpf(3), 7, 7),
        "PSI_FAR": (psi_far, mp.mpf(0), ninth, 10, 0),
        "BESSEL_FAR_0": (bessel_far(0), mp.mpf(0), twelfth, 14, 0),
        "BESSEL_FAR_1": (bessel_far(1), mp.mpf(0), twelfth, 14, 0),
    }


def main(names: list[str]) -> None:
    """Print the tables that are named, or all."""
    import mpmath as mp

    mp.mp.dps = 110  # the equations are nearly singular
    for name, (f, low, high, m, n) in tables(mp).items():
        if not names or name in names:
            p, q, error = fit(mp, f, low, high, m, n)
            print(name, f"error {float(error):.1e}")
            print("   ", *[f"{float(c)!r}," for c in p])
            if n:
                print("   ", *[f"{float(c)!r}," for c in q])


if __name__ == "__main__":
    main(sys.argv[1:])

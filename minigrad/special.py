"""Special functions under the names of ``torch.special``.

All are differentiable as often as one likes. The formulas stand in the sheets ``minigrad/ops/special.py`` and
``elementwise.py``, the numbers behind them in ``minigrad/ops/approximation.py``.
"""

from __future__ import annotations

from typing import Any

from minigrad import ops
from minigrad.ops.elementwise import exp2, expm1, log1p
from minigrad.ops.reduction import logsumexp
from minigrad.ops.special import (
    digamma,
    entr,
    erf,
    erfc,
    erfcx,
    erfinv,
    i0,
    i0e,
    i1,
    i1e,
    lgamma,
    log_ndtr,
    logit,
    mvlgamma,
    ndtr,
    ndtri,
    polygamma,
    sinc,
    xlog1py,
    xlogy,
    zeta,
)

gammaln, psi, multigammaln, expit = lgamma, digamma, mvlgamma, ops.sigmoid


def round(input: Any, *, decimals: int = 0) -> Any:
    """Return the nearest integers, halves to the even one; or so many decimals."""
    return ops.round_(input, decimals)


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return e^x_i / sum of e^x_j along ``dim``, computed in ``dtype`` if one is given."""
    return ops.softmax(input if dtype is None else input.to(dtype), dim)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the logarithm of :func:`softmax` along ``dim``, without overflow or log(0)."""
    return ops.log_softmax(input if dtype is None else input.to(dtype), dim)


__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "log_softmax",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "softmax",
    "xlog1py",
    "xlogy",
    "zeta",
]


def __getattr__(name: str) -> Any:
    if name in ("gammainc", "gammaincc", "airy_ai") or "bessel" in name or "polynomial" in name:
        raise AttributeError(
            f"minigrad.special has no {name!r}: incomplete gamma functions, other Bessel functions and orthogonal "
            "polynomials are not supported; scipy.special has their values, as in scipy.special.j0(x.numpy())"
        )
    raise AttributeError(f"minigrad.special has no {name!r}")

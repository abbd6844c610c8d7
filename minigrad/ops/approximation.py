"""Functions that NumPy does not have: the error function, the gamma function, Bessel functions and their families.

On a GPU ``cupyx.scipy.special`` has them all, under the names they have here. What is written here computes with NumPy
arrays, in float64 to within a few units of the last digit; a float32 array is computed in float64 and rounded, except
for ``erf``, which has a float32 form of its own because activation functions call it all the time.

A table named in capitals holds the coefficients of a polynomial, lowest power first, or of a quotient of two. Those
without another source were fitted for this file by ``tests/ops/refit.py``, to the smallest largest relative error.
"DLMF" is the Digital Library of Mathematical Functions, https://dlmf.nist.gov.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = Any

_BLOCK = 32768  # entries at a time: the forty passes over them then stay in the processor's cache


def _blockwise(dtype: Any = np.float64) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Run a function on blocks of ``dtype`` made from arrays of one shape, and in silence; decorator.

    Both branches of every ``where`` are computed, so that some entries overflow or divide by 0 and are not used.
    """

    def decorate(function: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(function)
        def whole(*arrays: Array) -> Array:
            out = np.empty(arrays[0].shape, arrays[0].dtype)
            flat, sources = out.reshape(-1), [x.reshape(-1) for x in arrays]
            with np.errstate(all="ignore"):
                for start in range(0, flat.size, _BLOCK):
                    block = slice(start, start + _BLOCK)
                    flat[block] = function(*(x[block].astype(dtype) for x in sources))
            return out

        return whole

    return decorate


def _polynomial(coefficients: Sequence[float], t: Array) -> Array:
    """Return c_0 + c_1 t + c_2 t^2 + ... by Horner's rule, in place."""
    y = t * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        y += c
        y *= t
    y += coefficients[0]
    return y


def _quotient(table: tuple[Sequence[float], Sequence[float]], t: Array) -> Array:
    """Return P(t) / Q(t). Where all coefficients and t are positive, nothing cancels and few digits are lost."""
    y = _polynomial(table[0], t)
    y /= _polynomial(table[1], t)
    return y


# --------------------------------------------------------------------------------------------------------------
# The error function and the normal distribution

# erf(x) / x in x^2 up to 3.92, where float32 rounds erf to 1; and up to 1.
_ERF32 = (
    (1.1283791463886284, 0.19039856272693328, 0.05274744703604364, 0.003765209915305848, 0.0002848618627482034,
     2.049996488930223e-06),
    (1.0, 0.5020690779055745, 0.11410563227007095, 0.014968418008562674, 0.0011624145968888418,
     3.8089680424499676e-05),
)  # fmt: skip
_ERF = (
    (1.1283791670955126, 0.1435066626067179, 0.0454836128450694, 0.0018774111636544264, 0.00019688472633732387,
     7.771772434517499e-08),
    (1.0, 0.4605128017172714, 0.09381306960925234, 0.01069307916438134, 0.0006924981926172778,
     2.081025568220707e-05),
)  # fmt: skip
# (1 + 2x) e^(x^2) erfc(x) for x >= 0, in t = (x - 3) / (x + 3). Shepherd and Laframboise (1981) found this form, in
# which one fit does for all x from 0 to infinity.
_ERFCX = (
    (1.2530080582697296, 1.133250536211151, 1.32721508923873, 1.029883377660755, 0.5517253522803556,
     0.3469750840496548, 0.10106153517159853, 0.049102737168574634, 0.007310620354111369, 0.00240519931778561,
     0.00013812272287629145, 1.777241076779766e-05),
    (1.0, 1.0126604006744444, 1.2067883341055914, 0.8875191443543023, 0.5726032188190014, 0.28959593172121206,
     0.12054540546462611, 0.03986905459756791, 0.01022666016313522, 0.0019150986020877198, 0.00023415219374755948,
     1.4069577774661458e-05),
)  # fmt: skip


def _scaled_tail(x: Array) -> Array:
    """Return e^(x^2) erfc(x) for x >= 0."""
    y = _quotient(_ERFCX, 1 - 6 / (x + 3))
    y /= 1 + 2 * x
    return y


def _gauss(x: Array, factor: float) -> Array:
    """Return e^(factor x^2) to the last digits.

    The rounding of x^2 = 700 would be felt in the 14th digit of the exponential. So x is split into a part of 24 bits,
    whose square is exact, and the rest: x^2 = h^2 + (x - h)(x + h).
    """
    x = np.minimum(np.abs(x), 60.0)  # beyond, it is 0 or inf
    h = x.astype(np.float32).astype(np.float64)
    return np.exp(factor * (h * h)) * np.exp(factor * ((x - h) * (x + h)))


@_blockwise(np.float32)
def _erf32(x: Array) -> Array:
    x = np.clip(x, -3.92, 3.92)
    return np.clip(x * _quotient(_ERF32, x * x), -1.0, 1.0)


@_blockwise()
def _erf64(x: Array) -> Array:
    size = np.abs(x)
    inner = x * _quotient(_ERF, np.minimum(x * x, 1.0))
    outer = np.copysign(1 - np.exp(-x * x) * _scaled_tail(size), x)
    return np.where(size < 1, inner, outer)


def erf(x: Array) -> Array:
    """Return 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return _erf32(x) if x.dtype == np.float32 else _erf64(x)


@_blockwise()
def erfc(x: Array) -> Array:
    """Return 1 - erf(x), with all its digits where erf(x) is almost 1."""
    tail = _gauss(x, -1.0) * _scaled_tail(np.abs(x))
    return np.where(x < 0, 2 - tail, tail)


@_blockwise()
def erfcx(x: Array) -> Array:
    """Return e^(x^2) erfc(x)."""
    tail = _scaled_tail(np.abs(x))
    return np.where(x < 0, 2 * _gauss(x, 1.0) - tail, tail)


@_blockwise()
def ndtr(x: Array) -> Array:
    """Return the part of the normal distribution that lies below x: erfc(-x / sqrt(2)) / 2."""
    tail = 0.5 * _gauss(x, -0.5) * _scaled_tail(np.abs(x) * math.sqrt(0.5))
    return np.where(x > 0, 1 - tail, tail)


@_blockwise()
def log_ndtr(x: Array) -> Array:
    """Return log(ndtr(x)), also where ndtr(x) is too small for a number."""
    tail = 0.5 * _scaled_tail(np.abs(x) * math.sqrt(0.5))
    return np.where(x < 0, np.log(tail) - 0.5 * x * x, np.log1p(-tail * _gauss(x, -0.5)))


# Wichura (1988), algorithm AS 241, PPND16: around the centre, in the tails, and far out in them.
_CENTRE = (
    (3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987,
     67265.7709270087, 33430.57558358813, 2509.0809287301227),
    (1.0, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271,
     28729.085735721943, 5226.495278852854),
)  # fmt: skip
_TAIL = (
    (1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684,
     0.2417807251774506, 0.022723844989269184, 0.0007745450142783414),
    (1.0, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
     0.0005475938084995345, 1.0507500716444169e-09),
)  # fmt: skip
_FAR = (
    (6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
     0.0012426609473880784, 2.7115555687434876e-05, 2.0103343992922881e-07),
    (1.0, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-05,
     1.421511758316446e-07, 2.0442631033899397e-15),
)  # fmt: skip


def _quantile(centred: Array, tail: Array) -> Array:
    """Return the x with ndtr(x) - 1/2 = ``centred``, where ``tail`` is the smaller of ndtr(x) and ndtr(-x)."""
    inner = centred * _quotient(_CENTRE, 0.180625 - centred * centred)
    s = np.sqrt(-np.log(tail))
    outer: Array = np.where(s <= 5, _quotient(_TAIL, s - 1.6), _quotient(_FAR, np.minimum(s, 30.0) - 5))
    outer = np.where(tail == 0, np.inf, np.where(tail < 0, np.nan, outer))
    return np.where(np.abs(centred) <= 0.425, inner, np.copysign(outer, centred))


@_blockwise()
def ndtri(p: Array) -> Array:
    """Return the x with ndtr(x) = p."""
    return _quantile(p - 0.5, np.minimum(p, 1 - p))


@_blockwise()
def erfinv(y: Array) -> Array:
    """Return the x with erf(x) = y."""
    return math.sqrt(0.5) * _quantile(0.5 * y, 0.5 * (1 - np.abs(y)))


# --------------------------------------------------------------------------------------------------------------
# The gamma function: a fit between 1/2 and 3, Stirling's series beyond, and the reflection at 1/2 for the rest

_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)

# lgamma(x) / ((x - 1) (x - 2)); and what Stirling's formula lacks, times x, in 1 / x^2 (DLMF 5.11.1).
_GAMMALN = (
    (2.7238889203566314, 106.09310170529386, 872.7436226647953, 2380.433423722933, 2493.264573114012,
     1017.06176941894, 147.70038620969865, 5.714369886776165, 0.013200035644974847),
    (1.0, 64.28580468801597, 779.1042588474761, 3041.081221865081, 4602.805547037311, 2883.4783097622326,
     731.9896609325947, 66.53843139488463, 1.5075932160885044),
)  # fmt: skip
_STIRLING = (
    0.08333333333333319, -0.0027777777774923317, 0.0007936507030641643, -0.0005952268536946696,
    0.0008410309590892463, -0.0018902843622268318, 0.005749823109958947, -0.018641469184606786,
    0.04750253588036888, -0.06267063632330844,
)  # fmt: skip
# psi(x) / (x - root); and (log(x) - 1 / 2x - psi(x)) x^2 in 1 / x^2 (DLMF 5.11.2).
_PSI = (
    (19504888810.676044, 65308059135.19138, 65091249241.85729, 26721526080.411407, 4801145043.616017,
     347100024.7262878, 7438432.2834194265, 8982.473746813495),
    (1.0, 28508972452.439285, 59495644389.89615, 42384964525.99543, 13097534180.647038, 1795119160.6121888,
     97243921.0716036, 1442177.103565333),
)  # fmt: skip
_PSI_FAR = (
    0.083333333333333, -0.008333333332536316, 0.003968253660210672, -0.004166619880042418, 0.00757205941423383,
    -0.02091792522271478, 0.07795228532519909, -0.3285492007687185, 1.246451680114615, -3.3256633937209785,
    4.34323066255215,
)  # fmt: skip
_PSI_ROOT, _PSI_ROOT_REST = 1.4616321449683622, 9.549995429965697e-17  # the sum has 33 digits


@_blockwise()
def gammaln(x: Array) -> Array:
    """Return log |gamma(x)|."""
    y = np.where(x < 0.5, 1 - x, x)
    near, far = np.minimum(y, 3.0), np.maximum(y, 3.0)
    inner = (near - 1) * (near - 2) * _quotient(_GAMMALN, near)
    outer = (far - 0.5) * (np.log(far) - 1) + (_HALF_LOG_2_PI - 0.5) + _polynomial(_STIRLING, 1 / far**2) / far
    right = np.where(y < 3, inner, outer)
    # gamma(x) gamma(1 - x) = pi / sin(pi x), with x brought near 0 first: sin(pi x) is not 0 at x = 3 (DLMF 5.5.3)
    left = math.log(math.pi) - np.log(np.abs(np.sin(math.pi * (x - np.round(x))))) - right
    return np.where(np.isinf(x), np.inf, np.where(x < 0.5, left, right))


@_blockwise()
def psi(x: Array) -> Array:
    """Return the derivative of log gamma(x), also called digamma."""
    y = np.where(x < 0.5, 1 - x, x)
    near, far = np.minimum(y, 3.0), np.maximum(y, 3.0)
    inner = ((near - _PSI_ROOT) - _PSI_ROOT_REST) * _quotient(_PSI, near)
    u = 1 / far**2
    outer = np.log(far) - 0.5 / far - u * _polynomial(_PSI_FAR, u)
    right = np.where(y < 3, inner, outer)
    fraction = x - np.round(x)
    left: Array = right - math.pi / np.tan(math.pi * fraction)
    left = np.where((fraction == 0) & (x != 0), np.nan, left)  # a pole that comes from +inf and goes to -inf
    return np.where(x < 0.5, left, right)


# B_2j / (2j)!, with the Bernoulli numbers B_2, B_4, ...
_BERNOULLI = tuple(
    b / math.factorial(2 * j + 2)
    for j, b in enumerate(
        (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
    )
)


@_blockwise()
def _zeta(s: Array, q: Array) -> Array:
    # Ten terms, and the rest of the sum by Euler and Maclaurin (DLMF 25.11.5).
    y = q**-s
    for k in range(1, 10):
        y += (q + k) ** -s
    a = q + 10
    power = a**-s
    y += a ** (1 - s) / (s - 1) + 0.5 * power
    term = s * power / a
    for j, c in enumerate(_BERNOULLI):
        y += c * term
        term = term * ((s + (2 * j + 1)) * (s + (2 * j + 2))) / (a * a)
    y = np.where((q < 0) | (s < 1), np.nan, np.where(s == 1, np.inf, y))
    return np.where((q <= 0) & (q == np.floor(q)) & (s > 1), np.inf, y)


def zeta(s: Array, q: Array) -> Array:
    """Return the sum of (q + k)^(-s) over k = 0, 1, 2, ..., Hurwitz' zeta function, for s > 1 and q > 0."""
    return _zeta(*np.broadcast_arrays(s, q))


def polygamma(n: int, x: Array) -> Array:
    """Return the n-th derivative of psi(x)."""
    if n == 0:
        return psi(x)
    sign = (-1.0) ** (n + 1)

    @_blockwise()
    def derivative(x: Array) -> Array:
        right = sign * math.gamma(n + 1) * _zeta(np.full_like(x, n + 1), np.where(x > 0, x, 1 - x))  # DLMF 5.15.1
        # psi(1 - x) - psi(x) = pi cot(pi x); each derivative of a polynomial p in c = cot(pi x) is another one,
        # -pi (1 + c^2) p'(c)  (DLMF 5.15.6)
        p = np.polynomial.Polynomial([0.0, math.pi])
        for _ in range(n):
            p = -math.pi * np.polynomial.Polynomial([1.0, 0.0, 1.0]) * p.deriv()
        fraction = x - np.round(x)
        left = -sign * right - p(1 / np.tan(math.pi * fraction))
        left = np.where(fraction == 0, sign * np.inf, left)
        return np.where(x > 0, right, left)

    return derivative(x)


# --------------------------------------------------------------------------------------------------------------
# Modified Bessel functions: the power series up to 12 (DLMF 10.25.2), beyond it sqrt(x) e^-x I(x) in 1 / x

_SERIES = [[0.25**k / (math.factorial(k) * math.factorial(k + n)) / 2**n for k in range(28)] for n in (0, 1)]
_BESSEL_FAR = (
    (0.39894228040143265, 0.04986778505033194, 0.028050628950388755, 0.029219456035153493, 0.044732644003048376,
     0.09168462764645584, 0.14917972377764577, 4.627893794166047, -134.0619902742277, 3341.0165727415692,
     -56976.255184303554, 669484.3553790799, -5120311.848620479, 22946863.772939187, -45239597.75328386),
    (0.3989422804014327, -0.14960335515070497, -0.04675104833114942, -0.0409072226774478, -0.057515316001250184,
     -0.11190732282176363, -0.18446897448680893, -5.031795736944622, 143.6546181557342, -3574.6609384857957,
     60794.0263032196, -712580.7571981724, 5436469.4039669065, -24304822.273342308, 47797127.9209425),
)  # fmt: skip


def _bessel(n: int, scaled: bool) -> Callable[..., Array]:
    @_blockwise()
    def function(x: Array) -> Array:
        size = np.abs(x)
        near, far = np.minimum(size, 12.0), np.clip(size, 12.0, None if scaled else 2000.0)  # e^2000 is inf
        inner = _polynomial(_SERIES[n], near * near)
        outer = _polynomial(_BESSEL_FAR[n], 1 / far) / np.sqrt(far)
        if n == 1:
            inner *= x
            outer = np.copysign(outer, x)
        if scaled:
            inner *= np.exp(-near)
        else:
            grown = np.exp(0.5 * far)  # e^x would overflow a little before I(x) does
            outer *= grown
            outer *= grown
        return np.where(size < 12, inner, outer)

    function.__doc__ = f"Return the modified Bessel function I_{n}(x)" + (" e^-|x|." if scaled else ".")
    return function


i0, i0e, i1, i1e = _bessel(0, False), _bessel(0, True), _bessel(1, False), _bessel(1, True)

"""Special functions: digits, ends, identities, derivatives where the op table does not go, names, PyTorch beside."""

from __future__ import annotations

import itertools
import math
import types
from typing import Any

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import special
from minigrad.autograd import grad, gradcheck, gradgradcheck
from minigrad.ops import approximation

PROGRAMS = beside.topics("special.txt")
Array = np.ndarray[Any, Any]
inf, nan, EPS = math.inf, math.nan, 2.0**-52

# Correct to the last digit: computed with 50 digits by mpmath 1.3, and rounded.
VALUES: dict[str, list[tuple[float, float]]] = {
    "erf": [
        (1e-300, 1.1283791670955126e-300), (1e-10, 1.1283791670955126e-10), (0.3, 0.3286267594591274),
        (0.999, 0.8422852702064969), (1.001, 0.8431154854780762), (2.5, 0.999593047982555), (5.5, 0.9999999999999927),
        (-0.7, -0.6778011938374184),
    ],
    "erfc": [
        (-3.0, 1.9999779095030015), (-0.2, 1.2227025892104784), (1e-10, 0.999999999887162), (0.5, 0.4795001221869535),
        (2.0, 0.004677734981047266), (8.0, 1.1224297172982926e-29), (20.0, 5.395865611607901e-176),
        (26.0, 5.663192408856143e-296),
    ],
    "erfcx": [
        (-20.0, 1.0442939379528289e174), (-1.0, 5.008980080762283), (0.0, 1.0), (0.7, 0.525930337349441),
        (3.0, 0.17900115118138996), (50.0, 0.011281536265323773), (10000000000.0, 5.641895835477563e-11),
    ],
    "erfinv": [
        (-0.999999, -3.458910737275499), (-0.5, -0.4769362762044699), (1e-20, 8.86226925452758e-21),
        (0.1, 0.08885599049425769), (0.84, 0.9935356283473041), (0.851, 1.0204064737926706), (0.99, 1.8213863677184494),
    ],
    "ndtr": [
        (-37.0, 5.725571222524577e-300), (-10.0, 7.619853024160525e-24), (-1.0, 0.15865525393145705),
        (-1e-10, 0.49999999996010575), (0.5, 0.6914624612740131), (3.0, 0.9986501019683699), (8.0, 0.9999999999999993),
    ],
    "ndtri": [
        (1e-300, -37.0470962993612), (1e-20, -9.262340089798407), (0.01, -2.326347874040841),
        (0.074, -1.4466320671589785), (0.3, -0.5244005127080408), (0.5, 0.0), (0.9, 1.2815515655446006),
        (0.99999, 4.264890793923841),
    ],
    "log_ndtr": [
        (-100.0, -5005.524208694205), (-5.0, -15.064998393988725), (-1.0, -1.8410216450092636),
        (0.0, -0.6931471805599453), (2.0, -0.02301290932896349), (10.0, -7.619853024160525e-24),
    ],
    "gammaln": [
        (1e-300, 690.7755278982137), (0.4, 0.7966778177017837), (0.75, 0.20328095143129538),
        (1.0000001, -5.772155829918507e-08), (1.5, -0.12078223763524522), (2.0001, 4.2281658112919945e-05),
        (2.999, 0.692224593717571), (3.001, 0.6940701623363964), (50.5, 146.51925549072064),
        (10000000000.0, 220258509288.81058), (1e300, 6.897755278982137e302),
    ],
    "digamma": [
        (1e-10, -10000000000.577215), (0.4, -2.561384544585116), (1.0, -0.5772156649015329),
        (1.46, -0.0015805619870834522), (2.999, 0.9223893239548869), (3.001, 0.9231791921282297),
        (50.5, 3.912039670928392), (10000000000.0, 23.025850929890456),
    ],
    "i0": [
        (0.0, 1.0), (1e-05, 1.000000000025), (3.0, 4.8807925858650245), (11.9, 17219.24027626803),
        (12.1, 20853.117403880697), (100.0, 1.0737517071310738e42), (700.0, 1.5295933476718737e302),
    ],
    "i1": [
        (1e-05, 5.0000000000625004e-06), (-3.0, -3.9533702174026093), (11.9, 16479.060192397505),
        (12.1, 19971.911047960126), (100.0, 1.0683693903381625e42), (700.0, 1.5285003902339006e302),
    ],
    "i0e": [(3.0, 0.2430003541618254), (-11.9, 0.11692561195139262), (700.0, 0.015081295651531358)],
    "i1e": [(3.0, 0.19682671329730086), (-11.9, -0.11189948955155167), (700.0, 0.015070519444716848)],
}  # fmt: skip
POLYGAMMA = [
    (1, 1.0, 1.6449340668482264), (1, 0.01, 10001.621213528313), (2, 3.5, -0.1082040516417274),
    (3, 100.0, 2.030199990001333e-06), (5, 0.7, 1025.3283541434719), (1, -0.3, 13.945160267805722),
    (2, -1.2, 246.72729169898594), (3, -2.5, 194.74787621918762), (4, -0.7, -9740.670911658104),
]  # fmt: skip
ZETA = [
    (2.0, 1.0, 1.6449340668482264), (3.0, 1.0, 1.2020569031595942), (1.01, 2.5, 99.29921303875683),
    (4.5, 0.1, 31623.472537667592), (30.0, 3.0, 4.857804189667247e-15), (2.0, 1e6, 1.0000005000001667e-06),
]  # fmt: skip
# The gamma function left of 0, where large terms cancel between the poles.
LEFT = {
    "gammaln": [(-10.3, -14.457515440024208), (-2.5, -0.056243716497674054), (-1e-10, 23.025850929998178)],
    "digamma": [(-10.3, 4.662403493582087), (-2.5, 1.103156640645243), (-1e-10, 9999999999.422785)],
}


def double(values: Any) -> Any:
    return minigrad.tensor(values, dtype=minigrad.float64)


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


# ----------------------------------------------------------------------------------------------------------------
# Digits


@pytest.mark.parametrize("name", VALUES)
def test_the_last_digits(name: str) -> None:
    points, values = zip(*VALUES[name], strict=True)
    y = getattr(special, name)(double(points)).array
    np.testing.assert_allclose(y, values, rtol=8 * EPS, atol=0)


@pytest.mark.parametrize("name", LEFT)
def test_left_of_0(name: str) -> None:
    points, values = zip(*LEFT[name], strict=True)
    np.testing.assert_allclose(getattr(special, name)(double(points)).array, values, rtol=8 * EPS, atol=16 * EPS)


@pytest.mark.parametrize(("n", "x", "value"), POLYGAMMA)
def test_digits_of_polygamma(n: int, x: float, value: float) -> None:
    np.testing.assert_allclose(special.polygamma(n, double(x)).array, value, rtol=16 * EPS)


@pytest.mark.parametrize(("s", "q", "value"), ZETA)
def test_digits_of_zeta(s: float, q: float, value: float) -> None:
    np.testing.assert_allclose(special.zeta(s, double(q)).array, value, rtol=8 * EPS)


@pytest.mark.parametrize("name", VALUES)
def test_float32_is_the_rounded_result(name: str) -> None:
    draw = np.random.default_rng(0)
    x = {"erfinv": draw.uniform(-1, 1, 1000), "ndtri": draw.uniform(0, 1, 1000)}.get(name, draw.normal(size=1000) * 4)
    x = np.abs(x) if name in ("gammaln", "digamma") else x
    x = x.astype(np.float32)
    exact = getattr(special, name)(double(x)).array
    y = getattr(special, name)(minigrad.from_numpy(x))
    assert y.dtype == "float32"
    finite = np.abs(exact) < 3e38
    np.testing.assert_allclose(y.array[finite], exact[finite], rtol=5e-7 if name == "erf" else 6e-8, atol=1e-38)


def test_beside_scipy() -> None:
    scipy = pytest.importorskip("scipy.special")
    draw = np.random.default_rng(1)
    x, p = np.concatenate([draw.normal(size=4000) * 3, draw.uniform(-30, 30, 1000)]), draw.uniform(0, 1, 5000)
    for name in ("erf", "erfc", "erfcx", "ndtr", "log_ndtr", "i0", "i1", "i0e", "i1e"):
        np.testing.assert_allclose(getattr(approximation, name)(x), getattr(scipy, name)(x), rtol=1e-12, atol=1e-300)
    for name, points in (("erfinv", 2 * p - 1), ("ndtri", p), ("gammaln", np.abs(x)), ("psi", np.abs(x))):
        np.testing.assert_allclose(getattr(approximation, name)(points), getattr(scipy, name)(points), rtol=1e-12)
    np.testing.assert_allclose(approximation.zeta(1 + 20 * p, np.abs(x)), scipy.zeta(1 + 20 * p, np.abs(x)), rtol=1e-13)
    np.testing.assert_allclose(approximation.polygamma(3, np.abs(x)), scipy.polygamma(3, np.abs(x)), rtol=1e-13)


# ----------------------------------------------------------------------------------------------------------------
# Ends, identities, shapes

ENDS = {
    "erf": [(inf, 1), (-inf, -1), (1e308, 1), (0, 0)],
    "erfc": [(inf, 0), (-inf, 2), (1e308, 0)],
    "erfcx": [(inf, 0), (-inf, inf), (-30, inf)],
    "erfinv": [(1, inf), (-1, -inf), (1.1, nan), (0, 0)],
    "ndtr": [(inf, 1), (-inf, 0), (-1e308, 0)],
    "ndtri": [(0, -inf), (1, inf), (-0.1, nan), (1.1, nan)],
    "log_ndtr": [(inf, 0), (-inf, -inf), (-1e10, -5e19)],
    "gammaln": [(0, inf), (-3, inf), (inf, inf), (-inf, inf), (1, 0), (2, 0)],
    "digamma": [(0, -inf), (-3, nan), (inf, inf), (-inf, nan)],
    "i0": [(inf, inf), (-inf, inf)],
    "i1": [(inf, inf), (-inf, -inf), (0, 0)],
    "i0e": [(inf, 0), (0, 1)],
    "i1e": [(inf, 0), (-inf, 0)],
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(name: str) -> None:
    points, values = zip(*[*ENDS[name], (nan, nan)], strict=True)
    np.testing.assert_allclose(getattr(special, name)(double(points)).array, values, rtol=1e-15)


def test_ends_of_zeta_and_polygamma() -> None:
    s, q = double([1.0, 0.5, 2.0, 2.0, nan]), double([1.0, 1.0, 0.0, -1.0, 1.0])
    np.testing.assert_array_equal(special.zeta(s, q).array, [inf, nan, inf, inf, nan])
    np.testing.assert_array_equal(special.polygamma(1, double([0.0, -1.0, inf])).array, [inf, inf, 0])
    np.testing.assert_array_equal(special.polygamma(2, double([0.0, -1.0])).array, [-inf, -inf])


def test_identities() -> None:
    x = double(np.linspace(0.05, 0.95, 19))
    np.testing.assert_allclose((special.erf(x) + special.erfc(x)).array, 1.0, rtol=2 * EPS)
    np.testing.assert_allclose(special.ndtr(special.ndtri(x)).array, x.array, rtol=8 * EPS)
    np.testing.assert_allclose(special.erf(special.erfinv(x)).array, x.array, rtol=8 * EPS)
    np.testing.assert_allclose(special.expit(special.logit(x)).array, x.array, rtol=4 * EPS)
    product = special.gammaln(x) + special.gammaln(1 - x)  # gamma(x) gamma(1 - x) = pi / sin(pi x)
    np.testing.assert_allclose(product.array, np.log(np.pi / np.sin(np.pi * x.array)), rtol=8 * EPS)
    np.testing.assert_allclose((special.psi(x + 1) - special.psi(x)).array, 1 / x.array, rtol=64 * EPS)
    np.testing.assert_allclose(special.multigammaln(x + 1, 1).array, special.gammaln(x + 1).array, rtol=EPS)


def test_factorials() -> None:
    n = np.arange(1, 30)
    logs = [math.log(math.factorial(k - 1)) for k in n]
    np.testing.assert_allclose(special.gammaln(double(n)).array, logs, rtol=4 * EPS)


def test_large_arrays_go_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(2).normal(size=(7, 11)) * 3
    whole = approximation.erf(x), approximation.zeta(np.abs(x) + 1.5, np.abs(x)), approximation.polygamma(2, x)
    monkeypatch.setattr(approximation, "_BLOCK", 5)
    parts = approximation.erf(x), approximation.zeta(np.abs(x) + 1.5, np.abs(x)), approximation.polygamma(2, x)
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
    for view in (x.T, x[::2, ::-3], np.asfortranarray(x), x[:0], np.asarray(x[0, 0])):
        values = [math.erf(v) for v in view.ravel()]
        np.testing.assert_allclose(approximation.erf(view).ravel(), values, rtol=4 * EPS)
        assert approximation.erf(view).shape == view.shape


# ----------------------------------------------------------------------------------------------------------------
# Derivatives


@pytest.mark.parametrize("f", [special.gammaln, special.psi, lambda x: special.polygamma(1, x)])
def test_derivatives_left_of_0(f: Any) -> None:
    x = double([-0.4, -1.3, -2.6]).requires_grad_()
    assert gradcheck(f, x) and gradgradcheck(f, x)


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("i0e", "i1e")])
def test_third_derivatives_are_the_slopes_of_the_second(name: str) -> None:
    x = double([0.31, 0.62, 0.87]).requires_grad_()

    def derivative(x: Any, order: int) -> Any:
        y = getattr(special, name)(x)
        for _ in range(order):
            (y,) = grad(y.sum(), x, create_graph=True)
        return y

    h = 1e-5
    steps = [derivative((x.detach() + s * h).requires_grad_(), 2).detach() for s in (1, -1)]
    np.testing.assert_allclose(derivative(x, 3).detach().array, ((steps[0] - steps[1]) / (2 * h)).array, rtol=1e-6)


def test_sinc_keeps_its_digits_near_0() -> None:
    x = double([1e-12, 1e-3, 0.1, 0.199999, 0.200001]).requires_grad_()
    (slope,) = grad(special.sinc(x).sum(), x, create_graph=True)
    t = x.detach().array * np.pi
    series = sum((-1) ** k * t ** (2 * k - 1) * 2 * k / math.factorial(2 * k + 1) for k in range(1, 12)) * np.pi
    np.testing.assert_allclose(slope.detach().array, series, rtol=1e-14)
    (curve,) = grad(slope.sum(), x)
    series = sum((-1) ** k * t ** (2 * k - 2) * 2 * k * (2 * k - 1) / math.factorial(2 * k + 1) for k in range(1, 12))
    np.testing.assert_allclose(curve.array, series * np.pi**2, rtol=1e-13)


def test_log_ndtr_has_a_slope_where_ndtr_is_0() -> None:
    x = minigrad.tensor([-1000.0, -30.0, 0.0, 1000.0], requires_grad=True)
    special.log_ndtr(x).sum().backward()
    np.testing.assert_allclose(x.grad.array, [1000.001, 30.033259, math.sqrt(2 / math.pi), 0], rtol=1e-6)


# ----------------------------------------------------------------------------------------------------------------
# Names and refusals


def test_names(torch: types.ModuleType) -> None:
    assert special.__all__ == sorted(special.__all__)
    assert set(special.__all__) <= set(dir(torch.special))
    for name in special.__all__:
        assert (getattr(minigrad, name, None) is None) == (getattr(torch, name, None) is None), name


@pytest.mark.parametrize("name", ["gammainc", "bessel_j0", "hermite_polynomial_h", "airy_ai"])
def test_what_is_not_here_says_so(name: str, torch: types.ModuleType) -> None:
    assert hasattr(torch.special, name)
    with pytest.raises(AttributeError, match="are not supported"):
        getattr(special, name)
    assert not hasattr(special, "gama")


def test_refusals() -> None:
    x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"n >= 0, got -1"):
        special.polygamma(-1, x)
    with pytest.raises(RuntimeError, match="the tensor comes second"):
        special.polygamma(x, 1)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="not differentiable with respect to 'x'"):
        special.zeta(x, 2.0)
    with pytest.raises(RuntimeError, match="p >= 1"):
        special.multigammaln(x, 0)


def test_the_gpu_uses_its_own_functions() -> None:
    with strict_cupy.installed() as cp:
        import cupyx.scipy.special

        called = []
        original = cupyx.scipy.special.erf
        cupyx.scipy.special.erf = lambda x: called.append(x) or original(x)
        try:
            y = special.erf(minigrad.Tensor([0.5]).to("cuda"))
        finally:
            cupyx.scipy.special.erf = original
        assert len(called) == 1 and isinstance(y.array, cp.ndarray)


def test_every_pair_of_dtypes_of_xlogy(torch: types.ModuleType) -> None:
    dtypes = ("float32", "float64", "int64", "bool")
    for a, b in itertools.product(dtypes, dtypes):
        ours = special.xlogy(minigrad.ones(2, dtype=np.dtype(a)), minigrad.ones(2, dtype=np.dtype(b)))
        theirs = torch.special.xlogy(torch.ones(2, dtype=getattr(torch, a)), torch.ones(2, dtype=getattr(torch, b)))
        assert ours.dtype == str(theirs.dtype).removeprefix("torch."), (a, b)

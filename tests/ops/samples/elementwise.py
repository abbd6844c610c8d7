"""Samples of the sheet ``elementwise``."""

from __future__ import annotations

import math

import numpy as np

from .table import (
    BITS,
    BOUNDS,
    INSIDE,
    LOGICAL,
    ODD,
    POSITIVE,
    QUOTIENTS,
    SIGNS,
    STEPS,
    TIES,
    TRUTHS,
    F,
    I,
    M,
    T,
    binary,
    call,
    row,
    unary,
)

TWOS = F([2.0, 2.0, 2.0, math.nan])
GAPS = [call(TIES, BOUNDS), call(TIES, TIES), call(ODD, TWOS), call(TWOS, ODD)]

# fmt: off
ROWS = [
    binary("add", np.add, ints="int64"),
    binary("sub", np.subtract, ints="int64"),
    binary("mul", np.multiply, ints="int64"),
    binary("div", np.divide, **POSITIVE, ints="float32"),
    unary("neg", np.negative, ints="int64"),
    binary("floor_divide", np.floor_divide, **POSITIVE, ints="int64", beside="values", kinks=QUOTIENTS),
    binary("remainder", np.remainder, **POSITIVE, ints="int64", beside="values", kinks=QUOTIENTS),
    binary("fmod", np.fmod, **POSITIVE, ints="int64", kinks=QUOTIENTS),
    row("lerp", lambda a, b, weight: a + weight * (b - a),
        call(T(2, 3), T(3), 0.3), call(T(2, 3), T(2, 1), T(3)), call(T(), T(), T())),

    binary("pow", np.power, **POSITIVE, ints="int64", torch="pow", kinks=[
        call(F([0.0, 0.0, 0.0, 2.0]), F([0.0, 2.0, 1.0, 0.0])), call(F([-2.0, 0.0, 3.0]), 2), call(F([-1.5, 2.0]), 3),
        call(F([-1.5, 2.0]), 6), call(F([-1.5, 0.0, 2.0]), 7.0), call(F([-1.5, 2.0]), 9),
        call(F([0.0, 2.0]), 0), call(F([0.0, 2.0]), 1.0), call(2, F([-1.0, 0.0, 3.0])), call(0, F([1.0, 0.0, 3.0]))]),
    unary("square", np.square, ints="int64"),
    unary("sqrt", np.sqrt, **POSITIVE, ints="float32"),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), **POSITIVE, ints="float32"),
    unary("reciprocal", np.reciprocal, **POSITIVE, ints="float32"),
    binary("hypot", np.hypot, **POSITIVE),

    unary("exp", np.exp, ints="float32"),
    unary("exp2", np.exp2, ints="float32"),
    unary("expm1", np.expm1, ints="float32"),
    unary("log", np.log, **POSITIVE, ints="float32"),
    unary("log2", np.log2, **POSITIVE, ints="float32"),
    unary("log10", np.log10, **POSITIVE, ints="float32"),
    unary("log1p", np.log1p, -0.8, 3.0, ints="float32"),
    binary("logaddexp", np.logaddexp),
    binary("logaddexp2", np.logaddexp2),

    unary("deg2rad", np.deg2rad, ints="float32"),
    unary("rad2deg", np.rad2deg, ints="float32"),
    unary("sin", np.sin, ints="float32"),
    unary("cos", np.cos, ints="float32"),
    unary("tan", np.tan, -1.2, 1.2, ints="float32"),
    unary("asin", np.arcsin, **INSIDE, ints="float32"),
    unary("acos", np.arccos, **INSIDE, ints="float32"),
    unary("atan", np.arctan, ints="float32"),
    binary("atan2", np.arctan2, **POSITIVE, ints="float32"),
    unary("sinh", np.sinh, ints="float32"),
    unary("cosh", np.cosh, ints="float32"),
    unary("tanh", np.tanh, ints="float32"),
    unary("asinh", np.arcsinh, ints="float32"),
    unary("acosh", np.arccosh, 1.2, 3.0, ints="float32"),
    unary("atanh", np.arctanh, **INSIDE, ints="float32"),

    unary("abs", np.abs, ints="int64", kinks=SIGNS),
    unary("sign", np.sign, ints="int64", kinks=SIGNS),
    unary("floor", np.floor, ints="int64", kinks=STEPS),
    unary("ceil", np.ceil, ints="int64", kinks=STEPS),
    unary("round", np.round, ints="int64", kinks=STEPS),
    row("round", np.round, call(T(2, 3), decimals=2), note="decimals"),
    unary("trunc", np.trunc, ints="int64", kinks=STEPS),
    unary("frac", lambda x: x - np.trunc(x), kinks=STEPS),

    binary("eq", np.equal, **LOGICAL, kinks=[call(ODD, ODD)]),
    binary("ne", np.not_equal, **LOGICAL, kinks=[call(ODD, ODD)]),
    binary("lt", np.less, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("le", np.less_equal, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("gt", np.greater, **LOGICAL, kinks=[call(TIES, 2.0)]),
    binary("ge", np.greater_equal, **LOGICAL, kinks=[call(TIES, 2.0)]),
    row("isnan", np.isnan, call(ODD), gradient=False, dtype="bool"),
    row("isinf", np.isinf, call(ODD), gradient=False, dtype="bool"),
    row("isfinite", np.isfinite, call(ODD), gradient=False, dtype="bool"),
    row("isclose", np.isclose, call(F([1.0, 2.0, math.nan]), F([1.0 + 1e-6, 2.1, math.nan])),
        call(ODD, ODD, equal_nan=True), call(F([1.0, 2.0]), F([1.1, 2.3]), rtol=0.0, atol=0.2),
        gradient=False, dtype="bool"),
    row("logical_and", np.logical_and, *TRUTHS, **LOGICAL),
    row("logical_or", np.logical_or, *TRUTHS, **LOGICAL),
    row("logical_xor", np.logical_xor, *TRUTHS, **LOGICAL),
    row("logical_not", np.logical_not, call(F([0.0, 2.0])), call(M([True, False])), **LOGICAL),
    row("bitwise_and", np.bitwise_and, *BITS, gradient=False),
    row("bitwise_or", np.bitwise_or, *BITS, gradient=False),
    row("bitwise_xor", np.bitwise_xor, *BITS, gradient=False),
    row("bitwise_not", np.bitwise_not, call(I([5, 0, -1])), call(M([True, False])), gradient=False),

    binary("maximum", np.maximum, ints="int64", kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    binary("minimum", np.minimum, ints="int64", kinks=[call(TIES, 2.0), call(TIES, TIES)]),
    binary("fmax", np.fmax, ints="int64", kinks=GAPS),
    binary("fmin", np.fmin, ints="int64", kinks=GAPS),
    row("where", np.where, call(M([[True], [False]]), T(2, 3), T(3)), call(M([True, False]), 1.5, T(2)),
        call(M([True, False]), T(2), 0.0), call(M(True), T(2), T()), ints="int64"),
    row("clamp", lambda x, min=None, max=None: np.clip(x, min, max),
        call(T(2, 3), -1.0, 1.0), call(T(2, 3), min=0.5), call(T(2, 3), max=0.5), call(T(2, 3), 1.0, -1.0),
        call(T(4), T(4), T(4, low=2.1, high=3.0)), call(T(3, 4), T(4)), call(T(3, 4), None, T(3, 1)), ints="int64",
        kinks=[call(TIES, 2.0, 3.0), call(TIES, 2.0), call(TIES, None, 2.0), call(TIES, BOUNDS),
               call(TIES, None, BOUNDS), call(TIES, BOUNDS, F([2.0, 3.0, 3.0]))]),
    row("clamp_min", np.maximum, call(T(2, 3), 0.5), call(T(2, 3), T(3)), ints="int64", kinks=[call(TIES, 2.0)]),
    row("clamp_max", np.minimum, call(T(2, 3), 0.5), call(T(2, 3), T(3)), ints="int64", kinks=[call(TIES, 2.0)]),
]
# fmt: on

"""Samples of the sheet ``representation``."""

from __future__ import annotations

import math

import numpy as np

from .table import ODD, F, I, M, T, binary, call, row, torch, unary

INTEGERS = [call(I([[12, -8, 0], [7, 9, 2]]), I([18, 12, 3])), call(I([4, 6]), 10), call(10, I([4, 6]))]
SHIFTS = [call(I([[1, 2, 5], [7, -4, 0]]), I([3, 0, 1])), call(I([5, -7]), 2), call(2, I([1, 3])), call(M([True]), 1)]
TESTS = dict(gradient=False, dtype="bool")

# fmt: off
ROWS = [
    binary("copysign", np.copysign, low=0.2, high=2.0, ints="float32", beside="values"),
    row("copysign", np.copysign, call(T(2, 3), T(2, 3)), call(T(2, 3), -1.0), note="signs",
        kinks=[call(F([-1.0, 0.0, -0.0, 2.0]), F([1.0, -1.0, -0.0, 0.0]))]),
    row("heaviside", np.heaviside, call(T(2, 3), T(3)), call(T(), T()), call(F([-1.0, 0.0, 2.0]), F([4.0, 5.0, 6.0])),
        call(T(0, 3), T(3)), beside="values", gradient=False),  # PyTorch refuses to differentiate it
    row("signbit", np.signbit, call(T(2, 3)), call(F([-0.0, 0.0, math.nan])), call(I([-1, 0])), **TESTS),
    row("positive", lambda x: x, call(T(2, 3)), call(T())),

    row("frexp", lambda x: tuple(np.frexp(x)), call(T(2, 3, low=0.6, high=0.9)), call(F([-5.5, 0.3, 1500.0]))),
    row("_mantissa", lambda x, exponent: np.frexp(x)[0], call(F([3.0, -5.5]), I([2, 3])),
        torch=lambda x, exponent: torch("frexp")(x)[0]),
    row("_exponent", lambda x: np.frexp(x)[1], call(F([3.0, -5.5, 0.0])), gradient=False, dtype="int32",
        torch=lambda x: torch("frexp")(x)[1]),
    row("ldexp", np.ldexp, call(T(2, 3), I([1, 2, 3])), call(I([1, 3]), I([2, 0]))),
    row("ldexp", lambda x, other: x * 2.0**other, call(T(2, 3), T(3)), call(T(), T()), note="fractions"),
    row("float_power", np.float_power, call(T(2, 3, low=0.2, high=3.0), T(3)), call(T(3), 2), call(2, T(3)),
        call(I([2, 3]), I([2, -1])), dtype="float64"),
    row("nextafter", np.nextafter, call(T(2, 3), T(3)), call(F([1.0, 0.0]), F([2.0, -1.0])), rtol=0.0),

    unary("nan_to_num", np.nan_to_num, ints="int64"),
    row("nan_to_num", lambda x, *args, nan=0.0: x, call(T(3), 1.0), call(T(2), nan=None), note="options",
        kinks=[call(ODD), call(ODD, 2.0, 3.0, 4.0), call(ODD, posinf=5.0)]),
    row("isposinf", np.isposinf, call(ODD), call(I([1, 2])), **TESTS),
    row("isneginf", np.isneginf, call(ODD), call(T(2, 3)), **TESTS),
    row("isreal", np.isreal, call(ODD), call(I([1])), **TESTS),

    row("gcd", np.gcd, *INTEGERS, gradient=False, torch=lambda a, b: torch("gcd")(*map(torch("as_tensor"), (a, b)))),
    row("lcm", np.lcm, *INTEGERS, gradient=False, torch=lambda a, b: torch("lcm")(*map(torch("as_tensor"), (a, b)))),
    row("bitwise_left_shift", np.left_shift, *SHIFTS, gradient=False),
    row("bitwise_right_shift", np.right_shift, *SHIFTS, gradient=False),
]
# fmt: on

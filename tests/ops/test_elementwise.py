"""Elementwise functions beside PyTorch: signs, powers of two, integers, NaN, names, in place."""

from __future__ import annotations

import types

import beside
import numpy as np
import pytest

import minigrad

PROGRAMS = beside.topics("elementwise.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def test_heaviside_hands_the_gradient_to_its_values() -> None:
    """PyTorch has no derivative of it."""
    x = minigrad.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    values = minigrad.tensor([5.0, 6.0, 7.0], requires_grad=True)
    minigrad.heaviside(x, values).sum().backward()
    np.testing.assert_array_equal(x.grad.array, 0)
    np.testing.assert_array_equal(values.grad.array, [0, 1, 0])


def test_frexp_takes_the_number_apart() -> None:
    x = minigrad.tensor([5e-324, 1e-300, 0.5, 1.0, -6.0, 1e300], dtype=minigrad.float64)
    mantissa, exponent = minigrad.frexp(x)
    np.testing.assert_array_equal(np.ldexp(mantissa.array, exponent.array), x.array)
    assert ((np.abs(mantissa.array) >= 0.5) & (np.abs(mantissa.array) < 1)).all()
    negative = minigrad.tensor([-2, -1])  # PyTorch rounds 2^-2 down to 0 here
    np.testing.assert_array_equal(minigrad.ldexp(minigrad.tensor([8.0, 8.0]), negative).array, [2.0, 4.0])


def test_nextafter_is_the_smallest_step() -> None:
    x = minigrad.ones(1)
    assert (minigrad.nextafter(x, 2 * x) - x).item() == np.finfo(np.float32).eps


def test_shifts_are_operators() -> None:
    k = minigrad.tensor([1, -8])
    assert (k << 2).tolist() == [4, -32] and (k >> 1).tolist() == [0, -4] and (1 << k[:1]).tolist() == [2]
    assert (16 >> k[:1]).tolist() == [8]
    k <<= 1
    assert k.tolist() == [2, -16]
    with pytest.raises(TypeError, match=r"bitwise_left_shift: expected integers, got float32"):
        minigrad.ones(2) << 1


def test_a_result_without_gradient_does_not_take_the_place_of_one_with() -> None:
    x = minigrad.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match=r"eq_.*no gradient"):
        y.eq_(2.0)
    np.testing.assert_array_equal(y.detach().array, 2.0)
    with minigrad.no_grad():
        y.eq_(2.0)
    np.testing.assert_array_equal(y.detach().array, 1.0)


def test_an_array_of_integers_to_a_whole_power() -> None:
    a = np.array([-2, 3])
    for b in (3, 3.0, 8):
        y = minigrad.pow(a, b)
        assert y.dtype == (a**b).dtype and y.tolist() == (a**b).tolist()

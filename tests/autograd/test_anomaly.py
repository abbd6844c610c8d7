"""The first value that is not finite is caught where it appears, and the message says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.autograd import AnomalyError, detect_anomaly, set_detect_anomaly, watch


@pytest.fixture(autouse=True)
def quiet() -> Any:
    yield
    assert not watch.recorded
    assert not watch.walked


def caught(f: Callable[[Any], Any], *values: float) -> AnomalyError:
    x = minigrad.tensor(list(values), requires_grad=True)
    with pytest.raises(AnomalyError) as error, detect_anomaly():
        f(x).sum().backward()
    return error.value


def test_in_the_forward_pass() -> None:
    error = caught(lambda x: (x * 2 - 4).log(), 3.0, 2.0, 1.0)
    assert (error.op, error.backward) == ("log", False)
    assert "test_anomaly.py:" in error.line and "(x * 2 - 4).log()" in error.line
    text = str(error)
    assert text.startswith("log, called at test_anomaly.py:")
    assert "Of the 3 entries of the output, of shape (3,), 1 NaN and 1 infinite" in text
    assert "x (3,) from -2 to 2" in text
    assert "Likely cause: log of 0 is -inf" in text


@pytest.mark.parametrize(
    ("f", "values", "op", "words"),
    [
        (lambda x: x.exp(), [1000.0], "exp", "exp overflows"),
        (lambda x: 1 / x, [0.0, 1.0], "div", "a division by 0"),
        (lambda x: x.sqrt(), [-1.0], "sqrt", "clamp(min=0)"),
        (lambda x: (x * 1e30) * 1e30, [1.0], "mul", "too large"),
        (lambda x: x**0.5, [-1.0], "pow", "fractional power"),
    ],
)
def test_causes_in_the_forward_pass(f: Any, values: list[float], op: str, words: str) -> None:
    error = caught(f, *values)
    assert (error.op, error.backward) == (op, False)
    assert words in str(error)


def test_an_input_that_is_bad_is_not_blamed_on_the_op() -> None:
    error = caught(lambda x: x * 2, float("nan"), 1.0)
    assert "x was not finite already" in str(error) or "a was not finite already" in str(error)


@pytest.mark.parametrize(
    ("f", "values", "op", "words"),
    [
        (lambda x: x.sqrt(), [4.0, 0.0], "sqrt", "the slope of sqrt, 1 / (2 sqrt(x)), is infinite at 0"),
        (lambda x: x**0.5, [0.0], "pow", "is infinite at 0 for p below 1"),
        (
            lambda x: minigrad.where(x > 0, x.sqrt(), 0.0),
            [0.0, 1.0],
            "sqrt",
            "is this the branch that a where() or a mask threw away?",
        ),
    ],
)
def test_causes_in_the_backward_pass(f: Any, values: list[float], op: str, words: str) -> None:
    error = caught(f, *values)
    assert (error.op, error.backward) == (op, True)
    assert str(error).startswith(f"backward of {op}, called at test_anomaly.py:")
    assert words in str(error)
    assert "incoming gradient" in str(error)


def test_a_bad_gradient_given_by_the_user() -> None:
    x = minigrad.ones(2, requires_grad=True)
    with detect_anomaly(), pytest.raises(AnomalyError, match="not finite already: was it given to backward"):
        (x * 2).backward(minigrad.tensor([1.0, float("inf")]))


def test_with_create_graph() -> None:
    x = minigrad.tensor([0.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(AnomalyError, match="a division by 0"):  # the rule is made of ops
        minigrad.autograd.grad(x.sqrt().sum(), x, create_graph=True)


def test_forward_outside_the_block() -> None:
    y = minigrad.tensor([0.0], requires_grad=True).sqrt().sum()
    with detect_anomaly(), pytest.raises(AnomalyError, match="a line outside detect_anomaly"):
        y.backward()


def test_a_healthy_network_passes_and_gives_the_same_gradients() -> None:
    minigrad.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    x, t = minigrad.randn(5, 4), minigrad.tensor([0, 1, 2, 0, 1])
    nn.functional.cross_entropy(net(x), t).backward()
    plain = [p.grad.numpy().copy() for p in net.parameters()]
    net.zero_grad()
    with detect_anomaly():
        nn.functional.cross_entropy(net(x), t).backward()
    for p, g in zip(net.parameters(), plain, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)


def test_switches() -> None:
    x = minigrad.tensor([0.0], requires_grad=True)
    with np.errstate(divide="ignore"), set_detect_anomaly(False):
        x.log().sum().backward()
    with np.errstate(divide="ignore"), detect_anomaly(check_nan=False):
        x.log().sum().backward()
    with set_detect_anomaly(True), pytest.raises(AnomalyError, match="log"):
        x.log()


def test_blocks_may_be_nested() -> None:
    x = minigrad.ones(1, requires_grad=True)
    with detect_anomaly(), detect_anomaly():
        (x * 2).sum().backward()
    assert x.grad.item() == 2.0


def test_an_op_without_a_cause_of_its_own() -> None:
    x = minigrad.full((4,), 3e38, requires_grad=True)
    with detect_anomaly(), pytest.raises(AnomalyError, match="Likely cause: a result too large for its dtype"):
        x.mean()

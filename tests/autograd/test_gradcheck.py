"""The checker is checked with rules that are wrong in the ways rules go wrong; each must be caught in its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import ops
from minigrad.autograd import GradcheckError, gradcheck, gradgradcheck
from minigrad.nn import functional as F
from minigrad.ops import op


def leaf(values: Any, dtype: Any = minigrad.float32) -> minigrad.Tensor:
    return minigrad.tensor(values, dtype=dtype, requires_grad=True)


def planted(forward: Callable[..., Any], **rules: Callable[..., Any]) -> Any:
    made = op(forward).derivative(**rules)
    del ops.registry[made.name]
    return made


def cube(xp: Any, x: Any, /) -> Any:
    return x * x * x


def product(xp: Any, a: Any, b: Any, /) -> Any:
    return a @ b


def scale(xp: Any, x: Any, b: Any, /) -> Any:
    return x * b


def only_entry_2(g: Any, x: Any) -> Any:
    """The right gradient but at one entry, which is the only one to be named."""
    return g * 3 * x * x * ops.where(np.arange(4) == 2, 0.5, 1.0)


X = [0.5, -1.0, 2.0, 1.5]
A, B = [[1.0, 2.0], [3.0, 5.0]], [[0.5, -1.0], [4.0, 1.0]]
right_a, right_b = lambda g, b: g @ b.T, lambda g, a: a.T @ g

# name: op, inputs, where it must be found (output and input with their indices), analytic, numeric, verdict
WRONG: dict[str, tuple[Any, list[Any], str, float, float, str]] = {
    "missing factor": (
        planted(cube, x=lambda g, x: g * x * x), [X], "0[2] / d input 0[2]", 4, 12, "constant factor 0.333333"),
    "factor 2": (planted(cube, x=lambda g, x: g * 6 * x * x), [X], "0[2] / d input 0[2]", 24, 12, "constant factor 2."),
    "sign": (planted(cube, x=lambda g, x: -g * 3 * x * x), [X], "0[2] / d input 0[2]", -12, 12, "The sign is wrong."),
    "zero": (planted(cube, x=lambda g: g * 0), [X], "0[2] / d input 0[2]", 0, 12, "All gradients are 0"),
    "not finite": (planted(cube, x=lambda g, x: g * np.inf), [X], "0[0] / d input 0[0]", np.inf, 0.75, "not finite"),
    "not a number": (planted(cube, x=lambda g, x: g * np.nan), [X], "0[0] / d input 0[0]", np.nan, 0.75, "not finite"),
    "one entry": (planted(cube, x=only_entry_2), [X], "0[2] / d input 0[2]", 6, 12, ""),
    "missing transpose": (
        planted(product, a=lambda g, b: g @ b, b=right_b), [A, B], "0[0, 1] / d input 0[0, 0]", 4, -1, ""),
    "transposed result": (
        planted(product, a=lambda g, b: (g @ b.T).T, b=right_b), [A, B], "0[0, 0] / d input 0[1, 0]", 4, 0,
        "Transposed, it would be right."),
    "second input": (
        planted(product, a=right_a, b=lambda g, a: a @ g), [A, B], "0[0, 1] / d input 1[1, 1]", 3, 2, ""),
    "forgotten broadcast": (
        planted(scale, x=lambda g, b: g * b, b=lambda g, x: (g * x)[:1]), [A, [2.0, 3.0]],
        "0[1, 1] / d input 1[1]", 0, 5, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_rules_are_caught(name: str) -> None:
    wrong, inputs, place, analytic, numeric, verdict = WRONG[name]
    with np.errstate(invalid="ignore"), pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, [leaf(x) for x in inputs])
    message = str(caught.value)
    assert place in message
    assert verdict in message
    report = caught.value.report
    assert report is not None and not report and report.worst is not None
    assert report.worst.analytic == pytest.approx(analytic, nan_ok=True)
    assert report.worst.numeric == pytest.approx(numeric, rel=1e-7, abs=1e-9)
    assert f"backward says {analytic:.6g}, small steps say {numeric:.6g}" in message


def test_the_message() -> None:
    wrong = planted(cube, x=only_entry_2)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, leaf(X))
    assert str(caught.value) == (
        "gradcheck: 1 of 16 derivatives are wrong; the worst is d output 0[2] / d input 0[2]: backward says 6, small "
        "steps say 12 (relative error 0.5)."
    )


def test_a_report_instead_of_an_exception() -> None:
    report = gradcheck(planted(cube, x=only_entry_2), leaf(X), raise_exception=False)
    assert not report
    assert (report.checked, report.wrong) == (16, 1)
    assert report.worst is not None
    assert (report.worst.output, report.worst.input) == (0, 0)
    assert report.worst.output_index == report.worst.input_index == (2,)
    assert report.worst.relative_error == pytest.approx(0.5)


def test_right_rules_pass() -> None:
    report = gradcheck(planted(product, a=right_a, b=right_b), [leaf(A), leaf(B)])
    assert report and (report.checked, report.wrong) == (32, 0)
    assert str(report).startswith("gradcheck: 32 derivatives are right; the least exact is d output 0[")
    assert gradgradcheck(planted(product, a=right_a, b=right_b), [leaf(A), leaf(B)])


def test_second_order_only() -> None:
    def sheared(g: Any, x: Any) -> Any:
        """Right in value, but cut from x: the second derivative is 0 instead of 6x."""
        return g * 3 * x * (x.detach() if isinstance(x, minigrad.Tensor) else x)

    wrong = planted(cube, x=sheared)
    assert gradcheck(wrong, leaf(X))
    with pytest.raises(GradcheckError, match=r"gradgradcheck.*constant factor 0\.5") as caught:
        gradgradcheck(wrong, leaf(X), minigrad.ones(4))
    assert caught.value.report.worst[:4] == (0, 0, (2,), (2,))


@pytest.mark.parametrize("rule", [lambda g, x: g * g * 3 * x * x, lambda x: 3 * x * x])
def test_the_share_must_be_linear_in_the_incoming_gradient(rule: Any) -> None:
    wrong = planted(cube, x=(lambda g, x: rule(x)) if rule.__code__.co_argcount == 1 else rule)
    with pytest.raises(GradcheckError, match=r"constant factor (2|0\.5)"):
        gradcheck(wrong, leaf(2.0))


@pytest.mark.parametrize(
    ("f", "x", "slopes", "allowed"),
    [
        (ops.relu, 0.0, "0 and 1", True),
        (lambda x: ops.clamp(x, 0.5), 0.5, "0 and 1", True),
        (lambda x: planted(lambda xp, x, /: xp.abs(x), x=lambda g: g * 3)(x), 0.0, "-1 and 1", False),
    ],
)
def test_kinks_are_called_kinks(f: Any, x: float, slopes: str, allowed: bool) -> None:
    with pytest.raises(GradcheckError, match=f"kink here, with slopes {slopes}") as caught:
        gradcheck(f, leaf([x, 1.0]))
    assert ("is allowed" in str(caught.value)) == allowed


def test_jumps_are_called_jumps() -> None:
    cut = planted(lambda xp, x, /: xp.where(x < 1.0, 0.0, 1.0), x=lambda g: g * 0)
    with pytest.raises(GradcheckError, match="There is a jump here"):
        gradcheck(cut, leaf([1.0 - 1e-7, 2.0], minigrad.float64))


def test_random_functions() -> None:
    draw = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="this function is random: output 1 of two calls"):
        gradcheck(lambda x: (x, x * draw.random()), leaf(X))
    assert gradcheck(lambda x: x * (1 + 1e-12 * draw.random()), leaf(X), nondet_tol=1e-9)


def test_dropout_is_checked_with_one_mask() -> None:
    assert gradcheck(lambda x: F.dropout(x * x, 0.5), leaf(X))
    assert gradgradcheck(lambda x: F.dropout(x * x, 0.5), leaf(X))
    minigrad.manual_seed(0)
    first = minigrad.rand(4).tolist()
    minigrad.manual_seed(0)
    gradcheck(lambda x: F.dropout(x, 0.5), leaf(X))
    assert first != minigrad.rand(4).tolist(), "the stream goes on behind the check"


def test_several_outputs_and_inputs() -> None:
    def f(a: Any, n: int, b: Any, index: Any) -> Any:
        return a[index] * b, a.argmax(), (a * b).sum() * n

    a, b, index = leaf(X), leaf([3.0]), minigrad.tensor([0, 3])
    assert gradcheck(f, [a, 2, b, index]).checked == 4 * (2 + 1) + 1 * (2 + 1)
    assert gradgradcheck(f, [a, 2, b, index])

    def wrong(a: Any, b: Any) -> Any:
        return a * b, a * b.detach()

    with pytest.raises(
        GradcheckError, match=re.escape("d output 1[2] / d input 1[0]: backward says 0, small steps say 2")
    ):
        gradcheck(wrong, [a, b])


def test_inputs_that_need_no_gradient_are_constants() -> None:
    assert gradcheck(lambda a, b: a * b.detach(), [leaf(X), minigrad.tensor([2.0])]).checked == 16


def test_float32_inputs_are_no_obstacle_and_stay_as_they_are() -> None:
    x = leaf(X)
    assert gradcheck(lambda x: (x * 1e3).sin(), x, atol=1e-4, rtol=1e-5)
    assert x.dtype == minigrad.float32 and x.grad is None
    y = leaf(X, minigrad.float64)
    assert gradgradcheck(lambda y: y * y * y, y)
    assert y.tolist() == X and y.grad is None


def test_float64_parameters_may_be_reached_from_elsewhere() -> None:
    w = leaf([1.0, 2.0], minigrad.float64)
    assert gradcheck(lambda *_: w * w * w, [w]).worst.analytic != 0.0


def test_strided_and_empty_inputs() -> None:
    x = minigrad.randn(3, 2, dtype=minigrad.float64).T.requires_grad_()
    assert gradcheck(ops.exp, x)
    expanded = minigrad.ones(1, dtype=minigrad.float64).expand(3).detach().requires_grad_()
    assert gradcheck(ops.exp, expanded).checked == 9
    assert gradcheck(ops.exp, leaf([])).checked == 0


def test_refusals() -> None:
    x = leaf(X)
    with pytest.raises(ValueError, match="no input requires grad; set requires_grad=True"):
        gradcheck(ops.exp, x.detach())
    with pytest.raises(GradcheckError, match=r"no output has a history.*detached, or made under no_grad"):
        gradcheck(lambda x: x.detach() * 2, x)
    with pytest.raises(GradcheckError, match=r"no output has a history.*use its arguments"):
        gradcheck(lambda _: minigrad.ones(2, dtype=minigrad.float64), x)
    with pytest.raises(TypeError, match="output 0 is float"):
        gradcheck(lambda x: x.sum().item(), x)
    w = leaf([1.0])
    with pytest.raises(GradcheckError, match=r"output 0 is float32.*model\.double\(\)"):
        gradcheck(lambda x: x.float() * w, x)


def test_a_wrong_rule_in_a_larger_function() -> None:
    wrong = planted(cube, x=lambda g, x: g * x * x)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x, w: (wrong(x @ w).tanh() ** 2).mean(), [leaf(A), leaf(B)])


# ----------------------------------------------------------------------------------------------------------------
# Blame, second order, fast mode


TWO = [[0.5, -1.0], [0.25, 2.0]]


def doubled(xp: Any, x: Any, /) -> Any:
    return x * x


def shifted(xp: Any, x: Any, b: Any, /) -> Any:
    return x + b


def size_of(xp: Any, x: Any, /) -> Any:
    return xp.abs(x)


BLAMED: dict[str, tuple[Any, str]] = {
    "missing factor": (planted(doubled, x=lambda g, x: g * x), "constant factor 0.5"),
    "missing transpose": (planted(product, a=lambda g, b: g @ b, b=right_b), "To blame is product"),
    "forgotten broadcast": (
        planted(shifted, x=lambda g: g, b=lambda g: g * np.array([1.0, 0.0])), "To blame is shifted"),
    "sign at a kink": (planted(size_of, x=lambda g: g), "To blame is size_of"),
}  # fmt: skip


@pytest.mark.parametrize("name", BLAMED)
@pytest.mark.parametrize("fast_mode", [False, True])
def test_the_wrong_op_among_right_ones_is_named(name: str, fast_mode: bool) -> None:
    bad, words = BLAMED[name]
    x, w = leaf(TWO), leaf([[1.0, -2.0], [3.0, 0.5]])

    def network(x: Any, w: Any) -> Any:
        h = (x @ w).sigmoid() - 0.7
        h = bad(h) if len(bad.inputs) == 1 else bad(h, w[0]) if name == "forgotten broadcast" else bad(h, w)
        return (h.exp() * x).sum()

    with pytest.raises(GradcheckError, match="To blame is") as error:
        gradcheck(network, [x, w], blame=True, fast_mode=fast_mode)
    report = error.value.report
    assert report is not None and f"To blame is {bad.name}, op " in report.culprit
    assert "test_gradcheck.py:" in report.culprit and "bad(h" in report.culprit
    assert fast_mode or words in report.culprit


def test_a_users_function_is_blamed_too() -> None:
    class Wrong(minigrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: float) -> Any:
            ctx.factor = factor
            return x * factor

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor * 2, None

    with pytest.raises(GradcheckError, match=r"To blame is Wrong, op 2 of 3, .*constant factor 2\."):
        gradcheck(lambda x: Wrong.apply(x.sin(), 3.0).exp(), leaf([0.1, 0.2]), blame=True)


def test_if_no_op_is_wrong_the_way_is() -> None:
    with pytest.raises(GradcheckError, match="is right on its own: is part of the way not recorded, cut by detach"):
        gradcheck(lambda x: x * x.detach(), leaf([1.0, 2.0]), blame=True)


def test_a_wrong_second_derivative() -> None:
    def rule(g: Any, x: Any) -> Any:  # the right slope, but as a constant
        return g * minigrad.tensor(3 * x.detach().numpy() ** 2) if isinstance(x, minigrad.Tensor) else g * 3 * x * x

    bad = planted(cube, x=rule)
    assert gradcheck(bad, leaf(X))
    with pytest.raises(GradcheckError, match=r"gradgradcheck: .*To blame is cube, op 2 of 2"):
        gradcheck(lambda x: bad(x * 2), leaf(X), second_order=True, blame=True)
    assert gradcheck(lambda x: (x * 2).sin(), leaf(X), second_order=True).name == "gradgradcheck"


@pytest.mark.parametrize("name", WRONG)
def test_fast_mode_notices_the_same(name: str) -> None:
    bad, values, *_ = WRONG[name]
    with pytest.raises(GradcheckError, match="backward says"):
        gradcheck(bad, [leaf(x) for x in values], fast_mode=True)


def test_fast_mode_calls_the_function_a_few_times_only() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.exp().sum(0)

    report = gradcheck(f, minigrad.randn(50, 40).requires_grad_(), fast_mode=True)
    assert report.checked == 1 and len(calls) <= 4


def test_a_single_op_is_named_once() -> None:
    bad = BLAMED["missing factor"][0]
    with pytest.raises(GradcheckError, match="To blame is doubled, the only op, called at test_gradcheck") as error:
        gradcheck(bad, leaf(X), blame=True)
    assert str(error.value).count("of 16 derivatives are wrong") == 1

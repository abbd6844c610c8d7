"""L-BFGS: PyTorch's iterates, the conditions of its line search, saving, and mistakes in its use."""

import copy
import itertools

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad.autograd.node import tensor_of
from minigrad.optim import LBFGS
from minigrad.optim.lbfgs import Point, cubic_minimum, strong_wolfe

RNG = np.random.default_rng(0)
INPUTS, TARGETS = RNG.standard_normal((40, 6)), RNG.standard_normal((40, 2))


def rosenbrock(lib):
    x = lib.tensor(np.array([-1.2, 1.0])).requires_grad_()
    return [x], lambda: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def least_squares(lib):
    w, b, unused = (lib.tensor(np.full(shape, 0.5)).requires_grad_() for shape in ((6, 2), (2,), (3,)))
    x, y = lib.tensor(INPUTS), lib.tensor(TARGETS)
    return [w, b, unused], lambda: ((x @ w + b - y) ** 2).mean()


def bumpy(lib):
    x = lib.tensor(np.linspace(-2, 2, 7)).requires_grad_()
    return [x], lambda: (lib.sin(3 * x) + 0.1 * x**2 + 0.05 * x**4).sum()


def run(lib, problem, steps, **options):
    """Return the parameters and loss at each call of the closure, what the steps returned, and the optimizer."""
    params, loss_of = problem(lib)
    opt, calls = lib.optim.LBFGS(params, **options), []

    def closure():
        opt.zero_grad()
        loss = loss_of()
        loss.backward()
        calls.append([loss.item(), *np.concatenate([p.detach().numpy().ravel() for p in params])])
        return loss

    return np.array(calls + [[opt.step(closure).item()] + calls[-1][1:] for _ in range(steps)]), calls, opt


def compare(problem, steps, **options):
    torch = pytest.importorskip("torch")
    _, ours, opt = run(minigrad, problem, steps, **options)
    _, theirs, reference = run(torch, problem, steps, **options)
    assert len(ours) == len(theirs)
    np.testing.assert_allclose(ours[:30], theirs[:30], rtol=1e-7, atol=1e-9)
    # Near the minimum the line search takes differences of losses that agree in all but their last digits.
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
    return opt, reference


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("problem", [least_squares, bumpy])
@pytest.mark.parametrize(
    "options",
    [
        {"lr": lr, "max_iter": max_iter, "max_eval": max_eval, "history_size": history}
        for lr, max_iter, max_eval, history in itertools.product((1, 0.1), (20, 4, 1), (None, 7), (100, 2))
    ],
    ids=lambda options: ",".join(map(str, options.values())),
)
def test_every_call_is_where_pytorchs_is(problem, search, options):
    compare(problem, 2 if options["max_iter"] == 20 else 4, line_search_fn=search, **options)


@pytest.mark.parametrize("options", [{}, {"line_search_fn": "strong_wolfe"}, {"lr": 0.001}, {"max_iter": 4}], ids=str)
def test_rosenbrocks_valley_as_in_pytorch(options):
    compare(rosenbrock, 1, **options)


@pytest.mark.parametrize(
    "options", [{"tolerance_change": 0.01}, {"tolerance_grad": 0.05}, {"tolerance_grad": 10.0}], ids=str
)
def test_stops_where_pytorch_stops(options):
    for search in (None, "strong_wolfe"):
        compare(bumpy, 3, line_search_fn=search, **options)


def test_state_has_pytorchs_names():
    opt, reference = compare(least_squares, 2)
    (state,), (theirs,) = opt.state_dict()["state"].values(), reference.state_dict()["state"].values()
    assert set(theirs) - set(state) == {"al"}  # memory to work in
    assert set(state) <= set(theirs)
    assert [state[name] for name in ("func_evals", "n_iter")] == [theirs[name] for name in ("func_evals", "n_iter")]
    for name in ("d", "prev_flat_grad", "H_diag", "prev_loss", "t"):
        np.testing.assert_allclose(np.asarray(state[name]), np.asarray(theirs[name]), rtol=1e-6, atol=1e-12)


def plain(value):
    """Return a state with arrays for tensors of either library."""
    if isinstance(value, dict):
        return {key: plain(x) for key, x in value.items()}
    if isinstance(value, list):
        return [plain(x) for x in value]
    return value.numpy().copy() if hasattr(value, "numpy") else value


def in_pytorch(torch, value):
    if isinstance(value, dict):
        return {key: in_pytorch(torch, x) for key, x in value.items()}
    if isinstance(value, list):
        return [in_pytorch(torch, x) for x in value]
    return torch.tensor(value) if isinstance(value, np.ndarray) else value


def continued(lib, saved, values, steps=2):
    """Return the calls of a new optimizer that goes on from a saved state and parameters."""
    params, loss_of = least_squares(lib)
    for p, value in zip(params, values):
        p.data = lib.tensor(value.copy())
    opt, calls = lib.optim.LBFGS(params), []
    opt.load_state_dict(saved)

    def closure():
        opt.zero_grad()
        loss = loss_of()
        loss.backward()
        calls.append(loss.item())
        return loss

    for _ in range(steps):
        opt.step(closure)
    return calls


def test_resumes_its_own_state_and_pytorchs_and_pytorch_resumes_it():
    _, calls, opt = run(minigrad, least_squares, 3, max_iter=3)
    values = [p.array.copy() for p in opt.param_groups[0]["params"]]
    saved = copy.deepcopy(opt.state_dict())
    ours = continued(minigrad, saved, values)
    assert ours[0] < calls[0][0]
    fresh = LBFGS(least_squares(minigrad)[0]).state_dict()
    assert continued(minigrad, fresh, values)[:4] != ours[:4]  # the history makes a difference
    torch = pytest.importorskip("torch")
    theirs = continued(torch, in_pytorch(torch, plain(saved)), values)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    _, _, reference = run(torch, least_squares, 3, max_iter=3)
    back = continued(minigrad, plain(reference.state_dict()), values)
    np.testing.assert_allclose(back, ours, rtol=1e-6)


def test_finds_the_minimum_of_least_squares():
    """In far fewer gradients than descent would take; checked against the normal equations."""
    _, calls, opt = run(minigrad, least_squares, 3, line_search_fn="strong_wolfe", tolerance_change=1e-15)
    w, b, unused = opt.param_groups[0]["params"]
    solved = np.linalg.lstsq(np.c_[INPUTS, np.ones(40)], TARGETS, rcond=None)[0]
    np.testing.assert_allclose(np.r_[w.array, b.array[None]], solved, atol=1e-6)
    np.testing.assert_array_equal(unused.array, 0.5)
    assert len(calls) < 50


def test_float32_stays_float32():
    x = minigrad.tensor([-1.2, 1.0], requires_grad=True)
    opt = LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        opt.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    for _ in range(3):
        opt.step(closure)
    assert x.dtype == opt.state[x]["d"].dtype == opt.state[x]["old_dirs"][0].dtype == np.float32
    np.testing.assert_allclose(x.array, 1, atol=2e-3)


def test_line_search_comes_back_from_where_there_is_no_loss():
    w = minigrad.tensor([3.0], dtype=np.float64).requires_grad_()
    opt = LBFGS([w], lr=100.0, line_search_fn="strong_wolfe")

    def closure():
        opt.zero_grad()
        loss = (w - minigrad.log(w)).sum()  # not a number below 0
        loss.backward()
        return loss

    with np.errstate(invalid="ignore"):
        opt.step(closure)
    np.testing.assert_allclose(w.array, 1, atol=1e-5)


def test_on_the_device():
    """It reads numbers to decide by, a few each iteration, and computes where the parameters are."""
    with strict_cupy.installed() as cp:
        x = tensor_of(cp.asarray(np.array([-1.2, 1.0]))).requires_grad_()
        opt = LBFGS([x], max_iter=5)

        def closure():
            opt.zero_grad()
            loss = ((x * x - 1) ** 2).sum()
            loss.backward()
            return loss

        before = cp.syncs
        opt.step(closure)
        assert isinstance(opt.state[x]["d"].array, cp.ndarray)
        assert cp.syncs - before <= 8 * 6
        host = minigrad.tensor(np.array([-1.2, 1.0])).requires_grad_()
        twin = LBFGS([host], max_iter=5)

        def closure_there():
            twin.zero_grad()
            loss = ((host * host - 1) ** 2).sum()
            loss.backward()
            return loss

        twin.step(closure_there)
        np.testing.assert_allclose(x.array.get(), host.array, rtol=1e-12)


# ----------------------------------------------------------------------------------------------------------------
# Line search


def test_cubic_minimum():
    f, slope = lambda t: t**3 - 3 * t + 2, lambda t: 3 * t**2 - 3  # least at 1
    a, b = Point(0, f(0), None, slope(0)), Point(3, f(3), None, slope(3))
    assert cubic_minimum(a, b, 0, 3) == pytest.approx(1)
    assert cubic_minimum(b, a, 0, 3) == pytest.approx(1)
    assert cubic_minimum(a, b, 1.5, 3) == 1.5
    line = [Point(t, 2.0 * t, None, 2.0) for t in (0, 1)]
    assert cubic_minimum(*line, 0, 4) == 2


@pytest.mark.parametrize("t", [1e-4, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: (t - 2) ** 2, lambda t: 2 * (t - 2)),
        (lambda t: -t / (t * t + 2), lambda t: (t * t - 2) / (t * t + 2) ** 2),
        (lambda t: np.exp(-t) + 0.05 * t**2, lambda t: -np.exp(-t) + 0.1 * t),
    ],
)
def test_line_search_ends_where_wolfe_says(f, slope, t):
    looked = []

    def at(t):
        looked.append(t)
        return Point(t, f(t), None, slope(t))

    start = Point(0.0, f(0), None, slope(0))
    found, seen = strong_wolfe(at, start, t, 1.0)
    assert found.loss <= start.loss + 1e-4 * found.t * start.slope
    assert abs(found.slope) <= 0.9 * abs(start.slope)
    assert seen == len(looked)
    assert found.t in looked


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


def test_misuse():
    w, v = (minigrad.zeros(2, requires_grad=True) for _ in range(2))
    with pytest.raises(TypeError, match=r"LBFGS\.step: expected a closure.*def closure\(\)"):
        LBFGS([w]).step()
    with pytest.raises(ValueError, match="LBFGS: expected one group"):
        LBFGS([{"params": [w]}, {"params": [v]}])
    with pytest.raises(ValueError, match="LBFGS: expected one group"):
        LBFGS([w]).add_param_group({"params": [v]})
    with pytest.raises(ValueError, match="None or 'strong_wolfe', got 'wolfe'"):
        LBFGS([w], line_search_fn="wolfe")
    with pytest.raises(ValueError, match="history_size >= 1, got 0"):
        LBFGS([w], history_size=0)

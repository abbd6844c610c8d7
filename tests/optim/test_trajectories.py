"""SGD, Adam and AdamW beside PyTorch: 25 steps in float64 under every combination of options."""

import itertools

import numpy as np
import pytest

import minigrad
from minigrad.optim import SGD, Adam, AdamW, blocks

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (4,), (), (13, 20), (5,)]


@pytest.fixture(autouse=True)
def short_slices(monkeypatch):
    """Let small arrays take all ways: 13 x 20 is large now, and updated in nine slices."""
    monkeypatch.setattr(blocks, "CPU_SLICE", 31)
    monkeypatch.setattr(blocks, "CPU_GATHERED", 31)


def combinations(**choices):
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


def trajectories(ours, theirs, options, steps=25):
    """Run both from the same start along the same gradients of a bumpy function, and return where they end."""
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape) for shape in SHAPES]
    w = [minigrad.tensor(x).requires_grad_() for x in starts]
    v = [torch.tensor(x, requires_grad=True) for x in starts]
    opt, reference = ours(w, **options), theirs(v, **options)
    for step in range(steps):
        for k, (p, q) in enumerate(zip(w, v)):
            g = np.sin(3 * p.array) + 0.3 * rng.standard_normal(p.shape)
            h = np.sin(3 * q.detach().numpy()) + (g - np.sin(3 * p.array))
            without = (step + k) % 7 == 3  # now and then one has no gradient
            p.grad = None if without else minigrad.tensor(g)
            q.grad = None if without else torch.tensor(h)
        opt.step()
        reference.step()
    return w, v, opt, reference


def assert_same(w, v, opt, reference):
    for p, q in zip(w, v):
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-9, atol=1e-12)
        assert sorted(opt.state[p]) == sorted(reference.state[q])
        for name, value in reference.state[q].items():
            np.testing.assert_allclose(opt.state[p][name].array, value.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        options
        for options in combinations(
            lr=[0.1],
            momentum=[0, 0.9],
            dampening=[0, 0.3],
            nesterov=[False, True],
            weight_decay=[0, 0.1],
            maximize=[0, 1],
        )
        if not options["nesterov"] or (options["momentum"] and not options["dampening"])
    ],
    ids=str,
)
def test_sgd(options):
    options = {**options, "maximize": bool(options["maximize"])}
    assert_same(*trajectories(SGD, torch.optim.SGD, options))


ADAM = combinations(
    betas=[(0.9, 0.999), (0.0, 0.5)],
    eps=[1e-8, 0.1],
    weight_decay=[0, 0.1],
    amsgrad=[False, True],
    maximize=[False, True],
)


@pytest.mark.parametrize("options", ADAM, ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_adam(name, options):
    ours = {"Adam": Adam, "AdamW": AdamW}[name]
    assert_same(*trajectories(ours, getattr(torch.optim, name), {"lr": 0.05, **options}))


def test_decoupled_weight_decay_as_an_option_of_adam():
    options = {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}
    assert_same(*trajectories(Adam, torch.optim.Adam, options))


@pytest.mark.parametrize(
    ("ours", "theirs"), [(SGD, torch.optim.SGD), (Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)]
)
def test_defaults(ours, theirs):
    w, v = minigrad.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    assert ours([w]).defaults.items() <= theirs([v]).defaults.items()


def test_state_dict_has_pytorchs_layout_and_loads_its_state():
    w, v, opt, reference = trajectories(Adam, torch.optim.Adam, {"lr": 0.1, "amsgrad": True}, steps=5)
    saved, theirs = opt.state_dict(), reference.state_dict()
    assert saved["state"].keys() == theirs["state"].keys()
    assert set(saved["param_groups"][0]) <= theirs["param_groups"][0].keys()
    assert saved["param_groups"][0]["params"] == theirs["param_groups"][0]["params"]
    arrays = {k: {name: x.numpy() for name, x in state.items()} for k, state in theirs["state"].items()}
    resumed = Adam(w, lr=0.5)
    resumed.load_state_dict({"state": arrays, "param_groups": theirs["param_groups"]})
    for p, q in zip(w, v):
        p.data = minigrad.tensor(q.detach().numpy().copy())
        g = np.cos(p.array)
        p.grad, q.grad = minigrad.tensor(g), torch.tensor(g)
    resumed.step()
    reference.step()
    assert_same(w, v, resumed, reference)


def test_float32_stays_close():
    rng = np.random.default_rng(0)
    start = rng.standard_normal(1000).astype(np.float32)
    p, q = minigrad.tensor(start).requires_grad_(), torch.tensor(start, requires_grad=True)
    opt, reference = Adam([p], lr=0.01), torch.optim.Adam([q], lr=0.01)
    for _ in range(25):
        g = rng.standard_normal(1000).astype(np.float32)
        p.grad, q.grad = minigrad.tensor(g), torch.tensor(g)
        opt.step()
        reference.step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=0, atol=25 * 3 * np.finfo(np.float32).eps * 4)

"""Every elementwise optimizer beside PyTorch: 25 steps in float64 under combinations of its options."""

import numpy as np
import pytest
from optim.grids import GRIDS

import minigrad
from minigrad import optim
from minigrad.optim import blocks

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (4,), (), (13, 20), (5,)]


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Let small arrays take all ways, and let PyTorch keep numbers like ASGD's eta in float64 too."""
    monkeypatch.setattr(blocks, "CPU_SLICE", 31)  # 13 x 20 is large now, and updated in nine slices
    monkeypatch.setattr(blocks, "CPU_GATHERED", 31)
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)  # in which PyTorch's Muon would compute
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def trajectories(name, options, steps=25, shapes=SHAPES):
    """Run both from the same start along the same gradients of a bumpy function, and return where they end.

    One parameter is added late with a rate of its own; rates are halved midway; now and then one has no gradient.
    """
    rng = np.random.default_rng(0)
    starts = [rng.standard_normal(shape) for shape in shapes]
    w = [minigrad.tensor(x).requires_grad_() for x in starts]
    v = [torch.tensor(x, requires_grad=True) for x in starts]
    opt, reference = getattr(optim, name)(w[1:], **options), getattr(torch.optim, name)(v[1:], **options)
    for step in range(steps):
        if step == 3:
            opt.add_param_group({"params": w[0], "lr": 0.03})
            reference.add_param_group({"params": v[0], "lr": 0.03})
        if step == 12:
            for group in (*opt.param_groups, *reference.param_groups):
                group["lr"] *= 0.5
        for k, (p, q) in enumerate(zip(w, v)):
            noise = 0.3 * rng.standard_normal(p.shape)
            without = (step + k) % 7 == 3
            p.grad = None if without else minigrad.tensor(np.sin(3 * p.array) + noise)
            q.grad = None if without else torch.tensor(np.sin(3 * q.detach().numpy()) + noise)
        opt.step()
        reference.step()
    return w, v, opt, reference


def assert_same(w, v, opt, reference):
    for p, q in zip(w, v):
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-9, atol=1e-12)
        assert sorted(opt.state[p]) == sorted(reference.state[q])
        for name, value in reference.state[q].items():
            np.testing.assert_allclose(opt.state[p][name].array, value.numpy(), rtol=1e-9, atol=1e-12)


CASES = [(name, {"lr": 0.05, **options}) for name, grid in GRIDS.items() for options in grid]
MATRICES = [(3, 4), (4, 3), (1, 5), (5, 1), (6, 6)]


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_trajectory_is_pytorchs(name, options):
    assert_same(*trajectories(name, options, shapes=MATRICES if name == "Muon" else SHAPES))


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "Muon"])
def test_maximize(name):
    options = {"weight_decay": 0.1} if name != "Rprop" else {}
    assert_same(*trajectories(name, {"lr": 0.05, **options, "maximize": True}))


def test_decoupled_weight_decay_as_an_option_of_adam():
    assert_same(*trajectories("Adam", {"lr": 0.05, "weight_decay": 0.1, "decoupled_weight_decay": True}))


def test_adafactor_in_more_dimensions():
    assert_same(*trajectories("Adafactor", {"lr": 0.1}, shapes=[(2, 3, 4), (3, 1), (1, 5), (2, 2, 2, 2)]))


def test_muon_is_near_pytorchs_in_bfloat16(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    start, g = rng.standard_normal((2, 8, 6)).astype(np.float32)
    p, q = minigrad.tensor(start).requires_grad_(), torch.tensor(start, requires_grad=True)
    p.grad, q.grad = minigrad.tensor(g), torch.tensor(g)
    optim.Muon([p], lr=1.0).step()
    torch.optim.Muon([q], lr=1.0).step()
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=0, atol=0.03)  # of moves of up to 0.7


@pytest.mark.parametrize("name", [name for name in GRIDS if name != "Muon"])
def test_float32_stays_close(name):
    torch.set_default_dtype(torch.float32)
    rng = np.random.default_rng(0)
    start = rng.standard_normal(1000).astype(np.float32)
    p, q = minigrad.tensor(start).requires_grad_(), torch.tensor(start, requires_grad=True)
    opt, reference = getattr(optim, name)([p], lr=0.01), getattr(torch.optim, name)([q], lr=0.01)
    for _ in range(25):
        g = rng.standard_normal(1000).astype(np.float32)
        p.grad, q.grad = minigrad.tensor(g), torch.tensor(g)
        opt.step()
        reference.step()
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=0, atol=25 * 3 * np.finfo(np.float32).eps * 4)

"""Saving: every optimizer resumes, its own state and PyTorch's, and PyTorch resumes its; hooks."""

import copy
import pickle

import numpy as np
import pytest

import minigrad
from minigrad import nn, optim

OPTIONS = {
    "SGD": {"momentum": 0.9, "dampening": 0.1},
    "ASGD": {"t0": 3, "lambd": 0.1},
    "Adagrad": {"lr_decay": 0.1, "initial_accumulator_value": 0.2},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Rprop": {},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "NAdam": {"decoupled_weight_decay": True, "weight_decay": 0.1},
    "RAdam": {},
    "Adafactor": {},
    "Muon": {},
}
EACH = pytest.mark.parametrize("name", OPTIONS)


def made(lib, name, start=None):
    """Return an optimizer of two groups; the second parameter gets its first gradient late."""
    shapes = [(3, 2), (5, 4)] if name == "Muon" else [(3, 2), (4,), ()]
    rng = np.random.default_rng(0)
    starts = start or [rng.standard_normal(shape) for shape in shapes]
    params = [lib.tensor(np.asarray(x).copy()).requires_grad_() for x in starts]
    groups = [{"params": params[:1], "lr": 0.2}, {"params": params[1:]}]
    return getattr(lib.optim, name)(groups, lr=0.1, **OPTIONS[name]), params


def run(lib, opt, params, steps):
    for step in steps:
        rng = np.random.default_rng(step)
        for k, p in enumerate(params):
            g = rng.standard_normal(p.shape) + 0.2
            p.grad = None if k == 1 and step < 2 else lib.tensor(g)
        opt.step()


def values(params):
    return [p.detach().numpy().copy() for p in params]


def converted(value, leaf):
    if isinstance(value, dict):
        return {key: converted(x, leaf) for key, x in value.items()}
    if isinstance(value, list):
        return [converted(x, leaf) for x in value]
    return leaf(value) if hasattr(value, "numpy") else value


def to_arrays(state_dict):
    return converted(state_dict, lambda x: x.numpy().copy())


@EACH
@pytest.mark.parametrize("carry", [copy.deepcopy, to_arrays, lambda x: pickle.loads(pickle.dumps(x))])
def test_resuming_gives_the_same_trajectory(name, carry):
    straight, params = made(minigrad, name)
    run(minigrad, straight, params, range(4))
    saved, there = carry(straight.state_dict()), values(params)
    run(minigrad, straight, params, range(4, 9))
    resumed, others = made(minigrad, name, there)
    resumed.load_state_dict(saved)
    run(minigrad, resumed, others, range(4, 9))
    for p, q in zip(params, others):
        np.testing.assert_array_equal(p.array, q.array)


@pytest.fixture
def torch():
    """Return PyTorch, keeping numbers like ASGD's eta in float64, and Muon's products too."""
    torch = pytest.importorskip("torch")
    before, bfloat16 = torch.get_default_dtype(), torch.Tensor.bfloat16
    torch.set_default_dtype(torch.float64)
    torch.Tensor.bfloat16 = torch.Tensor.clone
    yield torch
    torch.set_default_dtype(before)
    torch.Tensor.bfloat16 = bfloat16


@EACH
@pytest.mark.parametrize("carry", [to_arrays, copy.deepcopy])
def test_loads_pytorchs_state(name, carry, torch):
    reference, params = made(torch, name)
    run(torch, reference, params, range(4))
    saved, there = carry(reference.state_dict()), values(params)
    run(torch, reference, params, range(4, 9))
    opt, others = made(minigrad, name, there)
    opt.load_state_dict(saved)
    run(minigrad, opt, others, range(4, 9))
    for p, q in zip(params, others):
        np.testing.assert_allclose(q.array, p.detach().numpy(), rtol=1e-10, atol=1e-12)


@EACH
def test_pytorch_loads_its_state(name, torch):
    opt, params = made(minigrad, name)
    run(minigrad, opt, params, range(4))
    saved = converted(opt.state_dict(), lambda x: torch.tensor(x.numpy()))
    there = values(params)
    run(minigrad, opt, params, range(4, 9))
    reference, others = made(torch, name, there)
    reference.load_state_dict(saved)
    run(torch, reference, others, range(4, 9))
    for p, q in zip(params, others):
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-10, atol=1e-12)


@EACH
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_layout_is_pytorchs(name, steps, torch):
    (opt, params), (reference, others) = made(minigrad, name), made(torch, name)
    run(minigrad, opt, params, range(steps))
    run(torch, reference, others, range(steps))
    ours, theirs = opt.state_dict(), reference.state_dict()
    assert ours["param_groups"] == theirs["param_groups"]
    shapes = [
        {k: {key: tuple(x.shape) for key, x in state.items()} for k, state in saved["state"].items()}
        for saved in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]


def test_how_pytorch_computed_is_not_taken_over():
    opt, params = made(minigrad, "Adam")
    saved = opt.state_dict()
    for group in saved["param_groups"]:
        group.update(fused=True, capturable=True, foreach=True, lr=np.float64(0.5))
    opt.load_state_dict(saved)
    group = opt.param_groups[0]
    assert (group["fused"], group["capturable"], group["foreach"], group["lr"]) == (None, False, None, 0.5)
    assert type(group["lr"]) is float
    run(minigrad, opt, params, range(2))


def test_state_that_does_not_fit_is_refused():
    opt, _ = made(minigrad, "Adafactor")
    other, params = made(minigrad, "Adafactor", [np.ones((2, 4)), np.ones(4), np.ones(())])
    run(minigrad, other, params, range(3))
    with pytest.raises(ValueError, match=r"'row_var' of parameter 0 has shape \(2, 1\), expected \(3, 1\)"):
        opt.load_state_dict(other.state_dict())


def test_names_come_along():
    model = nn.Linear(2, 1)
    opt = optim.Adam(model.named_parameters())
    saved = opt.state_dict()
    assert saved["param_groups"][0]["param_names"] == ["weight", "bias"]
    unnamed = optim.Adam(nn.Linear(2, 1).parameters())
    unnamed.load_state_dict(saved)
    assert unnamed.param_groups[0]["param_names"] == ["weight", "bias"]
    opt.load_state_dict(optim.Adam(nn.Linear(2, 1).parameters()).state_dict())
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]


def test_adagrad_has_its_state_from_the_start():
    w = minigrad.zeros(2, requires_grad=True)
    opt = optim.Adagrad([{"params": [w], "initial_accumulator_value": 0.5}])
    np.testing.assert_array_equal(opt.state[w]["sum"].array, np.full(2, 0.5, np.float32))
    assert opt.state[w]["step"].item() == 0


# ----------------------------------------------------------------------------------------------------------------
# Hooks


def weight_with_grad():
    w = minigrad.ones(2, requires_grad=True)
    w.grad = minigrad.ones(2)
    return w


def test_hooks_around_a_step():
    opt, seen = optim.SGD([weight_with_grad()], lr=0.1), []
    before = opt.register_step_pre_hook(lambda *args: seen.append(("before", *args)))
    opt.register_step_post_hook(lambda *args: seen.append(("after", *args)))
    closure = lambda: 3.0
    opt.step()
    assert seen == [("before", opt, (opt,), {}), ("after", opt, (opt,), {})]
    seen.clear()
    before.remove()
    assert opt.step(closure) == 3.0
    assert seen == [("after", opt, (opt, closure), {})]


def test_a_hook_before_a_step_may_change_what_it_is_called_with():
    opt = optim.SGD([weight_with_grad()], lr=0.1)
    opt.register_step_pre_hook(lambda optimizer, args, kwargs: (args[:1], {"closure": lambda: 7.0}))
    assert opt.step() == 7.0
    opt.register_step_pre_hook(lambda *args: 3)
    with pytest.raises(RuntimeError, match=r"SGD.step: expected a hook before it to return None or a pair .*got int"):
        opt.step()


def test_hooks_around_lbfgs():
    w, seen = weight_with_grad(), []
    opt = optim.LBFGS([w])
    opt.register_step_post_hook(lambda *args: seen.append(args))
    opt.step(lambda: (w * w).sum())
    assert len(seen) == 1


def test_hooks_that_would_never_be_called_are_refused():
    class Own(optim.SGD):
        def step(self, closure=None):
            return None

    with pytest.raises(RuntimeError, match=r"Own: hooks around step\(\) are called by Optimizer.step, and Own has"):
        Own([weight_with_grad()]).register_step_pre_hook(print)


def test_hooks_around_saving_and_loading():
    opt, seen = optim.SGD([weight_with_grad()], lr=0.1), []
    opt.register_state_dict_pre_hook(lambda *args: seen.append("before saving"))
    opt.register_state_dict_post_hook(lambda optimizer, saved: {**saved, "mine": 3})
    opt.register_state_dict_post_hook(lambda optimizer, saved: seen.append(sorted(saved)), prepend=True)
    saved = opt.state_dict()
    assert seen == ["before saving", ["param_groups", "state"]]
    assert saved["mine"] == 3

    def halve(optimizer, state_dict):
        groups = [{**group, "lr": group["lr"] / 2} for group in state_dict["param_groups"]]
        state_dict["param_groups"] = groups  # a shallow copy: what was passed stays as it is

    opt.register_load_state_dict_pre_hook(halve)
    opt.register_load_state_dict_post_hook(lambda optimizer: seen.append(optimizer.param_groups[0]["lr"]))
    opt.load_state_dict(saved)
    assert seen[-1] == 0.05
    assert saved["param_groups"][0]["lr"] == 0.1


def test_hooks_are_pytorchs(torch):
    """The same hooks see the same things in the same order."""

    def story(lib):
        seen = []
        w = lib.ones(2, requires_grad=True)
        w.grad = lib.ones(2)
        opt = lib.optim.SGD([w], lr=0.1)
        opt.register_step_pre_hook(lambda o, args, kwargs: seen.append(("step", len(args), sorted(kwargs))))
        opt.register_step_post_hook(lambda o, args, kwargs: seen.append(("stepped", len(args), sorted(kwargs))))
        opt.register_state_dict_pre_hook(lambda o: seen.append("save"))
        opt.register_state_dict_post_hook(lambda o, saved: seen.append(sorted(saved)))
        opt.register_load_state_dict_pre_hook(lambda o, saved: seen.append("load 1"))
        opt.register_load_state_dict_pre_hook(lambda o, saved: seen.append("load 0"), prepend=True)
        opt.register_load_state_dict_post_hook(lambda o: seen.append("loaded"))
        opt.step()
        opt.step(lambda: None)
        opt.load_state_dict(opt.state_dict())
        return seen

    assert story(minigrad) == story(torch)


def test_copies_have_no_hooks():
    opt = optim.SGD([weight_with_grad()], lr=0.1)
    opt.register_step_pre_hook(lambda *args: pytest.fail("called"))
    for other in (copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        (w,) = other.param_groups[0]["params"]
        w.grad = minigrad.ones(2)
        other.step()
        assert w.array[0] == np.float32(0.9)

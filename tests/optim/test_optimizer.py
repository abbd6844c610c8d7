"""What all optimizers share: groups, blocks, state, saving, errors."""

import copy
import pickle
from collections import defaultdict

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd.node import tensor_of
from minigrad.optim import SGD, Adam, AdamW, Optimizer


def leaf(*shape, dtype=np.float64, seed=0):
    return minigrad.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=dtype).requires_grad_()


def give_grads(params, seed, skip=()):
    """Set a gradient of numbers that depend on the seed only; None for those in ``skip``."""
    rng = np.random.default_rng(seed)
    for k, p in enumerate(params):
        g = rng.standard_normal(p.shape)
        p.grad = None if k in skip else minigrad.tensor(g, dtype=p.dtype)


def adam_by_definition(p, gradients, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
    """Adam as in the paper, one whole-array expression after the other."""
    p, m, v = p.copy(), 0, 0
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p -= lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p


# ----------------------------------------------------------------------------------------------------------------
# Blocks: however parameters are laid out, each element follows the same rule

SHAPES = [(3, 4), (4,), (), (0, 5), (2, 3, 4), (1,)]


@pytest.mark.parametrize(
    "shapes",
    [SHAPES, [(7,)], [()], [(0,)], [(300, 70)], [(300, 70), (5,), (33000,)], [(90, 90)] * 6],
    ids=["small", "one", "0-d", "empty", "large", "mixed", "several blocks"],
)
def test_update_is_the_same_in_every_layout(shapes):
    params = [leaf(*shape, seed=k) for k, shape in enumerate(shapes)]
    before, gradients = [p.array.copy() for p in params], [[] for _ in params]
    opt = Adam(params, lr=0.1)
    for step in range(3):
        give_grads(params, step)
        for p, seen in zip(params, gradients):
            seen.append(p.grad.array.copy())
        opt.step()
    for p, start, seen in zip(params, before, gradients):
        np.testing.assert_allclose(p.array, adam_by_definition(start, seen, lr=0.1), rtol=1e-12, atol=1e-14)


def test_memory_of_parameters_keeps_its_identity():
    params = [leaf(3), leaf(2, 2), leaf(40_000)]
    arrays = [p.array for p in params]
    values = [array.copy() for array in arrays]
    opt = SGD(params, lr=1.0)
    give_grads(params, 0)
    opt.step()
    for p, array, value in zip(params, arrays, values):
        assert p.array is array
        np.testing.assert_allclose(array, value - p.grad.array)


@pytest.mark.parametrize("shape", [(3, 4), (200, 300)])
def test_arrays_in_another_order(shape):
    """A transposed parameter, a transposed gradient: memory order does not matter."""
    w, other = leaf(*shape), leaf(*shape)
    w.data = tensor_of(np.asfortranarray(w.array))
    opts = [Adam([p], lr=0.1) for p in (w, other)]
    for step in range(2):
        give_grads([w], step)
        other.grad = tensor_of(np.asfortranarray(w.grad.array))
        for opt in opts:
            opt.step()
    assert not w.array.flags.c_contiguous
    np.testing.assert_array_equal(w.array, other.array)


def test_mixed_dtypes_stay_what_they_are():
    params = [leaf(3, dtype=np.float32), leaf(3), leaf(4, dtype=np.float32)]
    opt = Adam(params, lr=np.float64(0.1))
    for step in range(2):
        give_grads(params, step)
        opt.step()
    assert [p.dtype for p in params] == [np.float32, np.float64, np.float32]
    assert [opt.state[p]["exp_avg_sq"].dtype for p in params] == [np.float32, np.float64, np.float32]
    one = leaf(4, dtype=np.float32)
    alone = Adam([one], lr=0.1)
    for step in range(2):
        give_grads(params, step)
        one.grad = params[2].grad
        alone.step()
    np.testing.assert_array_equal(one.array, params[2].array)


def test_small_parameters_are_gathered_into_one_update():
    calls = []

    class Counting(Adam):
        def update(self, xp, p, *rest):
            calls.append(p.size)
            super().update(xp, p, *rest)

    params = [leaf(*shape) for shape in SHAPES]
    opt = Counting(params)
    give_grads(params, 0)
    opt.step()
    assert calls == [sum(p.array.size for p in params)]


# ----------------------------------------------------------------------------------------------------------------
# Things that change between steps


def test_parameters_without_grad_are_skipped_altogether():
    params = [leaf(3, seed=1), leaf(2, seed=2)]
    opt = Adam(params, lr=0.1, weight_decay=0.1)
    start, seen = params[1].array.copy(), []
    for step in range(6):
        skip = (1,) if step % 2 else ()
        give_grads(params, step, skip)
        before = params[1].array.copy()
        if not skip:
            seen.append(params[1].grad.array.copy())
        opt.step()
        if skip:
            np.testing.assert_array_equal(params[1].array, before)
    assert opt.state[params[0]]["step"].item() == 6
    assert opt.state[params[1]]["step"].item() == 3
    p = leaf(2)
    p.data = minigrad.tensor(start)
    alone = Adam([p], lr=0.1, weight_decay=0.1)
    for g in seen:
        p.grad = minigrad.tensor(g)
        alone.step()
    np.testing.assert_allclose(params[1].array, p.array, rtol=1e-14)


def test_no_state_before_the_first_gradient():
    params = [leaf(3), leaf(2)]
    opt = Adam(params)
    opt.step()
    assert opt.state_dict()["state"] == {}
    give_grads(params, 0, skip=(0,))
    opt.step()
    assert list(opt.state_dict()["state"]) == [1]


def test_replaced_data_is_updated_in_its_new_memory():
    params = [leaf(3), leaf(2)]
    opt = SGD(params, lr=1.0, momentum=0.5)
    give_grads(params, 0)
    opt.step()
    old, velocity = params[0].array, params[0].grad.array.copy()
    kept = old.copy()
    params[0].data = minigrad.zeros(3, dtype=np.float64)
    opt.step()
    np.testing.assert_array_equal(old, kept)
    np.testing.assert_allclose(params[0].array, -1.5 * velocity)


def test_state_follows_a_new_dtype():
    params = [leaf(3), leaf(2)]
    opt = Adam(params)
    give_grads(params, 0)
    opt.step()
    average = opt.state[params[0]]["exp_avg"].array.copy()
    params[0].data = params[0].detach().to(np.float32)
    give_grads(params, 1)
    opt.step()
    state = opt.state[params[0]]
    assert params[0].dtype == state["exp_avg"].dtype == np.float32
    assert state["step"].item() == 2
    np.testing.assert_allclose(state["exp_avg"].array, 0.9 * average + 0.1 * params[0].grad.array, rtol=1e-5)


def test_state_that_does_not_fit_a_new_shape_is_an_error():
    w = leaf(3)
    opt = Adam([w])
    give_grads([w], 0)
    opt.step()
    w.data = minigrad.zeros(4, dtype=np.float64)
    give_grads([w], 0)
    with pytest.raises(ValueError, match=r"'exp_avg' has shape \(3,\) and its parameter \(4,\).*del optimizer.state"):
        opt.step()
    del opt.state[w]
    opt.step()
    assert opt.state[w]["step"].item() == 1


def test_state_can_be_written_replaced_and_cleared():
    w, v = leaf(3), leaf(2)
    opt = SGD([w, v], lr=1.0, momentum=1.0)
    give_grads([w, v], 0)
    opt.step()
    g = w.grad.array.copy()
    with minigrad.no_grad():
        opt.state[w]["momentum_buffer"].zero_()
    before = w.array.copy()
    opt.step()
    np.testing.assert_allclose(before - w.array, g)
    opt.state[w]["momentum_buffer"] = minigrad.full((3,), 10.0, dtype=np.float64)
    before = w.array.copy()
    opt.step()
    np.testing.assert_allclose(before - w.array, g + 10)
    opt.state = defaultdict(dict)
    before = w.array.copy()
    opt.step()
    np.testing.assert_allclose(before - w.array, g)


def test_shown_step_cannot_be_written_to_but_replaced():
    params = [leaf(3), leaf(2)]
    opt = Adam(params)
    give_grads(params, 0)
    opt.step()
    with pytest.raises(ValueError, match="read-only"), minigrad.no_grad():
        opt.state[params[0]]["step"].zero_()
    opt.state[params[0]]["step"] = minigrad.tensor(7.0)
    opt.step()
    assert [opt.state[p]["step"].item() for p in params] == [8, 2]


def test_options_can_change_from_step_to_step():
    w = leaf(3)
    opt = SGD([w], lr=0.5)
    give_grads([w], 0)
    g, start = w.grad.array, w.array.copy()
    opt.step()
    opt.param_groups[0]["lr"] = np.float64(0.25)
    opt.step()
    np.testing.assert_allclose(w.array, start - 0.75 * g)
    opt.param_groups[0]["momentum"] = 0.5
    opt.step()
    np.testing.assert_allclose(opt.state[w]["momentum_buffer"].array, g)


def test_step_dates_its_writes():
    w = leaf(3)
    opt = SGD([w], lr=0.1)
    y = (w * w).sum()
    give_grads([w], 0)
    opt.step()
    with pytest.raises(RuntimeError, match=r"optimizer\.step\(\)"):
        y.backward()


def test_closure_runs_with_recording_on_and_its_loss_is_returned():
    w = minigrad.tensor(3.0, requires_grad=True)
    opt = SGD([w], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = w**2
        loss.backward()
        return loss

    with minigrad.no_grad():
        loss = opt.step(closure)
    assert loss.item() == 9
    assert w.item() == pytest.approx(2.4)
    assert opt.step() is None
    assert opt.step_count == 2


def test_zero_grad():
    w, v = leaf(3), leaf(2)
    opt = SGD([w, v])
    give_grads([w, v], 0, skip=(1,))
    memory = w.grad.array
    opt.zero_grad(set_to_none=False)
    assert w.grad.array is memory
    assert not memory.any()
    assert v.grad is None
    opt.zero_grad()
    assert w.grad is None


def test_zero_grad_leaves_a_gradient_with_history_alone():
    w = leaf(3)
    (w**3).sum().backward(create_graph=True)
    slope = w.grad
    value = slope.array.copy()
    SGD([w]).zero_grad(set_to_none=False)
    np.testing.assert_array_equal(slope.array, value)
    assert not w.grad.array.any()
    assert w.grad.grad_fn is None


# ----------------------------------------------------------------------------------------------------------------
# Groups


def test_groups_have_options_of_their_own():
    w, v = leaf(3), leaf(2)
    opt = SGD([{"params": [w]}, {"params": v, "lr": 0.0}], lr=1.0)
    before = v.array.copy()
    give_grads([w, v], 0)
    opt.step()
    np.testing.assert_array_equal(v.array, before)
    assert [group["lr"] for group in opt.param_groups] == [1.0, 0.0]
    assert opt.defaults["lr"] == 1.0


def test_group_added_late():
    w, v = leaf(3), leaf(2)
    opt = Adam([w], lr=0.1)
    give_grads([w, v], 0)
    opt.step()
    opt.add_param_group({"params": [v], "lr": 0.2})
    opt.step()
    assert [opt.state[p]["step"].item() for p in (w, v)] == [2, 1]
    assert opt.param_groups[1]["betas"] == (0.9, 0.999)


def test_named_parameters():
    model = nn.Linear(2, 1)
    opt = SGD(model.named_parameters(), lr=0.1)
    assert opt.param_groups[0]["params"][0] is model.weight
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]
    assert opt.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("lr", [np.float64(0.1), np.array(0.1), minigrad.tensor(0.1, dtype=np.float64)])
def test_zero_dimensional_lr_becomes_a_number(lr):
    opt = SGD([leaf(2)], lr=lr)
    assert type(opt.param_groups[0]["lr"]) is float
    assert opt.param_groups[0]["lr"] == 0.1


def test_repr():
    opt = SGD([leaf(2)], lr=0.1)
    assert repr(opt) == (
        "SGD (\nParameter Group 0\n    dampening: 0\n    differentiable: False\n    foreach: None\n    fused: None\n"
        "    lr: 0.1\n    maximize: False\n    momentum: 0\n    nesterov: False\n    weight_decay: 0\n)"
    )


# ----------------------------------------------------------------------------------------------------------------
# Errors


def test_nothing_to_train():
    with pytest.raises(
        ValueError, match=r"SGD: got an empty parameter list.*nn\.ModuleList.*call model\.parameters\(\)"
    ):
        SGD(nn.Sequential().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="empty parameter list"):
        Adam([{"params": []}])
    assert len(Adam([{"params": [leaf(1)]}, {"params": []}]).param_groups) == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (lambda: leaf(2), r"expected a list of tensors, got one; put it in a list, SGD\(\[w\]\)"),
        (lambda: {leaf(2)}, "a set has no order"),
        (lambda: nn.Linear(2, 1), r"expected an iterable of parameters, got Linear; pass model\.parameters\(\)"),
        (lambda: nn.Linear(2, 1).parameters, "with parentheses"),
        (lambda: [nn.Linear(2, 1)], r"parameter 0 of group 0 is Linear; pass model\.parameters\(\)"),
        (lambda: {"weight": leaf(2)}, r"parameter 0 of group 0 is str 'weight'; pass a dict's \.values\(\)"),
        (lambda: [leaf(2), 3.0], r"parameter 1 of group 0 is float 3\.0"),
        (lambda: [{"params": [leaf(2)]}, leaf(3)], r"expected a group like \{'params'.*got Tensor"),
    ],
)
def test_what_is_not_a_parameter(params, message):
    with pytest.raises(TypeError, match=message):
        SGD(params(), lr=0.1)


def test_tensors_that_cannot_be_optimized():
    w = leaf(2)
    with pytest.raises(
        ValueError, match=r"can't optimize a non-leaf Tensor: parameter 1 .* \(2,\).*MulBackward0.*\.to\(\)"
    ):
        SGD([w, w * 2], lr=0.1)
    with pytest.raises(ValueError, match=r"parameter 1 of group 0, of shape .* is there already"):
        SGD([w, w], lr=0.1)
    opt = SGD([w], lr=0.1)
    with pytest.raises(ValueError, match="parameter 0 of group 1"):
        opt.add_param_group({"params": [w]})
    assert len(opt.param_groups) == 1
    with pytest.raises(ValueError, match="name all or none"):
        SGD([("w", w), leaf(3)], lr=0.1)
    with pytest.raises(ValueError, match="some groups have names"):
        SGD([{"params": [("w", w)]}, {"params": [leaf(3)]}], lr=0.1)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (SGD, {"lr": -0.1}, r"SGD: expected a number lr >= 0, got -0\.1"),
        (SGD, {"lr": float("nan")}, "lr >= 0, got nan"),
        (SGD, {"lr": "0.1"}, "lr >= 0, got '0.1'"),
        (SGD, {"weight_decay": -1}, "weight_decay >= 0, got -1"),
        (SGD, {"momentum": -1}, "momentum >= 0, got -1"),
        (SGD, {"nesterov": True}, r"momentum > 0 and dampening = 0 with nesterov, got \(0, 0\)"),
        (Adam, {"lr": -0.1}, "Adam: expected a number lr >= 0"),
        (Adam, {"betas": (0.9, 1.0)}, r"0 <= beta < 1, got \(0\.9, 1\.0\)"),
        (Adam, {"betas": (-0.1, 0.9)}, "0 <= beta < 1"),
        (AdamW, {"eps": -1e-8}, "AdamW: expected a number eps >= 0"),
    ],
)
def test_options_out_of_range(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls([leaf(2)], **options)
    with pytest.raises(ValueError, match=message):
        cls([leaf(2)]).add_param_group({"params": [leaf(2)], **options})


def test_base_class_asks_for_a_rule():
    w = leaf(2)
    opt = Optimizer([w], {"lr": 0.1})
    give_grads([w], 0)
    with pytest.raises(NotImplementedError, match=r"define update\(\)"):
        opt.step()


def test_own_optimizer_needs_only_its_rule():
    class Signs(Optimizer):
        def __init__(self, params, lr=1e-3):
            super().__init__(params, {"lr": lr})

        def update(self, xp, p, g, state, group, scratch):
            p -= group["lr"] * xp.sign(g)

    params = [leaf(3), leaf(40_000)]
    before = [p.array.copy() for p in params]
    opt = Signs(params, lr=0.5)
    give_grads(params, 0)
    opt.step()
    for p, start in zip(params, before):
        np.testing.assert_allclose(start - p.array, 0.5 * np.sign(p.grad.array))


# ----------------------------------------------------------------------------------------------------------------
# Saving

MAKERS = {
    "sgd": lambda params: SGD(params, lr=0.1, momentum=0.9, dampening=0.1),
    "adam": lambda params: Adam(params, lr=0.1, amsgrad=True),
    "adamw": lambda params: AdamW(params, lr=0.1),
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("skip", [(), (1,)])
def test_resuming_gives_the_same_trajectory(name, skip):
    shapes = [(3, 4), (4,), (200, 100)]
    straight = [leaf(*shape, seed=k) for k, shape in enumerate(shapes)]
    resumed = [leaf(*shape, seed=9) for shape in shapes]
    opt, other = MAKERS[name](straight), MAKERS[name](resumed)
    for step in range(6):
        give_grads(straight, step, skip if step < 2 else ())
        opt.step()
        if step == 2:
            other.load_state_dict(copy.deepcopy(opt.state_dict()))
            for p, q in zip(straight, resumed):
                q.data = p.detach().clone()
    for step in range(3, 6):
        give_grads(resumed, step)
        other.step()
    for p, q in zip(straight, resumed):
        np.testing.assert_array_equal(p.array, q.array)


def test_loading_copies_and_takes_the_options():
    w, v = leaf(3), leaf(3)
    one, two = Adam([w], lr=0.1), Adam([v], lr=0.9)
    give_grads([w, v], 0)
    one.step()
    two.load_state_dict(one.state_dict())
    assert two.param_groups[0]["lr"] == 0.1
    assert two.param_groups[0]["params"][0] is v
    average = two.state[v]["exp_avg"].array.copy()
    one.step()
    np.testing.assert_array_equal(two.state[v]["exp_avg"].array, average)


def test_loading_what_does_not_fit_changes_nothing():
    w, v = leaf(3), leaf(2)
    one, two = Adam([w, v]), Adam([leaf(3)])
    give_grads([w, v], 0)
    one.step()
    with pytest.raises(ValueError, match=r"expected groups of \[1\] parameters, got \[2\]"):
        two.load_state_dict(one.state_dict())
    three = Adam([leaf(3), leaf(4)], lr=0.5)
    with pytest.raises(ValueError, match=r"'exp_avg' of parameter 1 has shape \(2,\), expected \(4,\)"):
        three.load_state_dict(one.state_dict())
    assert not three.state
    assert three.param_groups[0]["lr"] == 0.5


def test_adamw_stays_adamw_when_it_loads_an_adam():
    w = leaf(3)
    opt = AdamW([w])
    opt.load_state_dict(Adam([leaf(3)]).state_dict())
    assert opt.param_groups[0]["decoupled_weight_decay"] is True


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_is_an_optimizer_of_its_own(copied):
    w = leaf(3)
    opt = Adam([w], lr=0.1)
    give_grads([w], 0)
    opt.step()
    other = copied(opt)
    p = other.param_groups[0]["params"][0]
    before = w.array.copy()
    give_grads([p], 1)
    other.step()
    assert p is not w
    assert other.state[p]["step"].item() == 2
    np.testing.assert_array_equal(w.array, before)
    give_grads([w], 1)
    opt.step()
    np.testing.assert_array_equal(w.array, p.array)


# ----------------------------------------------------------------------------------------------------------------
# GPU arrays


@pytest.mark.parametrize("make", [*MAKERS.values(), lambda params: Adam(params, weight_decay=0.1, maximize=True)])
def test_step_on_the_device_reads_nothing_back(make):
    host = [leaf(3, 4, dtype=np.float32), leaf(4, dtype=np.float32), leaf(dtype=np.float32)]
    with strict_cupy.installed() as cp:
        there = [tensor_of(cp.asarray(p.array)).requires_grad_() for p in host]
        opt, twin = make(host), make(there)
        for step in range(3):
            give_grads(host, step)
            for p, q in zip(host, there):
                q._grad = tensor_of(cp.asarray(p.grad.array))
            opt.step()
            before = cp.syncs, cp.uploads
            twin.step()
            assert (cp.syncs, cp.uploads) == before
        for p, q in zip(host, there):
            np.testing.assert_allclose(q.array.get(), p.array, rtol=1e-6)
            assert all(isinstance(x.array, cp.ndarray) for name, x in twin.state[q].items() if name != "step")


def test_state_follows_its_parameter_to_the_device():
    w, v = leaf(3, 4, dtype=np.float32), leaf(3, 4, dtype=np.float32)
    opt, stays = Adam([w], lr=0.1), Adam([v], lr=0.1)
    for step in range(2):
        give_grads([w, v], 0)
        v.grad = minigrad.tensor(w.grad.array.copy())
        stays.step()
        if step == 0:
            opt.step()
            continue
        with strict_cupy.installed() as cp:
            w.data, w._grad = tensor_of(cp.asarray(w.array)), tensor_of(cp.asarray(w.grad.array))
            opt.step()
            assert isinstance(opt.state[w]["exp_avg"].array, cp.ndarray)
            np.testing.assert_allclose(w.array.get(), v.array, rtol=1e-6)
    assert opt.state[w]["step"].item() == 2

"""Schedules: PyTorch's rates and momentums, jumps, resuming, previews, and mistakes in their use."""

import copy
import inspect
import math
import warnings

import numpy as np
import pytest

import minigrad
from minigrad.optim import SGD, Adam, Optimizer, lr_scheduler
from minigrad.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

LRS = (0.4, 0.03)


def two_groups(*lrs):
    groups = [{"params": [minigrad.zeros(1, requires_grad=True)], "lr": lr} for lr in lrs or LRS]
    return SGD(groups, lr=0.1, momentum=0.9)


def in_torch(*lrs):
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in lrs or LRS]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def seen(optimizer):
    """Return what schedules set: the rate and the momentum of each group."""
    momentum = [group.get("momentum", group.get("betas", (0,))[0]) for group in optimizer.param_groups]
    return [group["lr"] for group in optimizer.param_groups] + momentum


def run(scheduler, epochs, metrics=None):
    """Return the rates and momentums of each epoch, as the optimizer sees them."""
    rates = []
    for epoch in range(epochs):
        scheduler.optimizer.step()
        rates.append(seen(scheduler.optimizer))
        if metrics is None:
            scheduler.step()
        else:
            scheduler.step(metrics[epoch])
        assert scheduler.get_last_lr() == [group["lr"] for group in scheduler.optimizer.param_groups]
    return rates


class Decay:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return self.rate**epoch


SCHEDULES = {
    "LambdaLR": [
        {"lr_lambda": lambda epoch: 0.95**epoch},
        {"lr_lambda": [lambda epoch: epoch % 5, lambda epoch: 1 / (1 + epoch)]},
    ],
    "MultiplicativeLR": [
        {"lr_lambda": lambda epoch: 0.95},
        {"lr_lambda": [lambda epoch: 1 - 1 / (2 + epoch), Decay(0.999)]},
    ],
    "StepLR": [{"step_size": 7}, {"step_size": 1, "gamma": 0.9}],
    "MultiStepLR": [{"milestones": [3, 20, 40]}, {"milestones": (9, 2, 2), "gamma": 0.7}, {"milestones": []}],
    "ConstantLR": [{}, {"factor": 0.25, "total_iters": 10}, {"factor": 1}],
    "LinearLR": [
        {},
        {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 20},
        {"start_factor": 1, "end_factor": 0.0, "total_iters": 30},
    ],
    "ExponentialLR": [{"gamma": 0.93}],
    "PolynomialLR": [{}, {"total_iters": 50, "power": 0.9}, {"total_iters": 20, "power": 2}],
    "CosineAnnealingLR": [{"T_max": 60}, {"T_max": 7, "eta_min": 0.01}, {"T_max": 1}],
    "CosineAnnealingWarmRestarts": [
        {"T_0": 7},
        {"T_0": 4, "T_mult": 2, "eta_min": 0.01},
        {"T_0": 1, "T_mult": 3},
    ],
    "CyclicLR": [
        {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 6},
        {"base_lr": [0.01, 0.02], "max_lr": [0.5, 0.1], "step_size_up": 4, "step_size_down": 7, "mode": "triangular2"},
        {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 5, "mode": "exp_range", "gamma": 0.97},
        {"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 5, "cycle_momentum": False},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "base_momentum": [0.5, 0.6], "max_momentum": 0.7},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "scale_fn": lambda x: 1 / x, "scale_mode": "cycle"},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "scale_fn": Decay(0.9), "scale_mode": "iterations"},
        {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 5, "step_size_down": 0},
    ],
    "OneCycleLR": [
        {"max_lr": 0.5, "total_steps": 61},
        {"max_lr": [0.5, 0.2], "epochs": 10, "steps_per_epoch": 7, "pct_start": 0.4, "anneal_strategy": "linear"},
        {"max_lr": 0.5, "total_steps": 60, "three_phase": True},
        {"max_lr": 0.5, "total_steps": 75, "three_phase": True, "anneal_strategy": "linear", "pct_start": 0.45},
        {"max_lr": 0.5, "total_steps": 60, "cycle_momentum": False, "div_factor": 5, "final_div_factor": 10},
        {"max_lr": 0.5, "total_steps": 60, "base_momentum": 0.2, "max_momentum": [0.9, 0.5], "pct_start": 0.0},
    ],
}
CASES = [(name, options) for name, choices in SCHEDULES.items() for options in choices]
PLATEAUS = [
    {"patience": 3},
    {"patience": 0, "factor": 0.5, "min_lr": 0.01},
    {"patience": 2, "mode": "max", "cooldown": 3, "threshold": 0.02},
    {"patience": 1, "threshold_mode": "abs", "threshold": 0.05, "factor": 0.7, "min_lr": [0.1, 0.0]},
    {"patience": 1, "mode": "max", "threshold_mode": "abs", "eps": 1e-2},
]
METRICS = np.abs(np.cumsum(np.random.default_rng(0).standard_normal(60))) + 0.5


def ours(name, options, optimizer=None):
    return getattr(lr_scheduler, name)(optimizer or two_groups(), **options)


def in_pytorch(name, options, optimizer=None):
    torch = pytest.importorskip("torch")
    return getattr(torch.optim.lr_scheduler, name)(optimizer or in_torch(), **options)


def close(rates, expected):
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-15)


# ----------------------------------------------------------------------------------------------------------------
# Rates


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates_are_pytorchs(name, options):
    close(run(ours(name, options), 60), run(in_pytorch(name, options), 60))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates_are_pytorchs_when_they_are_changed_by_hand(name, options):
    def run_and_meddle(scheduler):
        rates = run(scheduler, 7)
        scheduler.optimizer.param_groups[0]["lr"] = 0.77
        scheduler.optimizer.param_groups[1]["lr"] *= 2
        return rates + run(scheduler, 20)

    close(run_and_meddle(ours(name, options)), run_and_meddle(in_pytorch(name, options)))


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau_is_pytorchs(options):
    rates = run(ReduceLROnPlateau(two_groups(), **options), 60, METRICS)
    assert len({rate for rate, *_ in rates}) > 1
    close(rates, run(in_pytorch("ReduceLROnPlateau", options), 60, METRICS))


@pytest.mark.parametrize(("name", "options"), [c for c in CASES if c[0] in ("CyclicLR", "OneCycleLR")])
def test_cycles_move_the_first_beta(name, options):
    torch = pytest.importorskip("torch")
    groups = [{"params": [minigrad.zeros(1, requires_grad=True)]} for _ in LRS]
    theirs = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in LRS]
    scheduler = ours(name, options, Adam(groups, betas=(0.8, 0.99)))
    reference = in_pytorch(name, options, torch.optim.Adam(theirs, betas=(0.8, 0.99)))
    close(run(scheduler, 60), run(reference, 60))
    assert scheduler.optimizer.param_groups[0]["betas"][1] == 0.99


FORMULAS = [
    (lambda opt: StepLR(opt, 7, 0.5), lambda lr, t: lr * 0.5 ** (t // 7)),
    (lambda opt: MultiStepLR(opt, [4, 9], 0.5), lambda lr, t: lr * 0.5 ** ((t >= 4) + (t >= 9))),
    (lambda opt: ConstantLR(opt, 0.5, 4), lambda lr, t: lr * (0.5 if t < 4 else 1)),
    (lambda opt: LinearLR(opt, 0.2, 0.9, 7), lambda lr, t: lr * (0.2 + 0.7 * min(t / 7, 1))),
    (lambda opt: ExponentialLR(opt, 0.9), lambda lr, t: lr * 0.9**t),
    (lambda opt: PolynomialLR(opt, 30, 1.5), lambda lr, t: lr * max(1 - t / 30, 0) ** 1.5),
    (lambda opt: LambdaLR(opt, lambda t: 1 / (1 + t)), lambda lr, t: lr / (1 + t)),
    (lambda opt: MultiplicativeLR(opt, lambda t: t / (1 + t)), lambda lr, t: lr / (1 + t)),
    (
        lambda opt: CosineAnnealingLR(opt, 7, 0.01),
        lambda lr, t: 0.01 + (lr - 0.01) * (1 + math.cos(math.pi * t / 7)) / 2,
    ),
    (
        lambda opt: CosineAnnealingWarmRestarts(opt, 7, 1, 0.01),
        lambda lr, t: 0.01 + (lr - 0.01) * (1 + math.cos(math.pi * (t % 7) / 7)) / 2,
    ),
]


@pytest.mark.parametrize(("scheduler", "closed"), FORMULAS)
def test_rates_follow_the_formula(scheduler, closed):
    expected = [[closed(lr, t) for lr in LRS] for t in range(60)]
    rates = [rates[:2] for rates in run(scheduler(two_groups()), 60)]
    np.testing.assert_allclose(rates, expected, rtol=1e-9, atol=1e-12)


def test_one_cycle_by_hand():
    options = {"max_lr": 1.0, "total_steps": 7, "pct_start": 4 / 7, "div_factor": 4, "final_div_factor": 2}
    scheduler = OneCycleLR(two_groups(), anneal_strategy="linear", **options)
    assert [rates[0] for rates in run(scheduler, 7)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.708333, 0.416667, 0.125])
    scheduler = OneCycleLR(two_groups(), anneal_strategy="linear", three_phase=True, **options | {"pct_start": 3 / 7})
    rates = run(scheduler, 7)
    assert [lr for lr, *_ in rates] == pytest.approx([0.25, 0.625, 1.0, 0.625, 0.25, 0.1875, 0.125])
    assert [momentum for *_, momentum in rates] == pytest.approx([0.95, 0.9, 0.85, 0.9, 0.95, 0.95, 0.95])


def test_a_constant_factor_of_zero_ends():
    rates = run(ConstantLR(two_groups(), 0, 2), 4)
    assert [rate[:2] for rate in rates] == [[0, 0], [0, 0], list(LRS), list(LRS)]


def test_a_cycle_without_a_rise():
    """A phase without steps is over at once: PyTorch divides by zero here."""
    scheduler = OneCycleLR(two_groups(), 1.0, total_steps=10, pct_start=0.1)
    assert scheduler.get_last_lr() == [1.0, 1.0]
    scheduler = OneCycleLR(two_groups(), 1.0, total_steps=4, pct_start=1.0)
    assert scheduler.preview(5) == pytest.approx([0.04, 0.28, 0.76, 1.0, 4e-6])


def test_schedulers_can_act_together():
    opt = two_groups(1.0, 1.0)
    halving, shrinking = StepLR(opt, 3, 0.5), ExponentialLR(opt, 0.9)
    rates = []
    for _ in range(10):
        opt.step()
        rates.append(opt.param_groups[0]["lr"])
        halving.step()
        shrinking.step()
    np.testing.assert_allclose(rates, [0.5 ** (t // 3) * 0.9**t for t in range(10)])


def test_plateau_by_hand():
    scheduler = ReduceLROnPlateau(two_groups(1.0, 1.0), factor=0.5, patience=1)
    rates = run(scheduler, 6, [1.0, 0.9, 0.95, 0.95, 0.95, 0.95])
    assert [rate for rate, *_ in rates] == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    assert scheduler.get_last_lr() == [0.25, 0.25]
    assert scheduler.best == 0.9


def test_a_metric_may_be_a_tensor():
    scheduler = ReduceLROnPlateau(two_groups())
    scheduler.step(minigrad.tensor(0.25, requires_grad=True))
    assert scheduler.best == 0.25


@pytest.mark.parametrize("rate", [minigrad.tensor(0.5), np.float32(0.5), np.array(0.5)])
def test_a_rate_may_be_a_tensor(rate):
    opt = SGD([minigrad.ones(1, requires_grad=True)], lr=0.1)
    opt.param_groups[0]["lr"] = rate
    scheduler = ExponentialLR(opt, 0.5)
    opt.step()
    scheduler.step()
    assert type(scheduler.get_last_lr()[0]) is float
    assert scheduler.get_last_lr() == [0.25]
    assert scheduler.base_lrs == [0.5]


def test_own_schedule_needs_only_get_lr():
    class Countdown(LRScheduler):
        def get_lr(self):
            return [lr - self.last_epoch for lr in self.base_lrs]

    assert [rates[:2] for rates in run(Countdown(two_groups(5.0, 7.0)), 3)] == [[5, 7], [4, 6], [3, 5]]
    with pytest.raises(NotImplementedError, match="define get_lr"):
        LRScheduler(two_groups())


# ----------------------------------------------------------------------------------------------------------------
# Jumps


JUMPS = [5, None, 12.5, None, None, 0, 40]


def jump(scheduler):
    found = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "ReduceLROnPlateau|The epoch parameter|.*jumps to epoch")
        for epoch in JUMPS:
            scheduler.optimizer.step()
            scheduler.step(epoch)
            found.append(seen(scheduler.optimizer) + [scheduler.last_epoch])
    return found


@pytest.mark.parametrize(("name", "options"), CASES)
def test_jumps_are_pytorchs(name, options):
    close(jump(ours(name, options)), jump(in_pytorch(name, options)))


def test_a_jump_warns_and_a_metric_is_refused():
    scheduler = ExponentialLR(two_groups(), 0.5)
    scheduler.optimizer.step()
    with pytest.warns(
        UserWarning, match=r"ExponentialLR.step\(2\) jumps to epoch 2; .* If 2 is a metric: only"
    ) as seen:
        scheduler.step(2)
    assert seen[0].filename == __file__
    assert scheduler.get_last_lr() == [0.1, 0.0075]
    with pytest.raises(TypeError, match="expected an epoch, a number, or nothing, got Tensor; if it is a metric"):
        scheduler.step(minigrad.tensor(0.3))
    assert scheduler.last_epoch == 2


@pytest.mark.parametrize("options", [{"T_0": 3}, {"T_0": 2, "T_mult": 2, "eta_min": 0.001}])
def test_fractions_of_epochs(options):
    """In warm restarts they are no jumps, but PyTorch's way to go down within an epoch."""
    scheduler, reference = (make("CosineAnnealingWarmRestarts", options) for make in (ours, in_pytorch))
    for epoch in np.arange(0, 30, 0.2):
        reference.optimizer.step()
        reference.step(float(epoch))
        scheduler.optimizer.step()
        scheduler.step(float(epoch))
        close(seen(scheduler.optimizer), seen(reference.optimizer))
        close((scheduler.T_cur, scheduler.T_i, scheduler.last_epoch), (reference.T_cur, reference.T_i, int(epoch)))
    scheduler.step()
    reference.step()
    close(seen(scheduler.optimizer), seen(reference.optimizer))


def test_restarts_at_large_epochs_are_exact():
    """The restarts of T_0 = 1, T_mult = 3 are at (3^n - 1) / 2; a logarithm would be rounded past some of them."""
    scheduler = CosineAnnealingWarmRestarts(two_groups(), 1, 3)
    scheduler.optimizer.step()
    for n in range(1, 30):
        scheduler.step((3**n - 1) // 2)
        assert (scheduler.T_cur, scheduler.T_i) == (0, 3**n)


# ----------------------------------------------------------------------------------------------------------------
# Looking and saving


@pytest.mark.parametrize(("name", "options"), [*CASES, ("ReduceLROnPlateau", {})])
def test_last_lr_is_there_from_the_start(name, options):
    opt = two_groups()
    scheduler = ours(name, options, opt)
    assert scheduler.get_last_lr() == [group["lr"] for group in opt.param_groups]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_preview_is_what_comes_and_changes_nothing(name, options):
    scheduler = ours(name, options)
    run(scheduler, 4)
    state, groups = copy.deepcopy(scheduler.state_dict()), scheduler.optimizer.param_groups
    before = seen(scheduler.optimizer)
    previews = [scheduler.preview(20, group) for group in range(2)]
    assert seen(scheduler.optimizer) == before
    assert scheduler.state_dict() == state
    assert scheduler.optimizer.param_groups is groups
    assert list(zip(*previews)) == [tuple(rates[:2]) for rates in run(scheduler, 20)]


def test_preview_does_not_call_the_users_objects():
    class Counting:
        calls = 0

        def __call__(self, epoch):
            self.calls += 1
            return 0.5

    counting = Counting()
    scheduler = MultiplicativeLR(two_groups(1.0, 1.0), counting)
    assert scheduler.preview(4) == [1.0, 0.5, 0.25, 0.125]
    assert counting.calls == 0


def test_preview_of_all_of_one_cycle_and_of_nothing():
    scheduler = OneCycleLR(two_groups(), 1.0, total_steps=5)
    assert len(scheduler.preview(6)) == 6
    assert scheduler.preview(0) == []


def test_preview_of_a_plateau_needs_metrics():
    scheduler = ReduceLROnPlateau(two_groups(), patience=1)
    with pytest.raises(RuntimeError, match=r"depend on the metrics to come; suppose some, preview\(3, metrics=\["):
        scheduler.preview(3)
    rates = scheduler.preview(30, 1, METRICS)
    assert scheduler.state_dict() == ReduceLROnPlateau(two_groups(), patience=1).state_dict()
    assert rates == [rates[1] for rates in run(scheduler, 30, METRICS)]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_resume(name, options):
    straight = run(ours(name, options), 20)
    first = ours(name, options)
    run(first, 9)
    saved, saved_opt = copy.deepcopy(first.state_dict()), copy.deepcopy(first.optimizer.state_dict())
    second = ours(name, options, two_groups(7.0, 8.0))
    second.optimizer.load_state_dict(saved_opt)
    second.load_state_dict(saved)
    assert second.last_epoch == 9
    assert run(second, 11) == straight[9:]


def test_resume_of_a_plateau():
    straight = run(ReduceLROnPlateau(two_groups(), patience=2), 40, METRICS)
    first = ReduceLROnPlateau(two_groups(), patience=2)
    run(first, 9, METRICS)
    second = ReduceLROnPlateau(two_groups(), patience=5)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert run(second, 31, METRICS[9:]) == straight[9:]


@pytest.mark.parametrize(("name", "options"), [*CASES, ("ReduceLROnPlateau", {})])
def test_what_pytorch_saved_can_be_loaded(name, options):
    metrics = METRICS if name == "ReduceLROnPlateau" else None
    reference = in_pytorch(name, options)
    run(reference, 9, metrics)
    scheduler = ours(name, options)
    scheduler.load_state_dict(copy.deepcopy(reference.state_dict()))
    for group, other in zip(scheduler.optimizer.param_groups, reference.optimizer.param_groups):
        group.update((key, value) for key, value in other.items() if key != "params")
    metrics = None if metrics is None else metrics[9:]
    close(run(scheduler, 20, metrics), run(reference, 20, metrics))
    missing = set(reference.state_dict()) - set(ours(name, options).state_dict())
    assert missing <= {"_step_count", "_get_lr_called_within_step", "_is_initial", "mode_worse", "default_min_lr"}


@pytest.mark.parametrize("make", [LambdaLR, MultiplicativeLR])
def test_functions_are_not_saved_but_objects_with_attributes_are(make):
    saved = make(two_groups(), [lambda epoch: 1.0, Decay(0.5)]).state_dict()
    assert saved["lr_lambdas"] == [None, {"rate": 0.5}]
    other = make(two_groups(), [lambda epoch: 1.0, Decay(0.9)])
    other.load_state_dict(saved)
    assert other.lr_lambdas[1].rate == 0.5
    assert other.lr_lambdas[0](3) == 1.0


def test_scale_functions_are_saved_likewise():
    saved = CyclicLR(two_groups(), 0.1, 0.5, scale_fn=Decay(0.5)).state_dict()
    assert saved["_scale_fn_custom"] == {"rate": 0.5}
    other = CyclicLR(two_groups(), 0.1, 0.5, scale_fn=Decay(0.9))
    other.load_state_dict(saved)
    assert other.scale_fn(2) == 0.25
    assert CyclicLR(two_groups(), 0.1, 0.5, scale_fn=math.sqrt).state_dict()["_scale_fn_custom"] is None


def test_state_of_another_scheduler_is_refused():
    scheduler = ExponentialLR(two_groups(), 0.9)
    with pytest.raises(ValueError, match=r"ExponentialLR.load_state_dict: expected .*'gamma'.* got .*'step_size'"):
        scheduler.load_state_dict(StepLR(two_groups(), 3).state_dict())


# With T_mult PyTorch goes on wrongly: see test_going_on_with_warm_restarts.
@pytest.mark.parametrize(("name", "options"), [case for case in CASES if case[1].get("T_mult", 1) == 1])
@pytest.mark.parametrize("epochs", [1, 5])
def test_going_on_by_last_epoch_is_pytorchs(name, options, epochs):
    scheduler, reference = ours(name, options), in_pytorch(name, options)
    run(scheduler, epochs)
    run(reference, epochs)
    again = ours(name, {**options, "last_epoch": epochs}, scheduler.optimizer)
    theirs = in_pytorch(name, {**options, "last_epoch": epochs}, reference.optimizer)
    close(run(again, 20), run(theirs, 20))


@pytest.mark.parametrize("epochs", [0, 1, 2, 7, 20])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_going_on_with_warm_restarts(epochs, factor):
    straight = CosineAnnealingWarmRestarts(two_groups(), 3, factor).preview(50)
    optimizer = two_groups()
    CosineAnnealingWarmRestarts(optimizer, 3, factor)
    again = CosineAnnealingWarmRestarts(optimizer, 3, factor, last_epoch=epochs)
    close(again.preview(20), straight[epochs + 1 : epochs + 21])


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


@pytest.mark.parametrize("name", ["LRScheduler", "ReduceLROnPlateau", "ChainedScheduler", "SequentialLR", *SCHEDULES])
def test_signatures_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    for method in ("__init__", "step"):
        here = inspect.signature(getattr(getattr(lr_scheduler, name), method)).parameters
        there = inspect.signature(getattr(getattr(torch.optim.lr_scheduler, name), method)).parameters
        assert list(here) == list(there)
        defaults = [(here[key].default, there[key].default) for key in here if key != "metrics"]
        assert all(a == b for a, b in defaults)


def test_scheduler_before_optimizer_is_noticed_once():
    opt = two_groups(0.5, 0.5)
    scheduler = ExponentialLR(opt, 0.9)
    with pytest.warns(
        UserWarning, match=r"ExponentialLR.step\(\) was called before optimizer.step\(\).* 0\.5,"
    ) as seen:
        scheduler.step()
    assert seen[0].filename == __file__
    assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
        opt.step()
        scheduler.step()


def test_the_right_order_is_never_warned_about():
    """Also of an optimizer that was wrapped, resumed, or brings a step of its own."""
    opt = two_groups()
    opt.step()
    late = StepLR(opt, 3)
    opt.step()
    late.step()
    wrapped = two_groups()
    scheduler = StepLR(wrapped, 3)
    step = wrapped.step
    wrapped.step = lambda *args: step(*args)
    wrapped.step()
    scheduler.step()

    class Own(Optimizer):
        def step(self, closure=None):
            return None

    own = Own([minigrad.zeros(1, requires_grad=True)], {"lr": 0.1})
    scheduler = StepLR(own, 3)
    own.step()
    scheduler.step()


def test_order_is_compared_with_steps_since_the_scheduler_was_made():
    opt = two_groups()
    opt.step()
    scheduler = StepLR(opt, 3)
    with pytest.warns(UserWarning, match="never used"):
        scheduler.step()


def test_get_lr_by_hand_is_warned_about_where_it_is_not_the_present_rate():
    with pytest.warns(UserWarning, match=r"ExponentialLR.get_lr\(\) .* call get_last_lr\(\)") as seen:
        ExponentialLR(two_groups(), 0.9).get_lr()
    assert seen[0].filename == __file__
    assert LambdaLR(two_groups(), lambda epoch: 1.0).get_lr() == list(LRS)


def test_one_cycle_ends():
    scheduler = OneCycleLR(two_groups(), 1.0, total_steps=3)
    run(scheduler, 3)
    last = seen(scheduler.optimizer)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"step 4 of a cycle of total_steps=3: .* epochs \* len\(loader\)"):
            scheduler.step()
    assert seen(scheduler.optimizer) == last


REFUSED = [
    (StepLR, {"step_size": 0}, "step_size >= 1, got 0"),
    (CosineAnnealingLR, {"T_max": 0}, "T_max >= 1, got 0"),
    (ReduceLROnPlateau, {"factor": 1.5}, r"factor < 1, got 1\.5"),
    (ReduceLROnPlateau, {"mode": "minimum"}, "'min' or 'max', got 'minimum'"),
    (ReduceLROnPlateau, {"threshold_mode": "absolute"}, "'rel' or 'abs', got 'absolute'"),
    (ReduceLROnPlateau, {"min_lr": [0.1, 0.2, 0.3]}, "min_lr to be one or a list of 2, got 3"),
    (LambdaLR, {"lr_lambda": [lambda epoch: 1.0]}, "lr_lambda to be one or a list of 2, got 1"),
    (ConstantLR, {"factor": 1.5}, r"factor from 0 to 1, got 1\.5"),
    (ConstantLR, {"total_iters": 0}, "total_iters >= 1, got 0"),
    (LinearLR, {"start_factor": 0}, "start_factor above 0 and up to 1, got 0"),
    (LinearLR, {"end_factor": 1.5}, r"end_factor from 0 to 1, got 1\.5"),
    (LinearLR, {"total_iters": 0}, "total_iters >= 1, got 0"),
    (PolynomialLR, {"total_iters": -1}, "total_iters >= 1, got -1"),
    (CosineAnnealingWarmRestarts, {"T_0": 1.5}, r"T_0 to be an integer >= 1, got 1\.5"),
    (CosineAnnealingWarmRestarts, {"T_0": 3, "T_mult": 0}, "T_mult to be an integer >= 1, got 0"),
    (CosineAnnealingWarmRestarts, {"T_0": 3, "eta_min": "0"}, "eta_min to be a number, got '0'"),
    (CyclicLR, {"base_lr": 0.1, "max_lr": 1.0, "mode": "square"}, "mode to be one of .*, got 'square'"),
    (CyclicLR, {"base_lr": 0.1, "max_lr": 1.0, "scale_mode": "epoch"}, "'cycle' or 'iterations', got 'epoch'"),
    (CyclicLR, {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 0}, "step_size_up >= 1, got 0"),
    (CyclicLR, {"base_lr": [0.1], "max_lr": 1.0}, "base_lr to be one or a list of 2, got 1"),
    (CyclicLR, {"base_lr": 0.1, "max_lr": [1, 2, 3]}, "max_lr to be one or a list of 2, got 3"),
    (OneCycleLR, {"max_lr": 1.0}, "give total_steps, or epochs and steps_per_epoch"),
    (OneCycleLR, {"max_lr": 1.0, "epochs": 3}, "give total_steps, or epochs and steps_per_epoch"),
    (OneCycleLR, {"max_lr": 1.0, "epochs": 3, "steps_per_epoch": 0}, "steps_per_epoch to be an integer >= 1, got 0"),
    (OneCycleLR, {"max_lr": 1.0, "total_steps": 2.5}, r"total_steps an integer >= 1, got 2\.5"),
    (OneCycleLR, {"max_lr": 1.0, "total_steps": 9, "pct_start": 30}, "pct_start from 0 to 1, got 30"),
    (OneCycleLR, {"max_lr": 1.0, "total_steps": 9, "anneal_strategy": "cosine"}, "'cos' or 'linear', got 'cosine'"),
    (OneCycleLR, {"max_lr": [1.0], "total_steps": 9}, "max_lr to be one or a list of 2, got 1"),
]


@pytest.mark.parametrize(("make", "options", "message"), REFUSED)
def test_options_out_of_range(make, options, message):
    with pytest.raises(ValueError, match=f"{make.__name__}: .*{message}"):
        make(two_groups(), **options)


def test_misuse():
    opt = two_groups()
    with pytest.raises(TypeError, match="StepLR: expected an Optimizer, got list"):
        StepLR([0.1], 3)
    with pytest.raises(TypeError, match=r"scheduler\.step\(metrics=validation_loss\)"):
        ReduceLROnPlateau(opt).step()
    with pytest.warns(UserWarning, match="epoch changes nothing"):
        ReduceLROnPlateau(opt).step(1.0, epoch=3)
    with pytest.raises(KeyError, match=r"last_epoch=4 goes on .* param_groups\[0\] has no 'initial_lr'"):
        StepLR(opt, 3, last_epoch=4)
    with pytest.raises(KeyError, match=r"last_epoch=4 goes on .* param_groups\[0\] has no 'min_lr'"):
        OneCycleLR(opt, 3.0, total_steps=9, last_epoch=4)
    with pytest.raises(TypeError, match=r"expected lr_lambda to be a function of the epoch, got 0\.5"):
        LambdaLR(opt, 0.5)
    with pytest.raises(TypeError, match=r"expected milestones to be a list such as \[30, 80\], got 3"):
        MultiStepLR(opt, 3)
    with pytest.raises(ValueError, match="an epoch from 0 on, got -1"):
        CosineAnnealingWarmRestarts(opt, 3).step(-1)


@pytest.mark.parametrize("make", [lambda opt: CyclicLR(opt, 0.1, 1.0), lambda opt: OneCycleLR(opt, 1.0, 9)])
def test_cycles_need_a_momentum_to_move(make):
    class Plain(Optimizer):
        pass

    opt = Plain([minigrad.zeros(1, requires_grad=True)], {"lr": 0.1})
    with pytest.raises(ValueError, match=r"Plain has neither momentum nor betas .* set cycle_momentum=False"):
        make(opt)


@pytest.mark.parametrize(
    ("scheduler", "metrics"),
    [
        (lambda opt: LambdaLR(opt, lambda epoch: 1.0), None),
        (lambda opt: CosineAnnealingLR(opt, 1), None),
        (lambda opt: ReduceLROnPlateau(opt, patience=0), 1.0),
    ],
)
def test_group_added_after_the_scheduler(scheduler, metrics):
    opt = two_groups()
    made = scheduler(opt)
    for _ in range(2 if metrics is None else 1):
        opt.step()
        made.step(metrics)
    opt.add_param_group({"params": [minigrad.zeros(1, requires_grad=True)]})
    with pytest.raises(ValueError, match="made for 2 parameter groups, and the optimizer has 3 now"):
        for _ in range(2):
            made.step(metrics)


def test_group_added_after_a_schedule_that_needs_no_first_rate():
    opt = two_groups(1.0, 2.0)
    scheduler = ExponentialLR(opt, 0.5)
    opt.add_param_group({"params": [minigrad.zeros(1, requires_grad=True)], "lr": 4.0})
    opt.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.5, 1.0, 2.0]

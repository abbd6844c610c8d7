"""Schedules: PyTorch's rates, resuming, previews, and mistakes in their use."""

import copy
import math
import warnings

import numpy as np
import pytest

import minigrad
from minigrad.optim import SGD, Optimizer
from minigrad.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LRScheduler,
    ReduceLROnPlateau,
    StepLR,
)

LRS = (0.4, 0.03)


def two_groups(*lrs):
    groups = [{"params": [minigrad.zeros(1, requires_grad=True)], "lr": lr} for lr in lrs or LRS]
    return SGD(groups, lr=0.1)


def run(scheduler, epochs, metrics=None):
    """Return the rates of each epoch, as the optimizer sees them."""
    rates = []
    for epoch in range(epochs):
        scheduler.optimizer.step()
        rates.append([group["lr"] for group in scheduler.optimizer.param_groups])
        if metrics is None:
            scheduler.step()
        else:
            scheduler.step(metrics[epoch])
        assert scheduler.get_last_lr() == [group["lr"] for group in scheduler.optimizer.param_groups]
    return rates


SCHEDULES = {
    "StepLR": [{"step_size": 7}, {"step_size": 1, "gamma": 0.9}],
    "ExponentialLR": [{"gamma": 0.93}],
    "LambdaLR": [
        {"lr_lambda": lambda epoch: 0.95**epoch},
        {"lr_lambda": [lambda epoch: epoch % 5, lambda epoch: 1 / (1 + epoch)]},
    ],
    "CosineAnnealingLR": [{"T_max": 60}, {"T_max": 7, "eta_min": 0.01}, {"T_max": 1}],
}
CASES = [(name, options) for name, choices in SCHEDULES.items() for options in choices]
CLASSES = {
    "StepLR": StepLR,
    "ExponentialLR": ExponentialLR,
    "LambdaLR": LambdaLR,
    "CosineAnnealingLR": CosineAnnealingLR,
    "ReduceLROnPlateau": ReduceLROnPlateau,
}
PLATEAUS = [
    {"patience": 3},
    {"patience": 0, "factor": 0.5, "min_lr": 0.01},
    {"patience": 2, "mode": "max", "cooldown": 3, "threshold": 0.02},
    {"patience": 1, "threshold_mode": "abs", "threshold": 0.05, "factor": 0.7, "min_lr": [0.1, 0.0]},
    {"patience": 1, "mode": "max", "threshold_mode": "abs", "eps": 1e-2},
]
METRICS = np.abs(np.cumsum(np.random.default_rng(0).standard_normal(60))) + 0.5

# ----------------------------------------------------------------------------------------------------------------
# Rates


def in_pytorch(name, options, metrics=None):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in LRS], lr=0.1)
    return getattr(torch.optim.lr_scheduler, name)(optimizer, **options)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates_are_pytorchs(name, options):
    ours = run(CLASSES[name](two_groups(), **options), 60)
    np.testing.assert_allclose(ours, run(in_pytorch(name, options), 60), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau_is_pytorchs(options):
    ours = run(ReduceLROnPlateau(two_groups(), **options), 60, METRICS)
    assert len({rates[0] for rates in ours}) > 1
    np.testing.assert_allclose(ours, run(in_pytorch("ReduceLROnPlateau", options), 60, METRICS), rtol=1e-14)


@pytest.mark.parametrize(
    ("scheduler", "closed"),
    [
        (lambda opt: StepLR(opt, 7, 0.5), lambda lr, t: lr * 0.5 ** (t // 7)),
        (lambda opt: ExponentialLR(opt, 0.9), lambda lr, t: lr * 0.9**t),
        (lambda opt: LambdaLR(opt, lambda t: 1 / (1 + t)), lambda lr, t: lr / (1 + t)),
        (
            lambda opt: CosineAnnealingLR(opt, 7, 0.01),
            lambda lr, t: 0.01 + (lr - 0.01) * (1 + math.cos(math.pi * t / 7)) / 2,
        ),
    ],
)
def test_rates_follow_the_formula(scheduler, closed):
    expected = [[closed(lr, t) for lr in LRS] for t in range(60)]
    np.testing.assert_allclose(run(scheduler(two_groups()), 60), expected, rtol=1e-9, atol=1e-12)


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
    assert [rate for rate, _ in rates] == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
    assert scheduler.get_last_lr() == [0.25, 0.25]
    assert scheduler.best == 0.9


def test_a_metric_may_be_a_tensor():
    scheduler = ReduceLROnPlateau(two_groups())
    scheduler.step(minigrad.tensor(0.25, requires_grad=True))
    assert scheduler.best == 0.25


def test_own_schedule_needs_only_get_lr():
    class Countdown(LRScheduler):
        def get_lr(self):
            return [lr - self.last_epoch for lr in self.base_lrs]

    assert run(Countdown(two_groups(5.0, 7.0)), 3) == [[5, 7], [4, 6], [3, 5]]
    with pytest.raises(NotImplementedError, match="define get_lr"):
        LRScheduler(two_groups())


# ----------------------------------------------------------------------------------------------------------------
# Looking and saving


@pytest.mark.parametrize(("name", "options"), [*CASES, ("ReduceLROnPlateau", {})])
def test_last_lr_is_there_from_the_start(name, options):
    opt = two_groups()
    scheduler = CLASSES[name](opt, **options)
    assert scheduler.get_last_lr() == [group["lr"] for group in opt.param_groups]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_preview_is_what_comes_and_changes_nothing(name, options):
    scheduler = CLASSES[name](two_groups(), **options)
    run(scheduler, 4)
    state = copy.deepcopy({k: v for k, v in vars(scheduler).items() if k not in ("optimizer", "lr_lambdas")})
    groups = scheduler.optimizer.param_groups
    rates = [group["lr"] for group in groups]
    previews = [scheduler.preview(20, group) for group in range(2)]
    assert [group["lr"] for group in groups] == rates
    assert vars(scheduler).items() >= state.items()
    assert list(zip(*previews)) == [tuple(rates) for rates in run(scheduler, 20)]


def test_preview_of_a_plateau_is_refused():
    with pytest.raises(RuntimeError, match="depend on the metrics to come"):
        ReduceLROnPlateau(two_groups()).preview(3)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_resume(name, options):
    straight = run(CLASSES[name](two_groups(), **options), 20)
    opt = two_groups()
    first = CLASSES[name](opt, **options)
    run(first, 9)
    saved, saved_opt = copy.deepcopy(first.state_dict()), copy.deepcopy(opt.state_dict())
    opt = two_groups(7.0, 8.0)
    second = CLASSES[name](opt, **options)
    opt.load_state_dict(saved_opt)
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


def test_functions_are_not_saved_but_objects_with_attributes_are():
    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, epoch):
            return self.rate**epoch

    saved = LambdaLR(two_groups(), [lambda epoch: 1.0, Decay(0.5)]).state_dict()
    assert saved["lr_lambdas"] == [None, {"rate": 0.5}]
    other = LambdaLR(two_groups(), [lambda epoch: 1.0, Decay(0.9)])
    other.load_state_dict(saved)
    assert other.lr_lambdas[1].rate == 0.5
    assert other.lr_lambdas[0](3) == 1.0


def test_state_of_another_scheduler_is_refused():
    scheduler = ExponentialLR(two_groups(), 0.9)
    with pytest.raises(ValueError, match=r"ExponentialLR.load_state_dict: expected .*'gamma'.* got .*'step_size'"):
        scheduler.load_state_dict(StepLR(two_groups(), 3).state_dict())


@pytest.mark.parametrize(("name", "options"), CASES)
def test_going_on_by_last_epoch_is_pytorchs(name, options):
    scheduler = CLASSES[name](two_groups(), **options)
    reference = in_pytorch(name, options)
    run(scheduler, 5)
    run(reference, 5)
    ours = CLASSES[name](scheduler.optimizer, **options, last_epoch=5)
    theirs = type(reference)(reference.optimizer, **options, last_epoch=5)
    np.testing.assert_allclose(run(ours, 20), run(theirs, 20), rtol=1e-12, atol=1e-15)


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


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


def test_misuse():
    opt = two_groups()
    with pytest.raises(TypeError, match="StepLR: expected an Optimizer, got list"):
        StepLR([0.1], 3)
    with pytest.raises(TypeError, match=r"scheduler\.step\(metrics=validation_loss\)"):
        ReduceLROnPlateau(opt).step()
    with pytest.raises(KeyError, match=r"last_epoch=4 goes on .* param_groups\[0\] has no 'initial_lr'"):
        StepLR(opt, 3, last_epoch=4)
    with pytest.raises(ValueError, match="step_size >= 1, got 0"):
        StepLR(opt, 0)
    with pytest.raises(ValueError, match="T_max >= 1, got 0"):
        CosineAnnealingLR(opt, 0)
    with pytest.raises(ValueError, match=r"factor < 1, got 1\.5"):
        ReduceLROnPlateau(opt, factor=1.5)
    with pytest.raises(ValueError, match="'min' or 'max', got 'minimum'"):
        ReduceLROnPlateau(opt, "minimum")
    with pytest.raises(ValueError, match="'rel' or 'abs', got 'absolute'"):
        ReduceLROnPlateau(opt, threshold_mode="absolute")
    with pytest.raises(ValueError, match="lr_lambda to be one or a list of 2, got 1"):
        LambdaLR(opt, [lambda epoch: 1.0])
    with pytest.raises(ValueError, match="min_lr to be one or a list of 2, got 3"):
        ReduceLROnPlateau(opt, min_lr=[0.1, 0.2, 0.3])


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

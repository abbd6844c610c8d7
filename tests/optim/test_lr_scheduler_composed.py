"""Schedules one after the other and several at once, beside PyTorch where it does what it says."""

import copy
import warnings

import numpy as np
import pytest

import minigrad
from minigrad.optim import SGD, lr_scheduler
from minigrad.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

LRS = (0.4, 0.03)

# Each takes the module of schedulers, minigrad's or PyTorch's, and an optimizer.
PARTS = {
    "lambda": lambda m, opt: m.LambdaLR(opt, lambda epoch: 1 / (1 + epoch)),
    "multiplicative": lambda m, opt: m.MultiplicativeLR(opt, lambda epoch: 0.9),
    "step": lambda m, opt: m.StepLR(opt, 3, 0.5),
    "multistep": lambda m, opt: m.MultiStepLR(opt, [2, 5], 0.3),
    "constant": lambda m, opt: m.ConstantLR(opt, 0.5, 4),
    "linear": lambda m, opt: m.LinearLR(opt, 0.1, total_iters=5),
    "exponential": lambda m, opt: m.ExponentialLR(opt, 0.9),
    "polynomial": lambda m, opt: m.PolynomialLR(opt, 12, 2),
    "cosine": lambda m, opt: m.CosineAnnealingLR(opt, 9, 0.001),
    "restarts": lambda m, opt: m.CosineAnnealingWarmRestarts(opt, 2, 2),
    "cyclic": lambda m, opt: m.CyclicLR(opt, 0.05, 0.7, 3, 2),
    "onecycle": lambda m, opt: m.OneCycleLR(opt, 0.8, 40),
}
CHAINABLE = [name for name in PARTS if name not in ("lambda", "restarts", "cyclic", "onecycle")]


def two_groups():
    return SGD([{"params": [minigrad.zeros(1, requires_grad=True)], "lr": lr} for lr in LRS], momentum=0.8)


def in_torch():
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in LRS]
    return torch.optim.lr_scheduler, torch.optim.SGD(groups, momentum=0.8)


def sequence(m, opt, names, milestones):
    return m.SequentialLR(opt, [PARTS[name](m, opt) for name in names], milestones)


def chain(m, opt, names):
    return m.ChainedScheduler([PARTS[name](m, opt) for name in names])


def run(scheduler, epochs):
    seen = []
    for _ in range(epochs):
        groups = scheduler.optimizer.param_groups
        scheduler.optimizer.step()
        seen.append([group["lr"] for group in groups] + [group["momentum"] for group in groups])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The epoch parameter")
            scheduler.step()
        assert scheduler.get_last_lr() == [group["lr"] for group in groups]
    return seen


def first_rates(scheduler, epochs):
    return [rates[0] for rates in run(scheduler, epochs)]


def close(rates, expected):
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-15)


# ----------------------------------------------------------------------------------------------------------------
# Rates


@pytest.mark.parametrize("second", PARTS)
@pytest.mark.parametrize("first", PARTS)
def test_one_after_the_other_is_pytorchs(first, second):
    m, opt = in_torch()
    theirs = run(sequence(m, opt, [first, second], [6]), 30)
    close(run(sequence(lr_scheduler, two_groups(), [first, second], [6]), 30), theirs)


def test_several_milestones_are_pytorchs():
    rng = np.random.default_rng(0)
    for _ in range(30):
        names = list(rng.choice(list(PARTS), rng.integers(1, 5)))
        milestones = sorted(int(x) for x in rng.choice(np.arange(1, 25), len(names) - 1, replace=False))
        m, opt = in_torch()
        theirs = run(sequence(m, opt, names, milestones), 35)
        close(run(sequence(lr_scheduler, two_groups(), names, milestones), 35), theirs)


@pytest.mark.parametrize("second", CHAINABLE)
@pytest.mark.parametrize("first", CHAINABLE)
def test_both_at_once_is_pytorchs(first, second):
    m, opt = in_torch()
    close(run(chain(lr_scheduler, two_groups(), [first, second]), 30), run(chain(m, opt, [first, second]), 30))


def test_a_chain_with_a_sequence_in_it_is_pytorchs():
    def make(m, opt):
        return m.ChainedScheduler([sequence(m, opt, ["linear", "cosine"], [5]), PARTS["step"](m, opt)], opt)

    close(run(make(lr_scheduler, two_groups()), 30), run(make(*in_torch()), 30))


def test_warm_up_then_cosine_by_hand():
    opt = two_groups()
    warmup = LinearLR(opt, start_factor=0.25, total_iters=3)
    rates = first_rates(SequentialLR(opt, [warmup, CosineAnnealingLR(opt, T_max=4)], [3]), 8)
    expected = [0.25, 0.5, 0.75, 1.0, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0.0]
    np.testing.assert_allclose(rates, 0.4 * np.array(expected), atol=1e-15)


def test_factors_of_a_chain_multiply():
    opt = two_groups()
    rates = first_rates(ChainedScheduler([ConstantLR(opt, 0.5, 3), ExponentialLR(opt, 0.9)]), 8)
    np.testing.assert_allclose(rates, [0.4 * 0.9**t * (0.5 if t < 3 else 1) for t in range(8)])


def test_sequences_in_sequences():
    """PyTorch refuses them, or begins them one epoch late; here each counts from where it takes over."""
    parts = ["constant", "linear", "exponential"]
    flat = run(sequence(lr_scheduler, two_groups(), parts, [6, 13]), 30)
    opt = two_groups()
    inner = sequence(lr_scheduler, opt, parts[1:], [7])
    close(run(SequentialLR(opt, [ConstantLR(opt, 0.5, 4), inner], [6]), 30), flat)
    opt = two_groups()
    inner = sequence(lr_scheduler, opt, parts[:2], [6])
    close(run(SequentialLR(opt, [inner, ExponentialLR(opt, 0.9)], [13]), 30), flat)


def test_chains_in_sequences():
    alone = first_rates(chain(lr_scheduler, two_groups(), ["constant", "exponential"]), 10)
    opt = two_groups()
    made = SequentialLR(opt, [StepLR(opt, 2), chain(lr_scheduler, opt, ["constant", "exponential"])], [5])
    close(first_rates(made, 15), [0.4, 0.4, 0.04, 0.04, 0.004, *alone])
    opt = two_groups()
    made = SequentialLR(opt, [chain(lr_scheduler, opt, ["constant", "exponential"]), StepLR(opt, 2)], [10])
    close(first_rates(made, 14), [*alone, 0.4, 0.4, 0.04, 0.04])


# ----------------------------------------------------------------------------------------------------------------
# Looking and saving


def deep(opt):
    """A warm-up before a chain of two, and a sequence at the end."""
    parts = ["linear", "onecycle"]
    return SequentialLR(
        opt,
        [
            ConstantLR(opt, 0.1, 50),
            chain(lr_scheduler, opt, ["cosine", "exponential"]),
            sequence(lr_scheduler, opt, parts, [4]),
        ],
        [3, 9],
    )


MADE = {
    "sequence": lambda opt: sequence(lr_scheduler, opt, ["linear", "restarts", "cyclic"], [4, 9]),
    "chain": lambda opt: chain(lr_scheduler, opt, ["step", "cosine", "multiplicative"]),
    "deep": deep,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("epochs", [0, 3, 5, 12])
def test_preview_is_what_comes_and_changes_nothing(make, epochs):
    scheduler = make(two_groups())
    run(scheduler, epochs)
    state = copy.deepcopy(scheduler.state_dict())
    groups = copy.deepcopy([{**group, "params": None} for group in scheduler.optimizer.param_groups])
    previews = [scheduler.preview(20, group) for group in range(2)]
    assert scheduler.state_dict() == state
    assert [{**group, "params": None} for group in scheduler.optimizer.param_groups] == groups
    assert list(zip(*previews)) == [tuple(rates[:2]) for rates in run(scheduler, 20)]


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
@pytest.mark.parametrize("epochs", [0, 3, 5, 12])
def test_resume(make, epochs):
    straight = run(make(two_groups()), 30)
    first = make(two_groups())
    run(first, epochs)
    saved = copy.deepcopy((first.state_dict(), first.optimizer.state_dict()))
    second = make(two_groups())
    run(second, 7)
    second.load_state_dict(saved[0])
    second.optimizer.load_state_dict(saved[1])
    assert run(second, 30 - epochs) == straight[epochs:]


def test_what_pytorch_saved_can_be_loaded():
    m, opt = in_torch()
    reference = sequence(m, opt, ["linear", "restarts", "cosine"], [4, 9])
    run(reference, 7)
    scheduler = sequence(lr_scheduler, two_groups(), ["linear", "restarts", "cosine"], [4, 9])
    scheduler.load_state_dict(copy.deepcopy(reference.state_dict()))
    for group, other in zip(scheduler.optimizer.param_groups, opt.param_groups):
        group["lr"] = other["lr"]
    close(run(scheduler, 20), run(reference, 20))
    assert set(scheduler.state_dict()) == set(reference.state_dict())


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


def test_the_order_of_steps_is_noticed_once():
    for make in MADE.values():
        scheduler = make(two_groups())
        with pytest.warns(UserWarning, match=r"(Sequential|Chained).*step\(\) was called before optimizer") as seen:
            scheduler.step()
        assert len(seen) == 1
        assert seen[0].filename == __file__
        scheduler.step()


def test_misuse():
    opt = two_groups()
    with pytest.raises(ValueError, match="SequentialLR: expected 1 milestones between 2 schedulers, got "):
        SequentialLR(opt, [ConstantLR(opt), StepLR(opt, 3)], [3, 6])
    with pytest.raises(ValueError, match=r"expected milestones that rise, got \[6, 3\]"):
        SequentialLR(opt, [ConstantLR(opt), StepLR(opt, 3), StepLR(opt, 4)], [6, 3])
    with pytest.raises(ValueError, match="a list of schedulers, at least one"):
        SequentialLR(opt, [], [])
    with pytest.raises(ValueError, match="a list of schedulers, at least one, got <"):
        ChainedScheduler(ConstantLR(opt))
    with pytest.raises(TypeError, match=r"schedulers\[1\] is no scheduler but SGD"):
        ChainedScheduler([ConstantLR(opt), opt])
    with pytest.raises(ValueError, match=r"schedulers\[1\] is a ReduceLROnPlateau, which needs a metric"):
        SequentialLR(opt, [ConstantLR(opt), ReduceLROnPlateau(opt)], [3])
    with pytest.raises(ValueError, match=r"schedulers\[1\], a StepLR, acts on another optimizer than schedulers\[0\]"):
        ChainedScheduler([ConstantLR(opt), StepLR(two_groups(), 3)])
    with pytest.raises(ValueError, match=r"schedulers\[0\], a ConstantLR, acts on another optimizer than the one"):
        SequentialLR(two_groups(), [ConstantLR(opt), StepLR(opt, 3)], [3])
    with pytest.raises(ValueError, match="last_epoch=-1; to go on with an earlier sequence, call load_state_dict"):
        SequentialLR(opt, [ConstantLR(opt), StepLR(opt, 3)], [3], last_epoch=4)
    saved = ChainedScheduler([ConstantLR(opt)]).state_dict()
    with pytest.raises(ValueError, match="expected the states of 2 schedulers, got 1"):
        ChainedScheduler([ConstantLR(opt), StepLR(opt, 3)]).load_state_dict(saved)
    with pytest.raises(TypeError, match="positional argument"):
        ChainedScheduler([ConstantLR(opt)]).step(3)


def test_the_end_of_one_cycle_within_a_sequence():
    opt = two_groups()
    scheduler = SequentialLR(opt, [LambdaLR(opt, lambda epoch: 1.0), OneCycleLR(opt, 1.0, 4)], [2])
    run(scheduler, 6)
    with pytest.raises(ValueError, match="step 5 of a cycle of total_steps=4"):
        scheduler.step()


def test_own_schedules_can_be_composed():
    class Countdown(LRScheduler):
        def get_lr(self):
            return [lr - self.last_epoch / 100 for lr in self.base_lrs]

    opt = two_groups()
    scheduler = SequentialLR(opt, [ConstantLR(opt, 0.5, 9), Countdown(opt)], [2])
    close(first_rates(scheduler, 5), [0.2, 0.2, 0.4, 0.39, 0.38])

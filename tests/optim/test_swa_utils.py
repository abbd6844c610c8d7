"""Averages of weights, the schedule for them, and batch norm after them, beside PyTorch."""

import copy
import inspect
import pickle
import types

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.optim import swa_utils
from minigrad.optim.swa_utils import (
    SWALR,
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


def network(library):
    return library.nn.Sequential(library.nn.Linear(3, 4), library.nn.BatchNorm1d(4), library.nn.Linear(4, 2)).double()


def numbers(model):
    return {name: np.array(value.detach().numpy()) for name, value in model.state_dict().items()}


def same(ours, theirs, rtol=1e-13):
    ours, theirs = numbers(ours), numbers(theirs)
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], rtol=rtol, atol=1e-15, err_msg=name)


def both(torch, make, updates=5, **options):
    """Average two networks that start alike and change alike; return the averages."""
    rng = np.random.default_rng(0)
    libraries = (minigrad, torch)
    models = [network(library) for library in libraries]
    values = {name: rng.standard_normal(value.shape) for name, value in numbers(models[0]).items()}
    averages = []
    for library, model in zip(libraries, models):
        utils = library.optim.swa_utils
        averages.append(utils.AveragedModel(model, **make(utils), **options))
    for _ in range(updates):
        values = {name: value + rng.standard_normal(value.shape) for name, value in values.items()}
        x = rng.standard_normal((8, 3))
        for library, model, average in zip(libraries, models, averages):
            state = {name: library.tensor(value) for name, value in values.items() if "num_batches" not in name}
            model.load_state_dict({**model.state_dict(), **state})
            model(library.tensor(x))
            average.update_parameters(model)
    return averages


MEAN = {
    "default": lambda utils: {},
    "swa": lambda utils: {"avg_fn": utils.get_swa_avg_fn()},
    "swa, lists": lambda utils: {"multi_avg_fn": utils.get_swa_multi_avg_fn()},
    "ema": lambda utils: {"avg_fn": utils.get_ema_avg_fn(0.7)},
    "ema, lists": lambda utils: {"multi_avg_fn": utils.get_ema_multi_avg_fn(0.7)},
    "own": lambda utils: {"avg_fn": lambda averaged, current, n: averaged + (current - averaged) / (n + 3) ** 2},
}


# PyTorch does not average integer buffers by its swa function for lists.
CASES = [(kind, buffers) for kind in MEAN for buffers in (False, True) if (kind, buffers) != ("swa, lists", True)]


@pytest.mark.parametrize(("kind", "use_buffers"), CASES)
def test_averages_are_pytorchs(torch, kind, use_buffers):
    ours, theirs = both(torch, MEAN[kind], use_buffers=use_buffers)
    same(ours, theirs, rtol=1e-7 if kind == "swa, lists" else 1e-13)  # PyTorch divides in float32 there
    assert ours.n_averaged.item() == 5
    assert ours.n_averaged.dtype == minigrad.int64


def test_the_equal_average_is_the_mean():
    rng = np.random.default_rng(0)
    model = nn.Linear(3, 2)
    average = AveragedModel(model)
    seen = []
    for _ in range(6):
        model.weight.data = minigrad.tensor(rng.standard_normal((2, 3), np.float32))
        average.update_parameters(model)
        seen.append(model.weight.numpy(force=True).copy())
    np.testing.assert_allclose(average.module.weight.numpy(force=True), np.mean(seen, 0), rtol=1e-5, atol=1e-6)
    assert average.module.weight.dtype == minigrad.float32


def test_the_moving_average_weighs_by_age():
    model = nn.Linear(1, 1, bias=False)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    for weight in (8.0, 4.0, 2.0):
        nn.init.constant_(model.weight, weight)
        average.update_parameters(model)
    assert average.module.weight.item() == 8 / 4 + 4 / 4 + 2 / 2


def test_the_average_is_apart_from_the_model():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    average = AveragedModel(model)
    average.update_parameters(model)
    x, before = minigrad.ones(1, 2), average.eval()(minigrad.ones(1, 2)).tolist()
    model[0].weight.data.fill_(7.0)
    assert average(x).tolist() == before
    assert model.training
    assert all(p.requires_grad for p in average.parameters())
    assert not any(p is q for p in average.parameters() for q in model.parameters())


def test_repr_and_signatures_are_pytorchs(torch):
    assert repr(AveragedModel(minigrad.nn.Linear(2, 3))) == repr(
        torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2, 3))
    )
    assert set(swa_utils.__all__) == set(torch.optim.swa_utils.__all__)
    for name in swa_utils.__all__:
        here = inspect.signature(getattr(swa_utils, name)).parameters
        there = inspect.signature(getattr(torch.optim.swa_utils, name)).parameters
        assert [(p.name, p.default) for p in here.values()] == [(p.name, p.default) for p in there.values()]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_going_on_after_loading_or_copying(copied):
    """Whether the next update is the first is known by the counter, wherever that came from."""
    model = nn.Linear(1, 1, bias=False)
    average = AveragedModel(model)
    for weight in (2.0, 4.0):
        nn.init.constant_(model.weight, weight)
        average.update_parameters(model)
    loaded = AveragedModel(nn.Linear(1, 1, bias=False))
    loaded.load_state_dict(average.state_dict())
    again = copied(average)
    nn.init.constant_(model.weight, 9.0)
    for one in (average, loaded, again):
        one.update_parameters(model)
        assert (one.module.weight.item(), one.n_averaged.item()) == (5.0, 3)
    loaded.load_state_dict(AveragedModel(model).state_dict())
    nn.init.constant_(model.weight, 1.0)
    loaded.update_parameters(model)
    assert (loaded.module.weight.item(), loaded.n_averaged.item()) == (1.0, 1)


def test_what_pytorch_saved_can_be_loaded(torch):
    theirs = torch.optim.swa_utils.AveragedModel(network(torch))
    theirs.update_parameters(network(torch))
    ours = AveragedModel(network(minigrad))
    ours.load_state_dict({name: minigrad.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    same(ours, theirs)


@pytest.mark.parametrize("make", MEAN.values(), ids=MEAN)
def test_updates_on_a_gpu_read_nothing_back(make):
    import strict_cupy

    with strict_cupy.installed() as cp:
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).to("cuda")
        average = AveragedModel(model, device="cuda", **make(swa_utils))
        average.update_parameters(model)
        before = cp.syncs
        for _ in range(3):
            average.update_parameters(model)
        assert cp.syncs == before
        assert average.n_averaged.item() == 4


def test_the_average_may_live_elsewhere():
    import strict_cupy

    with strict_cupy.installed():
        model = nn.Linear(2, 2).to("cuda")
        average = AveragedModel(model, device="cpu")
        for _ in range(2):
            average.update_parameters(model)
        assert str(average.module.weight.device) == "cpu"
        assert average.module.weight.tolist() == model.weight.tolist()


def test_misuse():
    model = nn.Linear(2, 3)
    with pytest.raises(TypeError, match="AveragedModel: expected a Module, got list"):
        AveragedModel([model])
    with pytest.raises(ValueError, match="give avg_fn or multi_avg_fn, not both"):
        AveragedModel(model, avg_fn=get_swa_avg_fn(), multi_avg_fn=get_swa_multi_avg_fn())
    with pytest.raises(ValueError, match=r"get_ema_avg_fn: expected decay from 0 to 1, got 1\.5"):
        get_ema_avg_fn(1.5)
    with pytest.raises(ValueError, match="get_ema_multi_avg_fn: expected decay from 0 to 1, got -1"):
        get_ema_multi_avg_fn(-1)
    with pytest.raises(ValueError, match="the model that was averaged so far, got one whose parameters have other sh"):
        AveragedModel(model).update_parameters(nn.Linear(3, 2))


# ----------------------------------------------------------------------------------------------------------------
# Batch norm


def test_batch_norm_is_pytorchs(torch):
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((n, 3)) * 2 + 1 for n in (8, 8, 5)]
    ours, theirs = network(minigrad), network(torch)
    ours.load_state_dict({name: minigrad.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    for library, model in ((minigrad, ours), (torch, theirs)):
        model.eval()
        model[0].train()
        model[1].momentum = 0.3
        library.optim.swa_utils.update_bn([(library.tensor(x), None) for x in batches], model)
        library.optim.swa_utils.update_bn([library.tensor(x) for x in batches], model)
    same(ours, theirs)
    assert ours[1].num_batches_tracked.item() == 3
    assert ours[1].momentum == 0.3
    assert [module.training for module in ours] == [True, False, False]  # PyTorch only keeps the outermost mode


def test_statistics_of_an_averaged_model():
    average = AveragedModel(nn.Sequential(nn.BatchNorm1d(1)))
    update_bn([minigrad.tensor([[1.0], [3.0]])], average)
    assert average.module[0].running_mean.tolist() == [2.0]
    assert average.module[0].weight.grad is None


def test_models_without_batch_norm_are_left_alone():
    loader = iter([1, 2, 3])
    update_bn(loader, nn.Linear(2, 2))
    assert next(loader) == 1


def test_a_failing_batch_or_none_at_all():
    norm = nn.BatchNorm1d(1, momentum=0.3).eval()
    norm.running_mean.fill_(5.0)
    with pytest.raises(ValueError, match="update_bn: the loader gave no batch"):
        update_bn([], norm)
    assert norm.running_mean.tolist() == [5.0]
    with pytest.raises(TypeError, match="expected a Tensor"):
        update_bn([{"x": minigrad.ones(2, 1)}], norm)
    assert (norm.momentum, norm.training) == (0.3, False)


# ----------------------------------------------------------------------------------------------------------------
# The schedule

LRS = (0.4, 0.03)
OPTIONS = [
    {"swa_lr": 0.05},
    {"swa_lr": [0.05, 0.5], "anneal_epochs": 7, "anneal_strategy": "linear"},
    {"swa_lr": 0.05, "anneal_epochs": 0},
    {"swa_lr": 0.4, "anneal_epochs": 1},
]


def optimizer(library):
    groups = [{"params": [library.zeros(1, requires_grad=True)], "lr": lr} for lr in LRS]
    return library.optim.SGD(groups, lr=0.1)


def run(scheduler, epochs):
    rates = []
    for _ in range(epochs):
        scheduler.optimizer.step()
        rates.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.step()
    return rates


def alone(library, options):
    return run(library.optim.swa_utils.SWALR(optimizer(library), **options), 15)


def after_another(library, options):
    opt = optimizer(library)
    first, second = library.optim.lr_scheduler.ExponentialLR(opt, 0.9), library.optim.swa_utils.SWALR(opt, **options)
    return run(first, 6) + run(second, 15)


def in_sequence(library, options):
    opt, m = optimizer(library), library.optim.lr_scheduler
    parts = [m.ExponentialLR(opt, 0.9), library.optim.swa_utils.SWALR(opt, **options)]
    return run(m.SequentialLR(opt, parts, [6]), 25)


def by_hand(library, options):
    scheduler = library.optim.swa_utils.SWALR(optimizer(library), **options)
    rates = run(scheduler, 4)
    scheduler.optimizer.param_groups[0]["lr"] = 1.0
    return rates + run(scheduler, 10)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("case", [alone, after_another, in_sequence, by_hand])
def test_rates_are_pytorchs(torch, case, options):
    np.testing.assert_allclose(case(minigrad, options), case(torch, options), rtol=1e-9, atol=1e-12)


def test_rates_by_hand():
    scheduler = SWALR(optimizer(minigrad), 0.2, anneal_epochs=2, anneal_strategy="linear")
    np.testing.assert_allclose([rate for rate, _ in run(scheduler, 4)], [0.4, 0.3, 0.2, 0.2])


@pytest.mark.parametrize("options", OPTIONS)
def test_resume_and_preview(options):
    scheduler = SWALR(optimizer(minigrad), **options)
    run(scheduler, 4)
    saved = copy.deepcopy((scheduler.state_dict(), scheduler.optimizer.state_dict()))
    preview = list(zip(scheduler.preview(10), scheduler.preview(10, 1)))
    rest = run(scheduler, 10)
    assert preview == [tuple(rates) for rates in rest]
    second = SWALR(optimizer(minigrad), **options)
    second.load_state_dict(saved[0])
    second.optimizer.load_state_dict(saved[1])
    assert run(second, 10) == rest
    again = optimizer(minigrad)
    again.load_state_dict(saved[1])
    third = SWALR(again, **options, last_epoch=3)
    np.testing.assert_allclose(run(third, 10), rest)


def test_misuse_of_the_schedule():
    opt = optimizer(minigrad)
    with pytest.raises(ValueError, match="SWALR: expected swa_lr to be one or a list of 2, got 3"):
        SWALR(opt, [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="'cos' or 'linear', got 'cosine'"):
        SWALR(opt, 0.1, anneal_strategy="cosine")
    with pytest.raises(ValueError, match=r"anneal_epochs to be an integer >= 0, got 2\.5"):
        SWALR(opt, 0.1, anneal_epochs=2.5)
    scheduler = SWALR(opt, 0.1)
    opt.step()
    with pytest.warns(UserWarning, match="jumps to epoch 3"), pytest.raises(ValueError, match="cannot jump"):
        scheduler.step(3)

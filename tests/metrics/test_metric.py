import copy
import pickle

import pytest

import minigrad
from minigrad.metrics import Metric


class MeanError(Metric):
    """The example of torchmetrics' documentation: a sum and a count."""

    def __init__(self):
        super().__init__()
        self.add_state("total", default=minigrad.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", default=minigrad.tensor(0), dist_reduce_fx="sum")
        self.computed = 0

    def update(self, preds, target):
        self.total = self.total + (preds - target).abs().sum()
        self.count = self.count + target.numel()

    def compute(self):
        self.computed += 1
        return self.total / self.count


class Everything(Metric):
    def __init__(self):
        super().__init__()
        self.add_state("seen", default=[], dist_reduce_fx="cat")
        self.add_state("rows", default=minigrad.zeros(0), dist_reduce_fx="cat")
        self.add_state("low", default=minigrad.tensor(float("inf")), dist_reduce_fx="min")
        self.add_state("high", default=minigrad.tensor(float("-inf")), dist_reduce_fx="max")

    def update(self, x):
        self.seen = [*self.seen, x]
        self.rows = minigrad.cat([self.rows, x])
        self.low = minigrad.minimum(self.low, x.min())
        self.high = minigrad.maximum(self.high, x.max())

    def compute(self):
        return minigrad.cat(self.seen).tolist(), self.rows.tolist(), self.low.item(), self.high.item()


def test_the_whole_is_not_the_mean_of_the_batches():
    metric = MeanError()
    assert metric(minigrad.tensor([1.0, 1.0, 1.0]), minigrad.zeros(3)).item() == 1.0
    assert metric(minigrad.tensor([5.0]), minigrad.zeros(1)).item() == 5.0
    assert metric.compute().item() == 2.0
    assert metric.update_count == 2


def test_reset_forgets():
    metric = MeanError()
    metric.update(minigrad.tensor([3.0]), minigrad.zeros(1))
    metric.reset()
    assert not metric.update_called
    metric.update(minigrad.tensor([1.0]), minigrad.zeros(1))
    assert metric.compute().item() == 1.0


@pytest.mark.parametrize("after_reset", [False, True])
def test_computing_from_nothing_warns(after_reset):
    metric = Everything()
    if after_reset:
        metric(minigrad.ones(1))
        metric.reset()
    metric.seen = [minigrad.zeros(0)]
    with pytest.warns(UserWarning, match=r"Everything\.compute: there is nothing to compute from") as seen:
        assert metric.compute() == ([], [], float("inf"), float("-inf"))
    assert seen[0].filename == __file__


def test_the_value_is_kept_until_the_next_update():
    metric = MeanError()
    metric.update(minigrad.ones(1), minigrad.zeros(1))
    assert metric.compute() is metric.compute()
    assert metric.computed == 1
    metric.update(minigrad.ones(1), minigrad.zeros(1))
    metric.compute()
    assert metric.computed == 2


@pytest.mark.parametrize("call", [Everything.update, Everything.forward])
def test_states_of_all_kinds_add_up(call):
    metric = Everything()
    for batch in ([3.0, 1.0], [2.0], [5.0, 4.0]):
        call(metric, minigrad.tensor(batch))
    everything = [3.0, 1.0, 2.0, 5.0, 4.0]
    assert metric.compute() == (everything, everything, 1.0, 5.0)
    metric.reset()
    assert metric(minigrad.tensor([7.0])) == ([7.0], [7.0], 7.0, 7.0)


def test_a_failing_batch_leaves_the_state_alone():
    metric = MeanError()
    metric(minigrad.tensor([2.0]), minigrad.zeros(1))
    with pytest.raises(TypeError):
        metric("no", "tensors")
    assert metric.compute().item() == 2.0
    assert metric.update_count == 1


def test_nothing_is_recorded():
    metric = MeanError()
    metric.update(minigrad.ones(2, requires_grad=True) * 3, minigrad.zeros(2))
    assert not metric.total.requires_grad
    assert not metric.compute().requires_grad
    assert minigrad.is_grad_enabled()


def test_a_subclass_may_call_its_base():
    class Twice(MeanError):
        def update(self, preds, target):
            super().update(2 * preds, 2 * target)

        def compute(self):
            return super().compute() + 1

    metric = Twice()
    assert metric(minigrad.ones(1), minigrad.zeros(1)).item() == 3.0
    assert metric.compute().item() == 3.0
    assert metric.update_count == 1


def test_copies_are_apart():
    metric = MeanError()
    metric.update(minigrad.ones(1), minigrad.zeros(1))
    other = copy.deepcopy(metric)
    other.update(minigrad.tensor([3.0]), minigrad.zeros(1))
    assert (metric.compute().item(), other.compute().item()) == (1.0, 2.0)


def test_add_state_refuses():
    metric = MeanError()
    with pytest.raises(ValueError, match="'sum', 'max', 'min', 'cat' or None, got 'mean'"):
        metric.add_state("x", minigrad.zeros(1), "mean")
    with pytest.raises(ValueError, match=r"a tensor or an empty list for 'x', got 0\.0"):
        metric.add_state("x", 0.0, "sum")


@pytest.mark.parametrize("call", [Metric.update, Metric.compute])
def test_what_a_subclass_forgot_is_named(call):
    class Empty(Metric):
        pass

    with pytest.raises(NotImplementedError, match=r"Empty\.(update|compute) is not defined"):
        call(Empty())


def test_state_goes_where_the_batches_are():
    import strict_cupy

    with strict_cupy.installed():
        metric = MeanError()
        x = minigrad.ones(3).to("cuda")
        metric(x, x * 3)
        assert str(metric.device) == "cuda:0"
        assert metric.compute().item() == 2.0
        with pytest.raises(RuntimeError, match=r"expected a batch on cuda:0, .* metric\.to\('cpu'\)"):
            metric(minigrad.ones(1), minigrad.ones(1))
        metric.to("cpu")
        metric(minigrad.ones(3), minigrad.ones(3))
        assert metric.compute().item() == 1.0
        metric.reset()
        metric(x, x)
        assert metric.compute().item() == 0.0


class Spread(Metric):
    """One whose states do not simply add up, so that a batch is counted twice: by itself and for the whole."""

    def __init__(self):
        super().__init__()
        self.add_state("low", minigrad.tensor(float("inf")))
        self.add_state("high", minigrad.tensor(float("-inf")), "max", persistent=True)

    def update(self, x, fail=False):
        self.low = minigrad.minimum(self.low, x.min())
        if fail and self.update_called:
            raise KeyError("late")
        self.high = minigrad.maximum(self.high, x.max())

    def compute(self):
        return (self.high - self.low).item()


def test_states_without_a_rule_are_counted_twice():
    metric = Spread()
    assert metric(minigrad.tensor([1.0, 4.0])) == 3.0
    assert metric(minigrad.tensor([10.0, 12.0])) == 2.0
    assert (metric.compute(), metric.update_count) == (11.0, 2)
    with pytest.raises(KeyError, match="late"):
        metric(minigrad.tensor([100.0]), fail=True)
    assert (metric.compute(), metric.update_count) == (11.0, 2)


def test_what_is_persistent_is_saved():
    metric = Spread()
    metric.update(minigrad.tensor([1.0, 4.0]))
    saved = metric.state_dict(prefix="spread.")
    assert {name: x.item() for name, x in saved.items()} == {"spread.high": 4.0}
    metric.persistent(True)
    saved = metric.state_dict()
    assert set(saved) == set(metric.metric_state) == {"low", "high"}
    metric.update(minigrad.tensor([9.0]))
    assert saved["high"].item() == 4.0
    other = Spread()
    other.persistent(True)
    other.load_state_dict(saved)
    assert other.compute() == 3.0
    with pytest.raises(RuntimeError, match=r"Spread\.load_state_dict: expected \['high'\], got \['high', 'low'\]"):
        Spread().load_state_dict(saved)
    loose = Spread()
    loose.load_state_dict({}, strict=False)
    assert not loose.update_called


def test_lists_are_saved_too():
    metric = Everything()
    metric.persistent(True)
    metric.update(minigrad.tensor([1.0]))
    other = Everything()
    other.persistent(True)
    other.load_state_dict(metric.state_dict())
    metric.update(minigrad.tensor([2.0]))
    assert other.compute()[0] == [1.0]


@pytest.mark.parametrize("copied", [copy.deepcopy, Metric.clone, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_by_themselves(copied):
    metric = minigrad.metrics.MeanSquaredError()
    metric.update(minigrad.ones(1), minigrad.zeros(1))
    other = copied(metric)
    other.update(minigrad.tensor([3.0]), minigrad.zeros(1))
    assert (metric.compute().item(), other.compute().item()) == (1.0, 5.0)

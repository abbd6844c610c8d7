"""Sums, means and extremes, and what becomes of not-a-number."""

import math
import warnings

import numpy as np
import pytest

import minigrad
from minigrad.metrics import CatMetric, MaxMetric, MeanMetric, MinMetric, SumMetric

ALL = [MeanMetric, SumMetric, MaxMetric, MinMetric, CatMetric]
VALUES = [3.0, [1.0, 2.0], [[4.0, 0.5]]]
EXPECTED = {MeanMetric: 2.1, SumMetric: 10.5, MaxMetric: 4.0, MinMetric: 0.5, CatMetric: [3.0, 1.0, 2.0, 4.0, 0.5]}


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("given", [lambda x: x, minigrad.tensor, lambda x: np.array(x)])
@pytest.mark.parametrize("call", [lambda m, x: m.update(x), lambda m, x: m(x)])
def test_values_of_all_kinds(metric, given, call):
    made = metric()
    for x in VALUES:
        call(made, given(x))
    np.testing.assert_allclose(made.compute().numpy(), EXPECTED[metric], rtol=1e-7)
    assert made.compute().dtype == minigrad.float32
    made.reset()
    made.update(7)
    assert made.compute().tolist() in (7.0, [7.0])


def test_weights():
    metric = MeanMetric()
    metric.update(minigrad.tensor([1.0, 2.0]), minigrad.tensor([3.0, 1.0]))
    metric.update(minigrad.tensor([5.0, 7.0]), weight=2)
    assert metric.compute().item() == (3 + 2 + 10 + 14) / 8
    grid = MeanMetric()
    grid.update(minigrad.tensor([[1.0], [3.0]]), minigrad.tensor([1.0, 2.0]))  # broadcast to (2, 2)
    assert grid.compute().item() == 2.0


def test_many_small_values_are_not_lost():
    metric = SumMetric()
    metric.update(16777216.0)
    for _ in range(10):
        metric.update(1.0)
    assert metric.compute().item() == 16777226.0  # float32 would have stayed at 16777216


NAN = float("nan")
WITHOUT = {MeanMetric: 2.0, SumMetric: 4.0, MaxMetric: 3.0, MinMetric: 1.0, CatMetric: [1.0, 3.0]}
WITH_TEN = {MeanMetric: 14 / 3, SumMetric: 14.0, MaxMetric: 10.0, MinMetric: 1.0, CatMetric: [1.0, 10.0, 3.0]}


@pytest.mark.parametrize("metric", ALL)
def test_not_a_number(metric):
    values = minigrad.tensor([1.0, NAN, 3.0])
    made = metric()
    with pytest.warns(UserWarning, match=f"{metric.__name__}: 1 of the values are nan, and were left out") as seen:
        made.update(values)
    assert seen[0].filename == __file__
    assert made.compute().tolist() == WITHOUT[metric]
    ignoring = metric(nan_strategy="ignore")
    ignoring.update(values)
    assert ignoring.compute().tolist() == WITHOUT[metric]
    replacing = metric(nan_strategy=10.0)
    replacing.update(values)
    np.testing.assert_allclose(replacing.compute().numpy(), WITH_TEN[metric], rtol=1e-6)
    with pytest.raises(RuntimeError, match="1 of the values are nan"):
        metric(nan_strategy="error").update(values)
    taking = metric(nan_strategy="disable")
    taking.update(values)
    assert np.isnan(taking.compute().numpy()).any()
    with pytest.raises(ValueError, match=r"nan_strategy to be a number or one of .*, got 'skip'"):
        metric(nan_strategy="skip")


def test_a_weight_that_is_not_a_number():
    metric = MeanMetric(nan_strategy="ignore")
    metric.update(minigrad.tensor([1.0, 2.0]), minigrad.tensor([NAN, 1.0]))
    assert metric.compute().item() == 2.0


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("strategy", ["warn", "error"])
def test_on_a_gpu_compute_tells_of_not_a_number(metric, strategy):
    import strict_cupy

    with strict_cupy.installed() as cp:
        made = metric(nan_strategy=strategy)
        made.update(minigrad.ones(1).to("cuda"))
        before = cp.syncs
        made.update(minigrad.tensor([NAN, 3.0]).to("cuda"))
        assert cp.syncs == before
        if strategy == "error":
            with pytest.raises(RuntimeError, match="1 of the values are nan"):
                made.compute()
        else:
            with pytest.warns(UserWarning, match="1 of the values are nan"):
                assert made.compute().tolist() in (2.0, 4.0, 3.0, 1.0, [1.0, 3.0])


def test_of_nothing():
    for metric, value in ((MeanMetric, NAN), (SumMetric, 0.0), (MaxMetric, -math.inf), (MinMetric, math.inf)):
        made = metric()
        made.update(minigrad.zeros(0))
        np.testing.assert_equal(made.compute().item(), value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert CatMetric().compute().tolist() == []

"""Metrics over what all ranks have seen are those of one process that has seen everything."""

import numpy as np
import pytest

import minigrad
from minigrad import distributed, metrics


def test_values_are_those_of_one_process(ranks):
    (one,) = ranks(None, "scores")
    assert set(one["values"]) == {"Accuracy", "ConfusionMatrix", "AUROC", "MeanMetric", "MaxMetric"}
    for result in ranks(3, "scores"):
        assert result["untouched"] is True
        for name, expected in one["values"].items():
            np.testing.assert_allclose(result["values"][name].numpy(), expected.numpy(), rtol=1e-6, err_msg=name)
        assert np.array_equal(result["values"]["ConfusionMatrix"].numpy(), one["values"]["ConfusionMatrix"].numpy())


def test_alone_it_is_a_copy(alone):
    total = metrics.SumMetric()
    total.update(2.0)
    synced = distributed.sync(total)
    synced.update(3.0)
    assert (total.compute().item(), synced.compute().item()) == (2.0, 5.0)


class TestMergeState:
    def test_afterwards_it_has_seen_both(self):
        first, second = metrics.MeanMetric(), metrics.MeanMetric()
        first.update(1.0, weight=3)
        second.update(5.0)
        second.update(7.0)
        first.merge_state(second)
        assert first.compute().item() == 3.0
        assert first.update_count == 3
        assert second.compute().item() == 6.0
        fresh = metrics.MeanMetric()
        fresh.merge_state(second.metric_state)
        assert fresh.compute().item() == 6.0

    def test_refusals(self):
        with pytest.raises(ValueError, match=r"expected a MeanMetric or its .* got SumMetric"):
            metrics.MeanMetric().merge_state(metrics.SumMetric())
        with pytest.raises(ValueError, match=r"got the states \['mean_value'\]"):
            metrics.MeanMetric().merge_state({"mean_value": minigrad.zeros(())})

        class Last(metrics.Metric):
            def __init__(self):
                super().__init__()
                self.add_state("last", default=minigrad.zeros(()))

        with pytest.raises(RuntimeError, match="nobody said how to merge 'last'"):
            Last().merge_state(Last())

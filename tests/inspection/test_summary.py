"""The table of a model's layers: counts by hand, and the model left as it was."""

from __future__ import annotations

from typing import Any

import pytest

import minigrad
from minigrad import nn


def network() -> Any:
    return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2, bias=False))


def test_counts() -> None:
    told = minigrad.summary(network(), minigrad.zeros(8, 6))
    assert told.total_parameters == 6 * 4 + 4 + 4 + 4 + 4 * 2 == told.trainable_parameters
    assert told.multiply_adds == 8 * (6 * 4 + 4 * 2)
    assert told.buffers == 9  # mean, variance, and the number of batches
    assert [(row.path, row.output) for row in told.rows] == [
        ("", "(8, 2)"), ("0", "(8, 4)"), ("1", "(8, 4)"), ("2", "(8, 4)"), ("3", "(8, 2)"),
    ]  # fmt: skip
    assert "parameters: 44 (176 B), trainable 44; buffers 9" in str(told)
    assert "multiply-adds of one forward: 256" in str(told)


def test_the_model_is_left_as_it_was() -> None:
    net = network()
    net[1].eval()
    before = {name: x.numpy().copy() for name, x in net.state_dict().items()}
    minigrad.summary(net, minigrad.ones(8, 6))
    assert all((before[name] == x.numpy()).all() for name, x in net.state_dict().items())
    assert net.training and net[0].training and not net[1].training
    assert not any(module._hooks for module in net.modules())
    with pytest.raises(RuntimeError, match="expected input"):
        minigrad.summary(net, minigrad.ones(8, 7))
    assert net.training and not any(module._hooks for module in net.modules())


def test_shared_layers_and_frozen_ones() -> None:
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.Tanh(), layer)
    told = minigrad.summary(net, minigrad.zeros(1, 3))
    assert told.total_parameters == 12 and told.multiply_adds == 18
    assert [row.again for row in told.rows] == [False, False, False, True]
    assert "again" in str(told)
    layer.weight.requires_grad = False
    assert minigrad.summary(net, minigrad.zeros(1, 3)).trainable_parameters == 3


def test_depth_and_several_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))

        def forward(self, x: Any) -> Any:
            return {"a": x, "b": (self.inner(x),)}

    told = minigrad.summary(Two(), minigrad.zeros(1, 2), depth=1)
    assert [row.path for row in told.rows] == ["", "inner"]
    assert told.rows[0].output == "(1, 2), (1, 2)"
    assert told.rows[0].multiply_adds == 8


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="summary: expected a Module, got function"):
        minigrad.summary(lambda x: x)

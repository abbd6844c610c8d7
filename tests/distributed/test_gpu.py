"""The way of GPU arrays, with stand-ins for CuPy and NCCL. It has not run on GPUs."""

import numpy as np

import minigrad
from minigrad import nn


def test_training_by_nccl(ranks):
    results = ranks(2, "on_gpus")
    x, twice = np.array([1.0, 2.0]), np.array([2.0, 4.0])
    for result in results:
        assert result["backend"] == "nccl"
        expected = {"SUM": x + twice, "AVG": (x + twice) / 2, "PRODUCT": x * twice, "MIN": x, "MAX": twice}
        for name, value in {**expected, "reduced": x + twice}.items():
            assert result[name].tolist() == value.tolist(), name
        assert [place.tolist() for place in result["gathered"]] == [x.tolist(), twice.tolist()]
        # A step: the buffers, floating and counting, twice two sums of batch norm, and all gradients with a flag each.
        assert result["messages"] == [
            "broadcast of 6", "broadcast of 1", "all_reduce of 4", "all_reduce of 3", "all_reduce of 3",
            "all_reduce of 4", f"all_reduce of {12 + 3 + 6 + 6 + 2 + 6}",
        ]  # fmt: skip
        assert result["read"] == 0  # nothing waits for the device
    assert results[1]["sender"] == 0
    assert "needs src" in results[1]["said"]
    assert results[1]["received"].tolist() == x.tolist()

    minigrad.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)).double()
    model.load_state_dict(results[0]["parameters"])  # the same names
    for name, value in results[0]["parameters"].items():
        assert np.array_equal(results[1]["parameters"][name].numpy(), value.numpy())
    assert results[0]["parameters"]["1.num_batches_tracked"].item() == 3

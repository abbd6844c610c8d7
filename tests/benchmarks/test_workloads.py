"""The yardstick computes the right thing, and the harness divides the right numbers. Nothing here looks at a clock."""

import json

import numpy as np
import pytest
import strict_cupy

import minigrad

from . import by_hand, harness, networks, on_a_gpu, report, workloads

SIZES, BATCH = (4, 6, 5, 3), 7


def mlp(dtype=np.float64, form=by_hand.TunedMLP):
    return form(*workloads.mlp_arrays(SIZES, BATCH, dtype))


@pytest.mark.parametrize("form", [by_hand.MLP, by_hand.TunedMLP])
def test_gradients_by_hand_equal_central_differences(form):
    net = mlp(form=form)
    net.forward_and_backward()
    grad, h = net.grad.copy(), 1e-6
    for i in range(net.data.size):
        value = net.data[i]
        net.data[i] = value + h
        above = net.forward_and_backward()
        net.data[i] = value - h
        below = net.forward_and_backward()
        net.data[i] = value
        assert grad[i] == pytest.approx((above - below) / (2 * h), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("form", [by_hand.MLP, by_hand.TunedMLP])
def test_gradients_by_hand_equal_torch(form):
    torch = pytest.importorskip("torch")
    parameters, inputs, labels = workloads.mlp_arrays(SIZES, BATCH, np.float64)
    net = form(parameters, inputs, labels)
    leaves = [torch.tensor(value, requires_grad=True) for value in parameters]
    x = torch.tensor(inputs)
    for i in range(0, len(leaves), 2):
        x = torch.nn.functional.linear(x if i == 0 else x.relu(), leaves[i], leaves[i + 1])
    loss = torch.nn.functional.cross_entropy(x, torch.tensor(labels))
    loss.backward()
    assert net.forward_and_backward() == pytest.approx(loss.item(), rel=1e-14)
    np.testing.assert_allclose(
        net.grad, np.concatenate([leaf.grad.numpy().ravel() for leaf in leaves]), rtol=1e-12, atol=1e-16
    )


@pytest.mark.parametrize("form", [by_hand.MLP, by_hand.TunedMLP])
def test_large_logits_do_not_overflow(form):
    net = mlp(form=form)
    net.biases[-1][:] = 1000, 0, -1000
    with np.errstate(over="raise", invalid="raise"):
        assert np.isfinite(net.forward_and_backward())


@pytest.mark.parametrize("form", [by_hand.Adam, by_hand.TunedAdam])
def test_adam_equals_the_published_form_across_blocks(monkeypatch, form):
    monkeypatch.setattr(form, "BLOCK", 8)
    rng = np.random.default_rng(1)
    p, g = rng.standard_normal(21), np.empty(21)
    expected, m, v = p.copy(), np.zeros(21), np.zeros(21)
    adam = form(p, g)
    assert len(adam.blocks) == 3
    for t in range(1, 6):
        g[:] = rng.standard_normal(21)
        adam.step()
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        expected -= 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(p, expected, rtol=1e-13)


def test_float32_stays_float32():
    net = mlp(np.float32)
    first = net.step()
    assert net.step() < first
    buffers = [
        net.data,
        net.grad,
        *net.outputs,
        *net.output_grads,
        *(array for block in net.adam.blocks for array in block),
    ]
    assert {buffer.dtype for buffer in buffers} == {np.dtype(np.float32)}


def test_ratios():
    row = harness.Row({"by hand": [2.0, 1.0, 4.0], "other": [3.0, 5.0, 4.0]})
    assert row.ratio("by hand") == 1
    assert row.ratio("other") == 3  # 3 / 1, minima of different rounds
    assert row.median_ratio("other") == 1.5  # of 3 / 2, 5 / 1, 4 / 4
    assert row.over("other") == 2
    assert row.ratio("by hand", "other") == 1 / 3
    assert "3.00 (1.50)" in report.table({"tiny": row})


def test_aims_are_held_against_what_was_measured():
    row = harness.Row({"torch": [2.0], "minigrad": [3.0]}, {"torch": (1.5, 1.4)}, "work", megabytes={})
    row.megabytes = {"torch": 10.0, "minigrad": 12.0}
    assert list(report.verdicts({"row": row})) == [
        ("row", "of PyTorch's time", 1.5, (1.5, 1.4)),
        ("row", "of PyTorch's memory", 1.2, (1.1, 0.9)),
    ]
    assert "| work | 1.5 of PyTorch's time | 1.5 | 1.4 | the first |" in report.page({"row": row}, 1)
    assert "| work | 1.2 of PyTorch's memory | 1.1 | 0.9 | no |" in report.page({"row": row}, 1)


def test_comparison_shows_the_change_of_the_ratio():
    then = harness.Row({"by hand": [1.0], "other": [2.0]})
    now = harness.Row({"by hand": [2.0], "other": [5.0]})
    line = report.comparison({"tiny": then}, {"tiny": now}).splitlines()[-1]
    assert line.split()[:5] == ["tiny", "other", "2.00", "2.50", "+25.0%"]


def test_saved_run_is_read_back(tmp_path):
    rows = {
        "tiny": harness.Row(
            {"by hand": [1.0, 2.0]}, {"torch": (1.5, 1.0)}, "about", {"other": "not installed"}, {"by hand": 3.0}, 0.5
        )
    }
    report.save(tmp_path / "run.json", rows, {"rounds": 2})
    saved, found = report.load(tmp_path / "run.json")
    assert found == rows
    assert json.loads((tmp_path / "run.json").read_text())["versions"]["numpy"] == np.__version__
    assert saved["settings"] == {"rounds": 2}


def workload(**others):
    return workloads.Workload("row", "", {}, lambda: (), {"by hand": lambda: lambda: 0.5, **others})


def test_contestants_that_disagree_stop_the_run():
    with pytest.raises(harness.Disagreement, match="row: other disagrees with by hand"):
        harness.measure(workload(other=lambda: lambda: 0.5001), rounds=1, seconds=0)
    with pytest.raises(harness.Disagreement):
        harness.agreeing_contestants(workload(other=lambda: lambda: float("nan")))


def test_contestants_that_are_not_installed_are_skipped():
    def missing():
        raise ImportError("No module named 'other'")

    assert harness.agreeing_contestants(workload(other=missing)) == (["by hand"], {"other": "No module named 'other'"})


def test_each_round_times_each_contestant_once(monkeypatch):
    monkeypatch.setattr(harness, "WARM_UP", 0)
    row = harness.measure(workload(other=lambda: lambda: 0.50001), rounds=3, seconds=0)
    assert {contestant: len(seconds) for contestant, seconds in row.seconds.items()} == {"by hand": 3, "other": 3}
    assert [harness.rotated(["a", "b", "c"], round_) for round_ in (1, 2)] == [["b", "c", "a"], ["c", "a", "b"]]


def test_work_is_waited_for_before_the_clock_is_read(monkeypatch):
    monkeypatch.setattr(harness, "WARM_UP", 0)
    done = []
    harness.turn(lambda: done.append("step"), 0, lambda: done.append("wait"))
    assert done == ["step", "wait"] * 2 + ["step", "step", "wait"]


def test_without_a_gpu_it_says_what_is_missing():
    if minigrad.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert on_a_gpu.lacking().startswith("device 'cuda': CuPy is")


@pytest.mark.parametrize(
    "small",
    [
        on_a_gpu.mlp_step("mlp", SIZES, BATCH),
        workloads.network("cnn", "", (1.0, 1.0), networks.cnn, lambda: networks.images(2, 3, 32)),
        workloads.network("transformer", "", (1.0, 1.0), networks.transformer, lambda: networks.words(2, 5)),
    ],
    ids=lambda workload: workload.name,
)
def test_steps_run_where_they_are_told_and_read_nothing(small, monkeypatch):
    here = small.start("minigrad")
    expected = [here().item() for _ in range(3)]
    with strict_cupy.installed() as cp:
        monkeypatch.setattr(networks, "DEVICE", "cuda")
        step = small.start("minigrad")
        before = cp.syncs
        losses = [step() for _ in range(3)]
        assert cp.syncs == before
        assert [loss.device.type for loss in losses] == ["cuda"] * 3
        assert [loss.item() for loss in losses] == pytest.approx(expected, rel=harness.TOLERANCE)


def test_the_page_says_that_no_gpu_was_measured():
    row = harness.Row({"torch": [1.0], "minigrad": [1.0]}, {}, "about")
    assert "## On a GPU: not measured" in report.page({"row": row}, 1)

"""N ranks with shares of a batch do what one process does with the whole batch."""

import inspect

import numpy as np
import pytest

import minigrad
from minigrad import distributed, nn


def apart(state, reference):
    """Return the largest relative difference between two state dicts, of vectors as wholes."""
    assert list(state) == list(reference)
    return max(
        np.abs(state[name].numpy() - x.numpy()).max() / max(np.abs(x.numpy()).max(), 1e-300)
        for name, x in reference.items()
    )


class TestEqualToOneProcess:
    """20 steps in float64 on batches of 24, 24, 24, 24 and 11 digits."""

    @pytest.fixture
    def one(self, ranks):
        return ranks(None, "train")[0]

    @pytest.mark.parametrize("n", [2, 4])
    def test_parameters_losses_and_running_statistics(self, n, one, ranks):
        results = ranks(n, "train")
        for way in ("one_by_one", "flat", "ddp", "adam", "sync_batch_norm"):
            of_one = one[way]
            for result in results:
                assert apart(result[way]["parameters"], of_one["parameters"]) < 1e-12, way
                np.testing.assert_allclose(result[way]["losses"], of_one["losses"], rtol=1e-12)
                # and the ranks do not drift apart, not by one bit
                for name, x in results[0][way]["parameters"].items():
                    assert np.array_equal(result[way]["parameters"][name].numpy(), x.numpy()), (way, name)
        assert len(one["ddp"]["losses"]) == 20
        assert one["ddp"]["losses"][-1] < 0.3 * one["ddp"]["losses"][0]
        assert "1.running_var" in one["sync_batch_norm"]["parameters"]

    def test_averages_one_by_one_and_in_one_are_the_same(self, ranks):
        for result in ranks(2, "train"):
            for name, x in result["flat"]["parameters"].items():
                assert np.array_equal(x.numpy(), result["one_by_one"]["parameters"][name].numpy())

    def test_shares_of_other_sizes_must_be_weighed(self, one, ranks):
        difference = apart(ranks(2, "unweighted")[0], one["flat"]["parameters"])
        assert 1e-4 < difference < 1


def test_parameters_that_not_all_ranks_use(ranks):
    for result in ranks(2, "uses_of_parameters"):
        for form in ("flat=True", "flat=False"):
            grads = result[form]
            assert grads["all"].tolist() == [1.5, 1.5]
            assert grads["some"].tolist() == [2.0, 2.0]  # the mean of 4 and of the 0 of the rank that did not use it
            assert grads["wide"].tolist() == [0.5] * 3
            assert grads["none"] is None and grads["frozen"] is None
        assert "create_graph=True" in result["said"]
        assert result["buffers"]["running_mean"].tolist() == [0.5, 0.5]
        assert result["buffers"]["num_batches_tracked"].item() == 0


def test_distributed_data_parallel(ranks):
    results = ranks(2, "wrapped")
    for rank, result in enumerate(results):
        for name, x in results[0]["start"].items():
            assert np.array_equal(result["start"][name].numpy(), x.numpy())
        # inputs of 1 on rank 0 and of 2 on rank 1: their mean is 1.5
        assert result["no_sync"].tolist() == [[rank + 1.0] * 2]
        assert result["accumulated"].tolist() == [[16.5, 16.5]]
        assert result["added"].tolist() == [[166.5, 166.5]]
        assert result["forward in no_sync"].tolist() == [[rank + 1.0] * 2]
        assert result["copied"].tolist() == [[1.5, 1.5]]
        assert result["original"] is None
        assert "gave no gradient to right.weight" in result["unused"]
        assert "autograd.grad() puts nothing there" in result["autograd.grad"]
        assert "have a history (create_graph=True)" in result["create_graph"]
        assert [g.tolist() for g in result["each its own"]] == [[[0.5, 0.5]], [[1.0, 1.0]]]
        assert result["count"].tolist() == [5.0]  # rank 0's
        assert result["only left"][0].tolist() == [[1.5, 1.5]] and result["only left"][1] is None


class TestAlone:
    def test_needs_a_group(self):
        with pytest.raises(ValueError, match=r"DistributedDataParallel: .*init_process_group\(\) first"):
            distributed.DistributedDataParallel(nn.Linear(2, 1))

    def test_names_are_pytorchs(self, alone):
        model = distributed.DistributedDataParallel(nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)))
        assert list(model.state_dict()) == [f"module.{name}" for name in model.module.state_dict()]
        model.load_state_dict(model.state_dict())
        torch = pytest.importorskip("torch")
        theirs = list(inspect.signature(torch.nn.parallel.DistributedDataParallel.__init__).parameters.values())
        ours = list(inspect.signature(distributed.DistributedDataParallel.__init__).parameters.values())
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs[: len(ours)]]

    def test_trains_like_the_module_within(self, alone):
        model = nn.Linear(3, 2)
        wrapped = nn.parallel.DistributedDataParallel(model)
        x = minigrad.randn(4, 3)
        wrapped(x).sum().backward()
        distributed.average_gradients(model)
        distributed.average_buffers(nn.BatchNorm1d(2))
        assert np.allclose(model.weight.grad.numpy(), np.tile(x.numpy().sum(0), (2, 1)))

    def test_refusals(self, alone):
        with pytest.raises(RuntimeError, match="no parameter of this module requires grad"):
            distributed.DistributedDataParallel(nn.ReLU())
        with pytest.raises(ValueError, match="expected the GPU on which the module is, cpu, got 1"):
            distributed.DistributedDataParallel(nn.Linear(1, 1), device_ids=[1])
        with pytest.raises(NotImplementedError, match="there is one group"):
            distributed.DistributedDataParallel(nn.Linear(1, 1), process_group="half of them")
        model = distributed.DistributedDataParallel(nn.Linear(2, 1), find_unused_parameters=True)
        model.module.forward = lambda x: x
        with pytest.raises(RuntimeError, match="the output depends on no parameter"):
            model(minigrad.ones(2))
        with pytest.raises(AttributeError, match=r"DataParallel': each process has one device: use nn.parallel"):
            nn.DataParallel  # noqa: B018

    def test_a_second_backward_before_all_parameters_had_one(self, alone):
        model = distributed.DistributedDataParallel(nn.Linear(2, 1))
        loss = model.module.weight.sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="gave no gradient to bias, so that nothing was sent"):
            model.module.weight.sum().backward()

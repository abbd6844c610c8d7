"""SyncBatchNorm on shares of a batch is BatchNorm on the whole batch."""

import inspect

import numpy as np
import pytest

import minigrad
from minigrad import distributed, nn
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.distributed.normalization import sync_batch_norm


@pytest.mark.parametrize("n", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_forward_backward_and_running_statistics(n, ranks):
    results = ranks(n, "sync_batch_norm")
    for result in results:
        messages = result.pop("said")
        one_each = result.pop("one each")
        assert len(result) == 20
        for name, pairs in result.items():
            assert {"y", "dx", "evaluation"} <= set(pairs)
            assert ("running_var" in pairs) == ("untracked" not in name)
            assert ("dweight" in pairs) == ("no affine" not in name)
            for key, (found, expected) in pairs.items():
                np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-11, atol=1e-12, err_msg=name + key)
        assert np.isfinite(one_each.numpy()).all()
        assert "SyncBatchNorm 2: expected input (N, 2)" in messages[0]
        assert "expected input (N, 2) or (N, 2, L)" in messages[1]
        assert "expected float32 input, as the weight is, got float64" in messages[2]
        assert "expected more than one value per channel on all ranks together, got 1" in messages[3]
    together = np.concatenate([result["plain (11, 3)"]["y"][0].numpy() for result in results])
    assert together.shape == (11, 3)


def test_gradients_through_the_messages(ranks):
    assert ranks(2, "gradients_across_ranks") == [{"first": True, "second": True}] * 2


class TestAlone:
    def test_gradcheck(self, alone):
        x, w, b = (minigrad.randn(*shape, dtype=minigrad.float64, requires_grad=True) for shape in ((4, 2), (2,), (2,)))
        assert gradcheck(lambda x, w, b: sync_batch_norm(x, w, b, 1e-5)[0], (x, w, b))
        assert gradgradcheck(lambda x, w, b: sync_batch_norm(x, w, b, 1e-5)[0], (x, w, b))
        assert gradgradcheck(distributed.SumOverRanks.apply, (x,))
        expected = nn.functional.batch_norm(x, None, None, w, b, True)
        np.testing.assert_allclose(
            sync_batch_norm(x, w, b, 1e-5)[0].detach().numpy(), expected.detach().numpy(), rtol=1e-12
        )

    @pytest.mark.parametrize("grouped", [False, True])
    def test_is_ordinary_batch_norm(self, grouped, request):
        if grouped:
            request.getfixturevalue("alone")
        layer, reference = nn.SyncBatchNorm(3), nn.BatchNorm1d(3)
        x = minigrad.randn(5, 3)
        assert np.array_equal(layer(x).detach().numpy(), reference(x).detach().numpy())
        assert np.array_equal(layer.running_var.numpy(), reference.running_var.numpy())
        with pytest.raises(ValueError, match="more than one value per channel in training"):
            layer(x[:1])

    def test_float32_stays_float32(self, alone):
        x = minigrad.randn(6, 2, requires_grad=True)
        y, mean, var, n = sync_batch_norm(x, None, None, 1e-5)
        y.sum().backward()
        assert {v.dtype for v in (y, mean, var, n, x.grad)} == {minigrad.float32}

    def test_convert(self):
        model = nn.Sequential(
            nn.Conv2d(1, 2, 3),
            nn.BatchNorm2d(2, eps=0.1, momentum=None),
            nn.Sequential(nn.BatchNorm1d(4, affine=False)),
        )
        model.eval()
        keys, before = list(model.state_dict()), dict(model.named_parameters())
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        assert converted is model
        assert list(model.state_dict()) == keys
        assert all(p is before[name] for name, p in model.named_parameters())
        norm = model[1]
        assert (type(norm), norm.eps, norm.momentum, norm.training) == (nn.SyncBatchNorm, 0.1, None, False)
        assert isinstance(model[2][0], nn.SyncBatchNorm) and model[2][0].weight is None
        assert nn.SyncBatchNorm.convert_sync_batchnorm(norm) is norm
        assert isinstance(nn.SyncBatchNorm.convert_sync_batchnorm(nn.BatchNorm3d(2)), nn.SyncBatchNorm)
        assert isinstance(nn.SyncBatchNorm.convert_sync_batchnorm(nn.InstanceNorm1d(2)), nn.InstanceNorm1d)

    def test_signature_and_repr_are_pytorchs(self):
        torch = pytest.importorskip("torch")
        theirs = inspect.signature(torch.nn.SyncBatchNorm.__init__).parameters.values()
        ours = inspect.signature(nn.SyncBatchNorm.__init__).parameters.values()
        assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]
        assert repr(nn.SyncBatchNorm(3, bias=False)) == repr(torch.nn.SyncBatchNorm(3, bias=False))
        assert list(nn.SyncBatchNorm(3).state_dict()) == list(torch.nn.SyncBatchNorm(3).state_dict())

    def test_process_group_is_refused(self):
        with pytest.raises(NotImplementedError, match="SyncBatchNorm: there is one group"):
            nn.SyncBatchNorm(2, process_group="half of them")

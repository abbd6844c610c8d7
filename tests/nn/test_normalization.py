"""Normalisation: values, both derivatives and running statistics beside PyTorch, numbers by hand, and refusals."""

import inspect
import math
import types
import warnings

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.nn import functional as F

PROGRAMS = beside.topics("normalization.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic, torch):
    assert not list(beside.differences(PROGRAMS[topic], torch))


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def f64(*shape, seed=0):
    return minigrad.tensor(numbers(*shape, seed=seed), requires_grad=True)


LAYERS = {
    "layer norm": (lambda nn: nn.LayerNorm(4), (5, 3, 4)),
    "layer norm of two dims": (lambda nn: nn.LayerNorm((3, 4)), (5, 3, 4)),
    "layer norm without weight": (lambda nn: nn.LayerNorm(4, elementwise_affine=False), (5, 4)),
    "layer norm without bias": (lambda nn: nn.LayerNorm(4, eps=0.1, bias=False), (5, 4)),
    "layer norm of a vector": (lambda nn: nn.LayerNorm(4), (4,)),
    "rms norm": (lambda nn: nn.RMSNorm(4), (5, 3, 4)),
    "rms norm of two dims": (lambda nn: nn.RMSNorm((3, 4), eps=0.1), (5, 3, 4)),
    "rms norm without weight": (lambda nn: nn.RMSNorm(4, elementwise_affine=False), (5, 4)),
    "group norm": (lambda nn: nn.GroupNorm(2, 6), (3, 6, 2, 2)),
    "group norm of rows": (lambda nn: nn.GroupNorm(3, 6, eps=0.1), (4, 6)),
    "group norm without weight": (lambda nn: nn.GroupNorm(1, 6, affine=False), (3, 6, 5)),
    "group norm without bias": (lambda nn: nn.GroupNorm(6, 6, bias=False), (3, 6, 5)),
    "instance norm 1d": (lambda nn: nn.InstanceNorm1d(3), (4, 3, 5)),
    "instance norm 1d, affine": (lambda nn: nn.InstanceNorm1d(3, affine=True), (4, 3, 5)),
    "instance norm 1d, no batch": (lambda nn: nn.InstanceNorm1d(3, affine=True), (3, 5)),
    "instance norm 2d, running": (lambda nn: nn.InstanceNorm2d(3, 0.1, 0.3, True, True), (2, 3, 2, 3)),
    "instance norm 3d": (lambda nn: nn.InstanceNorm3d(2, track_running_stats=True), (2, 2, 2, 3, 2)),
    "batch norm 2d": (lambda nn: nn.BatchNorm2d(3), (4, 3, 2, 3)),
    "batch norm 2d, cumulative": (lambda nn: nn.BatchNorm2d(3, momentum=None), (4, 3, 2, 3)),
    "batch norm 2d, no weight": (lambda nn: nn.BatchNorm2d(3, affine=False, eps=0.1), (4, 3, 2, 3)),
    "batch norm 2d, no statistics": (lambda nn: nn.BatchNorm2d(3, track_running_stats=False), (4, 3, 2, 3)),
    "batch norm 3d": (lambda nn: nn.BatchNorm3d(2), (3, 2, 2, 2, 2)),
    "batch norm of one pixel": (lambda nn: nn.BatchNorm2d(3), (4, 3, 1, 1)),
    "local response norm": (lambda nn: nn.LocalResponseNorm(3, 0.5, 0.8, 2.0), (2, 5, 3)),
}


def made(make, lib, shape):
    """Return the layer in float64 with weights and statistics that are not all the same."""
    layer = make(lib.nn).double()
    for k, (name, x) in enumerate(layer.state_dict().items()):
        if name != "num_batches_tracked":
            x.copy_(lib.tensor(1.5 + np.sin(np.arange(x.numel()) + k).reshape(tuple(x.shape))))
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_layers_beside_pytorch(name, torch):
    make, shape = LAYERS[name]
    results = []
    for lib in (minigrad, torch):
        layer = made(make, lib, shape)
        found = [layer.state_dict()[key] for key in layer.state_dict()]
        for step in range(2):
            x = lib.tensor(numbers(*shape, seed=step) + 0.5, requires_grad=True)
            y = layer(x)
            leaves = [x, *layer.parameters()]
            first = lib.autograd.grad((y * y * y).sum(), leaves, create_graph=True)
            second = lib.autograd.grad(sum((g * g).sum() for g in first), leaves)
            found += [y, *first, *second]
        found.append(layer.eval()(x))
        results.append([list(layer.state_dict()), repr(layer), [a.detach().numpy() for a in found]])
    assert results[0][:2] == results[1][:2]
    for ours, theirs in zip(results[0][2], results[1][2], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    make, shape = LAYERS[name]
    layer = make(nn)
    x = minigrad.tensor(numbers(*shape).astype(np.float32), requires_grad=True)
    for mode in (True, False):
        y = layer.train(mode)(x)
        (y * y).sum().backward()
        tensors = [y, x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()]
        assert {str(t.dtype) for t in tensors} <= {"float32", "int64"}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_never_wait_for_the_gpu(name):
    make, shape = LAYERS[name]
    host = make(nn)
    x = numbers(*shape).astype(np.float32)
    with strict_cupy.installed() as cp:
        device = make(nn).cuda()
        given = minigrad.tensor(x).cuda().requires_grad_()
        before = cp.syncs
        y = device(given)
        (y * y * y).sum().backward()
        device.eval()(given)
        assert cp.syncs == before
        on_host = minigrad.tensor(x, requires_grad=True)
        z = host(on_host)
        (z * z * z).sum().backward()
        np.testing.assert_allclose(y.detach().cpu().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(given.grad.cpu().numpy(), on_host.grad.numpy(), rtol=1e-4, atol=1e-5)
        for a, b in zip(device.cpu().state_dict().values(), host.state_dict().values(), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", nn.normalization.__all__)
def test_signatures_are_pytorchs(kind, torch):
    ours, theirs = (inspect.signature(getattr(lib, kind)).parameters for lib in (nn, torch.nn))
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]


@pytest.mark.parametrize("name", nn.functional.normalization.__all__)
def test_signatures_of_functions_are_pytorchs(name, torch):
    ours, theirs = (inspect.signature(getattr(lib, name)).parameters for lib in (F, torch.nn.functional))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


# ----------------------------------------------------------------------------------------------------------------
# Without PyTorch: numbers by hand, and derivatives


def test_layer_norm_by_hand():
    x = minigrad.tensor([[1.0, 3.0], [10.0, 50.0]], dtype=minigrad.float64)
    assert F.layer_norm(x, (2,), eps=0.0).tolist() == [[-1, 1], [-1, 1]]
    y = F.layer_norm(x, (2,), minigrad.tensor([2.0, 3.0]).double(), minigrad.tensor([1.0, 0.0]).double(), 3.0)
    np.testing.assert_allclose(y.numpy()[0], [1 - 2 / 2, 3 / 2])  # variance 1, and sqrt(1 + 3) = 2
    assert F.layer_norm(x, (2, 2), eps=0.0).mean().item() == pytest.approx(0, abs=1e-15)
    assert F.layer_norm(minigrad.full((3, 7), 5.0), (7,)).tolist() == [[0] * 7] * 3  # no noise where all are equal


def test_rms_norm_by_hand():
    x = minigrad.tensor([[1.0, 7.0], [0.0, 0.0]])
    np.testing.assert_allclose(
        F.rms_norm(x, (2,), minigrad.tensor([1.0, 2.0])).numpy(), [[0.2, 2.8], [0, 0]], rtol=1e-6
    )
    tiny = F.rms_norm(minigrad.full((2,), 1e-5), (2,))  # 1e-10 beside the eps of float32
    np.testing.assert_allclose(tiny.numpy(), 1e-5 / math.sqrt(1e-10 + 2.0**-23), rtol=1e-6)


def test_group_norm_lies_between_layer_norm_and_instance_norm():
    x = f64(2, 6, 4)
    one, six = F.group_norm(x, 1), F.group_norm(x, 6)
    np.testing.assert_allclose(one.detach().numpy(), F.layer_norm(x, (6, 4)).detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(six.detach().numpy(), F.instance_norm(x).detach().numpy(), atol=1e-12)
    three = F.group_norm(x, 3, eps=0.0).detach().numpy().reshape(2, 3, 8)
    np.testing.assert_allclose(three.mean(-1), 0, atol=1e-14)
    np.testing.assert_allclose(three.var(-1), 1)


def test_instance_norm_by_hand():
    x = minigrad.tensor([[[1.0, 3.0]], [[5.0, 9.0]]], dtype=minigrad.float64)
    mean, var = minigrad.zeros(1).double(), minigrad.ones(1).double()
    y = F.instance_norm(x, mean, var, momentum=0.5, eps=0.0)
    assert y.tolist() == [[[-1, 1]], [[-1, 1]]]
    assert mean.item() == 0.5 * (2 + 7) / 2
    assert var.item() == 0.5 + 0.5 * (2 + 8) / 2  # the unbiased variances of the two
    layer = nn.InstanceNorm1d(1, track_running_stats=True).double()
    layer(x[0])  # a sample without a batch
    assert layer.running_mean.item() == pytest.approx(0.2)
    assert layer.num_batches_tracked.item() == 0


def test_batch_norm_of_images_by_hand():
    x = minigrad.arange(16.0, dtype=minigrad.float64).reshape(2, 2, 2, 2)
    layer = nn.BatchNorm2d(2, eps=0.0).double()
    y = layer(x).detach().numpy()
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-15)
    np.testing.assert_allclose(y.var((0, 2, 3)), 1)
    of_channel = x.numpy().transpose(1, 0, 2, 3).reshape(2, -1)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * of_channel.mean(1))
    np.testing.assert_allclose(layer.running_var.numpy(), 0.9 + 0.1 * of_channel.var(1, ddof=1))


def test_local_response_norm_by_hand():
    x = minigrad.tensor([1.0, 2.0, 3.0, 4.0]).reshape(1, 4, 1)
    y = F.local_response_norm(x, 3, alpha=3.0, beta=1.0, k=1.0)  # alpha / size is 1
    np.testing.assert_allclose(y.numpy().ravel(), [1 / 6, 2 / 15, 3 / 30, 4 / 26], rtol=1e-6)
    y = F.local_response_norm(x, 2, alpha=2.0, beta=0.5, k=0.0)  # of an even size, one more before than behind
    np.testing.assert_allclose(y.numpy().ravel(), [1, 2 / 5**0.5, 3 / 13**0.5, 4 / 5], rtol=1e-6)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.layer_norm(x, (2, 3)),
        lambda x: F.rms_norm(x, (3,), eps=0.1),
        lambda x: F.group_norm(x, 2, eps=0.1),
        lambda x: F.instance_norm(x, eps=0.1),
        lambda x: F.local_response_norm(x, 2, 1.0),
        lambda x: F.normalize(x, dim=2),
        lambda x: F.normalize(x, 3.0, dim=1),
    ],
)
def test_derivatives(f):
    x = f64(2, 2, 3)
    assert gradcheck(f, [x])
    assert gradgradcheck(f, [x])


def test_large_inputs_do_not_lose_what_makes_them_differ():
    """The variance is that of centred values; as mean(x^2) - mean(x)^2 nothing would be left of it in float32."""
    x = numbers(64, 32) + 1000
    single = minigrad.tensor(x.astype(np.float32))
    for f in (lambda x: F.layer_norm(x, (32,)), lambda x: F.batch_norm(x, None, None, training=True)):
        exact = f(minigrad.tensor(x.astype(np.float32).astype(np.float64))).numpy()
        assert np.abs(f(single).numpy() - exact).max() < 2e-4  # 1000 has steps of 6e-5
    constant = minigrad.full((64, 32), 1234.5)
    assert F.batch_norm(constant, None, None, training=True).abs().max().item() == 0


# ----------------------------------------------------------------------------------------------------------------
# What they say, and what they leave alone


def message(kind, call, *args):
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


def test_messages_start_with_the_path():
    net = nn.Sequential(nn.LayerNorm(8))
    assert message(RuntimeError, net, minigrad.ones(2, 8, 5)) == (
        "Sequential.0 (LayerNorm 8): expected input (..., 8), got (2, 8, 5).\n  Dim 1 has that size: x.movedim(1, -1)."
    )
    assert message(RuntimeError, nn.Sequential(nn.GroupNorm(2, 4)), minigrad.ones(2, 5, 4)) == (
        "Sequential.0 (GroupNorm 2, 4): expected input (N, 4, ...), got (2, 5, 4).\n"
        "  Are the channels last? They belong in dim 1: x.movedim(-1, 1)."
    )
    assert message(ValueError, nn.BatchNorm2d(3), minigrad.ones(2, 3)) == (
        "BatchNorm2d 3: expected input (N, 3, H, W), got (2, 3).\n  For 2 dimensions there is BatchNorm1d."
    )
    assert message(ValueError, nn.BatchNorm2d(3), minigrad.ones(3, 4, 4)) == (
        "BatchNorm2d 3: expected input (N, 3, H, W), got (3, 4, 4).\n"
        "  The first dimension is the batch: x.unsqueeze(0) makes a batch of one."
    )
    for layer in (nn.LayerNorm(4), nn.RMSNorm(4), nn.GroupNorm(1, 4), nn.InstanceNorm1d(4), nn.LocalResponseNorm(2)):
        assert "expected a Tensor, got a NumPy array of shape (2, 4)" in message(TypeError, layer, np.ones((2, 4)))
    for layer in (nn.LayerNorm(4), nn.RMSNorm(4), nn.GroupNorm(1, 4), nn.InstanceNorm1d(4, affine=True)):
        wrong = minigrad.ones(2, 4, 4, dtype=minigrad.float64)
        assert "expected float32 input, as the weight is, got float64" in message(RuntimeError, layer, wrong)
    assert "at least one dimension" in message(ValueError, nn.LayerNorm, ())


def test_instance_norm_of_another_width_warns_where_it_does_not_matter():
    with pytest.warns(UserWarning, match=r"InstanceNorm1d 5: the input \(2, 3, 4\) has 3 channels and not 5"):
        nn.InstanceNorm1d(5)(minigrad.ones(2, 3, 4))
    with warnings.catch_warnings(action="error"):
        nn.InstanceNorm1d(3)(minigrad.ones(2, 3, 4))


def test_reset_parameters():
    for layer in (
        nn.LayerNorm(3),
        nn.RMSNorm(3),
        nn.GroupNorm(1, 3),
        nn.BatchNorm2d(3),
        nn.InstanceNorm2d(3, affine=True),
    ):
        start = {key: x.tolist() for key, x in layer.state_dict().items()}
        for x in layer.state_dict().values():
            x.fill_(7)
        layer.reset_parameters()
        assert {key: x.tolist() for key, x in layer.state_dict().items()} == start


def test_a_refused_batch_changes_no_statistics():
    layer = nn.InstanceNorm1d(3, affine=True, track_running_stats=True)
    before = [x.tolist() for x in layer.state_dict().values()]
    for shape in ((2, 3, 1), (2, 4, 5), (3,)):
        with pytest.raises((ValueError, RuntimeError)):
            layer(minigrad.ones(shape))
    assert [x.tolist() for x in layer.state_dict().values()] == before


def test_running_statistics_are_written_in_place_and_counted():
    layer = nn.InstanceNorm1d(3, track_running_stats=True)
    array, version = layer.running_mean.array, layer.running_mean._version
    layer(minigrad.tensor(numbers(2, 3, 4).astype(np.float32)))
    assert layer.running_mean.array is array
    assert layer.running_mean._version > version
    assert array.any()


@pytest.mark.parametrize("name", ["LazyBatchNorm2d", "LazyLinear", "CrossMapLRN2d", "DataParallel"])
def test_what_is_not_here_says_why(name):
    with pytest.raises(AttributeError, match=rf"minigrad.nn has no '{name}': .{{20}}"):
        getattr(nn, name)
    with pytest.raises(AttributeError, match=r"minigrad.nn has no 'Lienar'$"):
        nn.Lienar  # noqa: B018

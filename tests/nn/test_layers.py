"""Layers: values beside PyTorch's, shapes, repr, and what they say about wrong inputs."""

import re

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn


def message(kind, call, *args):
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layers(lib):
    return [
        lib.Linear(4, 3),
        lib.Linear(4, 3, bias=False),
        lib.Identity(),
        lib.ReLU(),
        lib.LeakyReLU(),
        lib.LeakyReLU(0.2),
        lib.Sigmoid(),
        lib.Tanh(),
        lib.Softmax(dim=1),
        lib.LogSoftmax(dim=-1),
        lib.Flatten(),
        lib.Flatten(0, 1),
        lib.Dropout(0.3).eval(),
        lib.BatchNorm1d(5),
        lib.BatchNorm1d(5, momentum=None),
        lib.BatchNorm1d(5, affine=False, eps=0.1),
        lib.BatchNorm1d(5, track_running_stats=False),
    ]


def shown(layer):
    """The repr; older PyTorch versions did not show whether a batch norm has a bias."""
    return re.sub(r"(BatchNorm.*), bias=\w+", r"\1", repr(layer))


def copy_state(ours, theirs):
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})


def test_outputs_gradients_and_repr_are_pytorchs():
    torch = pytest.importorskip("torch")
    x = numbers(6, 5, 4)
    for ours, theirs in zip(layers(nn), layers(torch.nn), strict=True):
        assert shown(ours) == shown(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        copy_state(ours, theirs)
        a = minigrad.tensor(x, requires_grad=True)
        b = torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=2e-6, err_msg=repr(ours))
        (y**3).sum().backward()
        (z**3).sum().backward()
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=repr(ours))
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


def test_more_reprs():
    torch = pytest.importorskip("torch")
    for make in (
        lambda lib: lib.ReLU(inplace=True),
        lambda lib: lib.LeakyReLU(0.1, True),
        lambda lib: lib.Dropout(0.25, inplace=True),
        lambda lib: lib.Softmax(),
        lambda lib: lib.BatchNorm1d(3, 1e-3, None, False, False),
    ):
        assert shown(make(nn)) == shown(make(torch.nn))


# ----------------------------------------------------------------------------------------------------------------
# Linear


@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 5, 4), (0, 4), (2, 3, 5, 4)])
def test_linear_takes_any_number_of_dimensions(shape):
    layer = nn.Linear(4, 3)
    x = numbers(*shape)
    expected = x.astype(np.float64) @ layer.weight.array.T.astype(np.float64) + layer.bias.array
    y = layer(minigrad.tensor(x))
    assert y.shape == (*shape[:-1], 3)
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_linear_device_dtype_and_no_bias():
    layer = nn.Linear(4, 3, bias=False, dtype=minigrad.float64)
    assert layer.bias is None
    assert list(layer.state_dict()) == ["weight"]
    assert layer(minigrad.ones(2, 4, dtype=minigrad.float64)).dtype == minigrad.float64
    assert nn.Linear(0, 2)(minigrad.ones(3, 0)).tolist() == [[0, 0]] * 3


def test_linear_says_what_is_wrong_with_its_input():
    layer = nn.Linear(32, 10)
    wrong = "Linear 32 -> 10: expected input (..., 32), got "
    assert message(RuntimeError, layer, minigrad.ones(8, 64)) == (
        wrong + "(8, 64).\n  Did you mean to flatten first, or is the previous layer 64 wide?"
    )
    assert message(RuntimeError, layer, minigrad.ones(5, 4, 8)) == (
        wrong + "(5, 4, 8).\n  Flatten it first: nn.Flatten() in front of this layer, or x.flatten(1)."
    )
    assert message(RuntimeError, layer, minigrad.ones(32, 7)) == (
        wrong + "(32, 7).\n  Is it transposed? Rows are samples: x.T has the right shape."
    )
    assert message(RuntimeError, layer, minigrad.tensor(1.0)) == (
        wrong + "().\n  A single number needs a dimension: x.reshape(1, 1) is one sample with one feature."
    )
    assert message(RuntimeError, layer, minigrad.ones(2, 32, dtype=minigrad.float64)) == (
        "Linear 32 -> 10: expected float32 input, as the weight is, got float64.\n"
        "  Convert the input: x.float(), or the model: model.double()"
    )
    assert message(RuntimeError, layer, minigrad.ones(2, 32).long()) == (
        "Linear 32 -> 10: expected float32 input, as the weight is, got int64.\n  Convert the input: x.float()"
    )


@pytest.mark.parametrize("layer", [layer for layer in layers(nn) if not isinstance(layer, nn.Identity)], ids=repr)
def test_layers_refuse_numpy_arrays(layer):
    text = message(TypeError, nn.Sequential(layer), np.ones((2, 4)))
    assert text.startswith(f"Sequential.0 ({type(layer).__name__}")
    assert text.endswith(": expected a Tensor, got a NumPy array of shape (2, 4).\n  Wrap it first: minigrad.tensor(x)")
    assert "expected a Tensor, got list" in message(TypeError, layer, [1.0])


# ----------------------------------------------------------------------------------------------------------------
# Activations, dropout, flatten


def test_inplace_activations_overwrite_their_input():
    for layer, expected in ((nn.ReLU(inplace=True), [0.0, 2.0]), (nn.LeakyReLU(0.5, inplace=True), [-0.5, 2.0])):
        x = minigrad.tensor([-1.0, 2.0])
        assert layer(x) is x
        assert x.tolist() == expected
        leaf = minigrad.tensor([-1.0, 2.0], requires_grad=True)
        layer(leaf * 1).sum().backward()
        assert leaf.grad.tolist() == [expected[0] / -1.0 if expected[0] else 0.0, 1.0]


def test_dropout_scales_what_it_keeps():
    x = minigrad.ones(200, 300, requires_grad=True)
    layer = nn.Dropout(0.2)
    y = layer(x)
    y.sum().backward()
    kept = y.detach().numpy() != 0
    assert set(np.unique(y.detach().numpy())) == {np.float32(0), np.float32(1.25)}
    assert abs(kept.mean() - 0.8) < 5 * np.sqrt(0.16 / x.numel())
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert layer(x).tolist() != y.tolist()
    assert layer.eval()(x) is x
    assert nn.Dropout(1.0)(x).sum().item() == 0
    assert nn.Dropout(0.0)(x) is x
    minigrad.manual_seed(4)
    first = layer.train()(x).tolist()
    minigrad.manual_seed(4)
    assert layer(x).tolist() == first
    assert message(ValueError, nn.Dropout, 1.5) == "Dropout: expected a probability between 0 and 1, got 1.5"


def test_flatten_keeps_the_batch():
    x = minigrad.ones(2, 3, 4, 5)
    assert nn.Flatten()(x).shape == (2, 60)
    assert nn.Flatten(2)(x).shape == (2, 3, 20)
    assert nn.Flatten(0, 1)(x).shape == (6, 4, 5)


# ----------------------------------------------------------------------------------------------------------------
# BatchNorm1d


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4)])
@pytest.mark.parametrize("settings", [{}, {"momentum": 0.3}, {"momentum": None}, {"affine": False, "eps": 1e-2}])
def test_running_statistics_over_several_batches_are_pytorchs(shape, settings):
    torch = pytest.importorskip("torch")
    ours, theirs = nn.BatchNorm1d(5, **settings), torch.nn.BatchNorm1d(5, **settings)
    for step in range(4):
        x = 3 * numbers(*shape, seed=step) + step
        y, z = ours(minigrad.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-5)
        for key, value in theirs.state_dict().items():
            assert ours.state_dict()[key].dtype == value.numpy().dtype
            np.testing.assert_allclose(ours.state_dict()[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key)
    ours.eval()
    theirs.eval()
    x = numbers(1, *shape[1:])
    y, z = ours(minigrad.tensor(x)), theirs(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    assert ours.num_batches_tracked.item() == 4


def test_biased_variance_normalises_and_the_unbiased_one_is_kept():
    layer = nn.BatchNorm1d(1, eps=0.0)
    y = layer(minigrad.tensor([[1.0], [3.0]]))
    assert y.tolist() == [[-1.0], [1.0]]  # biased variance 1
    assert layer.running_var.item() == pytest.approx(0.9 + 0.1 * 2, rel=1e-6)  # unbiased variance 2
    layer.reset_running_stats()
    assert [b.item() for b in layer.buffers()] == [0, 1, 0]
    layer.weight.data.fill_(3)
    layer.reset_parameters()
    assert layer.weight.item() == 1


def test_batch_norm_without_bias():
    layer = nn.BatchNorm1d(2, bias=False)
    assert list(dict(layer.named_parameters())) == ["weight"]
    assert layer(minigrad.tensor(numbers(4, 2))).mean().item() == pytest.approx(0, abs=1e-6)
    assert repr(layer) == ("BatchNorm1d(2, eps=1e-05, momentum=0.1, affine=True, bias=False, track_running_stats=True)")


def test_running_statistics_stay_the_same_arrays():
    layer = nn.BatchNorm1d(2)
    state = layer.state_dict()
    layer(minigrad.tensor(numbers(4, 2)))
    assert state["num_batches_tracked"].item() == 1
    assert state["running_mean"].tolist() == layer.running_mean.tolist() != [0, 0]


def test_without_running_statistics():
    torch = pytest.importorskip("torch")
    x = numbers(6, 5)
    for settings in ({"track_running_stats": False}, {}):
        ours, theirs = nn.BatchNorm1d(5, **settings), torch.nn.BatchNorm1d(5, **settings)
        ours.track_running_stats = theirs.track_running_stats = False  # also when switched off later
        for mode in (True, False):
            y, z = ours.train(mode)(minigrad.tensor(x)), theirs.train(mode)(torch.tensor(x))
            np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
        for key, value in theirs.state_dict().items():
            assert ours.state_dict()[key].tolist() == value.tolist()


def test_batch_norm_says_what_is_wrong_with_its_input():
    layer = nn.BatchNorm1d(3)
    before = {key: value.tolist() for key, value in layer.state_dict().items()}
    assert message(ValueError, nn.Sequential(layer), minigrad.ones(1, 3)) == (
        "Sequential.0 (BatchNorm1d 3): expected more than one value per channel in training, got input (1, 3): the "
        "variance of a single value is 0.\n  Use larger batches (drop_last=True in the DataLoader drops an odd last "
        "one), or model.eval() if this is evaluation."
    )
    assert message(ValueError, layer, minigrad.ones(3)) == (
        "BatchNorm1d 3: expected input (N, 3) or (N, 3, L), got (3,).\n"
        "  The first dimension is the batch: x.unsqueeze(0) makes a batch of one."
    )
    assert message(ValueError, layer, minigrad.ones(2, 3, 4, 4)) == (
        "BatchNorm1d 3: expected input (N, 3) or (N, 3, L), got (2, 3, 4, 4).\n  For 4 dimensions there is BatchNorm2d."
    )
    assert message(RuntimeError, layer, minigrad.ones(2, 7)) == (
        "BatchNorm1d 3: expected input (N, 3) or (N, 3, L), got (2, 7).\n"
        "  Has the previous layer 7 channels? Then it is BatchNorm1d(7)."
    )
    assert message(RuntimeError, layer, minigrad.ones(2, 7, 3)) == (
        "BatchNorm1d 3: expected input (N, 3) or (N, 3, L), got (2, 7, 3).\n"
        "  Are the channels last? They belong in dim 1: x.movedim(-1, 1)."
    )
    assert "expected float32 input" in message(RuntimeError, layer, minigrad.ones(2, 3, dtype=minigrad.float64))
    assert {key: value.tolist() for key, value in layer.state_dict().items()} == before
    assert layer.eval()(minigrad.ones(1, 3)).shape == (1, 3)
    assert nn.BatchNorm1d(3)(minigrad.ones(1, 3, 2)).shape == (1, 3, 2)
    stateless = nn.BatchNorm1d(3, track_running_stats=False).eval()
    assert "more than one value per channel" in message(ValueError, stateless, minigrad.ones(1, 3))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_layers_never_wait_for_the_gpu(momentum):
    host = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5, momentum=momentum), nn.ReLU(), nn.Linear(5, 2), nn.Tanh())
    x = minigrad.tensor(numbers(6, 4))
    with strict_cupy.installed() as cp:
        device = nn.Sequential(
            nn.Linear(4, 5), nn.BatchNorm1d(5, momentum=momentum), nn.ReLU(), nn.Linear(5, 2), nn.Tanh()
        )
        device.load_state_dict(host.state_dict())
        device.cuda()
        x_device = x.cuda()
        before = cp.syncs
        for _ in range(2):
            device(x_device).sum().backward()
        assert cp.syncs == before
        for _ in range(2):
            host(x).sum().backward()
        device.cpu()
        for p, q in zip(device.parameters(), host.parameters(), strict=True):
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-6)
        for p, q in zip(device.buffers(), host.buffers(), strict=True):
            np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-6)

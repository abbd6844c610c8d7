"""nn.utils: clipping, vectors of parameters, padding, weight and spectral norm, fusing; and containers."""

import copy
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
from minigrad.nn import utils

PROGRAMS = beside.topics("nn_utils.txt")


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", [topic for topic in PROGRAMS if topic not in ("dropout", "shape")])
def test_the_same_as_pytorch(topic, torch):
    assert not list(beside.differences(PROGRAMS[topic], torch))


@pytest.mark.parametrize("name", [name for name in utils.__all__ if name != "rnn"])
def test_signatures_are_pytorchs(name, torch):
    ours, theirs = (inspect.signature(getattr(lib, name)).parameters for lib in (utils, torch.nn.utils))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


@pytest.mark.parametrize("name", utils.rnn.__all__)
def test_signatures_of_padding_are_pytorchs(name, torch):
    ours, theirs = (inspect.signature(getattr(lib.rnn, name)).parameters for lib in (utils, torch.nn.utils))
    assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def with_grads(*arrays):
    leaves = [minigrad.zeros(a.shape, dtype=minigrad.float64, requires_grad=True) for a in arrays]
    for leaf, a in zip(leaves, arrays, strict=True):
        leaf.grad = minigrad.tensor(a)
    return leaves


# ----------------------------------------------------------------------------------------------------------------
# Clipping


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0, 0.5, math.inf])
def test_clipping_keeps_the_direction_and_holds_the_length(p):
    arrays = [numbers(4, 3), numbers(5), numbers()]
    flat = np.concatenate([a.ravel() for a in arrays])
    norm = np.linalg.norm(flat, p)
    leaves = with_grads(*arrays)
    total = utils.clip_grad_norm_(iter(leaves), norm / 2, p)
    assert total.item() == pytest.approx(norm, rel=1e-12)
    assert not total.requires_grad
    after = np.concatenate([x.grad.numpy().ravel() for x in leaves])
    np.testing.assert_allclose(after, flat / 2, rtol=1e-5)  # PyTorch's 1e-6 beside the norm
    assert utils.clip_grad_norm_(leaves, norm, p).item() == pytest.approx(norm / 2, rel=1e-5)
    np.testing.assert_array_equal(after, np.concatenate([x.grad.numpy().ravel() for x in leaves]))  # short enough


def test_gradients_are_written_in_place_and_counted():
    (leaf,) = with_grads(numbers(3) + 5)
    array, version = leaf.grad.array, leaf.grad._version
    utils.clip_grad_norm_([leaf], 1.0)
    assert leaf.grad.array is array
    assert leaf.grad._version == version + 1
    utils.clip_grad_value_([leaf], 0.1)
    assert leaf.grad.array is array
    assert leaf.grad._version == version + 2
    assert array.max() == 0.1
    leaf.grad = minigrad.ones(1, dtype=minigrad.float64).expand(3)
    with pytest.raises(ValueError, match=r"clip_grad_norm_: this tensor of shape .* is read-only"):
        utils.clip_grad_norm_([leaf], 1.0)


def test_clipping_nothing_is_noticed():
    model = nn.Linear(2, 2)
    parameters = model.parameters()
    list(parameters)
    for clip in (lambda p: utils.clip_grad_norm_(p, 1.0), lambda p: utils.clip_grad_value_(p, 1.0)):
        with pytest.warns(UserWarning, match=r"got no parameters: model.parameters\(\) can be walked once") as found:
            clip(parameters)
        assert found[0].filename == __file__
        with pytest.warns(UserWarning, match="no parameter has a gradient: call this between backward"):
            clip(model.parameters())
    model(minigrad.ones(1, 2)).sum().backward()
    with warnings.catch_warnings(action="error"):
        assert utils.clip_grad_norm_([*model.parameters(), minigrad.zeros(3)], 1.0).item() > 1
    with pytest.raises(TypeError, match="got Linear"):
        utils.clip_grad_norm_([model], 1.0)


def test_a_norm_that_is_not_finite():
    for bad in (math.nan, math.inf):
        (leaf,) = with_grads(np.array([bad, 1.0]))
        with pytest.raises(RuntimeError, match=f"the norm of order 2 is {bad}, so the gradients cannot be clipped"):
            utils.clip_grad_norm_([leaf], 1.0, error_if_nonfinite=True)
        np.testing.assert_array_equal(leaf.grad.numpy(), [bad, 1.0])


def test_clipping_in_two_halves():
    leaves = with_grads(numbers(3), numbers(2))
    norm = utils.get_total_norm([x.grad for x in leaves])
    utils.clip_grads_with_norm_(leaves, 0.5, norm)
    assert utils.get_total_norm([x.grad for x in leaves]).item() == pytest.approx(0.5, rel=1e-5)
    assert utils.get_total_norm([minigrad.zeros(0), minigrad.ones(4)], math.inf).item() == 1.0
    assert utils.get_total_norm([minigrad.ones(4), minigrad.zeros(4)], 0.0).item() == 4.0
    assert utils.get_total_norm([minigrad.ones(4), minigrad.zeros(4)], -math.inf).item() == 0.0


def test_clipping_never_waits_for_the_gpu():
    with strict_cupy.installed() as cp:
        model = nn.Linear(4, 3).cuda()
        (10 * model(minigrad.ones(2, 4, device="cuda"))).sum().backward()
        before = cp.syncs
        total = utils.clip_grad_norm_(model.parameters(), 1.0)
        utils.clip_grad_norm_(model.parameters(), 0.5, math.inf)
        utils.clip_grad_value_(model.parameters(), 0.1)
        assert cp.syncs == before
        assert isinstance(total.array, cp.ndarray)
        assert total.item() == pytest.approx(math.sqrt(12 * 20**2 + 3 * 20**2))
        assert max(p.grad.abs().max().item() for p in model.parameters()) == pytest.approx(0.1)


# ----------------------------------------------------------------------------------------------------------------
# Vectors, padding


def test_parameters_to_vector_and_back():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    vector = utils.parameters_to_vector(model.parameters())
    assert vector.shape == (26,)
    vector.sum().backward()
    assert all(p.grad.tolist() == minigrad.ones_like(p).tolist() for p in model.parameters())
    changed = vector.detach() * 2
    utils.vector_to_parameters(changed, model.parameters())
    assert minigrad.equal(utils.parameters_to_vector(model.parameters()).detach(), changed)
    assert all(p.is_leaf and p.requires_grad for p in model.parameters())
    for n in (25, 27):
        with pytest.raises(ValueError, match=f"4 parameters have 26 entries, the vector {n}"):
            utils.vector_to_parameters(minigrad.zeros(n), model.parameters())
    with pytest.raises(ValueError, match=r"model.parameters\(\) can be walked once"):
        utils.parameters_to_vector([])


def test_padding_takes_the_gradient_to_the_sequences():
    rows = [minigrad.tensor(numbers(n, 2), requires_grad=True) for n in (3, 1, 2)]
    padded = utils.rnn.pad_sequence(rows, batch_first=True, padding_value=7.0)
    assert (padded == 7).sum().item() == 6
    (padded * padded).sum().backward()
    for x in rows:
        np.testing.assert_allclose(x.grad.numpy(), 2 * x.detach().numpy())
    back = utils.rnn.unpad_sequence(padded, minigrad.tensor([3, 1, 2]), batch_first=True)
    assert all(minigrad.equal(a, b) for a, b in zip(back, rows, strict=True))
    with pytest.raises(RuntimeError, match="expected 3 lengths, one for each sequence, got 2"):
        utils.rnn.unpad_sequence(padded, minigrad.tensor([3, 1]), batch_first=True)
    with pytest.raises(RuntimeError, match=r"sequence 1 is of shape \(4,\), and the first one of \(3, 2\)"):
        utils.rnn.pad_sequence([rows[0], minigrad.zeros(4)])


# ----------------------------------------------------------------------------------------------------------------
# Weight norm and spectral norm


def test_weight_norm_changes_nothing_at_first():
    layer = nn.Linear(5, 3)
    x = minigrad.randn(4, 5)
    expected = layer(x)
    utils.weight_norm(layer)
    assert minigrad.allclose(layer(x), expected, atol=1e-6)
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_g", "weight_v"]
    layer.weight_g.data.fill_(2.0)
    layer(x)
    np.testing.assert_allclose(layer.weight.detach().norm(dim=1).numpy(), 2.0, rtol=1e-6)
    twin = copy.deepcopy(layer)
    twin.weight_g.data.fill_(3.0)
    assert minigrad.allclose((twin(x) - twin.bias) * 2, (layer(x) - layer.bias) * 3, atol=1e-5)
    assert utils.remove_weight_norm(layer) is layer
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight"]
    assert layer.weight.is_leaf
    assert minigrad.allclose((twin(x) - twin.bias) * 2, (layer(x) - layer.bias) * 3, atol=1e-5)


def test_the_length_of_a_normed_weight_is_trained_by_itself():
    layer = utils.weight_norm(nn.Linear(3, 2).double())
    (layer(minigrad.tensor(numbers(4, 3))) ** 2).sum().backward()
    along = (layer.weight_v.grad * layer.weight_v).sum(1)  # the direction has no slope along itself
    np.testing.assert_allclose(along.detach().numpy(), 0, atol=1e-12)
    assert layer.weight_g.grad.shape == (2, 1)


def test_spectral_norm_divides_by_the_largest_singular_value():
    layer = utils.spectral_norm(nn.Linear(6, 4).double(), n_power_iterations=200)
    x = minigrad.tensor(numbers(3, 6))
    layer(x)
    singular = np.linalg.svd(layer.weight_orig.detach().numpy(), compute_uv=False)
    np.testing.assert_allclose(
        layer.weight.detach().numpy() * singular[0], layer.weight_orig.detach().numpy(), rtol=1e-9
    )
    u = layer.weight_u.clone()
    layer.eval()(x)
    assert minigrad.equal(layer.weight_u, u)  # no iteration in evaluation
    state = copy.deepcopy(layer.state_dict())
    other = utils.spectral_norm(nn.Linear(6, 4).double())
    other.load_state_dict(state)
    assert minigrad.allclose(other.eval()(x), layer(x))
    weight = layer.weight.detach().clone()
    layer.train()
    assert utils.remove_spectral_norm(layer) is layer
    assert layer.training
    assert minigrad.allclose(layer.weight, weight, rtol=1e-12)
    assert list(layer.state_dict()) == ["bias", "weight"]


def test_spectral_norm_can_run_twice_before_backward():
    layer = utils.spectral_norm(nn.Linear(3, 2))
    x = minigrad.randn(4, 3)
    (layer(x) + layer(2 * x)).sum().backward()
    assert layer.weight_orig.grad is not None


# ----------------------------------------------------------------------------------------------------------------
# Fusing


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_a_fused_layer_does_what_the_two_did(bias, affine):
    linear, norm = nn.Linear(5, 4, bias=bias).double(), nn.BatchNorm1d(4, affine=affine).double()
    for k, x in enumerate((norm.running_mean, norm.running_var, *norm.parameters())):
        x.data.copy_(minigrad.tensor(numbers(4, seed=k) ** 2 + 0.1))
    linear.eval()
    norm.eval()
    fused = utils.fuse_linear_bn_eval(linear, norm)
    x = minigrad.tensor(numbers(3, 5))
    np.testing.assert_allclose(fused(x).detach().numpy(), norm(linear(x)).detach().numpy(), rtol=1e-12)
    assert fused is not linear
    with pytest.raises(RuntimeError, match=r"fuse_linear_bn_eval: expected both modules in evaluation"):
        utils.fuse_linear_bn_eval(linear.train(), norm)
    with pytest.raises(ValueError, match="expected running statistics of the 4 outputs of the layer, got those of 3"):
        utils.fuse_linear_bn_eval(linear.eval(), nn.BatchNorm1d(3).eval())


def test_weights_of_convolutions_are_scaled_along_their_output_channels():
    w, mean, var = minigrad.tensor(numbers(3, 2, 2)), minigrad.tensor(numbers(3)), minigrad.tensor(numbers(3) ** 2)
    fused, shift = utils.fuse_conv_bn_weights(w, None, mean, var, 0.1, None, None)
    s = 1 / np.sqrt(var.numpy() + 0.1)
    np.testing.assert_allclose(fused.detach().numpy(), w.numpy() * s[:, None, None])
    np.testing.assert_allclose(shift.detach().numpy(), -mean.numpy() * s)
    fused, _ = utils.fuse_conv_bn_weights(w.transpose(0, 1), None, mean, var, 0.1, None, None, True)
    np.testing.assert_allclose(fused.detach().numpy(), w.numpy().swapaxes(0, 1) * s[:, None])


# ----------------------------------------------------------------------------------------------------------------
# What is not here


@pytest.mark.parametrize("name", ["parametrize", "prune", "skip_init", "clip_grad_norm", "parametrizations"])
def test_what_is_not_here_says_why(name):
    with pytest.raises(AttributeError, match=rf"minigrad.nn.utils has no '{name}': .{{20}}"):
        getattr(utils, name)
    with pytest.raises(AttributeError, match=r"minigrad.nn.utils has no 'clip'$"):
        utils.clip  # noqa: B018


@pytest.mark.parametrize("name", ["pack_padded_sequence", "PackedSequence", "pad_packed_sequence"])
def test_packed_sequences_are_refused(name):
    with pytest.raises(AttributeError, match="packed sequences are not supported; pad_sequence"):
        getattr(utils.rnn, name)


# ----------------------------------------------------------------------------------------------------------------
# Containers: what the list of programs cannot say


def test_repeating_a_sequential_repeats_the_modules_themselves():
    layer = nn.Linear(2, 2)
    s = nn.Sequential(layer) * 3
    assert list(s) == [layer] * 3
    assert len(list(s.parameters())) == 2
    s *= 2
    assert len(s) == 6


def test_a_refused_insert_moves_nothing():
    a, b = nn.ReLU(), nn.Tanh()
    for container in (nn.Sequential(a, b), nn.ModuleList([a, b])):
        for index, wrong, kind in ((0, 3, TypeError), (3, nn.ReLU(), IndexError), (-3, nn.ReLU(), IndexError)):
            with pytest.raises(kind):
                container.insert(index, wrong)
            assert list(container) == [a, b]
            assert [name for name, _ in container.named_children()] == ["0", "1"]


def test_dicts_of_parameters_join():
    x, y = minigrad.zeros(2), minigrad.ones(3)
    left = nn.ParameterDict({"x": x})
    right = left | {"y": y}
    assert list(right) == ["x", "y"]
    assert right["x"] is left["x"]
    assert isinstance(right["y"], nn.Parameter)
    assert left.setdefault("z", y) is left["z"]
    assert [list(p.shape) for p in left.parameters()] == [[2], [3]]
    assert left.popitem()[0] == "z"
    assert left.get("z") is None
    with pytest.raises(TypeError, match="Parameter: expected a Tensor, got int"):
        left["n"] = 3


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"])
def test_containers_have_pytorchs_methods(kind, torch):
    theirs = getattr(torch.nn, kind)
    own = {name for name, value in vars(theirs).items() if callable(value) and not name.startswith("_")}
    assert own <= set(dir(getattr(nn, kind)))
    ours, others = (list(inspect.signature(getattr(lib, kind)).parameters) for lib in (nn, torch.nn))
    assert ours == others

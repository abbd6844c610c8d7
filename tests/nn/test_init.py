"""First values: bounds, spreads, shapes, repeatability."""

import inspect
import math

import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.nn import init

N = 200  # a 200 x 300 weight: 60,000 draws

RANDOM = [
    init.uniform_,
    init.normal_,
    init.trunc_normal_,
    init.xavier_uniform_,
    init.xavier_normal_,
    init.kaiming_uniform_,
    init.kaiming_normal_,
    init.orthogonal_,
    lambda w, generator=None: init.sparse_(w, 0.3, generator=generator),
]


def weight(*shape, dtype=None):
    return nn.Parameter(minigrad.empty(*shape, dtype=dtype))


def check_spread(x, std, bound=None):
    """The mean and variance of n draws lie within 5 standard errors; a uniform's bounds are reached, not passed."""
    x = x.detach().numpy().ravel().astype(np.float64)
    kurtosis = 3.0 if bound is None else 1.8
    assert abs(x.mean()) < 5 * std / math.sqrt(x.size)
    assert abs(x.var() / std**2 - 1) < 5 * math.sqrt((kurtosis - 1) / x.size)
    if bound is not None:
        assert np.abs(x).max() <= bound
        assert np.abs(x).max() > bound * (1 - 20 / x.size)


def test_fixed_values():
    w = weight(2, 3)
    assert init.ones_(w) is w
    assert w.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert init.zeros_(w).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert init.constant_(w, 0.5).tolist() == [[0.5] * 3] * 2
    assert init.eye_(w).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert w.is_leaf
    assert w.requires_grad
    with pytest.raises(ValueError, match=r"eye_: expected a tensor with 2 dimensions, got shape \(3,\)"):
        init.eye_(weight(3))


@pytest.mark.parametrize("fill", RANDOM)
def test_random_values_come_from_minigrads_generators(fill):
    w = weight(3, 4)
    minigrad.manual_seed(1)
    first = fill(w).tolist()
    assert fill(w).tolist() != first
    minigrad.manual_seed(1)
    np.random.seed(5)  # noqa: NPY002  # nobody's business
    assert fill(w).tolist() == first
    own = fill(w, generator=minigrad.Generator().manual_seed(1)).tolist()
    assert own == first
    assert w.requires_grad
    assert w.is_leaf


@pytest.mark.parametrize("fill", RANDOM)
@pytest.mark.parametrize("dtype", [minigrad.float32, minigrad.float64])
def test_dtype_and_memory_stay(fill, dtype):
    w = weight(3, 4, dtype=dtype)
    array = w.array
    fill(w)
    assert w.array is array
    assert w.dtype == dtype
    assert w._version == 1


def test_an_overwritten_weight_is_noticed_by_backward():
    layer = nn.Linear(2, 2)
    y = layer(minigrad.ones(1, 2, requires_grad=True)).sum()
    init.normal_(layer.weight)
    with pytest.raises(RuntimeError, match=r"init.normal_\(\) has overwritten it"):
        y.backward()


def test_spreads():
    w = weight(N, 300)
    check_spread(init.uniform_(w, -2.0, 2.0), 2 / math.sqrt(3), 2.0)
    check_spread(init.normal_(w, 0.0, 3.0), 3.0)
    assert abs(init.normal_(w, 7.0, 1.0).mean().item() - 7) < 5 / math.sqrt(w.numel())
    check_spread(init.xavier_uniform_(w, 2.0), 2 * math.sqrt(2 / 500), 2 * math.sqrt(6 / 500))
    check_spread(init.xavier_normal_(w), math.sqrt(2 / 500))
    check_spread(init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(2 / 300), math.sqrt(6 / 300))
    check_spread(init.kaiming_uniform_(w, a=1, mode="fan_out"), math.sqrt(1 / 200), math.sqrt(3 / 200))
    check_spread(init.kaiming_normal_(w, nonlinearity="tanh"), 5 / 3 / math.sqrt(300))
    kernel = weight(20, 30, 5, 5)  # fan_in 30 * 25, fan_out 20 * 25
    check_spread(init.kaiming_normal_(kernel, nonlinearity="linear"), 1 / math.sqrt(750))
    check_spread(init.xavier_normal_(kernel), math.sqrt(2 / 1250))


def test_truncated_normal():
    w = weight(N, 300)
    x = init.trunc_normal_(w, mean=1.0, std=2.0, a=0.0, b=2.0).detach().numpy()
    assert x.min() >= 0
    assert x.max() <= 2
    assert x.min() < 0.001
    assert x.max() > 1.999
    # Within half a standard deviation the density is flat but for 12 %: the variance of a normal cut at +-1/2 sigma.
    z, phi = 0.5, math.exp(-0.125) / math.sqrt(2 * math.pi)
    variance = 4 * (1 - 2 * z * phi / math.erf(z / math.sqrt(2)))
    assert abs(x.mean() - 1) < 5 * math.sqrt(variance / x.size)
    assert abs(x.var() / variance - 1) < 5 * math.sqrt(0.8 / x.size)
    with pytest.raises(ValueError, match=r"only 0.001 of the normal .* mean 0.0 and std 1.0 lies between a=3.0"):
        init.trunc_normal_(w, a=3.0, b=9.0)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (3, 2, 4)])
def test_orthogonal(shape):
    w = init.orthogonal_(weight(*shape, dtype=minigrad.float64), gain=3.0).detach().numpy().reshape(shape[0], -1)
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(gram, 9 * np.eye(len(gram)), atol=1e-14)


def test_orthogonal_prefers_no_direction():
    signs = [np.sign(init.orthogonal_(weight(3, 3)).array) for _ in range(400)]
    assert np.abs(np.mean(signs, axis=0)).max() < 5 / math.sqrt(400)  # without the signs of r, the diagonal has one


def test_sparse():
    x = init.sparse_(weight(N, 300), 0.25, std=2.0).detach().numpy()
    assert ((x == 0).sum(0) == 50).all()
    check_spread(minigrad.tensor(x[x != 0]), 2.0)
    rows = (x == 0).mean(1)  # no row is zero more often than another
    assert np.abs(rows - 0.25).max() < 5 * math.sqrt(0.25 * 0.75 / 300)
    assert (init.sparse_(weight(7, 2), 0.2).array == 0).sum() == 4  # 1.4 zeros a column are 2


@pytest.mark.parametrize("groups", [1, 2])
def test_dirac_passes_the_input_on(groups):
    w = init.dirac_(weight(6, 3, 5, 4), groups).detach().numpy()
    assert w.sum() == 3 * groups
    for group in range(groups):
        for channel in range(3):
            assert w[group * 6 // groups + channel, channel, 2, 2] == 1


def test_fans_are_pytorchs():
    torch = pytest.importorskip("torch")
    for shape in ((4, 3), (4, 3, 5), (4, 3, 2, 2)):
        expected = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
        assert init._calculate_fan_in_and_fan_out(minigrad.empty(shape)) == expected


def test_signatures_are_pytorchs():
    torch = pytest.importorskip("torch")
    names = [name for name in vars(torch.nn.init) if name.endswith("_") and not name.startswith("_")]
    assert {*names, "calculate_gain"} == set(init.__all__)
    for name in init.__all__:
        ours, theirs = (inspect.signature(getattr(lib, name)).parameters for lib in (init, torch.nn.init))
        assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()], name


def test_first_values_on_the_gpu():
    with strict_cupy.installed() as cp:
        for fill in (*RANDOM, init.ones_, init.eye_, lambda w: init.constant_(w, 3.0)):
            w = weight(6, 4).cuda()
            assert fill(w) is w
            assert isinstance(w.array, cp.ndarray)
            assert np.isfinite(w.detach().cpu().numpy()).all()
        assert init.dirac_(minigrad.zeros(4, 2, 3, device="cuda")).sum().item() == 2


def test_gains_are_pytorchs():
    torch = pytest.importorskip("torch")
    names = ["linear", "conv1d", "conv2d", "conv3d", "conv_transpose2d", "sigmoid", "tanh", "relu", "leaky_relu"]
    for name in [*names, "selu"]:
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    with pytest.raises(ValueError, match="unknown nonlinearity 'gelu'; expected leaky_relu, linear"):
        init.calculate_gain("gelu")


def test_refusals():
    with pytest.raises(
        ValueError, match=r"xavier_normal_: expected a weight of at least 2 dimensions.*got shape \(3,\)"
    ):
        init.xavier_normal_(weight(3))
    with pytest.raises(ValueError, match="kaiming_uniform_: expected mode 'fan_in' or 'fan_out', got 'fan'"):
        init.kaiming_uniform_(weight(3, 3), mode="fan")
    with pytest.raises(ValueError, match=r"sparse_: expected a sparsity between 0 and 1, got 1.5"):
        init.sparse_(weight(3, 3), 1.5)
    with pytest.raises(ValueError, match=r"dirac_: 3 output channels cannot be divided into 2 groups of one size"):
        init.dirac_(weight(3, 3, 3), 2)
    with pytest.raises(ValueError, match="orthogonal_: expected a tensor with at least 2 dimensions"):
        init.orthogonal_(weight(3))


def test_a_linear_layer_starts_as_pytorchs():
    layer = nn.Linear(300, N)
    bound = 1 / math.sqrt(300)
    check_spread(layer.weight, bound / math.sqrt(3), bound)
    assert np.abs(layer.bias.array).max() <= bound
    assert np.abs(layer.bias.array).max() > bound * (1 - 20 / N)
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(300, N).weight.detach().numpy()
    assert np.abs(theirs).max() <= bound
    assert abs(theirs.std() / layer.weight.array.std() - 1) < 10 * math.sqrt(0.8 / theirs.size)

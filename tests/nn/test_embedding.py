"""Embeddings, bags of them, distances and bilinear maps: beside PyTorch, by hand, and what is refused."""

import inspect
import types

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck, gradgradcheck
from minigrad.nn import functional as F

PROGRAMS = beside.topics("embedding.txt")
KINDS = ["Embedding", "EmbeddingBag", "Bilinear", "CosineSimilarity", "PairwiseDistance", "Flatten", "Unflatten"]


@pytest.fixture(scope="module")
def torch() -> types.ModuleType:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic, torch):
    assert not list(beside.differences(PROGRAMS[topic], torch))


def test_shape_modules_are_the_same_as_pytorchs(torch):
    assert not list(beside.differences(beside.topics("nn_utils.txt")["shape"], torch))


@pytest.mark.parametrize("kind", [*KINDS, "Identity"])
def test_signatures_are_pytorchs(kind, torch):
    ours, theirs = (inspect.signature(getattr(lib, kind)).parameters.values() for lib in (nn, torch.nn))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_signatures_of_functions_are_pytorchs(torch):
    pairs = [(getattr(F, name), getattr(torch.nn.functional, name)) for name in ("embedding", "embedding_bag")]
    pairs += [(getattr(nn, k).from_pretrained, getattr(torch.nn, k).from_pretrained) for k in KINDS[:2]]
    for a, b in pairs:
        ours, theirs = (inspect.signature(f).parameters.values() for f in (a, b))
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def indices(*shape, rows=7, seed=0):
    return np.random.default_rng(seed).integers(0, rows, shape)


def compared(torch, f, arrays, second=True):
    """Hold value, gradients and (if PyTorch has them) second derivatives of ``f(lib, *leaves)`` beside PyTorch's."""
    results = []
    for lib in (minigrad, torch):
        leaves = [lib.tensor(a, requires_grad=True) for a in arrays]
        y = f(lib, *leaves)
        first = lib.autograd.grad((y * y * y).sum(), leaves, create_graph=second)
        found = [y, *first]
        if second:
            found += lib.autograd.grad(sum((g * g).sum() for g in first), leaves)
        results.append([x.detach().numpy() for x in found])
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------------
# Embedding


@pytest.mark.parametrize("shape", [(), (5,), (4, 6), (2, 3, 4), (0,), (200,)])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"padding_idx": -1}, {"scale_grad_by_freq": True}])
def test_embedding_beside_pytorch(shape, options, torch):
    index = indices(*shape)
    second = "scale_grad_by_freq" not in options and index.size > 0  # PyTorch has no second derivative of these
    compared(
        torch, lambda lib, w: lib.nn.functional.embedding(lib.tensor(index), w, **options), [numbers(7, 3)], second
    )


def test_embedding_is_one_hot_times_the_table():
    w = minigrad.tensor(numbers(7, 3), requires_grad=True)
    index = minigrad.tensor(indices(4, 5))
    y = F.embedding(index, w)
    one_hot = F.one_hot(index, 7).double()
    np.testing.assert_allclose(y.detach().numpy(), (one_hot @ w).detach().numpy())
    g = numbers(4, 5, 3)
    y.backward(minigrad.tensor(g))
    np.testing.assert_allclose(w.grad.numpy(), one_hot.numpy().reshape(20, 7).T @ g.reshape(20, 3))


def test_gradients_of_embedding():
    index = minigrad.tensor([[0, 2], [2, 1]])
    w = minigrad.tensor(numbers(3, 2), requires_grad=True)
    v = minigrad.tensor(numbers(2, 2), requires_grad=True)
    assert gradcheck(lambda w: F.embedding(index, w) ** 2, [w])
    assert gradgradcheck(lambda w: F.embedding(index, w) ** 2, [w])
    for mode in ("sum", "mean", "max"):
        assert gradcheck(lambda w, mode=mode: F.embedding_bag(index, w, mode=mode) ** 2, [w])
        assert gradgradcheck(lambda w, mode=mode: F.embedding_bag(index, w, mode=mode) ** 2, [w])
    assert gradcheck(lambda w, v: F.embedding_bag(index, w, mode="sum", per_sample_weights=v), [w, v])


def test_an_index_overwritten_before_backward_is_noticed():
    index = minigrad.tensor([0, 1])
    w = minigrad.tensor(numbers(3, 2), requires_grad=True)
    y = F.embedding(index, w)
    index[0] = 2
    with pytest.raises(RuntimeError, match="has overwritten it"):
        y.sum().backward()


def test_a_table_shortened_by_max_norm_is_noticed_by_an_older_graph():
    w = minigrad.tensor(numbers(3, 2) * 10, requires_grad=True)
    y = (w * w).sum()
    F.embedding(minigrad.tensor([0]), w, max_norm=1.0)
    with pytest.raises(RuntimeError, match=r"embedding\(max_norm=1.0\) has overwritten it"):
        y.backward()
    norms = w.detach().norm(dim=1).tolist()
    assert norms[0] == pytest.approx(1.0, abs=1e-6)
    assert norms[1] > 1


def test_indices_of_int32_do_not_overflow():
    """They are taken as int64 before they are multiplied by the width of a row."""
    g = minigrad.ones(2, 3)
    out = minigrad.ops.sum_rows(g, minigrad.tensor([1, 1], dtype=minigrad.int32), 2)
    assert out.tolist() == [[0, 0, 0], [2, 2, 2]]


def test_the_layer():
    layer = nn.Embedding(1000, 50, padding_idx=3)
    w = layer.weight.detach().numpy()
    assert not w[3].any()
    assert abs(np.delete(w, 3, 0).mean()) < 5 / np.sqrt(w.size)
    assert abs(np.delete(w, 3, 0).var() - 1) < 5 * np.sqrt(2 / w.size)
    layer(minigrad.tensor([[3, 4], [4, 5]])).sum().backward()
    assert layer.weight.grad[3:6, 0].tolist() == [0, 2, 1]
    assert nn.Embedding.from_pretrained(layer.weight).weight.array is layer.weight.array
    assert not nn.Embedding.from_pretrained(layer.weight).weight.requires_grad
    with pytest.raises(NotImplementedError, match="Embedding: sparse gradients are not supported"):
        nn.Embedding(3, 2, sparse=True)
    with pytest.raises(NotImplementedError, match="embedding: sparse gradients are not supported"):
        F.embedding(minigrad.tensor([0]), layer.weight, sparse=True)


def message(kind, call, *args):
    with pytest.raises(kind) as caught:
        call(*args)
    return str(caught.value)


def test_messages():
    net = nn.Sequential(nn.Embedding(10, 4), nn.Flatten())
    assert message(IndexError, net, minigrad.tensor([[1, 2], [10, 3]])) == (
        "Sequential.0 (Embedding 10 x 4): index 10 at (1, 0) is out of range for a table of 10 rows (0 to 9); "
        "num_embeddings must be larger than the largest index"
    )
    assert message(RuntimeError, net, minigrad.ones(2)) == (
        "Sequential.0 (Embedding 10 x 4): expected indices of int64 or int32, got float32; use x.long()"
    )
    assert "expected a Tensor, got a NumPy array" in message(TypeError, net, np.zeros(2, np.int64))
    assert message(ValueError, nn.EmbeddingBag(10, 4), minigrad.tensor([1])).startswith(
        "EmbeddingBag 10 x 4: for a 1-D input expected offsets"
    )
    assert "never fall" in message(
        ValueError, nn.EmbeddingBag(10, 4), minigrad.tensor([1, 2, 3]), minigrad.tensor([0, 2, 1])
    )


# ----------------------------------------------------------------------------------------------------------------
# Bags


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"include_last_offset": True}])
def test_bags_beside_pytorch(mode, options, torch):
    index = indices(12)
    offsets = np.array([0, 3, 3, 4, 9, 12])

    def f(lib, w):
        bag = lib.nn.functional.embedding_bag
        return bag(lib.tensor(index), w, lib.tensor(offsets), mode=mode, **options)

    compared(torch, f, [numbers(7, 3)], second=False)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}])
def test_rows_of_bags_beside_pytorch(mode, options, torch):
    index = indices(5, 4)
    compared(
        torch,
        lambda lib, w: lib.nn.functional.embedding_bag(lib.tensor(index), w, mode=mode, **options),
        [numbers(7, 3)],
        second=False,
    )


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_scaled_by_frequency_are_reductions_of_such_an_embedding(mode):
    """PyTorch's bags take the frequencies of other rows on the CPU; its embedding does as documented."""
    index, w = minigrad.tensor(indices(5, 4)), numbers(7, 3)
    grads = []
    for f in (
        lambda w: F.embedding_bag(index, w, mode=mode, scale_grad_by_freq=True),
        lambda w: getattr(F.embedding(index, w, scale_grad_by_freq=True), mode)(1),
    ):
        leaf = minigrad.tensor(w, requires_grad=True)
        (f(leaf) ** 3).sum().backward()
        grads.append(leaf.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-12)


def test_weighted_bags_beside_pytorch(torch):
    index = indices(5, 4)
    compared(
        torch,
        lambda lib, w, s: lib.nn.functional.embedding_bag(lib.tensor(index), w, mode="sum", per_sample_weights=s),
        [numbers(7, 3), numbers(5, 4)],
        second=False,
    )


def test_bags_by_hand():
    table = minigrad.tensor([[1.0, 8.0], [2.0, 4.0], [4.0, 2.0]])
    index, offsets = minigrad.tensor([0, 1, 2, 2]), minigrad.tensor([0, 1, 1])
    expected = {
        "sum": [[1, 8], [0, 0], [10, 8]],
        "mean": [[1, 8], [0, 0], [np.float32(10 / 3), np.float32(8 / 3)]],
        "max": [[1, 8], [0, 0], [4, 4]],
    }
    for mode, rows in expected.items():
        layer = nn.EmbeddingBag.from_pretrained(table, mode=mode)
        assert layer(index, offsets).tolist() == rows
        assert F.embedding_bag(index.reshape(2, 2), table, mode=mode).shape == (2, 2)


# ----------------------------------------------------------------------------------------------------------------
# On the GPU


def test_on_the_gpu():
    index, w = indices(5, 4), numbers(7, 3)
    with strict_cupy.installed() as cp:
        results = []
        for device in ("cpu", "cuda"):
            i = minigrad.tensor(index).to(device)
            table = minigrad.tensor(w).to(device).requires_grad_()
            x = minigrad.tensor(numbers(5, 3)).to(device)
            before = cp.syncs
            outputs = [
                F.embedding(i, table, padding_idx=2, max_norm=1.0, scale_grad_by_freq=True),
                F.embedding_bag(i, table, mode="mean", padding_idx=1),
                F.embedding_bag(i, table, mode="max", padding_idx=1),
                F.embedding_bag(i.reshape(-1), table, minigrad.tensor([0, 3, 3]).to(device), mode="sum"),
                F.cosine_similarity(table[:5], x),
                F.pairwise_distance(table[:5], x),
                F.pdist(table),
                F.bilinear(x, x, minigrad.tensor(numbers(2, 3, 3)).to(device)),
            ]
            total = sum((y * y).sum() for y in outputs)
            total.backward()
            assert cp.syncs == before
            offsets = minigrad.tensor([0, 3, 3]).to(device)  # of these it must know how large the largest bag is
            outputs.append(F.embedding_bag(i.reshape(-1), table, offsets, mode="max"))
            results.append([y.detach().cpu().numpy() for y in (*outputs, table.grad)])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
        outside = F.embedding(minigrad.tensor([0, 7, -1]).to("cuda"), table).detach().cpu()
        assert outside.isnan().all(1).tolist() == [False, True, True]


# ----------------------------------------------------------------------------------------------------------------
# Distances and bilinear maps

PAIRS = {
    "cosine_similarity": lambda F, x, y: F.cosine_similarity(x, y, dim=-1),
    "cosine_similarity, dim 0": lambda F, x, y: F.cosine_similarity(x, y, 0, 0.1),
    "pairwise_distance": lambda F, x, y: F.pairwise_distance(x, y),
    "pairwise_distance, p 1": lambda F, x, y: F.pairwise_distance(x, y, 1.0, keepdim=True),
    "pairwise_distance, p 3": lambda F, x, y: F.pairwise_distance(x, y, 3.0),
    "pdist": lambda F, x, y: F.pdist(x * y),
    "pdist, p 1": lambda F, x, y: F.pdist(x - y, 1.0),
    "pdist, p 3": lambda F, x, y: F.pdist(x - y, 3.0),
    "pdist, p inf": lambda F, x, y: F.pdist(x - y, float("inf")),
}


@pytest.mark.parametrize("name", PAIRS)
def test_distances_beside_pytorch(name, torch):
    second = "pdist" not in name  # PyTorch has no second derivative of it
    compared(
        torch, lambda lib, x, y: PAIRS[name](lib.nn.functional, x, y), [numbers(5, 4), numbers(5, 4, seed=1)], second
    )


def test_bilinear_beside_pytorch(torch):
    arrays = [numbers(2, 5, 3), numbers(2, 5, 4), numbers(6, 3, 4), numbers(6)]
    compared(torch, lambda lib, *args: lib.nn.functional.bilinear(*args), arrays)
    compared(torch, lambda lib, *args: lib.nn.functional.bilinear(*args), arrays[:3])


def test_bilinear_by_hand_and_its_first_values():
    layer = nn.Bilinear(100, 50, 20)
    assert np.abs(layer.weight.array).max() <= 0.1
    assert np.abs(layer.weight.array).max() > 0.0999
    x, y = numbers(3, 100), numbers(3, 50)
    expected = np.einsum("ni,oij,nj->no", x, layer.weight.array.astype(np.float64), y) + layer.bias.array
    found = layer.double()(minigrad.tensor(x), minigrad.tensor(y)).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert message(RuntimeError, layer, minigrad.ones(2, 100), minigrad.ones(2, 50)).startswith(
        "Bilinear 100, 50 -> 20: expected float64 input, as the weight is, got float32"
    )
    assert "expected a Tensor, got list" in message(TypeError, layer, minigrad.ones(2, 100).double(), [1.0])


def test_distances_by_hand():
    x, y = minigrad.tensor([[3.0, 4.0], [0.0, 0.0]]), minigrad.tensor([[4.0, -3.0], [1.0, 1.0]])
    assert nn.CosineSimilarity()(x, y).tolist() == [0.0, 0.0]  # at a right angle; of no direction
    assert nn.PairwiseDistance(1.0, eps=0.0)(x, y).tolist() == [8.0, 2.0]
    assert F.pdist(minigrad.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 4.0]])).tolist() == [5.0, 4.0, 3.0]
    assert F.pdist(minigrad.ones(2, 3), 0).tolist() == [0.0]
    leaf = minigrad.ones(3, 2, requires_grad=True)
    F.pdist(leaf).sum().backward()
    assert leaf.grad.tolist() == [[0, 0]] * 3  # equal points pull nowhere
    for layer in (nn.CosineSimilarity(), nn.PairwiseDistance()):
        assert "expected a Tensor, got list" in message(TypeError, layer, x, [1.0])


def test_unflatten_undoes_flatten():
    x = minigrad.tensor(numbers(3, 2, 4), requires_grad=True)
    y = nn.Unflatten(1, (2, 4))(nn.Flatten()(x))
    assert y.tolist() == x.tolist()
    y.sum().backward()
    assert x.grad.shape == (3, 2, 4)
    with pytest.raises(TypeError, match="named dimensions are not supported"):
        nn.Unflatten("features", (2, 4))

"""Attention: beside PyTorch, by hand, and what it says about wrong inputs."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import beside
import numpy as np
import pytest
import strict_cupy

import minigrad
from minigrad import nn
from minigrad.autograd import gradcheck
from minigrad.nn import functional as F

PROGRAMS = beside.topics("attention.txt")
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def torch() -> Iterator[types.ModuleType]:
    torch = pytest.importorskip("torch")
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # its fast ones have no second derivative
        yield torch


@pytest.mark.parametrize("topic", PROGRAMS)
def test_the_same_as_pytorch(topic: str, torch: types.ModuleType) -> None:
    assert not list(beside.differences(PROGRAMS[topic], torch))


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def derivatives(
    lib: Any, f: Callable[..., Any], arrays: list[Array], more: list[Any], second: bool = True
) -> list[Any]:
    """Return what f gives for float64 inputs, gradients for these and ``more``, and the gradients of their squares."""
    xs = [lib.tensor(a, requires_grad=True) for a in arrays]
    outputs = [y for y in f(*xs) if y is not None]
    leaves = [*xs, *more]
    given = [lib.tensor(np.cos(np.arange(y.numel()) + k).reshape(tuple(y.shape))) for k, y in enumerate(outputs)]
    first = lib.autograd.grad(outputs, leaves, given, create_graph=second)
    results = [*outputs, *first]
    if second:
        results += lib.autograd.grad(sum((g * g).sum() for g in first), leaves, allow_unused=True)
    return [x if x is None else x.detach().numpy() for x in results]


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        if a is None or b is None:
            assert a is b or not np.any(b if a is None else a)
            continue
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-11)


# ----------------------------------------------------------------------------------------------------------------
# The function


MASKS: dict[str, Any] = {
    "none": None,
    "bool": numbers(4, 5) > -0.5,
    "nowhere": np.array([[True] * 5, [False] * 5, [True, False, True, False, True], [False] * 5]),
    "float": numbers(3, 1, 5),
    "batch": numbers(2, 3, 4, 5) > 0,
}


@pytest.mark.parametrize("mask", MASKS)
def test_scaled_dot_product_attention_is_pytorchs(torch: types.ModuleType, mask: str) -> None:
    arrays = [numbers(2, 3, 4, 6), numbers(2, 3, 5, 6, seed=1), numbers(2, 3, 5, 2, seed=2)]
    given = MASKS[mask]

    def call(lib: Any) -> Callable[..., Any]:
        m = given if given is None else lib.tensor(given)
        return lambda q, k, v: [lib.nn.functional.scaled_dot_product_attention(q, k, v, m)]

    assert_same(derivatives(minigrad, call(minigrad), arrays, []), derivatives(torch, call(torch), arrays, []))


def test_options_are_pytorchs(torch: types.ModuleType) -> None:
    choices: list[dict[str, Any]] = [
        *({"is_causal": True}, {"scale": 0.3}, {"scale": -1.0, "is_causal": True}, {"enable_gqa": True})
    ]
    for options in choices:
        heads = 1 if "enable_gqa" in options else 2
        arrays = [numbers(1, 2, 3, 4), numbers(1, heads, 3, 4, seed=1), numbers(1, heads, 3, 4, seed=2)]
        found = []
        for lib in (minigrad, torch):
            f = functools.partial(lib.nn.functional.scaled_dot_product_attention, **options)
            found.append(derivatives(lib, lambda *x, f=f: [f(*x)], arrays, []))
        assert_same(*found)


def test_attention_by_hand() -> None:
    q = minigrad.tensor([[1.0, 0.0]], dtype=minigrad.float64)
    k = minigrad.tensor([[1.0, 5.0], [3.0, 7.0]], dtype=minigrad.float64)
    v = minigrad.tensor([[10.0], [20.0]], dtype=minigrad.float64)
    e = math.exp((3.0 - 1.0) / math.sqrt(2))
    assert F.scaled_dot_product_attention(q, k, v).item() == pytest.approx((10 + 20 * e) / (1 + e), rel=1e-12)
    assert F.scaled_dot_product_attention(q, k, v, is_causal=True).item() == 10.0
    looking = minigrad.tensor([[False, True]])
    assert F.scaled_dot_product_attention(q, k, v, looking).item() == 20.0
    assert F.scaled_dot_product_attention(q, k, v, minigrad.zeros(1, 2).bool()).item() == 0.0


def test_dropout_drops_weights_and_keeps_their_mean() -> None:
    x, v = minigrad.zeros(50, 4), minigrad.eye(50)
    weights = F.scaled_dot_product_attention(x, x, v, dropout_p=0.25).numpy()  # of V = 1 the output is the weights
    kept = weights != 0
    np.testing.assert_allclose(weights[kept], 1 / 50 / 0.75, rtol=1e-6)
    assert abs(kept.mean() - 0.75) < 5 * math.sqrt(0.75 * 0.25 / 2500)
    minigrad.manual_seed(1)
    first = F.scaled_dot_product_attention(x, x, v, dropout_p=0.5).tolist()
    minigrad.manual_seed(1)
    assert F.scaled_dot_product_attention(x, x, v, dropout_p=0.5).tolist() == first


def test_gradients_with_dropout_by_differences() -> None:
    draws = [minigrad.tensor(numbers(2, 3, 4, seed=k), requires_grad=True) for k in range(3)]

    def f(q: Any, k: Any, v: Any) -> Any:
        minigrad.manual_seed(0)  # the same weights are dropped each time
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=0.5)

    assert gradcheck(f, draws)


def test_float32_stays_float32() -> None:
    x = minigrad.randn(2, 3, 4).requires_grad_()
    for options in ({}, {"is_causal": True}, {"attn_mask": minigrad.ones(3, 3).bool()}, {"dropout_p": 0.5}):
        y = F.scaled_dot_product_attention(x, x, x, **options)
        (g,) = minigrad.autograd.grad(y.sum(), x)
        assert y.dtype == g.dtype == minigrad.float32


# ----------------------------------------------------------------------------------------------------------------
# The layer


def layers(torch: types.ModuleType, *args: Any, **settings: Any) -> tuple[Any, Any]:
    theirs = torch.nn.MultiheadAttention(*args, **settings, dtype=torch.float64)
    ours = nn.MultiheadAttention(*args, **settings, dtype=minigrad.float64)
    with torch.no_grad():
        for p in theirs.parameters():  # biases start at 0, which would hide where they go
            p.copy_(torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    return ours, theirs


def both(
    torch: types.ModuleType, pair: tuple[Any, Any], arrays: list[Array], same: int, second: bool, **given: Any
) -> None:
    """Compare the layers; with ``same`` 3, one tensor is query, key and value; with 2, one is key and value."""

    def call(lib: Any, layer: Any) -> Callable[..., Any]:
        options = {name: lib.tensor(x) if isinstance(x, np.ndarray) else x for name, x in given.items()}
        spread = {3: [0, 0, 0], 2: [0, 1, 1], 1: [0, 1, 2]}[same]
        return lambda *xs: layer(*(xs[k] for k in spread), **options)

    ours, theirs = (
        derivatives(lib, call(lib, layer), arrays, list(layer.parameters()), second)
        for lib, layer in zip((minigrad, torch), pair, strict=True)
    )
    assert_same(ours, theirs)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"bias": False, "batch_first": True},
    {"add_bias_kv": True},
    {"add_zero_attn": True, "batch_first": True},
    {"add_bias_kv": True, "add_zero_attn": True, "bias": False},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_layers_are_pytorchs(torch: types.ModuleType, settings: dict[str, Any]) -> None:
    pair = layers(torch, 6, 2, **settings)
    first = settings.get("batch_first", False)
    query, key, value = (numbers(*((3, n, 6) if first else (n, 3, 6)), seed=n) for n in (4, 5, 5))
    padding = np.arange(5) >= np.array([[5], [3], [4]])
    ahead = np.triu(np.ones((4, 5), bool), 1)
    for same, arrays in ((3, [key]), (2, [query, key]), (1, [query, key, value])):
        for need in (True, False):
            both(torch, pair, arrays, same, not settings, need_weights=need)
            both(torch, pair, arrays, same, False, need_weights=need, key_padding_mask=padding)
    for need, average in itertools.product((True, False), repeat=2):
        options = {"need_weights": need, "average_attn_weights": average}
        both(torch, pair, [query, key], 2, False, **options, attn_mask=ahead, key_padding_mask=padding)
        both(torch, pair, [query, key], 2, False, **options, attn_mask=numbers(4, 5, seed=9))
        both(torch, pair, [query, key], 2, False, **options, attn_mask=numbers(6, 4, 5, seed=8))
        unbatched = [query[0], key[0]] if first else [query[:, 0], key[:, 0]]
        both(torch, pair, unbatched, 2, False, **options, attn_mask=ahead, key_padding_mask=padding[1])
        both(torch, pair, unbatched[1:], 3, False, **options)


def test_other_widths_are_pytorchs(torch: types.ModuleType) -> None:
    pair = layers(torch, 6, 3, kdim=4, vdim=2)
    both(torch, pair, [numbers(4, 2, 6), numbers(5, 2, 4), numbers(5, 2, 2)], 1, True)
    pair = layers(torch, 6, 3, kdim=4, vdim=4, bias=False, batch_first=True)
    both(torch, pair, [numbers(2, 4, 6), numbers(2, 5, 4)], 2, False, need_weights=False)


@pytest.mark.parametrize("name", ["scaled_dot_product_attention", "multi_head_attention_forward"])
def test_signatures_are_pytorchs(torch: types.ModuleType, name: str) -> None:
    ours = {n: p.default for n, p in inspect.signature(getattr(F, name)).parameters.items()}
    ours.pop("batch_first", None)
    if name == "scaled_dot_product_attention":  # theirs is built in, and documented
        assert list(ours) == ["query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa"]
    else:
        theirs = inspect.signature(getattr(torch.nn.functional, name)).parameters
        assert ours == {n: p.default for n, p in theirs.items()}
    theirs = inspect.signature(torch.nn.MultiheadAttention).parameters
    assert inspect.signature(nn.MultiheadAttention).parameters.keys() == theirs.keys()
    for a, b in zip(inspect.signature(nn.MultiheadAttention).parameters.values(), theirs.values(), strict=True):
        assert a.default == b.default
    forward = inspect.signature(torch.nn.MultiheadAttention.forward).parameters
    assert list(inspect.signature(nn.MultiheadAttention.forward).parameters) == list(forward)


def test_a_head_by_hand() -> None:
    layer = nn.MultiheadAttention(2, 2, bias=False, dtype=minigrad.float64)
    eye = np.eye(2)
    layer.in_proj_weight.data = minigrad.tensor(np.concatenate([eye, eye, eye]))
    layer.out_proj.weight.data = minigrad.tensor(eye)
    x = minigrad.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=minigrad.float64)
    output, weights = layer(x, x, x, average_attn_weights=False)
    a = math.e / (1 + math.e)  # each head sees one number: scores 1 and 0, or 0 and 0
    np.testing.assert_allclose(
        weights.detach().numpy(), [[[a, 1 - a], [0.5, 0.5]], [[0.5, 0.5], [1 - a, a]]], rtol=1e-12
    )
    np.testing.assert_allclose(output.detach().numpy(), [[a, 0.5], [0.5, a]], rtol=1e-12)


def test_the_two_ways_of_computing_agree() -> None:
    layer = nn.MultiheadAttention(8, 2, batch_first=True, dtype=minigrad.float64)
    x = minigrad.tensor(numbers(2, 5, 8))
    mask = nn.Transformer.generate_square_subsequent_mask(5, dtype=minigrad.float64)
    with_weights, weights = layer(x, x, x, attn_mask=mask)
    without, nothing = layer(x, x, x, attn_mask=mask, need_weights=False)
    assert nothing is None
    np.testing.assert_allclose(with_weights.detach().numpy(), without.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(weights.sum(-1).detach().numpy(), 1.0, rtol=1e-12)
    assert not np.triu(weights.detach().numpy(), 1).any()


def test_nothing_is_read_back_from_the_gpu() -> None:
    with strict_cupy.installed() as cp:
        layer = nn.MultiheadAttention(8, 2, dropout=0.5).to("cuda")
        x = minigrad.randn(5, 3, 8, device="cuda").requires_grad_()
        mask = nn.Transformer.generate_square_subsequent_mask(5, device="cuda")
        before = cp.syncs
        for need in (True, False):
            layer(x, x, x, attn_mask=mask, need_weights=need)[0].sum().backward()
        F.scaled_dot_product_attention(x, x, x, is_causal=True).sum().backward()
        assert cp.syncs == before


def test_what_is_wrong_is_said_with_the_path() -> None:
    net = nn.ModuleDict({"look": nn.MultiheadAttention(8, 2)})
    x = minigrad.ones(3, 2, 8)
    with pytest.raises(TypeError) as caught:
        net["look"](np.ones((3, 2, 8)), x, x)
    assert str(caught.value).startswith("MultiheadAttention 8, 2 heads: expected a Tensor, got a NumPy array")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = net["look"]

        def forward(self, x: Any, y: Any) -> Any:
            return self.look(x, y, y)

    with pytest.raises(RuntimeError) as wrong:
        Net()(x, minigrad.ones(4, 3, 8))
    assert str(wrong.value) == (
        "Net.look (MultiheadAttention 8, 2 heads): expected query and key of one batch, in the order (length, batch, "
        "features), got query (3, 2, 8), key (4, 3, 8), value (4, 3, 8).\n"
        "  If the batch comes first, use batch_first=True."
    )
    with pytest.raises(NotImplementedError, match="static_k and static_v are not supported"):
        F.multi_head_attention_forward(
            *(x, x, x, 8, 2, minigrad.ones(24, 8), None, None, None, False, 0.0, minigrad.eye(8), None), static_k=x
        )

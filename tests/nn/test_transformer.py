"""Transformers beside PyTorch: outputs, all gradients, second derivatives, masks, and training."""

from __future__ import annotations

import inspect
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def torch() -> Iterator[types.ModuleType]:
    torch = pytest.importorskip("torch")
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # its fast ones have no second derivative
        yield torch


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def pair(torch: types.ModuleType, make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Make the same module in both libraries, with the same random parameters, in float64."""
    with warnings.catch_warnings(action="ignore"):  # which path PyTorch will take in evaluation
        theirs, ours = make(torch).double(), make(minigrad).double()
    with torch.no_grad():
        for k, p in enumerate(theirs.parameters()):
            p.copy_(torch.tensor(numbers(*p.shape, seed=k)) * 0.5)
    ours.load_state_dict({key: minigrad.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    return ours, theirs


def results(lib: Any, module: Any, arrays: list[Array], given: dict[str, Any], second: bool) -> list[Array]:
    xs = [lib.tensor(a, requires_grad=True) for a in arrays]
    y = module(*xs, **{name: lib.tensor(x) if isinstance(x, np.ndarray) else x for name, x in given.items()})
    leaves = [*xs, *module.parameters()]
    cotangent = lib.tensor(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
    first = lib.autograd.grad(y, leaves, cotangent, create_graph=second)
    found = [y, *first]
    if second:
        found += lib.autograd.grad(sum((g * g).sum() for g in first), leaves, materialize_grads=True)
    return [x.detach().numpy() for x in found]


def compare(torch: types.ModuleType, modules: Any, arrays: list[Array], second: bool = False, **given: Any) -> None:
    ours, theirs = (
        results(lib, module, arrays, given, second) for lib, module in zip((minigrad, torch), modules, strict=True)
    )
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * max(1, np.abs(b).max()))


def causal(n: int) -> Array:
    return np.triu(np.full((n, n), -np.inf), 1)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"norm_first": True, "batch_first": True},
    {"activation": "gelu", "bias": False},
    {"layer_norm_eps": 0.1, "norm_first": True},
]


def drawn(*lengths: int, first: bool = False) -> list[Array]:
    return [numbers(2, n, 4, seed=n) if first else numbers(n, 2, 4, seed=n) for n in lengths]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_encoder_layers_are_pytorchs(torch: types.ModuleType, settings: dict[str, Any]) -> None:
    layers = pair(torch, lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, **settings))
    x = drawn(3, first=settings.get("batch_first", False))
    padding = np.array([[False, False, True], [False, False, False]])
    compare(torch, layers, x, second=not settings)
    compare(torch, layers, x, src_mask=causal(3), is_causal=True)
    compare(torch, layers, x, src_mask=causal(3) < 0, src_key_padding_mask=padding)
    compare(torch, layers, [x[0][0] if settings.get("batch_first") else x[0][:, 0]])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_decoder_layers_are_pytorchs(torch: types.ModuleType, settings: dict[str, Any]) -> None:
    layers = pair(torch, lambda lib: lib.nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0, **settings))
    x = drawn(3, 5, first=settings.get("batch_first", False))
    padding = np.arange(5) >= np.array([[4], [5]])
    compare(torch, layers, x, second=not settings)
    compare(torch, layers, x, tgt_mask=causal(3), memory_key_padding_mask=padding * -1e9, tgt_is_causal=True)
    compare(torch, layers, x, tgt_mask=causal(3) < 0, tgt_key_padding_mask=padding[:, 2:], memory_mask=padding[[0] * 3])


def test_activation_can_be_a_function_or_a_module(torch: types.ModuleType) -> None:
    for make in (
        lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, activation=lib.tanh),
        lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 8, 0.0, activation=lib.nn.SiLU()),
    ):
        compare(torch, pair(torch, make), drawn(3))


@pytest.mark.parametrize("norm", [True, False])
def test_stacks_are_pytorchs(torch: types.ModuleType, norm: bool) -> None:
    def encoder(lib: Any) -> Any:
        layer = lib.nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
        return lib.nn.TransformerEncoder(layer, 2, lib.nn.LayerNorm(4) if norm else None, enable_nested_tensor=False)

    def decoder(lib: Any) -> Any:
        layer = lib.nn.TransformerDecoderLayer(4, 2, 8, dropout=0.0)
        return lib.nn.TransformerDecoder(layer, 2, lib.nn.LayerNorm(4) if norm else None)

    compare(torch, pair(torch, encoder), drawn(3, first=True), mask=causal(3), is_causal=True)
    compare(torch, pair(torch, decoder), drawn(3, 5), tgt_mask=causal(3))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_whole_transformers_are_pytorchs(torch: types.ModuleType, settings: dict[str, Any]) -> None:
    models = pair(torch, lambda lib: lib.nn.Transformer(4, 2, 1, 2, 8, dropout=0.0, **settings))
    x = drawn(5, 3, first=settings.get("batch_first", False))
    padding = np.arange(5) >= np.array([[4], [5]])
    compare(torch, models, x, tgt_mask=causal(3), src_mask=causal(5), src_is_causal=True)
    compare(torch, models, x, src_key_padding_mask=padding, memory_key_padding_mask=padding, tgt_mask=causal(3) < 0)


@pytest.mark.parametrize("name", nn.transformer.__all__)
def test_signatures_are_pytorchs(torch: types.ModuleType, name: str) -> None:
    ours, theirs = getattr(nn, name), getattr(torch.nn, name)
    for a, b in ((ours, theirs), (ours.forward, theirs.forward)):
        a, b = inspect.signature(a).parameters, inspect.signature(b).parameters
        assert list(a) == list(b)
        for p, q in zip(a.values(), b.values(), strict=True):
            assert p.default == q.default or (p.default is nn.functional.relu and callable(q.default))


def test_evaluation_without_gradients_is_pytorchs(torch: types.ModuleType) -> None:
    """PyTorch takes another path there, which agrees wherever nothing is padded."""
    ours, theirs = pair(torch, lambda lib: lib.nn.TransformerEncoderLayer(4, 2, 8, batch_first=True).eval())
    x = numbers(2, 3, 4)
    with torch.no_grad(), minigrad.no_grad():
        np.testing.assert_allclose(ours(minigrad.tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-9)


def test_training_follows_pytorchs(torch: types.ModuleType) -> None:
    modules = pair(torch, lambda lib: lib.nn.Transformer(4, 2, 1, 1, 8, dropout=0.0, batch_first=True))
    losses: list[float] = []
    for lib, model in zip((minigrad, torch), modules, strict=True):
        src, tgt, target = (lib.tensor(numbers(2, 5, 4, seed=k)) for k in range(3))
        mask = model.generate_square_subsequent_mask(5, dtype=lib.float64)
        optimizer = lib.optim.Adam(model.parameters(), lr=0.01)
        for _ in range(15):
            optimizer.zero_grad()
            loss = lib.nn.functional.mse_loss(model(src, tgt, tgt_mask=mask, tgt_is_causal=True), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    np.testing.assert_allclose(losses[15:], losses[:15], rtol=1e-6)
    assert losses[-1] < 0.9 * losses[15]


# ----------------------------------------------------------------------------------------------------------------
# Without PyTorch


def test_a_causal_mask_hides_what_comes_later() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    x = minigrad.randn(1, 5, 8).requires_grad_()
    layer(x, nn.Transformer.generate_square_subsequent_mask(5))[0, 2].sum().backward()
    seen = x.grad.abs().sum(-1)[0] > 1e-7
    assert seen.tolist()[3:] == [False, False]


def test_padding_changes_nothing_for_the_others() -> None:
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True).eval()
    src, tgt = minigrad.randn(1, 4, 8), minigrad.randn(1, 3, 8)
    padded = minigrad.cat([src, 100 * minigrad.randn(1, 2, 8)], 1)
    mask = minigrad.tensor([[False] * 4 + [True] * 2])
    found = model(padded, tgt, src_key_padding_mask=mask, memory_key_padding_mask=mask)
    np.testing.assert_allclose(found.detach().numpy(), model(src, tgt).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_norms_keep_each_entry_normalised() -> None:
    y = nn.TransformerEncoderLayer(8, 2, 16, dtype=minigrad.float64)(minigrad.tensor(numbers(5, 2, 8)))
    np.testing.assert_allclose(y.mean(-1).detach().numpy(), 0.0, atol=1e-12)
    np.testing.assert_allclose(y.var(-1, correction=0).detach().numpy(), 1.0, rtol=1e-3)


def test_dropout_in_training_and_none_in_evaluation() -> None:
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.5)
    src, tgt = minigrad.randn(4, 2, 8), minigrad.randn(3, 2, 8)
    assert (model(src, tgt) != model(src, tgt)).any()
    model.eval()
    assert (model(src, tgt) == model(src, tgt)).all()


def test_layers_of_a_stack_are_copies() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    stack = nn.TransformerEncoder(layer, 3)
    assert len(list(stack.parameters())) == 3 * len(list(layer.parameters()))
    with minigrad.no_grad():
        layer.linear1.weight.fill_(0.0)
    assert all(one.linear1.weight.any() for one in stack.layers)


def test_custom_halves_take_the_place_of_ours() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 1)
    model = nn.Transformer(4, 2, 6, 1, 8, custom_encoder=encoder)
    assert model.encoder is encoder
    assert model(minigrad.randn(3, 4), minigrad.randn(2, 4)).shape == (2, 4)


def test_wrong_inputs_are_named_with_their_path() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2)
    with pytest.raises(RuntimeError) as caught:
        encoder(minigrad.ones(3, 2, 5))
    assert str(caught.value) == (
        "TransformerEncoder.layers.0.self_attn (MultiheadAttention 4, 2 heads): expected query (..., 4), got (3, 2, 5)."
    )
    with pytest.raises(TypeError, match=r"Transformer 4: expected a Tensor, got a NumPy array of shape \(3, 4\)"):
        nn.Transformer(4, 2, 1, 1, 8)(np.ones((3, 4)), minigrad.ones(3, 4))

"""Metrics of numbers, beside scikit-learn, SciPy and NumPy."""

import warnings

import numpy as np
import pytest

import minigrad
from minigrad.metrics import (
    ExplainedVariance,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    PearsonCorrCoef,
    Perplexity,
    R2Score,
    SpearmanCorrCoef,
)


def numbers(n=101, outputs=3, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.standard_normal((n, outputs)) * [1, 5, 0.2][:outputs] + offset
    return target + rng.standard_normal((n, outputs)) * 0.7 + 0.1, target


def in_batches(metric, *arrays, size=17):
    for start in range(0, len(arrays[0]), size):
        metric.update(*(minigrad.as_tensor(array[start : start + size]) for array in arrays))
    return metric.compute()


def close(ours, expected, rtol=1e-12):
    np.testing.assert_allclose(ours.numpy(), expected, rtol=rtol, atol=1e-15)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_errors_beside_sklearn(offset):
    sk = pytest.importorskip("sklearn.metrics")
    p, t = numbers(offset=offset)
    close(in_batches(MeanSquaredError(), p, t), sk.mean_squared_error(t, p))
    close(in_batches(MeanSquaredError(squared=False), p, t), sk.mean_squared_error(t, p) ** 0.5)
    each = sk.mean_squared_error(t, p, multioutput="raw_values")
    close(in_batches(MeanSquaredError(num_outputs=3), p, t), each)
    close(in_batches(MeanSquaredError(squared=False, num_outputs=3), p, t), each**0.5)
    close(in_batches(MeanAbsoluteError(), p, t), sk.mean_absolute_error(t, p))
    close(in_batches(MeanAbsoluteError(num_outputs=3), p, t), sk.mean_absolute_error(t, p, multioutput="raw_values"))
    close(in_batches(MeanAbsolutePercentageError(), p, t), sk.mean_absolute_percentage_error(t, p))


@pytest.mark.parametrize("multioutput", ["raw_values", "uniform_average", "variance_weighted"])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_explained_beside_sklearn(multioutput, offset):
    """Also where the mean is a million standard deviations away from 0: sums of squares would be all rounding."""
    sk = pytest.importorskip("sklearn.metrics")
    p, t = numbers(offset=offset)
    rtol = 1e-12 if offset == 0 else 1e-7
    close(in_batches(R2Score(multioutput=multioutput), p, t), sk.r2_score(t, p, multioutput=multioutput), rtol)
    expected = sk.explained_variance_score(t, p, multioutput=multioutput)
    close(in_batches(ExplainedVariance(multioutput=multioutput), p, t), expected, rtol)
    p, t = p[:, 0], t[:, 0]
    close(in_batches(R2Score(multioutput=multioutput), p, t), sk.r2_score(t, p), rtol)


@pytest.mark.parametrize("multioutput", ["raw_values", "uniform_average", "variance_weighted"])
def test_constant_targets_beside_sklearn(multioutput):
    sk = pytest.importorskip("sklearn.metrics")
    target = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]])
    preds = np.array([[1.0, 2.0], [1.0, 2.5], [1.0, 2.0]])
    close(
        in_batches(R2Score(multioutput=multioutput), preds, target), sk.r2_score(target, preds, multioutput=multioutput)
    )
    expected = sk.explained_variance_score(target, preds, multioutput=multioutput)
    close(in_batches(ExplainedVariance(multioutput=multioutput), preds, target), expected)


def test_adjusted_r2():
    p, t = numbers(12, 1)
    plain = in_batches(R2Score(), p, t).item()
    assert in_batches(R2Score(adjusted=4), p, t).item() == pytest.approx(1 - (1 - plain) * 11 / 7)
    for many in (11, 20):
        metric = R2Score(adjusted=many)
        metric.update(minigrad.tensor(p), minigrad.tensor(t))
        with pytest.warns(UserWarning, match=f"12 samples are too few to adjust for {many} regressors") as seen:
            assert metric.compute().item() == pytest.approx(plain)
        assert seen[0].filename == __file__


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_pearson_beside_numpy(offset):
    p, t = numbers(offset=offset)
    expected = [np.corrcoef(p[:, k], t[:, k])[0, 1] for k in range(3)]
    rtol = 1e-12 if offset == 0 else 1e-8
    close(in_batches(PearsonCorrCoef(num_outputs=3), p, t), expected, rtol)
    close(in_batches(PearsonCorrCoef(), p[:, 0], t[:, 0]), expected[0], rtol)


def test_spearman_beside_scipy():
    stats = pytest.importorskip("scipy.stats")
    p, t = numbers()
    p, t = np.round(p, 1), np.round(t, 1)  # with ties
    expected = [stats.spearmanr(p[:, k], t[:, k]).statistic for k in range(3)]
    close(in_batches(SpearmanCorrCoef(num_outputs=3), p, t), expected)
    close(in_batches(SpearmanCorrCoef(), p[:, 0], t[:, 0]), expected[0])


@pytest.mark.parametrize("metric", [PearsonCorrCoef, SpearmanCorrCoef])
def test_correlation_with_a_constant_is_nan(metric):
    x = minigrad.tensor([1.0, 2.0, 3.0])
    assert np.isnan(metric()(x, minigrad.ones(3)).item())
    assert metric()(x, -x).item() == -1.0


@pytest.mark.parametrize(
    "metric", [MeanSquaredError, MeanAbsoluteError, R2Score, ExplainedVariance, PearsonCorrCoef, SpearmanCorrCoef]
)
def test_the_call_gives_the_batch_and_compute_the_whole(metric):
    p, t = numbers(40, 1)
    parts = [slice(0, 30), slice(30, 40)]
    called = metric()
    for part in parts:
        ours = called(minigrad.tensor(p[part]), minigrad.tensor(t[part])).item()
        assert ours == metric()(minigrad.tensor(p[part]), minigrad.tensor(t[part])).item()
    assert called.update_count == 2
    assert called.compute().item() == in_batches(metric(), p, t, size=30).item()
    assert called.compute().item() == pytest.approx(in_batches(metric(), p, t, size=40).item(), rel=1e-12)


def test_dtypes():
    x = minigrad.tensor([1.0, 2.0])
    assert MeanSquaredError()(x, x).dtype == minigrad.float32
    assert MeanSquaredError()(x.double(), x).dtype == minigrad.float64
    assert MeanSquaredError()(minigrad.tensor([3, 5]), minigrad.tensor([1, 5])).item() == 2.0
    many = minigrad.full((1000,), 16777217.0, dtype=minigrad.float64)  # float32 cannot count that far
    metric = MeanAbsoluteError()
    for _ in range(3):
        metric.update(many, minigrad.zeros(1000, dtype=minigrad.float64))
    assert metric.compute().item() == 16777217.0


def test_all_dimensions_count_alike():
    p, t = minigrad.zeros(2, 3, 4), minigrad.ones(2, 3, 4)
    assert MeanSquaredError()(p, 2 * t).item() == 4.0
    assert MeanSquaredError()(minigrad.tensor(1.0), minigrad.tensor(3.0)).item() == 4.0


def test_empty_batches():
    empty = minigrad.zeros(0)
    for metric in (PearsonCorrCoef(), MeanSquaredError()):
        metric.update(empty, empty)
        metric.update(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 2.0]))
        assert metric.compute().item() == (1.0 if isinstance(metric, PearsonCorrCoef) else 0.0)


def test_misuse():
    x = minigrad.ones(4)
    with pytest.raises(ValueError, match=r"one shape, got preds \(4, 1\) and target \(4,\); use preds\.squeeze\(1\)"):
        MeanSquaredError().update(minigrad.ones(4, 1), x)
    with pytest.raises(ValueError, match=r"; use target\.squeeze\(1\)"):
        MeanSquaredError().update(x, minigrad.ones(4, 1))
    with pytest.raises(ValueError, match=r"of shape \(N, 2\), got preds \(4,\)"):
        MeanSquaredError(num_outputs=2).update(x, x)
    with pytest.raises(ValueError, match=r"of shape \(N,\) or \(N, outputs\), got preds \(2, 2, 2\)"):
        R2Score().update(minigrad.ones(2, 2, 2), minigrad.ones(2, 2, 2))
    with pytest.raises(TypeError, match="MeanAbsoluteError: expected preds to be a tensor, got list"):
        MeanAbsoluteError().update([1.0], x)
    with pytest.raises(ValueError, match="it needs two samples or more, got 1"):
        R2Score()(minigrad.ones(1), minigrad.ones(1))
    with pytest.raises(ValueError, match=r"multioutput to be one of .*, got 'mean'"):
        ExplainedVariance(multioutput="mean")
    with pytest.raises(ValueError, match="adjusted to be an integer >= 0, got -1"):
        R2Score(adjusted=-1)
    with pytest.raises(ValueError, match="num_outputs to be an integer >= 1, got 0"):
        MeanSquaredError(num_outputs=0)


# ----------------------------------------------------------------------------------------------------------------
# Perplexity


@pytest.mark.parametrize("ignore_index", [None, -100, 3])
def test_perplexity_beside_cross_entropy(ignore_index):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, tokens = 3 * rng.standard_normal((6, 5, 11)), rng.integers(0, 11, (6, 5))
    if ignore_index is not None:
        tokens[0] = ignore_index
    loss = torch.nn.functional.cross_entropy(
        torch.tensor(logits).flatten(0, 1),
        torch.tensor(tokens).flatten(),
        ignore_index=-1 if ignore_index is None else ignore_index,
    )
    ours = in_batches(Perplexity(ignore_index), logits, tokens, size=4)
    close(ours, loss.exp().item(), 1e-6)
    assert ours.dtype == minigrad.float32


def test_perplexity_refuses():
    metric = Perplexity()
    with pytest.raises(ValueError, match=r"logits \(N, T, V\) and target tokens \(N, T\), got preds \(2, 3\) float32"):
        metric.update(minigrad.zeros(2, 3), minigrad.zeros(2, dtype=minigrad.int64))
    with pytest.raises(ValueError, match="tokens \\(integers\\), got float32"):
        metric.update(minigrad.zeros(2, 3, 4), minigrad.zeros(2, 3))
    with pytest.raises(RuntimeError, match="tokens from 0 to 3, got -100 to 0; give ignore_index"):
        metric.update(minigrad.zeros(1, 2, 4), minigrad.tensor([[0, -100]]))
    with pytest.raises(TypeError, match="expected tensors, got list"):
        metric.update([1.0], [1])
    with pytest.raises(ValueError, match=r"an integer, got 0\.5"):
        Perplexity(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert metric.compute().item() == 1.0

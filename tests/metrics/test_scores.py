"""Metrics made of counts and of confusion matrices, beside scikit-learn, and by hand where it has none."""

import inspect
import pickle

import numpy as np
import pytest

import minigrad
from minigrad.metrics import (
    CalibrationError,
    CohenKappa,
    F1Score,
    FBetaScore,
    HammingDistance,
    JaccardIndex,
    MatthewsCorrCoef,
    Precision,
    Recall,
    Specificity,
    StatScores,
    classification,
)

CLASSES = 5
AVERAGES = ["micro", "macro", "weighted", None]


def multiclass(n=150, seed=0):
    """Scores that are right about every other time, and labels; class 3 neither occurs nor is predicted."""
    rng = np.random.default_rng(seed)
    target = rng.choice([0, 1, 2, 4], n)
    scores = rng.standard_normal((n, CLASSES)).astype(np.float32)
    scores[np.arange(n), target] += 1.0
    scores[:, 3] -= 10.0
    return scores, target


def multilabel(n=100, labels=4, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, (n, labels))
    target[:, 2] = 0  # a label that nobody has
    return np.clip(0.3 * target + rng.uniform(0, 0.7, (n, labels)), 0, 1).astype(np.float32), target


def in_batches(metric, *arrays, size=64):
    for start in range(0, len(arrays[0]), size):
        metric.update(*(minigrad.as_tensor(array[start : start + size]) for array in arrays))
    return metric.compute().numpy()


def close(ours, expected):
    np.testing.assert_allclose(ours, expected, rtol=2**-22, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------------
# Beside scikit-learn


def sk_scores(sk, target, found, average, **options):
    """Return precision, recall, F1, F-beta and Jaccard of scikit-learn, by the names of our classes."""
    options = {"average": average, "zero_division": 0, **options}
    return {
        Precision: sk.precision_score(target, found, **options),
        Recall: sk.recall_score(target, found, **options),
        F1Score: sk.f1_score(target, found, **options),
        FBetaScore: sk.fbeta_score(target, found, beta=2.0, **options),
        JaccardIndex: sk.jaccard_score(target, found, **options),
    }


@pytest.mark.parametrize("average", AVERAGES)
def test_multiclass_beside_sklearn(average):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    # scikit-learn averages over the classes that occur, if it is not told of more; so do we, by the rule.
    expected = sk_scores(sk, target, scores.argmax(1), average, labels=range(CLASSES) if average is None else None)
    for metric, value in expected.items():
        options = {"beta": 2.0} if metric is FBetaScore else {}
        made = metric(task="multiclass", num_classes=CLASSES, average=average, **options)
        close(in_batches(made, scores, target), value)


@pytest.mark.parametrize("average", AVERAGES)
def test_multilabel_beside_sklearn(average):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multilabel()
    for metric, value in sk_scores(sk, target, scores > 0.4, average).items():
        options = {"beta": 2.0} if metric is FBetaScore else {}
        made = metric(task="multilabel", num_labels=4, threshold=0.4, average=average, **options)
        close(in_batches(made, scores, target), value)


def test_binary_beside_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = (array[:, 0] for array in multilabel())
    found = scores > 0.5
    for metric, value in sk_scores(sk, target, found, "binary").items():
        options = {"beta": 2.0} if metric is FBetaScore else {}
        close(in_batches(metric(task="binary", **options), scores, target), value)
    close(in_batches(Specificity("binary"), scores, target), sk.recall_score(target, found, pos_label=0))
    close(in_batches(HammingDistance("binary"), scores, target), sk.hamming_loss(target, found))
    close(in_batches(CohenKappa("binary"), scores, target), sk.cohen_kappa_score(target, found))
    close(in_batches(MatthewsCorrCoef("binary"), scores, target), sk.matthews_corrcoef(target, found))


@pytest.mark.parametrize("weights", [None, "none", "linear", "quadratic"])
def test_kappa_beside_sklearn(weights):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    kind = None if weights == "none" else weights
    expected = sk.cohen_kappa_score(target, scores.argmax(1), weights=kind, labels=range(CLASSES))
    close(in_batches(CohenKappa("multiclass", num_classes=CLASSES, weights=weights), scores, target), expected)


def test_correlation_and_distance_beside_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    found = scores.argmax(1)
    close(
        in_batches(MatthewsCorrCoef("multiclass", num_classes=CLASSES), scores, target),
        sk.matthews_corrcoef(target, found),
    )
    close(
        in_batches(HammingDistance("multiclass", num_classes=CLASSES), scores, target), sk.hamming_loss(target, found)
    )
    scores, target = multilabel()
    found = scores > 0.5
    close(in_batches(HammingDistance("multilabel", num_labels=4), scores, target), sk.hamming_loss(target, found))
    close(
        in_batches(MatthewsCorrCoef("multilabel", num_labels=4), scores, target),
        sk.matthews_corrcoef(target.ravel(), found.ravel()),
    )


# ----------------------------------------------------------------------------------------------------------------
# By hand


def test_counts():
    metric = StatScores("binary")
    metric.update(minigrad.tensor([0.9, 0.8, 0.1, 0.7, 0.2]), minigrad.tensor([1, 1, 1, 0, 0]))
    assert metric.compute().tolist() == [2, 1, 1, 1, 3]  # tp, fp, tn, fn, support
    preds, target = minigrad.tensor([2, 1, 0, 1]), minigrad.tensor([2, 1, 0, 0])
    each = [[1, 0, 2, 1, 2], [1, 1, 2, 0, 1], [1, 0, 3, 0, 1]]
    expected = {
        None: each,
        "micro": np.sum(each, 0),
        "macro": np.mean(each, 0),
        "weighted": np.average(each, 0, weights=[2, 1, 1]),
    }
    for average, value in expected.items():
        ours = StatScores("multiclass", num_classes=3, average=average)(preds, target)
        close(ours.numpy(), value)
        assert ours.dtype == (minigrad.int64 if average in (None, "micro") else minigrad.float32)


def test_what_zero_by_zero_is():
    preds, target = minigrad.tensor([0, 0]), minigrad.tensor([1, 1])  # 0 has no samples, 1 no predictions, 2 neither
    options = {"task": "multiclass", "num_classes": 3, "average": None}
    assert Precision(**options)(preds, target).tolist() == [0, 0, 0]
    assert Precision(**options, zero_division=1)(preds, target).tolist() == [0, 1, 1]
    assert Recall(**options, zero_division=0.5)(preds, target).tolist() == [0.5, 0, 0.5]
    assert F1Score(**options, zero_division=1)(preds, target).tolist() == [0, 0, 1]
    assert JaccardIndex(**options, zero_division=1)(preds, target).tolist() == [0, 0, 1]
    assert Recall("binary")(preds, preds).item() == 0
    nothing = minigrad.tensor([-1, -1])
    assert F1Score(task="multiclass", num_classes=3, average="macro", ignore_index=-1)(preds, nothing).item() == 0


def test_averages_leave_out_classes_that_do_not_occur():
    preds, target = minigrad.tensor([0, 1, 1, 1]), minigrad.tensor([0, 0, 1, 1])  # of five classes only two
    assert Recall("multiclass", num_classes=5, average="macro")(preds, target).item() == 0.75
    assert JaccardIndex("multiclass", num_classes=5)(preds, target).item() == np.float32((1 / 2 + 2 / 3) / 2)
    missing = minigrad.tensor([0, 1, 1, 4])  # 4 is predicted, so it occurs
    assert Recall("multiclass", num_classes=5, average="macro")(missing, target).item() == np.float32(1 / 3)


def test_an_ignored_class_is_not_averaged_by_jaccard():
    preds, target = minigrad.tensor([0, 1, 1, 2]), minigrad.tensor([0, 1, 2, 2])
    metric = JaccardIndex("multiclass", num_classes=3, ignore_index=0)
    assert metric(preds, target).item() == 0.5  # (1/2 + 1/2) / 2
    metric = JaccardIndex("multiclass", num_classes=3, ignore_index=0, average="micro")
    assert metric(preds, target).item() == 0.5  # 2 / 4


@pytest.mark.parametrize(("found", "value"), [([0, 1, 1], 1), ([1, 0, 0], -1), ([1, 1, 1], 0)])
def test_matthews_at_its_ends(found, value):
    assert MatthewsCorrCoef("binary")(minigrad.tensor(found), minigrad.tensor([0, 1, 1])).item() == value


@pytest.mark.parametrize(("found", "value"), [([1, 1], 1), ([0, 0], -1), ([0, 1], 0)])
def test_matthews_of_one_class(found, value):
    assert MatthewsCorrCoef("binary")(minigrad.tensor(found), minigrad.tensor([1, 1])).item() == value


def test_kappa_of_one_class_is_nan():
    assert np.isnan(CohenKappa("binary")(minigrad.tensor([1, 1]), minigrad.tensor([1, 1])).item())


# ----------------------------------------------------------------------------------------------------------------
# Samples apart


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", ["Accuracy", "Precision", "F1Score", "Specificity", "HammingDistance", "StatScores"])
def test_samples_apart_are_metrics_of_each(name, average):
    rng = np.random.default_rng(0)
    metric = getattr(minigrad.metrics, name)
    cases = [
        ("multiclass", rng.random((6, 3, 4, 2), np.float32), rng.integers(-1, 3, (6, 4, 2))),
        ("multiclass", rng.integers(0, 3, (6, 7)), rng.integers(0, 3, (6, 7))),
        ("multilabel", rng.random((6, 3, 5), np.float32), rng.integers(-1, 2, (6, 3, 5))),
        ("binary", rng.random((6, 5), np.float32), rng.integers(-1, 2, (6, 5))),
    ]
    for task, preds, target in cases:
        options = {"task": task, "num_classes": 3, "num_labels": 3, "average": average, "ignore_index": -1}
        ours = in_batches(metric(**options, multidim_average="samplewise"), preds, target, size=4)
        each = [
            metric(**options)(minigrad.tensor(p[None]), minigrad.tensor(t[None])).numpy() for p, t in zip(preds, target)
        ]
        close(ours, np.stack(each))


def test_samples_apart_need_dimensions():
    metric = classification.BinaryAccuracy(multidim_average="samplewise")
    with pytest.raises(ValueError, match=r"'samplewise' needs a dimension besides samples, got target \(3,\)"):
        metric.update(minigrad.tensor([0, 1, 1]), minigrad.tensor([0, 1, 1]))
    metric = classification.MultilabelRecall(2, multidim_average="samplewise")
    with pytest.raises(ValueError, match=r"besides samples and labels, got target \(3, 2\)"):
        metric.update(minigrad.zeros(3, 2), minigrad.zeros(3, 2, dtype=minigrad.int64))


# ----------------------------------------------------------------------------------------------------------------
# Calibration


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("bins", [5, 15])
def test_calibration_by_the_definition(norm, bins):
    rng = np.random.default_rng(0)
    scores, target = rng.random(200, np.float32), rng.integers(0, 2, 200)
    gaps, shares = [], []
    for low in np.arange(bins) / bins:
        here = (scores >= low) & (scores < low + 1 / bins)
        if here.any():
            gaps.append(abs(scores[here].mean(dtype=float) - target[here].mean()))
            shares.append(here.mean())
    gaps, shares = np.array(gaps), np.array(shares)
    expected = {"l1": (gaps * shares).sum(), "l2": (gaps**2 * shares).sum() ** 0.5, "max": gaps.max()}[norm]
    np.testing.assert_allclose(in_batches(CalibrationError("binary", bins, norm), scores, target), expected, rtol=1e-5)
    logits = np.log(scores / (1 - scores)).astype(np.float64)
    ours = in_batches(CalibrationError("binary", bins, norm), logits, target, size=200)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_calibration_of_classes_looks_at_the_best():
    scores, target = multiclass()
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    of_best = classification.BinaryCalibrationError()
    expected = in_batches(of_best, chances.max(1), (chances.argmax(1) == target).astype(int))
    close(in_batches(CalibrationError("multiclass", num_classes=CLASSES), chances, target), expected)
    ours = in_batches(CalibrationError("multiclass", num_classes=CLASSES), scores, target)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_a_perfect_forecaster_is_calibrated():
    metric = CalibrationError("binary", ignore_index=-1)
    assert metric(minigrad.tensor([1.0, 1.0, 0.0, 0.3]), minigrad.tensor([1, 1, 0, -1])).item() == 0


# ----------------------------------------------------------------------------------------------------------------
# Classes of one task


def of_one_task():
    for name in classification.__all__:
        task = next((task for task in ("Binary", "Multiclass", "Multilabel") if name.startswith(task)), None)
        if task:
            yield name, task.lower(), getattr(classification, name.removeprefix(task))


SIZES = {"binary": {}, "multiclass": {"num_classes": 3}, "multilabel": {"num_labels": 3}}


@pytest.mark.parametrize(("name", "task", "general"), list(of_one_task()))
def test_classes_of_one_task_are_the_general_ones(name, task, general):
    kind = getattr(classification, name)
    sizes = {**SIZES[task], **({"beta": 2.0} if general is FBetaScore else {})}
    parameters = inspect.signature(kind).parameters
    assert all(p.default is not p.empty or p.name in sizes for p in parameters.values())
    one = pickle.loads(pickle.dumps(kind(**sizes)))
    average = {"average": "macro"} if "average" in parameters else {}
    other = general(task=task, **sizes, **average)
    assert isinstance(one, general)
    rng = np.random.default_rng(0)
    shape = (20,) if task == "binary" else (20, 3)
    preds = minigrad.tensor(rng.random(shape, np.float32))
    target = minigrad.tensor(
        rng.integers(0, 3 if task == "multiclass" else 2, shape[:1] if task == "multiclass" else shape)
    )
    for ours, expected in zip(flat(one(preds, target)), flat(other(preds, target)), strict=True):
        assert np.array_equal(ours, expected)
    assert repr(one) == f"{name}({', '.join(f'{key}={x}' for key, x in SIZES[task].items())})"


def flat(value):
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in flat(part)]
    return [value.numpy()]


def test_defaults_are_torchmetrics():
    assert classification.MulticlassRecall(3).average == "macro"
    assert Recall("multiclass", num_classes=3).average == "micro"
    assert classification.MulticlassJaccardIndex(3).average == "macro"
    expected = ["num_classes", "top_k", "average", "multidim_average", "ignore_index", "validate_args"]
    assert list(inspect.signature(classification.MulticlassAccuracy).parameters) == expected
    assert list(inspect.signature(classification.BinaryFBetaScore).parameters)[:2] == ["beta", "threshold"]
    assert list(inspect.signature(classification.BinaryAUROC).parameters)[:2] == ["max_fpr", "thresholds"]


def test_misuse():
    with pytest.raises(
        TypeError, match=r"MulticlassRecall: missing a required argument: 'num_classes'; it takes \(num"
    ):
        classification.MulticlassRecall()
    with pytest.raises(TypeError, match=r"BinaryRecall: got an unexpected keyword argument 'num_classes'"):
        classification.BinaryRecall(num_classes=3)
    with pytest.raises(
        TypeError, match=r"say which task: CohenKappa\(task='binary'\) or CohenKappa\(task='multiclass'"
    ):
        CohenKappa()
    with pytest.raises(ValueError, match=r"one of \('binary', 'multiclass'\), got 'multilabel'"):
        CohenKappa("multilabel")
    with pytest.raises(ValueError, match="FBetaScore: expected beta above 0, got 0"):
        FBetaScore("binary", beta=0)
    with pytest.raises(ValueError, match=r"weights to be one of .*, got 'cubic'"):
        CohenKappa("binary", weights="cubic")
    with pytest.raises(ValueError, match="n_bins to be an integer >= 1, got 0"):
        CalibrationError("binary", n_bins=0)
    with pytest.raises(ValueError, match="norm to be 'l1', 'l2' or 'max', got 'l3'"):
        CalibrationError("binary", norm="l3")
    with pytest.raises(ValueError, match=r"average to be one of .*, got 'samples'"):
        JaccardIndex("multiclass", num_classes=3, average="samples")

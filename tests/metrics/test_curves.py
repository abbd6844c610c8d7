"""Curves and the areas under them, beside scikit-learn; with given thresholds, beside counting at each."""

import numpy as np
import pytest

import minigrad
from minigrad.metrics import AUROC, ROC, AveragePrecision, PrecisionRecallCurve
from minigrad.metrics.classification import BinaryROC, MulticlassAUROC, MultilabelROC

CLASSES = 4
AVERAGES = ["macro", "weighted", None]


def binary(n=200, seed=0):
    """Scores with ties, some at 0 and 1."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, n)
    return np.round(np.clip(0.3 * target + rng.uniform(-0.1, 0.8, n), 0, 1), 2).astype(np.float32), target


def multiclass(n=150, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, CLASSES, n)
    scores = rng.standard_normal((n, CLASSES))
    scores[np.arange(n), target] += 1.0
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    return np.round(chances, 2), target


def multilabel(n=150, seed=0):
    columns = [binary(n, seed + k) for k in range(3)]
    return np.stack([scores for scores, _ in columns], 1), np.stack([target for _, target in columns], 1)


def in_batches(metric, *arrays, size=64):
    for start in range(0, len(arrays[0]), size):
        metric.update(*(minigrad.as_tensor(array[start : start + size]) for array in arrays))
    return metric.compute()


def close(ours, expected):
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6, atol=1e-12)


# ----------------------------------------------------------------------------------------------------------------
# Exact


def test_precision_recall_curve_beside_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = binary()
    for ours, theirs in zip(
        in_batches(PrecisionRecallCurve("binary"), scores, target),
        sk.precision_recall_curve(target, scores),
        strict=True,
    ):
        close(ours, theirs)
        assert ours.dtype == minigrad.float32


def test_roc_beside_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = binary()
    fpr, tpr, thresholds = in_batches(ROC("binary"), scores, target)
    expected = sk.roc_curve(target, scores, drop_intermediate=False)
    close(fpr, expected[0])
    close(tpr, expected[1])
    close(thresholds[1:], expected[2][1:])
    assert thresholds[0].item() == 1  # scikit-learn has inf


@pytest.mark.parametrize("metric", [PrecisionRecallCurve, ROC])
def test_curves_of_classes_are_those_of_one_against_the_others(metric):
    scores, target = multiclass()
    curves = in_batches(metric("multiclass", num_classes=CLASSES), scores, target)
    for k in range(CLASSES):
        one = in_batches(metric("binary"), scores[:, k], (target == k).astype(int))
        assert all(ours[k].tolist() == x.tolist() for ours, x in zip(curves, one, strict=True))
    scores, target = multilabel()
    curves = in_batches(metric("multilabel", num_labels=3), scores, target)
    for k in range(3):
        one = in_batches(metric("binary"), scores[:, k], target[:, k])
        assert all(ours[k].tolist() == x.tolist() for ours, x in zip(curves, one, strict=True))


def test_binary_areas_beside_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = binary()
    close(in_batches(AUROC("binary"), scores, target), sk.roc_auc_score(target, scores))
    close(in_batches(AveragePrecision("binary"), scores, target), sk.average_precision_score(target, scores))
    for most in (0.05, 0.3, 0.777, 1.0):
        expected = sk.roc_auc_score(target, scores, max_fpr=most)
        close(in_batches(AUROC("binary", max_fpr=most), scores, target), expected)


def test_max_fpr_at_a_corner_of_the_curve():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]), np.array([1, 0, 1, 1, 0, 1, 0, 0])
    for most in (0.25, 0.5, 0.75):
        expected = sk.roc_auc_score(target, scores, max_fpr=most)
        close(in_batches(AUROC("binary", max_fpr=most), scores, target), expected)


@pytest.mark.parametrize("average", AVERAGES)
def test_areas_of_classes_beside_sklearn(average):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    truth = np.eye(CLASSES)[target]
    settings = {"task": "multiclass", "num_classes": CLASSES, "average": average}
    close(in_batches(AUROC(**settings), scores, target), sk.roc_auc_score(truth, scores, average=average))
    expected = sk.average_precision_score(truth, scores, average=average)
    close(in_batches(AveragePrecision(**settings), scores, target), expected)


@pytest.mark.parametrize("average", [*AVERAGES, "micro"])
def test_areas_of_labels_beside_sklearn(average):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multilabel()
    settings = {"task": "multilabel", "num_labels": 3, "average": average}
    close(in_batches(AUROC(**settings), scores, target), sk.roc_auc_score(target, scores, average=average))
    expected = sk.average_precision_score(target, scores, average=average)
    close(in_batches(AveragePrecision(**settings), scores, target), expected)


def test_logits_have_the_curves_of_their_probabilities():
    rng = np.random.default_rng(0)
    logits, target = 3 * rng.standard_normal(60), rng.integers(0, 2, 60)
    ours = BinaryROC()(minigrad.tensor(logits), minigrad.tensor(target))
    expected = BinaryROC()(minigrad.tensor(1 / (1 + np.exp(-logits))), minigrad.tensor(target))
    assert all(a.tolist() == b.tolist() for a, b in zip(ours[:2], expected[:2], strict=True))
    np.testing.assert_allclose(ours[2].numpy(), expected[2].numpy(), rtol=1e-6)
    logits, target = 3 * rng.standard_normal((60, 4)), rng.integers(0, 4, 60)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ours = MulticlassAUROC(4)(minigrad.tensor(logits), minigrad.tensor(target))
    close(ours, MulticlassAUROC(4)(minigrad.tensor(chances), minigrad.tensor(target)).item())


def test_the_order_of_equal_scores_does_not_matter():
    scores = minigrad.full((6,), 0.5)
    for target in ([1, 1, 0, 0, 1, 0], [0, 0, 0, 1, 1, 1]):
        assert AUROC("binary")(scores, minigrad.tensor(target)).item() == 0.5
        assert AveragePrecision("binary")(scores, minigrad.tensor(target)).item() == 0.5


# ----------------------------------------------------------------------------------------------------------------
# Given thresholds


def counted(scores, target, thresholds):
    """Return precision, recall and false positive rate at each threshold, by counting."""
    rows = []
    for t in thresholds:
        found = scores >= np.float32(t)
        tp, fp = (found & (target == 1)).sum(), (found & (target == 0)).sum()
        rows.append((tp / max(tp + fp, 1), tp / max((target == 1).sum(), 1), fp / max((target == 0).sum(), 1)))
    return np.array(rows).T


@pytest.mark.parametrize("thresholds", [11, [0.0, 0.25, 0.5, 0.51, 1.0], [0.3, 0.3, 0.7], minigrad.tensor([0.2, 0.9])])
def test_given_thresholds_are_counted_at_each(thresholds):
    scores, target = binary()
    grid = np.linspace(0, 1, 11) if isinstance(thresholds, int) else np.array(thresholds)
    precision, recall, fpr = counted(scores, target, grid)
    ours = in_batches(PrecisionRecallCurve("binary", thresholds=thresholds), scores, target)
    close(ours[0], [*precision, 1])
    close(ours[1], [*recall, 0])
    close(ours[2], grid)
    ours = in_batches(ROC("binary", thresholds=thresholds), scores, target)
    for part, expected in zip(ours, (fpr, recall, grid), strict=True):
        close(part, expected[::-1])
    area = np.trapezoid(recall[::-1], fpr[::-1])
    close(in_batches(AUROC("binary", thresholds=thresholds), scores, target), area)
    steps = -np.diff([*recall, 0]) @ precision
    close(in_batches(AveragePrecision("binary", thresholds=thresholds), scores, target), steps)


@pytest.mark.parametrize(("task", "batch"), [("multiclass", multiclass), ("multilabel", multilabel)])
def test_given_thresholds_of_classes(task, batch):
    scores, target = batch()
    scores = scores.astype(np.float32)
    n = scores.shape[1]
    settings = {"task": task, "num_classes": n, "num_labels": n, "thresholds": 5}
    precision, recall, thresholds = in_batches(PrecisionRecallCurve(**settings), scores, target)
    fpr, tpr, falling = in_batches(ROC(**settings), scores, target)
    assert (tuple(precision.shape), tuple(tpr.shape)) == ((n, 6), (n, 5))
    assert thresholds.tolist() == falling.tolist()[::-1] == [0, 0.25, 0.5, 0.75, 1]
    for k in range(n):
        truth = target == k if task == "multiclass" else target[:, k]
        expected = counted(scores[:, k], truth, thresholds.numpy())
        close(precision[k, :-1], expected[0])
        close(recall[k, :-1], expected[1])
        close(fpr[k], expected[2][::-1])
    each = in_batches(AUROC(**settings, average=None), scores, target)
    close(in_batches(AUROC(**settings), scores, target), each.mean().item())


def test_fine_thresholds_come_near_the_exact_area():
    scores, target = binary()
    exact = in_batches(AUROC("binary"), scores, target).item()
    assert in_batches(AUROC("binary", thresholds=1001), scores, target).item() == pytest.approx(exact, abs=2e-3)
    pooled = in_batches(AUROC("multilabel", num_labels=3, average="micro", thresholds=1001), *multilabel()).item()
    exact = in_batches(AUROC("multilabel", num_labels=3, average="micro"), *multilabel()).item()
    assert pooled == pytest.approx(exact, abs=2e-3)


# ----------------------------------------------------------------------------------------------------------------
# What does not count, and what is not there


@pytest.mark.parametrize("thresholds", [None, 7])
@pytest.mark.parametrize(
    ("task", "batch"), [("binary", binary), ("multiclass", multiclass), ("multilabel", multilabel)]
)
def test_ignored_samples_do_not_count(task, batch, thresholds):
    scores, target = batch()
    ignored = target.copy()
    ignored[::3] = -1
    keep = np.arange(len(target)) % 3 != 0
    settings = {"task": task, "num_classes": CLASSES, "num_labels": 3, "thresholds": thresholds}
    for metric in (AUROC, AveragePrecision):
        ours = in_batches(metric(**settings, ignore_index=-1), scores, ignored)
        assert ours.item() == in_batches(metric(**settings), scores[keep], target[keep]).item()


def test_ignored_labels_leave_the_others():
    scores, target = multilabel()
    target[::3, 1] = -1
    ours = in_batches(MultilabelROC(3, ignore_index=-1), scores, target)
    keep = target[:, 1] != -1
    expected = in_batches(BinaryROC(), scores[keep, 1], target[keep, 1])
    assert ours[0][1].tolist() == expected[0].tolist()


def test_absent_classes_as_in_torchmetrics():
    """The numbers are those of the examples in its documentation."""
    preds = minigrad.tensor([[0.75, 0.05, 0.05, 0.05, 0.05], [0.05, 0.75, 0.05, 0.05, 0.05],
                             [0.05, 0.05, 0.75, 0.05, 0.05], [0.05, 0.05, 0.05, 0.75, 0.05]])  # fmt: skip
    target = minigrad.tensor([0, 1, 3, 2])
    settings = {"task": "multiclass", "num_classes": 5}
    close(AUROC(**settings)(preds, target), 0.5333333)
    close(AUROC(**settings, average=None)(preds, target), [1, 1, 0.3333333, 0.3333333, 0])
    close(AveragePrecision(**settings, average=None)(preds, target), [1, 1, 0.25, 0.25, np.nan])
    metric = AveragePrecision(**settings)
    metric.update(preds, target)
    with pytest.warns(UserWarning, match="AveragePrecision: some classes have no samples") as seen:
        value = metric.compute()
    close(value, 0.625)
    assert seen[0].filename == __file__
    close(AveragePrecision(**settings, thresholds=5)(preds, target), 0.5)
    close(AveragePrecision(**settings, thresholds=5, average=None)(preds, target), [1, 1, 0.25, 0.25, 0])


def test_one_class_alone():
    scores = minigrad.tensor([0.2, 0.7])
    for target in (minigrad.tensor([1, 1]), minigrad.tensor([0, 0])):
        assert AUROC("binary")(scores, target).item() == 0
        assert AUROC("binary", max_fpr=0.5)(scores, target).item() == 0
    assert AveragePrecision("binary")(scores, minigrad.tensor([1, 1])).item() == 1
    nothing = AveragePrecision("binary", ignore_index=-1)(scores, minigrad.tensor([-1, -1]))
    assert np.isnan(nothing.item())
    precision, recall, _ = PrecisionRecallCurve("binary")(scores, minigrad.tensor([0, 0]))
    assert precision.tolist() == [0, 0, 1]
    assert np.isnan(recall.numpy()[:-1]).all()


# ----------------------------------------------------------------------------------------------------------------
# Mistakes


def test_misuse():
    with pytest.raises(TypeError, match="AUROC: say which task"):
        AUROC()
    with pytest.raises(ValueError, match="preds to be scores \\(floats\\), got int64; labels have no curve"):
        ROC("binary").update(minigrad.tensor([0, 1]), minigrad.tensor([0, 1]))
    with pytest.raises(ValueError, match=r"scores \(N, 3, ...\) and target labels \(N, ...\)"):
        ROC("multiclass", num_classes=3).update(minigrad.tensor([0, 1]), minigrad.tensor([0, 1]))
    for wrong in (1, [0.5, 0.2], [0.5, 1.5], []):
        with pytest.raises(ValueError, match="thresholds"):
            ROC("binary", thresholds=wrong)
    with pytest.raises(ValueError, match=r"max_fpr above 0 and up to 1, for task 'binary' only, got 0\.5"):
        AUROC("multiclass", num_classes=3, max_fpr=0.5)
    with pytest.raises(ValueError, match=r"average to be one of .*, got 'micro'"):
        AUROC("multiclass", num_classes=3, average="micro")
    with pytest.raises(RuntimeError, match="labels from 0 to 1, got target from 0 to 2"):
        ROC("binary").update(minigrad.tensor([0.5, 0.1]), minigrad.tensor([0, 2]))
    with pytest.warns(UserWarning, match="nothing to compute"), pytest.raises(RuntimeError, match="no scores yet"):
        ROC("binary").compute()

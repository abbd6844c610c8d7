import numpy as np
import pytest

import minigrad
from minigrad.metrics import Accuracy, ConfusionMatrix

CLASSES = 5


def multiclass(n=200, classes=CLASSES, seed=0):
    """Scores that are right about every other time, and labels; class 3 never occurs."""
    rng = np.random.default_rng(seed)
    target = rng.choice([0, 1, 2, 4], n)
    scores = rng.standard_normal((n, classes)).astype(np.float32)
    scores[np.arange(n), target] += 1.0
    scores[:, 3] -= 10.0
    return scores, target


def multilabel(n=100, labels=4, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, (n, labels))
    scores = np.clip(0.3 * target + rng.uniform(0, 0.7, (n, labels)), 0, 1).astype(np.float32)
    return scores, target


def in_batches(metric, *arrays, size=64):
    for start in range(0, len(arrays[0]), size):
        metric.update(*(minigrad.as_tensor(array[start : start + size]) for array in arrays))
    return metric.compute().numpy()


def close(ours, expected):
    """Compare float32 results with sklearn's float64: equal up to one rounding."""
    np.testing.assert_allclose(ours, expected, rtol=2**-23, atol=0)
    return True


# ----------------------------------------------------------------------------------------------------------------
# Accuracy


def test_multiclass_accuracy_against_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    labels = scores.argmax(1)
    each = sk.recall_score(target, labels, average=None, labels=range(CLASSES), zero_division=0)

    def ours(preds, average):
        return in_batches(Accuracy("multiclass", num_classes=CLASSES, average=average), preds, target)

    for preds in (scores, labels):
        assert close(ours(preds, "micro"), sk.accuracy_score(target, labels))
        assert close(ours(preds, "macro"), sk.recall_score(target, labels, average="macro"))
        assert close(ours(preds, "weighted"), sk.accuracy_score(target, labels))
        assert close(ours(preds, None), each)
        assert close(ours(preds, "none"), each)
    assert each[3] == 0.0
    assert 0.3 < ours(scores, "micro") < 0.9


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_top_k_against_sklearn(k):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    ours = in_batches(Accuracy("multiclass", num_classes=CLASSES, top_k=k), scores, target)
    assert close(ours, sk.top_k_accuracy_score(target, scores, k=k, labels=range(CLASSES)))


def test_top_k_with_equal_scores_counts_the_first_classes():
    scores, target = minigrad.zeros(4, 4), minigrad.arange(4)
    for k in (1, 2, 3, 4):
        # A network that says nothing must not be right each time.
        assert Accuracy("multiclass", num_classes=4, top_k=k)(scores, target).item() == k / 4


def test_top_k_of_broken_scores_is_not_perfect():
    scores = minigrad.full((4, 4), float("nan"))
    assert Accuracy("multiclass", num_classes=4, top_k=2)(scores, minigrad.arange(4)).item() == 0.5


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
def test_multilabel_accuracy_against_sklearn(average):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multilabel()
    ours = in_batches(Accuracy("multilabel", num_labels=4, threshold=0.4, average=average), scores, target)
    right = (scores > 0.4) == target
    each = [sk.accuracy_score(target[:, j], scores[:, j] > 0.4) for j in range(4)]
    expected = {
        "micro": right.mean(),
        "macro": np.mean(each),
        "weighted": np.average(each, weights=target.sum(0)),
        None: each,
    }
    assert close(ours, expected[average])


def test_binary_accuracy_of_probabilities_logits_and_labels():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = (array[:, 0] for array in multilabel())
    for threshold in (0.2, 0.5, 0.8):
        expected = sk.accuracy_score(target, scores > threshold)
        logits = np.log(scores / (1 - scores))
        for preds in (scores, logits, scores > threshold, (scores > threshold).astype(np.int32)):
            assert close(in_batches(Accuracy("binary", threshold=threshold), preds, target, size=100), expected)


@pytest.mark.parametrize(("threshold", "accuracy"), [(0.0, 0.75), (1.0, 0.25)])
def test_extreme_thresholds(threshold, accuracy):
    target = minigrad.tensor([1, 1, 1, 0])
    for preds in (minigrad.tensor([0.1, 0.9, 0.5, 0.3]), minigrad.tensor([-5.0, 5.0, 0.5, 0.3])):
        assert Accuracy("binary", threshold=threshold)(preds, target).item() == accuracy


def test_a_score_at_the_threshold_is_not_above_it():
    preds = minigrad.tensor([0.4, 0.4, 0.40001])  # 0.4 in float32 is above 0.4 in float64
    assert Accuracy("binary", threshold=0.4)(preds, minigrad.tensor([0, 0, 1])).item() == 1.0


@pytest.mark.parametrize("ignore_index", [-100, 2])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("top_k", [1, 2])
def test_ignored_samples_do_not_count(ignore_index, average, top_k):
    scores, target = multiclass()
    target = np.where(np.arange(len(target)) % 3 == 0, ignore_index, target)
    keep = target != ignore_index
    settings = {"task": "multiclass", "num_classes": CLASSES, "average": average, "top_k": top_k}
    ours = in_batches(Accuracy(**settings, ignore_index=ignore_index), scores, target)
    assert close(ours, in_batches(Accuracy(**settings), scores[keep], target[keep]))
    assert ours != in_batches(Accuracy(**settings), scores, np.where(keep, target, 0))


def test_ignored_labels_of_the_other_tasks():
    scores, target = multilabel()
    target[::3, 1] = -1
    right, keep = (scores > 0.5) == target, target != -1
    ours = in_batches(Accuracy("multilabel", num_labels=4, ignore_index=-1), scores, target)
    assert close(ours, right[keep].mean())
    ours = in_batches(Accuracy("binary", ignore_index=-1), scores[:, 1], target[:, 1])
    assert close(ours, right[:, 1][keep[:, 1]].mean())


def test_nothing_but_ignored_samples_is_zero_as_in_torchmetrics():
    metric = Accuracy("multiclass", num_classes=3, ignore_index=-1)
    assert metric(minigrad.tensor([0, 1]), minigrad.tensor([-1, -1])).item() == 0.0


def test_further_dimensions_are_further_samples():
    rng = np.random.default_rng(0)
    scores, target = rng.random((2, 3, 4, 5), np.float32), rng.integers(0, 3, (2, 4, 5))
    ours = Accuracy("multiclass", num_classes=3)(minigrad.tensor(scores), minigrad.tensor(target))
    assert close(ours.item(), (scores.argmax(1) == target).mean())
    many, truth = rng.random((2, 3, 4), np.float32), rng.integers(0, 2, (2, 3, 4))
    ours = Accuracy("multilabel", num_labels=3, average=None)(minigrad.tensor(many), minigrad.tensor(truth))
    assert close(ours.numpy(), ((many > 0.5) == truth).mean((0, 2)))


def test_the_call_returns_the_batch_and_compute_the_whole():
    metric = Accuracy("multiclass", num_classes=2)
    assert metric(minigrad.tensor([1, 1, 1]), minigrad.tensor([1, 1, 1])).item() == 1.0
    assert metric(minigrad.tensor([1]), minigrad.tensor([0])).item() == 0.0
    assert metric.compute().item() == 0.75
    assert metric.compute().dtype == minigrad.float32
    assert metric.tp.tolist() == [0, 3]


# ----------------------------------------------------------------------------------------------------------------
# ConfusionMatrix


@pytest.mark.parametrize("normalize", [None, "none", "true", "pred", "all"])
def test_confusion_matrix_against_sklearn(normalize):
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multiclass()
    ours = in_batches(ConfusionMatrix("multiclass", num_classes=CLASSES, normalize=normalize), scores, target)
    kind = None if normalize == "none" else normalize
    expected = sk.confusion_matrix(target, scores.argmax(1), labels=range(CLASSES), normalize=kind)
    assert close(ours, expected)
    assert ours.dtype == (np.int64 if kind is None else np.float32)

    scores, target = multilabel()
    ours = in_batches(ConfusionMatrix("binary", normalize=normalize), scores[:, 0], target[:, 0])
    assert close(ours, sk.confusion_matrix(target[:, 0], scores[:, 0] > 0.5, normalize=kind))


def test_multilabel_confusion_matrix_against_sklearn():
    sk = pytest.importorskip("sklearn.metrics")
    scores, target = multilabel()
    ours = in_batches(ConfusionMatrix("multilabel", num_labels=4), scores, target)
    assert (ours == sk.multilabel_confusion_matrix(target, scores > 0.5)).all()


def test_rows_are_the_truth():
    matrix = ConfusionMatrix("multiclass", num_classes=3)(minigrad.tensor([2, 2]), minigrad.tensor([0, 0]))
    assert matrix.tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_confusion_matrix_ignores():
    metric = ConfusionMatrix("multiclass", num_classes=2, ignore_index=-1)
    assert metric(minigrad.tensor([0, 1, 1]), minigrad.tensor([0, -1, 1])).tolist() == [[1, 0], [0, 1]]


def test_a_result_is_not_the_state():
    metric = ConfusionMatrix("multiclass", num_classes=2)
    metric(minigrad.tensor([0]), minigrad.tensor([0]))
    metric.compute()[:] = 100
    metric.update(minigrad.tensor([1]), minigrad.tensor([1]))
    assert metric.compute().tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int32", "int64"])
def test_small_integers_do_not_overflow(dtype):
    target = minigrad.full((3,), 99).to(getattr(minigrad, dtype))
    matrix = ConfusionMatrix("multiclass", num_classes=100)(target, target)
    assert matrix[99, 99].item() == matrix.sum().item() == 3


# ----------------------------------------------------------------------------------------------------------------
# Errors


@pytest.mark.parametrize("metric", [Accuracy, ConfusionMatrix])
def test_the_task_must_be_said(metric):
    with pytest.raises(TypeError, match=rf"{metric.__name__}: say which task: .*task='multiclass', num_classes=10"):
        metric()
    with pytest.raises(ValueError, match="got 'multi'"):
        metric("multi")
    with pytest.raises(TypeError, match="'multiclass' needs num_classes, an integer of 2 or more, got None"):
        metric("multiclass")
    with pytest.raises(TypeError, match="'multilabel' needs num_labels"):
        metric("multilabel", num_classes=3)


@pytest.mark.parametrize(
    ("error", "kwargs", "message"),
    [
        (ValueError, {"average": "mean"}, "average to be one of"),
        (ValueError, {"top_k": 4}, "top_k from 1 to num_classes"),
        (ValueError, {"top_k": 0}, "top_k from 1 to num_classes"),
        (ValueError, {"threshold": 2}, "threshold from 0 to 1"),
        (ValueError, {"ignore_index": 0.5}, "ignore_index to be None or an integer"),
        (ValueError, {"multidim_average": "batchwise"}, "multidim_average to be 'global' or 'samplewise'"),
    ],
)
def test_accuracy_refuses(error, kwargs, message):
    with pytest.raises(error, match=message):
        Accuracy("multiclass", num_classes=3, **kwargs)
    if "top_k" not in kwargs:
        return
    with pytest.raises(ValueError, match="for task 'multiclass' only"):
        Accuracy("binary", top_k=2)


def test_confusion_matrix_refuses():
    with pytest.raises(ValueError, match="normalize to be 'true', 'pred', 'all', 'none' or None, got 'rows'"):
        ConfusionMatrix("binary", normalize="rows")


def _zeros(*shape, dtype="float32"):
    return minigrad.zeros(*shape, dtype=getattr(minigrad, dtype))


@pytest.mark.parametrize(
    ("task", "preds", "target", "message"),
    [
        ("multiclass", _zeros(4, 2), _zeros(4, dtype="int64"), r"scores \(N, 3, \.\.\.\).* got preds \(4, 2\) float32"),
        ("multiclass", _zeros(4, 3), _zeros(4, 3, dtype="int64"), r"target labels \(N, \.\.\.\), got preds \(4, 3\)"),
        ("multiclass", _zeros(4, dtype="int64"), _zeros(5, dtype="int64"), r"preds \(4,\) int64 and target \(5,\)"),
        ("multiclass", _zeros(4, 3), _zeros(4), r"expected target to hold labels .* target\.long\(\)"),
        ("binary", _zeros(4, 1), _zeros(4, dtype="int64"), r"of one shape, .*; use preds\.squeeze\(1\)"),
        ("binary", _zeros(4), _zeros(4), r"target\.long\(\)"),
        ("multilabel", _zeros(4, 2), _zeros(4, 2, dtype="int64"), r"of shape \(N, 3, \.\.\.\), got preds \(4, 2\)"),
    ],
)
def test_shapes_and_dtypes_that_do_not_fit(task, preds, target, message):
    metric = Accuracy(task, num_classes=3, num_labels=3)
    with pytest.raises(ValueError, match=message):
        metric.update(preds, target)
    assert not metric.update_called


@pytest.mark.parametrize(
    ("task", "preds", "target", "message"),
    [
        ("multiclass", [0, 1], [0, 3], "labels from 0 to 2, got preds from 0 to 1 and target from 0 to 3"),
        ("multiclass", [0, 5], [0, 1], "got preds from 0 to 5"),
        ("multiclass", [0, 1], [-1, 1], "target from -1 to 1"),
        ("binary", [0, 1], [0, 2], "labels from 0 to 1, got preds from 0 to 1 and target from 0 to 2"),
    ],
)
@pytest.mark.parametrize("metric", [Accuracy, ConfusionMatrix])
def test_labels_out_of_range(metric, task, preds, target, message):
    metric = metric(task, num_classes=3)
    metric.update(minigrad.tensor([0]), minigrad.tensor([0]))
    before = metric.compute().tolist()
    with pytest.raises(RuntimeError, match=message):
        metric.update(minigrad.tensor(preds), minigrad.tensor(target))
    assert metric.compute().tolist() == before


def test_without_validation_they_do_not_count():
    metric = Accuracy("multiclass", num_classes=3, validate_args=False)
    assert metric(minigrad.tensor([0, 1, 7]), minigrad.tensor([0, 9, 1])).item() == 1.0


def test_lists_are_refused():
    with pytest.raises(TypeError, match="preds to be a tensor, got list"):
        Accuracy("binary").update([0, 1], minigrad.tensor([0, 1]))


def test_repr():
    assert repr(Accuracy("multiclass", num_classes=3)) == "Accuracy(task='multiclass', num_classes=3)"
    assert repr(ConfusionMatrix("binary")) == "ConfusionMatrix(task='binary')"


# ----------------------------------------------------------------------------------------------------------------
# On a GPU


@pytest.mark.parametrize(
    ("task", "kwargs"),
    [
        ("multiclass", {}),
        ("multiclass", {"top_k": 2}),
        ("multiclass", {"average": "macro", "ignore_index": 0}),
        ("multilabel", {"average": "weighted"}),
        ("binary", {"ignore_index": -1}),
    ],
)
def test_updates_on_a_gpu_read_nothing_back(task, kwargs):
    import strict_cupy

    scores, target = multiclass() if task == "multiclass" else multilabel()
    settings = {"task": task, "num_classes": CLASSES, "num_labels": 4, **kwargs}
    expected = in_batches(Accuracy(**settings), scores, target)
    with strict_cupy.installed() as cp:
        metric = Accuracy(**settings)
        x, y = minigrad.tensor(scores).to("cuda"), minigrad.tensor(target).to("cuda")
        metric.update(x[:1], y[:1])  # moves the empty state over
        before = (cp.syncs, cp.uploads)
        metric.update(x[1:], y[1:])
        assert (cp.syncs, cp.uploads) == before
        assert metric.compute().item() == expected


def test_labels_out_of_range_on_a_gpu_are_found_by_compute():
    import strict_cupy

    with strict_cupy.installed():
        metric = ConfusionMatrix("multiclass", num_classes=3)
        preds = minigrad.tensor([0, 1, 2]).to("cuda")
        metric.update(preds, minigrad.tensor([0, 3, -1]).to("cuda"))
        with pytest.raises(RuntimeError, match="2 labels in the batches so far were out of range"):
            metric.compute()
        metric.reset()
        assert metric(preds, preds).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_predictions_and_target_on_different_devices():
    import strict_cupy

    with strict_cupy.installed(), pytest.raises(RuntimeError, match="on one device"):
        Accuracy("binary").update(minigrad.tensor([0, 1]).to("cuda"), minigrad.tensor([0, 1]))

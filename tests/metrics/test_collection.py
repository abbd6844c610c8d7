"""Several metrics at once, one over epochs, and metrics as functions."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import minigrad
from minigrad.metrics import (
    Accuracy,
    ConfusionMatrix,
    MeanAbsoluteError,
    MeanMetric,
    MeanSquaredError,
    Metric,
    MetricCollection,
    MetricTracker,
    Recall,
    functional,
)

SETTINGS = {"task": "multiclass", "num_classes": 3, "average": "macro"}
PREDS, TARGET = minigrad.tensor([2, 1, 2, 0]), minigrad.tensor([0, 1, 2, 0])


def both(**options):
    return MetricCollection([Accuracy(**SETTINGS), Recall(**SETTINGS)], **options)


def test_values_by_name():
    metrics = both()
    assert list(metrics(PREDS, TARGET)) == ["Accuracy", "Recall"]
    metrics.update(TARGET, TARGET)
    value = metrics.compute()
    assert (
        value["Recall"].item()
        == Recall(**SETTINGS)(minigrad.cat([PREDS, TARGET]), minigrad.cat([TARGET, TARGET])).item()
    )
    metrics.reset()
    assert not any(metric.update_called for metric in metrics.values())
    assert metrics["Accuracy"].num_classes == 3
    assert len(metrics) == 2


def test_other_ways_to_make_one():
    for metrics in (
        MetricCollection(Accuracy(**SETTINGS), Recall(**SETTINGS)),
        MetricCollection({"Accuracy": Accuracy(**SETTINGS), "Recall": Recall(**SETTINGS)}),
    ):
        assert list(metrics) == metrics.keys() == ["Accuracy", "Recall"]
    metrics.add_metrics({"mean": MeanMetric()})
    assert "mean" in metrics
    assert repr(metrics).splitlines() == [
        "MetricCollection(",
        "  (Accuracy): Accuracy(task='multiclass', num_classes=3)",
        "  (Recall): Recall(task='multiclass', num_classes=3)",
        "  (mean): MeanMetric()",
        ")",
    ]


def test_prefix_and_postfix():
    metrics = both(prefix="train_")
    other = metrics.clone(prefix="val_", postfix="/mean")
    metrics.update(PREDS, TARGET)
    assert list(metrics.compute()) == ["train_Accuracy", "train_Recall"]
    assert list(other(TARGET, TARGET)) == ["val_Accuracy/mean", "val_Recall/mean"]
    assert other.keys(keep_base=True) == ["Accuracy", "Recall"]
    assert [name for name, _ in other.items()] == other.keys()
    assert other["Recall"] is other["val_Recall/mean"]
    assert metrics["Recall"].compute().item() != other["Recall"].compute().item()
    assert "val_Recall/mean" in other
    assert "  prefix=val_" in repr(other)


def test_keyword_arguments_go_where_they_are_taken():
    metrics = MetricCollection({"mean": MeanMetric(), "error": MeanSquaredError()})
    x = minigrad.ones(3)
    metrics.update(value=x, preds=x, target=2 * x, weight=2.0)
    assert metrics.compute()["error"].item() == 1.0
    assert metrics(value=3 * x, preds=x, target=x)["mean"].item() == 3.0


def test_copies_and_saving():
    metrics = both()
    metrics.update(PREDS, TARGET)
    for other in (copy.deepcopy(metrics), pickle.loads(pickle.dumps(metrics)), metrics.clone()):
        assert other.compute()["Recall"].item() == metrics.compute()["Recall"].item()
    assert metrics.state_dict() == {}
    metrics.persistent()
    state = metrics.state_dict()
    assert "Recall.tp" in state
    fresh = both()
    fresh.persistent()
    fresh.load_state_dict(state)
    assert fresh.compute()["Recall"].item() == metrics.compute()["Recall"].item()


def test_a_collection_moves():
    import strict_cupy

    with strict_cupy.installed():
        metrics = both()
        metrics.update(PREDS.to("cuda"), TARGET.to("cuda"))
        assert str(metrics.to("cpu")["Recall"].tp.device) == "cpu"


def test_misuse():
    with pytest.raises(ValueError, match="two metrics named 'MeanMetric'; give a dict with names"):
        MetricCollection([MeanMetric(), MeanMetric()])
    with pytest.raises(ValueError, match="expected 'int' to be a Metric, got int"):
        MetricCollection([3])
    with pytest.raises(ValueError, match="put the additional metrics in the dict"):
        MetricCollection({"a": MeanMetric()}, MeanMetric())
    with pytest.raises(ValueError, match="expected prefix to be a string, got 3"):
        MetricCollection(MeanMetric(), prefix=3)
    with pytest.raises(KeyError, match=r"there is no metric 'F1', only \['MeanMetric'\]"):
        MetricCollection(MeanMetric())["F1"]
    for metric in (MeanMetric(), MetricCollection(MeanMetric())):
        with pytest.raises(NotImplementedError, match="matplotlib"):
            metric.plot()


# ----------------------------------------------------------------------------------------------------------------
# Over epochs


def test_the_best_epoch():
    tracker = MetricTracker(MeanSquaredError())  # smaller is better: it says so itself
    for prediction in (3.0, 1.0, 2.0):
        tracker.increment()
        assert tracker(minigrad.tensor([prediction]), minigrad.zeros(1)).item() == prediction**2
        assert tracker.compute().item() == prediction**2
    assert tracker.n_steps == 3
    assert tracker.compute_all().tolist() == [9.0, 1.0, 4.0]
    assert tracker.best_metric() == 1.0
    assert tracker.best_metric(return_step=True) == (1.0, 1)
    tracker.maximize = [True]
    assert tracker.best_metric(return_step=True) == (9.0, 0)
    tracker.reset()
    tracker.update(minigrad.tensor([5.0]), minigrad.zeros(1))
    assert tracker.compute_all().tolist() == [9.0, 1.0, 25.0]


def test_the_best_epoch_of_each_metric():
    tracker = MetricTracker(MetricCollection([MeanSquaredError(), MeanAbsoluteError()]), maximize=[False, True])
    for prediction in (3.0, 1.0, 2.0):
        tracker.increment()
        tracker.update(minigrad.tensor([prediction]), minigrad.zeros(1))
    assert {name: x.tolist() for name, x in tracker.compute_all().items()} == {
        "MeanSquaredError": [9.0, 1.0, 4.0],
        "MeanAbsoluteError": [3.0, 1.0, 2.0],
    }
    expected = ({"MeanSquaredError": 1.0, "MeanAbsoluteError": 3.0}, {"MeanSquaredError": 1, "MeanAbsoluteError": 0})
    assert tracker.best_metric(return_step=True) == expected
    assert tracker.best_metric() == expected[0]


def test_misuse_of_a_tracker():
    with pytest.raises(TypeError, match="expected a Metric or a MetricCollection, got int"):
        MetricTracker(3)
    with pytest.raises(ValueError, match="say by maximize whether a larger MeanMetric is better"):
        MetricTracker(MeanMetric())
    with pytest.raises(ValueError, match="maximize of 1 metrics, got 2"):
        MetricTracker(MeanMetric(), maximize=[True, False])
    tracker = MetricTracker(ConfusionMatrix("binary"), maximize=True)
    with pytest.raises(ValueError, match=r"MetricTracker\.update: call increment\(\) first"):
        tracker.update(1, 2)
    tracker.increment()
    tracker.update(minigrad.tensor([1]), minigrad.tensor([1]))
    with pytest.raises(ValueError, match="several values an epoch, of which none is the best"):
        tracker.best_metric()


# ----------------------------------------------------------------------------------------------------------------
# As functions


def test_functions_are_the_metrics_of_one_batch():
    assert functional.accuracy(PREDS, TARGET, task="multiclass", num_classes=3).item() == 0.75
    assert functional.accuracy(PREDS, TARGET, "multiclass", 0.5, 3).item() == 0.75
    assert functional.multiclass_recall(PREDS, TARGET, 3).item() == Recall(**SETTINGS)(PREDS, TARGET).item()
    matrix = functional.confusion_matrix(PREDS, TARGET, task="multiclass", num_classes=3)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]
    scores, target = minigrad.tensor([0.1, 0.5, 0.7, 0.8]), minigrad.tensor([0, 1, 1, 0])
    assert functional.binary_auroc(scores, target).item() == 0.5
    assert functional.r2_score(scores, scores).item() == 1.0
    assert functional.mean_squared_error(scores, scores + 2, squared=False).item() == pytest.approx(2.0)
    assert functional.perplexity(minigrad.zeros(1, 2, 4), minigrad.tensor([[0, 1]])).item() == pytest.approx(4.0)
    names = [
        name for name in vars(functional) if not name.startswith("_") and inspect.isfunction(vars(functional)[name])
    ]
    assert len(names) == 17 * 3 + 17 - 2 + 7 + 1  # two metrics know no labels
    assert list(inspect.signature(functional.binary_roc).parameters)[:3] == ["preds", "target", "thresholds"]
    with pytest.raises(TypeError, match="Accuracy: say which task"):
        functional.accuracy(PREDS, TARGET)
    with pytest.raises(AttributeError, match=r"minigrad\.metrics\.functional has no 'bleu'"):
        functional.bleu  # noqa: B018


def test_every_metric_of_the_room_is_one():
    for name in minigrad.metrics.__all__:
        if name not in ("functional", "MetricCollection", "MetricTracker"):
            assert issubclass(getattr(minigrad.metrics, name), Metric)


# ----------------------------------------------------------------------------------------------------------------
# On a GPU


def scores(rng, *shape):
    return rng.random(shape, np.float32)


BATCHES = {
    "binary": lambda rng: (scores(rng, 9), rng.integers(0, 2, 9)),
    "multiclass": lambda rng: (scores(rng, 9, 3), rng.integers(0, 3, 9)),
    "multilabel": lambda rng: (scores(rng, 9, 3), rng.integers(0, 2, (9, 3))),
    "images": lambda rng: (scores(rng, 9, 3, 2), rng.integers(0, 3, (9, 2))),
    "numbers": lambda rng: (scores(rng, 9), scores(rng, 9)),
    "text": lambda rng: (scores(rng, 2, 4, 5), rng.integers(0, 5, (2, 4))),
}
SIZES = {"num_classes": 3, "num_labels": 3}
MADE = [
    *[
        (f"{name}({task}, {options})", lambda name=name, task=task, options=options: make(name, task, options), task)
        for name, choices in {
            "StatScores": [{}],
            "Precision": [{"ignore_index": 0}],
            "F1Score": [{"zero_division": 1}],
            "Specificity": [{}],
            "HammingDistance": [{}],
            "JaccardIndex": [{"ignore_index": 1}],
            "CohenKappa": [{"weights": "linear"}],
            "MatthewsCorrCoef": [{}],
            "CalibrationError": [{"norm": "l2"}],
            "PrecisionRecallCurve": [{}, {"thresholds": 5}],
            "ROC": [{}, {"thresholds": [0.2, 0.4, 0.9]}],
            "AUROC": [{}, {"thresholds": 11}, {"average": "weighted"}],
            "AveragePrecision": [{"ignore_index": 0}, {"thresholds": 11, "average": None}],
        }.items()
        for options in choices
        for task in ("binary", "multiclass", "multilabel")
        if not (task == "multilabel" and name in ("CohenKappa", "CalibrationError"))
    ],
    ("samplewise", lambda: make("Accuracy", "multiclass", {"multidim_average": "samplewise"}), "images"),
    ("max_fpr", lambda: make("AUROC", "binary", {"max_fpr": 0.4}), "binary"),
    *[
        (name, lambda name=name: getattr(minigrad.metrics, name)(), "numbers")
        for name in (
            "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "R2Score", "ExplainedVariance",
            "PearsonCorrCoef", "SpearmanCorrCoef", "MeanMetric",
        )
    ],
    ("Perplexity", lambda: minigrad.metrics.Perplexity(ignore_index=2), "text"),
]  # fmt: skip


def make(name, task, options):
    metric = getattr(minigrad.metrics, name)
    sizes = {key: x for key, x in SIZES.items() if key in inspect.signature(metric).parameters}
    return metric(task=task, **sizes, **options)


def flat(value):
    return [x for part in value for x in flat(part)] if isinstance(value, (list, tuple)) else [value.tolist()]


@pytest.mark.filterwarnings("ignore:AveragePrecision. some classes have no samples")
@pytest.mark.parametrize(("made", "kind"), [(made, kind) for _, made, kind in MADE], ids=[name for name, *_ in MADE])
def test_updates_on_a_gpu_read_nothing_back(made, kind):
    import strict_cupy

    rng = np.random.default_rng(0)
    batches = [BATCHES[kind](rng) for _ in range(3)]
    metric = made()
    for batch in batches:
        metric.update(*map(minigrad.tensor, batch))
    expected = flat(metric.compute())
    with strict_cupy.installed() as cp:
        metric = made()
        there = [[minigrad.tensor(x).to("cuda") for x in batch] for batch in batches]
        metric.update(*there[0])  # moves the empty state over
        before = (cp.syncs, cp.uploads)
        for batch in there[1:]:
            metric.update(*batch)
        assert (cp.syncs, cp.uploads) == before
        for ours, value in zip(flat(metric.compute()), expected, strict=True):
            np.testing.assert_allclose(ours, value, rtol=1e-6)
        metric.to("cpu")
        metric.update(*map(minigrad.tensor, batches[0]))
        metric.reset()
        metric(*there[0])

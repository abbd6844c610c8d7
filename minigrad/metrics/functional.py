"""The metrics as functions of one batch: ``functional.accuracy(preds, target, task="multiclass", num_classes=3)``.

Each is made of its class, and takes its arguments behind predictions and target.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from minigrad.metrics import classification, regression, text
from minigrad.metrics.metric import Metric

_CLASSIFICATION = {
    "accuracy": "Accuracy",
    "auroc": "AUROC",
    "average_precision": "AveragePrecision",
    "calibration_error": "CalibrationError",
    "cohen_kappa": "CohenKappa",
    "confusion_matrix": "ConfusionMatrix",
    "f1_score": "F1Score",
    "fbeta_score": "FBetaScore",
    "hamming_distance": "HammingDistance",
    "jaccard_index": "JaccardIndex",
    "matthews_corrcoef": "MatthewsCorrCoef",
    "precision": "Precision",
    "precision_recall_curve": "PrecisionRecallCurve",
    "recall": "Recall",
    "roc": "ROC",
    "specificity": "Specificity",
    "stat_scores": "StatScores",
}
_REGRESSION = {
    "explained_variance": "ExplainedVariance",
    "mean_absolute_error": "MeanAbsoluteError",
    "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "mean_squared_error": "MeanSquaredError",
    "pearson_corrcoef": "PearsonCorrCoef",
    "r2_score": "R2Score",
    "spearman_corrcoef": "SpearmanCorrCoef",
}


def _function(name: str, metric: type[Metric]) -> Callable[..., Any]:
    def of_one_batch(preds: Any, target: Any, *args: Any, **kwargs: Any) -> Any:
        return metric(*args, **kwargs)(preds, target)

    both = inspect.signature(of_one_batch).parameters
    options = inspect.signature(metric).parameters
    of_one_batch.__name__ = of_one_batch.__qualname__ = name
    of_one_batch.__doc__ = f":class:`{metric.__name__}` of one batch."
    parameters = [both["preds"], both["target"], *options.values()]
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in parameters]
    of_one_batch.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return of_one_batch


_home = globals()
for _name, _metric in _CLASSIFICATION.items():
    for _task in ("", "Binary", "Multiclass", "Multilabel"):
        if _class := getattr(classification, _task + _metric, None):
            _full = f"{_task.lower()}_{_name}".lstrip("_")
            _home[_full] = _function(_full, _class)
for _name, _metric in _REGRESSION.items():
    _home[_name] = _function(_name, getattr(regression, _metric))
_home["perplexity"] = _function("perplexity", text.Perplexity)


def __getattr__(name: str) -> Callable[..., Any]:
    raise AttributeError(f"minigrad.metrics.functional has no {name!r}")

"""Metrics that add up over batches, as in torchmetrics: ``update``, ``compute``, ``reset``.

::

    accuracy = Accuracy(task="multiclass", num_classes=10)
    for x, y in loader:
        accuracy.update(model(x), y)
    print(accuracy.compute())

The accuracy of the whole is not the mean of the accuracies of the batches (the last batch is smaller), which is why a
metric keeps counts. They stay on the device of the predictions; nothing is read back before somebody looks at a result.
"""

from minigrad.metrics import functional
from minigrad.metrics.aggregation import (
    CatMetric,
    MaxMetric,
    MeanMetric,
    MinMetric,
    SumMetric,
)
from minigrad.metrics.classification import (
    AUROC,
    ROC,
    Accuracy,
    AveragePrecision,
    CalibrationError,
    CohenKappa,
    ConfusionMatrix,
    F1Score,
    FBetaScore,
    HammingDistance,
    JaccardIndex,
    MatthewsCorrCoef,
    Precision,
    PrecisionRecallCurve,
    Recall,
    Specificity,
    StatScores,
)
from minigrad.metrics.collection import (
    MetricCollection,
    MetricTracker,
)
from minigrad.metrics.metric import Metric
from minigrad.metrics.regression import (
    ExplainedVariance,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    PearsonCorrCoef,
    R2Score,
    SpearmanCorrCoef,
)
from minigrad.metrics.text import Perplexity

__all__ = [
    "AUROC",
    "Accuracy",
    "AveragePrecision",
    "CalibrationError",
    "CatMetric",
    "CohenKappa",
    "ConfusionMatrix",
    "ExplainedVariance",
    "F1Score",
    "FBetaScore",
    "HammingDistance",
    "JaccardIndex",
    "MatthewsCorrCoef",
    "MaxMetric",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetric",
    "MeanSquaredError",
    "Metric",
    "MetricCollection",
    "MetricTracker",
    "MinMetric",
    "PearsonCorrCoef",
    "Perplexity",
    "Precision",
    "PrecisionRecallCurve",
    "R2Score",
    "ROC",
    "Recall",
    "SpearmanCorrCoef",
    "Specificity",
    "StatScores",
    "SumMetric",
    "functional",
]

"""Metrics that add up over batches, as in torchmetrics: ``update``, ``compute``, ``reset``.

::

    accuracy = Accuracy(task="multiclass", num_classes=10)
    for x, y in loader:
        accuracy.update(model(x), y)
    print(accuracy.compute())

The accuracy of the whole is not the mean of the accuracies of the batches (the last batch is smaller), which is why a
metric keeps counts. They stay on the device of the predictions; nothing is read back before somebody looks at a result.
"""

from minigrad.metrics.classification import Accuracy, ConfusionMatrix
from minigrad.metrics.metric import Metric

__all__ = ["Accuracy", "ConfusionMatrix", "Metric"]

"""Reading predictions and targets, and counting labels: what all metrics of classifiers share."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigrad.autograd.node import tensor_of
from minigrad.backend import Array, array_module, is_array
from minigrad.creation import zeros
from minigrad.metrics.metric import Metric
from minigrad.tensor import Tensor

TASKS = ("binary", "multiclass", "multilabel")
Labels = tuple[Array, Array, Array]  # predicted, true, and where they count


class Classification(Metric):
    """What metrics of classifiers share: their task, its sizes, and looking at what they are given."""

    invalid: Tensor  # how many labels were out of range, counted on GPUs only
    tasks: tuple[str, ...] = TASKS
    top_k = 1

    def __init__(
        self,
        task: str | None,
        num_classes: int | None = None,
        num_labels: int | None = None,
        ignore_index: int | None = None,
        validate_args: bool = True,
        threshold: float = 0.5,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if task is None:
            ways = {
                "binary": f"{name}(task='binary')",
                "multiclass": f"{name}(task='multiclass', num_classes=10)",
                "multilabel": f"{name}(task='multilabel', num_labels=5)",
            }
            raise TypeError(f"{name}: say which task: {' or '.join(ways[task] for task in self.tasks)}")
        if task not in self.tasks:
            raise ValueError(f"{name}: expected task to be one of {self.tasks}, got {task!r}")
        argument, size = {
            "binary": ("", 1),
            "multiclass": ("num_classes", num_classes),
            "multilabel": ("num_labels", num_labels),
        }[task]
        if argument and (not isinstance(size, int) or size < 2):
            raise TypeError(f"{name}: task={task!r} needs {argument}, an integer of 2 or more, got {size!r}")
        self.require(0 <= threshold <= 1, "threshold from 0 to 1", threshold)
        self.require(
            ignore_index is None or isinstance(ignore_index, int), "ignore_index to be None or an integer", ignore_index
        )
        self.task = task
        self.threshold = threshold
        self.num_classes = num_classes
        self.num_labels = num_labels
        self.ignore_index = ignore_index
        self.validate_args = validate_args
        self._size = size or 1
        self.add_state("invalid", zeros((), dtype=np.int64), dist_reduce_fx="sum")

    def require(self, fine: bool, expected: str, got: Any) -> None:
        """Raise a ``ValueError`` that says what was expected, unless it is fine."""
        if not fine:
            raise ValueError(f"{type(self).__name__}: expected {expected}, got {got!r}")

    # ----------------------------------------------------------------------------------------------------------
    # What a batch is

    def _arrays(self, preds: Any, target: Any) -> tuple[Array, Array]:
        """Return the arrays of a batch, after a look at their shapes and dtypes."""
        scores, truth = self._array(preds, "preds"), self._array(target, "target")
        self._check_shapes(scores, truth)
        if truth.dtype.kind == "f":
            raise ValueError(
                f"{type(self).__name__}: expected target to hold labels (integers or bools), got {truth.dtype}; "
                "convert them: target.long()"
            )
        return scores, truth

    def _array(self, x: Any, name: str) -> Array:
        if not isinstance(x, Tensor) and not is_array(x):
            raise TypeError(f"{type(self).__name__}: expected {name} to be a tensor, got {type(x).__name__}")
        return x.array if isinstance(x, Tensor) else x

    def _check_shapes(self, preds: Array, target: Array) -> None:
        name = type(self).__name__
        got = f"got preds {tuple(preds.shape)} {preds.dtype} and target {tuple(target.shape)} {target.dtype}"
        if array_module(preds) is not array_module(target):
            raise RuntimeError(f"{name}: expected preds and target on one device, got one on the CPU and one on a GPU")
        if self.task != "multiclass":
            if preds.shape != target.shape:
                hint = "; use preds.squeeze(1)" if preds.shape == (*target.shape, 1) else ""
                raise ValueError(f"{name}: task {self.task!r} expects preds and target of one shape, {got}{hint}")
            if self.task == "multilabel" and (preds.ndim < 2 or preds.shape[1] != self._size):
                raise ValueError(f"{name}: expected preds and target of shape (N, {self._size}, ...), {got}")
            return
        if preds.ndim == target.ndim + 1 and preds.dtype.kind == "f":
            if preds.shape == (*target.shape[:1], self._size, *target.shape[1:]):
                return
        elif preds.shape == target.shape and preds.dtype.kind != "f" and self._takes_labels():
            return
        labels = ", or labels (N, ...) as integers," if self._takes_labels() else ""
        raise ValueError(
            f"{name}: expected preds to be scores (N, {self._size}, ...){labels} and target labels (N, ...), {got}"
        )

    def _takes_labels(self) -> bool:
        return self.top_k == 1

    # ----------------------------------------------------------------------------------------------------------
    # From scores to labels

    def _labels(self, preds: Any, target: Any, samplewise: bool = False) -> Labels:
        """Return predicted labels, true labels, and where they count, a row for each group that is counted apart.

        Rows are labels for multilabel, and there is one row for the other tasks; with ``samplewise``, there are these
        for each sample.
        """
        scores, truth = self._arrays(preds, target)
        if samplewise and truth.ndim < (3 if self.task == "multilabel" else 2):
            raise ValueError(
                f"{type(self).__name__}: multidim_average='samplewise' needs a dimension besides samples"
                f"{' and labels' if self.task == 'multilabel' else ''}, got target {tuple(truth.shape)}"
            )
        found = self._best(scores, truth) if self.task == "multiclass" else self._above(scores)
        if self.task == "multilabel" and not samplewise:
            found, truth = (array_module(x).moveaxis(x, 1, 0) for x in (found, truth))
        if samplewise:
            rows = len(truth) * (self._size if self.task == "multilabel" else 1)
        else:
            rows = self._size if self.task == "multilabel" else 1
        found, truth = (x.reshape(rows, x.size // max(rows, 1)).astype(np.int64) for x in (found, truth))
        return found, truth, self._counting(truth, found)

    def _above(self, scores: Array) -> Array:
        """Return where the score is above the threshold; sigmoid(x) > t is the same as x > log(t / (1 - t))."""
        if scores.dtype.kind != "f":
            return scores
        t = self.threshold
        logit = math.log(t / (1 - t)) if 0 < t < 1 else math.inf if t else -math.inf
        return scores > array_module(scores).where(are_logits(scores), logit, t).astype(scores.dtype)

    def _best(self, scores: Array, target: Array) -> Array:
        """Return the class of the largest score, or the true one if it is among the ``top_k`` largest."""
        if scores.ndim == target.ndim:
            return scores
        if self.top_k == 1:
            return scores.argmax(axis=1)
        xp = array_module(scores)
        best = xp.argsort(-scores, axis=1, kind="stable")[:, : self.top_k]  # of equal scores the first, like argmax
        hit = (best == xp.expand_dims(target, 1)).any(axis=1)
        return xp.where(hit, target, best[:, 0])

    def _counting(self, truth: Array, found: Array | None = None) -> Array:
        """Return where to count: not at ``ignore_index``, and not at labels that do not exist.

        Such labels are an error at once on the CPU. On a GPU, asking whether there are any would make it wait in each
        batch, so they are counted too, and ``compute`` complains.
        """
        xp = array_module(truth)
        known = xp.ones(truth.shape, bool) if self.ignore_index is None else truth != self.ignore_index
        n = self._size if self.task == "multiclass" else 2
        invalid = (truth < 0) | (truth >= n)
        if found is not None:
            invalid |= (found < 0) | (found >= n)
        invalid &= known
        if xp is not np:
            self.invalid = tensor_of(self.invalid.array + invalid.sum())
        elif self.validate_args and invalid.any():
            preds = "" if found is None else f"preds from {found[known].min()} to {found[known].max()} and "
            raise RuntimeError(
                f"{type(self).__name__}: expected labels from 0 to {n - 1}, got {preds}target from "
                f"{truth[known].min()} to {truth[known].max()}"
                + ("" if self.ignore_index is None else f" (besides ignore_index={self.ignore_index})")
            )
        return known & ~invalid

    def _check_counted(self) -> None:
        if self.validate_args and (count := int(self.invalid.item())):
            raise RuntimeError(f"{type(self).__name__}: {count} labels in the batches so far were out of range")

    def __repr__(self) -> str:
        size = {"binary": "", "multiclass": f", num_classes={self._size}", "multilabel": f", num_labels={self._size}"}
        task = "" if type(self).__name__.lower().startswith(self.task) else f", task={self.task!r}"
        return f"{type(self).__name__}({(task + size[self.task])[2:]})"


def are_logits(scores: Array) -> Array:
    """Return whether some score lies outside [0, 1], as a 0-d array: nobody has to wait for it."""
    return ~((scores >= 0) & (scores <= 1)).all()


# --------------------------------------------------------------------------------------------------------------
# Counting and dividing


def count(index: Array, n: int) -> Array:
    """Return how often each of 0 ... n-1 occurs in each row of ``index``, leaving out n, the bin for the rest."""
    xp = array_module(index)
    rows = len(index)
    cells = (index + (n + 1) * xp.arange(rows)[:, None]).ravel()
    if xp is np:
        bins = np.bincount(cells, minlength=rows * (n + 1))
    else:
        bins = xp.zeros(rows * (n + 1), np.int64)
        xp.add.at(bins, cells, 1)  # bincount would read the largest index back
    return bins.reshape(rows, n + 1)[:, :n]


def two_by_two(found: Array, truth: Array, counts: Array) -> Array:
    """Return the (rows, 2, 2) tables of (rows, n) labels: [[tn, fp], [fn, tp]] for each."""
    return count(array_module(truth).where(counts, 2 * truth + found, 4), 4).reshape(-1, 2, 2)


def ratio(part: Array, whole: Array, otherwise: float = 0.0) -> Array:
    """Return part / whole, and ``otherwise`` for division by 0."""
    xp = array_module(whole)
    nothing = whole == 0
    return xp.where(nothing, otherwise, part / xp.where(nothing, 1, whole))


def float32(x: Array) -> Tensor:
    """Return ``x`` as a float32 tensor."""
    return tensor_of(array_module(x).asarray(x, dtype=np.float32))  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------------------------
# The classes of one task


def by_task(metric: type[Classification], **arguments: str) -> Iterable[Any]:
    """Yield the classes of ``metric`` for one task each, such as ``BinaryAccuracy``.

    ``arguments`` tells for each task the names of the arguments in order. Their defaults are those of ``metric``, but
    the average is "macro", and sizes and beta have none.
    """
    general = inspect.signature(metric.__init__).parameters
    for task, names in arguments.items():
        chosen = []
        for name in names.split():
            default = "macro" if general[name].default == "micro" else general[name].default
            if name in ("num_classes", "num_labels", "beta"):
                default = inspect.Parameter.empty
            chosen.append(general[name].replace(default=default, kind=inspect.Parameter.POSITIONAL_OR_KEYWORD))
        name = task.capitalize() + metric.__name__
        body = {
            "__init__": _constructor(metric, task, inspect.Signature(chosen)),
            "__doc__": f":class:`{metric.__name__}` for task {task!r}.",
            "__module__": metric.__module__,
        }
        yield type(name, (metric,), body)


def _constructor(metric: type[Classification], task: str, signature: inspect.Signature) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}; it takes {signature}") from None
        bound.apply_defaults()
        metric.__init__(self, task=task, **bound.arguments)

    this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    __init__.__signature__ = signature.replace(parameters=[this, *signature.parameters.values()])  # type: ignore[attr-defined]
    return __init__

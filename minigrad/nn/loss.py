"""Losses as modules: each holds its options and calls the function of the same name in ``functional``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from minigrad.nn import functional as F
from minigrad.nn.functional.reduction import refuse_legacy
from minigrad.nn.module import Module
from minigrad.tensor import Tensor

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class _Loss(Module):
    """A loss with PyTorch's ``reduction``: "mean", "sum" or "none"."""

    def __init__(self, size_average: None = None, reduce: None = None, reduction: str = "mean") -> None:
        super().__init__()
        refuse_legacy(type(self).__name__, size_average, reduce)
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"{type(self).__name__}: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction


# --------------------------------------------------------------------------------------------------------------
# Regression and distributions


class MSELoss(_Loss):
    """Mean squared error: mean of (x - t)^2. Input and target must have the same shape.

    >>> import minigrad
    >>> MSELoss()(minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 4.0]))
    tensor(2.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """Mean absolute error: mean of abs(x - t). Input and target must have the same shape.

    >>> import minigrad
    >>> L1Loss()(minigrad.tensor([4.0]), minigrad.tensor([5.0]))
    tensor(1.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """abs(d) - beta / 2 for an error d beyond ``beta``, the parabola d^2 / (2 beta) within (Girshick, 2015).

    >>> import minigrad
    >>> SmoothL1Loss(reduction="none")(minigrad.tensor([0.5, 3.0]), minigrad.zeros(2))
    tensor([0.1250, 2.5000])
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean", beta: float = 1.0
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """d^2 / 2 for an error d up to ``delta``, a line of slope ``delta`` beyond: outliers pull less (Huber, 1964).

    It is ``delta`` times ``SmoothL1Loss(beta=delta)``.

    >>> import minigrad
    >>> HuberLoss(reduction="none", delta=2.0)(minigrad.tensor([1.0, 3.0]), minigrad.zeros(2))
    tensor([0.5000, 4.0000])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, self.reduction, self.delta)


class PoissonNLLLoss(_Loss):
    """For counts t: e^x - t x, where x is the *logarithm* of the expected count; for that itself ``log_input=False``.

    Options: :func:`minigrad.nn.functional.poisson_nll_loss`.

    >>> import minigrad
    >>> PoissonNLLLoss()(minigrad.tensor([0.0]), minigrad.tensor([2.0]))
    tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: None = None,
        eps: float = 1e-8,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(log_input, target, self.log_input, self.full, eps=self.eps, reduction=self.reduction)


class GaussianNLLLoss(_Loss):
    """(log v + (x - t)^2 / v) / 2 for a mean x and a variance v, both from the network: it learns how sure it is.

    ``var`` is the variance and not its logarithm: :func:`minigrad.nn.functional.gaussian_nll_loss`.

    >>> import minigrad
    >>> GaussianNLLLoss()(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([4.0]))
    tensor(1.1931)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of the target from the input, which are *log* probabilities: sum of t (log t - x).

    The divergence itself is ``reduction="batchmean"``; "mean" divides by the number of entries, and warns. See
    :func:`minigrad.nn.functional.kl_div`.

    >>> import minigrad
    >>> p, t = minigrad.tensor([[0.5, 0.5]]), minigrad.tensor([[0.75, 0.25]])
    >>> KLDivLoss(reduction="batchmean")(p.log(), t)
    tensor(0.1308)
    """

    def __init__(
        self, size_average: None = None, reduce: None = None, reduction: str = "mean", log_target: bool = False
    ) -> None:
        super().__init__(size_average, reduce, "mean" if reduction == "batchmean" else reduction)
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


# --------------------------------------------------------------------------------------------------------------
# Classification


class _WeightedLoss(_Loss):
    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class CrossEntropyLoss(_WeightedLoss):
    """Takes logits (scores before softmax): mean of -log softmax(x)[t].

    Target: labels (N,), or probabilities (N, C). Options and shapes: :func:`minigrad.nn.functional.cross_entropy`.

    >>> import minigrad
    >>> CrossEntropyLoss()(minigrad.tensor([[2.0, 0.0, 0.0]]), minigrad.tensor([0]))
    tensor(0.2395)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if not 0.0 <= label_smoothing <= 1.0:
            raise ValueError(f"CrossEntropyLoss: expected label_smoothing between 0 and 1, got {label_smoothing}")
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input, target, self.weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        )


class NLLLoss(_WeightedLoss):
    """Takes log probabilities: mean of -x[t]. With ``LogSoftmax`` before it, the same as ``CrossEntropyLoss``.

    >>> import minigrad
    >>> NLLLoss()(minigrad.tensor([[-0.5, -2.0]]), minigrad.tensor([1]))
    tensor(2.)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(input, target, self.weight, None, self.ignore_index, None, self.reduction)


class BCELoss(_WeightedLoss):
    """Takes probabilities: mean of -(t log x + (1 - t) log(1 - x)). ``BCEWithLogitsLoss`` is the safer form.

    >>> import minigrad
    >>> BCELoss()(minigrad.tensor([0.5]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """Takes logits of yes/no questions: binary cross entropy of sigmoid(x), exact also where the sigmoid rounds to 1.

    >>> import minigrad
    >>> BCEWithLogitsLoss()(minigrad.tensor([0.0]), minigrad.tensor([1.0]))
    tensor(0.6931)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CTCLoss(_Loss):
    """Takes log probabilities (T, N, C) and label sequences that are not aligned with the T times, as in speech.

    Log probabilities, from ``log_softmax(2)``, with the times first: :func:`minigrad.nn.functional.ctc_loss`. Graves
    et al., "Connectionist temporal classification", 2006.

    >>> import minigrad
    >>> x = minigrad.zeros(5, 1, 3).log_softmax(2)
    >>> CTCLoss()(x, minigrad.tensor([[1, 2]]), (5,), (2,))
    tensor(0.9689)
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self,
        log_probs: Tensor,
        targets: Tensor,
        input_lengths: Tensor | Sequence[int],
        target_lengths: Tensor | Sequence[int],
    ) -> Tensor:
        return F.ctc_loss(
            log_probs, targets, input_lengths, target_lengths, self.blank, self.reduction, self.zero_infinity
        )


# --------------------------------------------------------------------------------------------------------------
# Margins


class SoftMarginLoss(_Loss):
    """log(1 + e^(-t x)) for targets t of 1 and -1. For targets of 0 and 1 it is ``BCEWithLogitsLoss``.

    >>> import minigrad
    >>> SoftMarginLoss()(minigrad.tensor([0.0]), minigrad.tensor([-1.0]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class HingeEmbeddingLoss(_Loss):
    """For distances x of pairs: x where the target is 1 (alike), max(0, margin - x) where it is -1 (different).

    >>> import minigrad
    >>> HingeEmbeddingLoss(reduction="none")(minigrad.tensor([0.25, 0.25]), minigrad.tensor([1, -1]))
    tensor([0.2500, 0.7500])
    """

    def __init__(
        self, margin: float = 1.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, margin - t (x1 - x2)): with t = 1, x1 is to be above x2 by the margin, with t = -1 below it.

    With the default margin 0, equal scores for everything cost nothing.

    >>> import minigrad
    >>> MarginRankingLoss(margin=0.5)(minigrad.tensor([1.0]), minigrad.tensor([3.0]), minigrad.tensor([1.0]))
    tensor(2.5000)
    """

    def __init__(
        self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, self.margin, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1; targets of 0 cost nothing.

    >>> import minigrad
    >>> x = minigrad.tensor([[1.0, 0.0]])
    >>> CosineEmbeddingLoss()(x, minigrad.tensor([[0.0, 1.0]]), minigrad.tensor([1]))
    tensor(1.)
    """

    def __init__(
        self, margin: float = 0.0, size_average: None = None, reduce: None = None, reduction: str = "mean"
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with the ``p``-norm of the difference as distance.

    ``swap`` takes d(positive, negative) where that is smaller (Balntas et al., 2016). Triplets that are right by the
    margin cost nothing and teach nothing: negatives that are close to the anchor do.

    >>> import minigrad
    >>> a, p, n = minigrad.tensor([[0.0, 0.0]]), minigrad.tensor([[3.0, 0.0]]), minigrad.tensor([[0.0, 2.0]])
    >>> TripletMarginLoss()(a, p, n)
    tensor(2.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginLoss: expected a margin above 0, got {margin}")
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, reduction=self.reduction
        )


class TripletMarginWithDistanceLoss(_Loss):
    """``TripletMarginLoss`` with another distance: any function of two tensors that can be differentiated.

    >>> import minigrad
    >>> from minigrad.nn import functional as F
    >>> loss = TripletMarginWithDistanceLoss(distance_function=lambda a, b: 1 - F.cosine_similarity(a, b))
    >>> a, n = minigrad.tensor([[1.0, 0.0]]), minigrad.tensor([[0.0, 1.0]])
    >>> loss(a, a, n)
    tensor(0.)
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        if not margin > 0:
            raise ValueError(f"TripletMarginWithDistanceLoss: expected a margin above 0, got {margin}")
        self.distance_function = F.pairwise_distance if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class MultiMarginLoss(_WeightedLoss):
    """Takes scores and labels: sum over wrong classes of max(0, margin - x[t] + x[i])^p / C (Crammer and Singer, 2001).

    >>> import minigrad
    >>> MultiMarginLoss()(minigrad.tensor([[0.5, 1.0, -2.0]]), minigrad.tensor([0]))
    tensor(0.5000)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: None = None,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: expected p 1 or 2, got {p}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """Several right classes for each row, listed in the target up to the first -1; each is to beat all others by 1.

    >>> import minigrad
    >>> MultiLabelMarginLoss()(minigrad.tensor([[0.5, 1.0, -2.0]]), minigrad.tensor([[0, 1, -1]]))
    tensor(0.)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """Takes logits and a target of zeros and ones: binary cross entropy of each class, averaged over the classes.

    >>> import minigrad
    >>> MultiLabelSoftMarginLoss()(minigrad.zeros(1, 3), minigrad.tensor([[1.0, 0.0, 1.0]]))
    tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, self.weight, reduction=self.reduction)

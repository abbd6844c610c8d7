"""Learning rate schedules: objects that set ``group["lr"]`` of an optimizer's groups from epoch to epoch.

==================================  ====================================================================
:mod:`.base`                        what they share: stepping, resuming, looking ahead with ``preview``
:mod:`.decay`                       one formula for all epochs: steps, lines, powers, a cosine, your own
:mod:`.cycles`                      warm restarts, cycles, one cycle; momentum moves along
:mod:`.plateau`                     smaller when a metric stands still
:mod:`.composed`                    one schedule after another, as for a warm-up, or several at once
==================================  ====================================================================
"""

from minigrad.optim.lr_scheduler.base import LRScheduler
from minigrad.optim.lr_scheduler.composed import ChainedScheduler, SequentialLR
from minigrad.optim.lr_scheduler.cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from minigrad.optim.lr_scheduler.decay import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from minigrad.optim.lr_scheduler.plateau import ReduceLROnPlateau

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

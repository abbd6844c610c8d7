"""Optimizers, under PyTorch's names; learning rate schedules are in ``lr_scheduler``, averaging in ``swa_utils``."""

from typing import TYPE_CHECKING

from minigrad.optim import lr_scheduler, swa_utils
from minigrad.optim.adafactor import Adafactor
from minigrad.optim.adagrad import Adadelta, Adagrad, RMSprop
from minigrad.optim.adam import Adam, AdamW
from minigrad.optim.adam_variants import Adamax, NAdam, RAdam
from minigrad.optim.lbfgs import LBFGS
from minigrad.optim.muon import Muon
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.rprop import Rprop
from minigrad.optim.sgd import ASGD, SGD

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "lr_scheduler",
    "swa_utils",
]

if not TYPE_CHECKING:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        """Say why an optimizer of PyTorch's is not here."""
        why = ": there are no sparse gradients; use Adam" if name == "SparseAdam" else ""
        raise AttributeError(f"minigrad.optim has no {name!r}{why}")

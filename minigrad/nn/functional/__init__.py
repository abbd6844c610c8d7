"""Layers, activations and losses as functions, under ``torch.nn.functional``'s names and argument names."""

# ruff: noqa: F403  (the names are in __all__ of each family)

from minigrad.nn.functional.activation import *
from minigrad.nn.functional.affine import *
from minigrad.nn.functional.embedding import *
from minigrad.nn.functional.loss import *
from minigrad.nn.functional.normalization import *
from minigrad.nn.functional.regularization import *

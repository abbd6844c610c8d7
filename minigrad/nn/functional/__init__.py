"""Layers, activations and losses as functions, under ``torch.nn.functional``'s names and argument names."""

# ruff: noqa: F403  (the names are in __all__ of each family)

from minigrad.nn.functional.activation import *
from minigrad.nn.functional.affine import *
from minigrad.nn.functional.attention import *
from minigrad.nn.functional.convolution import *
from minigrad.nn.functional.ctc import *
from minigrad.nn.functional.distance import *
from minigrad.nn.functional.embedding import *
from minigrad.nn.functional.interpolation import *
from minigrad.nn.functional.loss import *
from minigrad.nn.functional.margin_loss import *
from minigrad.nn.functional.normalization import *
from minigrad.nn.functional.padding import *
from minigrad.nn.functional.pooling import *
from minigrad.nn.functional.regression_loss import *
from minigrad.nn.functional.regularization import *

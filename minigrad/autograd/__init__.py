"""Reverse-mode automatic differentiation: nodes, the walk, and the switches."""

import importlib
import typing

from minigrad.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.autograd.gradcheck import GradcheckError, GradcheckReport, gradcheck, gradgradcheck
from minigrad.autograd.gradients import backward, grad
from minigrad.autograd.node import Node

__all__ = [
    "GradcheckError",
    "GradcheckReport",
    "Node",
    "backward",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

# The upper floor stands on the ops, which stand on the engine: it is opened when first asked for.
_UPPER_FLOOR = {
    "AnomalyError": "anomaly",
    "Function": "function",
    "detect_anomaly": "anomaly",
    "set_detect_anomaly": "anomaly",
}
_ROOMS = ("anomaly", "function", "functional")

if typing.TYPE_CHECKING:
    from minigrad.autograd import anomaly, function, functional
    from minigrad.autograd.anomaly import AnomalyError, detect_anomaly, set_detect_anomaly
    from minigrad.autograd.function import Function
else:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        if name in _ROOMS:
            return importlib.import_module(f"minigrad.autograd.{name}")
        if name in _UPPER_FLOOR:
            return getattr(importlib.import_module(f"minigrad.autograd.{_UPPER_FLOOR[name]}"), name)
        raise AttributeError(f"minigrad.autograd has no {name!r}")

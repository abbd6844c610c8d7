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
from minigrad.autograd.gradients import backward, grad
from minigrad.autograd.node import Node

__all__ = [
    "AnomalyError",
    "Function",
    "GradcheckError",
    "GradcheckReport",
    "Node",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

# The upper floor stands on the ops, which stand on the engine: it is opened when first asked for.
_UPPER_FLOOR = {
    "anomaly": ("AnomalyError", "detect_anomaly", "set_detect_anomaly"),
    "function": ("Function",),
    "functional": (),
    "gradient_check": ("GradcheckError", "GradcheckReport", "gradcheck", "gradgradcheck"),
}

if typing.TYPE_CHECKING:
    from minigrad.autograd import anomaly, function, functional
    from minigrad.autograd.anomaly import AnomalyError, detect_anomaly, set_detect_anomaly
    from minigrad.autograd.function import Function
    from minigrad.autograd.gradient_check import GradcheckError, GradcheckReport, gradcheck, gradgradcheck
else:  # to a type checker it would mean that every name is here

    def __getattr__(name):
        for room, names in _UPPER_FLOOR.items():
            if name == room or name in names:
                opened = importlib.import_module(f"minigrad.autograd.{room}")
                return opened if name == room else getattr(opened, name)
        raise AttributeError(f"minigrad.autograd has no {name!r}")

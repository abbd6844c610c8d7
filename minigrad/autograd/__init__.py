"""Reverse-mode automatic differentiation: nodes, the walk, and the switches."""

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

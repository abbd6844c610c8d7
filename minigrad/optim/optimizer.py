"""The base of all optimizers: parameter groups, state, and one update rule run over blocks of parameters.

An optimizer is its ``update``: the algorithm box of its paper, written once, in place, on flat arrays. This file
decides what those arrays are:

* Small parameters of a group are *gathered* into one flat array. A network of six small layers then costs a dozen
  NumPy calls in all, not a dozen for each parameter.
* A large parameter is updated in place in *slices* that fit the processor's cache. A rule makes a dozen passes over
  its arrays; on a whole large array each of them would go through main memory.

State lives in flat arrays beside the blocks, and ``optimizer.state[p]["exp_avg"]`` is a view of its place there.
How parameters are laid out in blocks is worked out at the first step and kept until something changes: a gradient
that is missing, an array that was replaced, a state that was loaded, an option that needs more state.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import is_
from types import ModuleType
from typing import Any

import numpy as np

from minigrad.autograd.grad_mode import enable_grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import Array, array_module, device_of, is_array, to_device

Group = dict[str, Any]  # "params" and the options they share
State = dict[str, Any]

# Elements updated at a time. On the CPU the half dozen arrays of a slice stay in a cache of 1 MB; a GPU has no such
# cache, and wants few calls.
CPU_SLICE = 1 << 15
GPU_SLICE = 1 << 22


class Optimizer:
    """Base class of all optimizers.

    A new one needs only ``update``, and ``buffers`` and ``scalars`` if it keeps state::

        class Signs(Optimizer):
            def __init__(self, params, lr=1e-3):
                super().__init__(params, {"lr": lr})

            def update(self, xp, p, g, state, group, scratch):
                p -= group["lr"] * xp.sign(g)

    One that is no elementwise rule overrides ``update_group`` or ``step``.

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor) pairs, or of dicts
        What to optimize. A dict is a group, ``{"params": [...], "lr": 0.1}``, with options of its own.
    defaults : dict
        The options of groups that do not set them. 0-d tensors and NumPy numbers become Python numbers.

    Raises
    ------
    ValueError
        There is nothing to optimize, a parameter appears twice or is no leaf, or an option is out of range.
    TypeError
        Something else than tensors was given.

    Attributes
    ----------
    param_groups : list of dict
        The groups; change ``group["lr"]`` and the other options at any time.
    state : dict
        For each parameter that was updated, a dict of its state by PyTorch's names.
    step_count : int
        How many steps were taken; schedulers compare it.
    """

    scratch_arrays = 2  # how many arrays of the size of p ``update`` needs to work in

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = {name: _plain(value) for name, value in defaults.items()}
        self.state: defaultdict[Any, State] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self.step_count = 0
        self._forget_layouts()
        given = self._listed(params)
        groups = given if given and isinstance(given[0], dict) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)
        if not any(group["params"] for group in self.param_groups):
            raise ValueError(
                f"{self._name}: got an empty parameter list, so there is nothing to train. If it came from "
                "model.parameters(): layers kept in a plain list or dict are not seen, keep them in nn.ModuleList or "
                "nn.ModuleDict; and a generator that was used before (by a sum over it, by another optimizer) is "
                "empty, call model.parameters() again."
            )

    # ----------------------------------------------------------------------------------------------------------
    # What an optimizer defines

    def buffers(self, group: Group) -> dict[str, float]:
        """Return the state arrays of the shape of the parameter: their names, and what they start as."""
        return {}

    def scalars(self, group: Group) -> dict[str, float]:
        """Return the state that is one number: its names, and what it starts as."""
        return {}

    def advance(self, scalars: dict[str, Any], group: Group) -> None:
        """Move the scalars on to this step, once before the updates of a block."""
        if "step" in scalars:
            scalars["step"] += 1

    def update(
        self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]
    ) -> None:
        """Update ``p`` and the arrays in ``state`` in place: the rule of the paper, for each element.

        All arrays are flat and of one size. ``g`` is the gradient, not to be changed. ``state`` holds the buffers,
        the scalars and ``"first"``, whether the buffers are still what they started as. ``scratch`` is memory to
        work in, ``scratch_arrays`` of them, with anything in it.
        """
        raise NotImplementedError(f"{self._name}: define update(), or step() if it is not an elementwise rule")

    def check(self, group: Group) -> None:
        """Refuse options out of range."""
        for name in ("lr", "weight_decay"):
            self.require(name not in group or group[name] >= 0, f"{name} >= 0", group.get(name))

    def require(self, fine: bool, expected: str, got: Any) -> None:
        """Raise a ``ValueError`` that says what was expected, unless it is fine."""
        if not fine:
            raise ValueError(f"{self._name}: expected {expected}, got {got!r}")

    def gradient(self, xp: ModuleType, p: Array, g: Array, group: Group, out: Array) -> Array:
        """Return what to descend along: -g to maximize, plus weight decay; in ``out`` unless it is ``g`` itself.

        ==================  ======================  ==================================================
        L2 penalty          g <- g + weight_decay p  the gradient of loss + weight_decay/2 ``|p|^2``
        decoupled decay     p <- p - lr weight_decay p  p shrinks, whatever the rule then makes of g
        ==================  ======================  ==================================================
        """
        if group["maximize"]:
            g = xp.negative(g, out=out)
        weight_decay = group["weight_decay"]
        if weight_decay == 0:
            return g
        if group.get("decoupled_weight_decay"):
            p *= 1 - float(group["lr"]) * weight_decay
            return g
        if g is out:  # two steps in one array: g + weight_decay p = weight_decay (g / weight_decay + p)
            g /= weight_decay
            g += p
            g *= weight_decay
            return g
        xp.multiply(p, weight_decay, out=out)
        out += g
        return out

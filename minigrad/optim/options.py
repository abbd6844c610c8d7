"""What an optimizer is given, checked before anything is changed: parameters, and options by name and by value."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import numpy as np

from minigrad.autograd.node import TensorBase

Group = dict[str, Any]  # "params" and the options they share

# PyTorch's words on how to compute, not what. ``foreach`` is taken either way: the results are the same.
HOW = ("foreach", "fused", "capturable", "differentiable")
_REFUSED = {
    "fused": "leave it out; on a GPU an update is one kernel anyway, and on the CPU there is none",
    "capturable": "there are no CUDA graphs to capture a step in; leave it out",
    "differentiable": "a step is not recorded; to differentiate through one, take the gradient with "
    "create_graph=True and write w = w - lr * grad",
}
_ALIASES = {
    "learning_rate": "lr", "eta": "lr", "beta1": "betas", "beta2": "betas", "epsilon": "eps", "decay": "weight_decay",
    "wd": "weight_decay", "l2": "weight_decay", "beta": "momentum",
}  # fmt: skip


class Checks:
    """The part of an optimizer that refuses."""

    param_groups: list[Group]

    def __new__(cls, *args: Any, **options: Any) -> Any:
        code = getattr(cls.__init__, "__code__", None)
        if options and code is not None and not code.co_flags & 0x08:  # it does not take any name there is
            names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
            for name in options:
                if name not in names:
                    near = _meant(name, names, 0.7)
                    raise TypeError(
                        f"{cls.__name__}: got an unknown option {name!r}"
                        + (f"; did you mean {near!r}?" if near else "")
                        + f" Its options are {', '.join(names[1:])}."
                    )
        return super().__new__(cls)

    # ----------------------------------------------------------------------------------------------------------
    # Options

    def check(self, group: Group) -> None:
        """Refuse options out of range."""
        self.require_nonnegative(group, "lr", "weight_decay")
        for name, why in _REFUSED.items():
            if group.get(name):
                raise NotImplementedError(f"{self._name}: {name}=True is not supported: {why}")

    def require_nonnegative(self, group: Group, *names: str) -> None:
        """Raise unless these options, where the group has them, are numbers from 0 on."""
        for name in names:
            value = group.get(name, 0)
            self.require(isinstance(value, (int, float)) and value >= 0, f"a number {name} >= 0", value)

    def require(self, fine: bool, expected: str, got: Any) -> None:
        """Raise a ``ValueError`` that says what was expected, unless it is fine."""
        if not fine:
            raise ValueError(f"{self._name}: expected {expected}, got {got!r}")

    def _check_spelling(self, group: Group, known: Iterable[str]) -> None:
        """Refuse what looks like an option and is none; a group may carry other entries, as in PyTorch."""
        known = [*known, "params", "param_names", "initial_lr"]
        for name in group:
            near = None if name in known else _meant(name, known, 0.85)
            if near:
                raise TypeError(f"{self._name}: got an unknown option {name!r} in a group; did you mean {near!r}?")

    # ----------------------------------------------------------------------------------------------------------
    # Parameters

    def _listed(self, params: Any) -> list[Any]:
        if isinstance(params, TensorBase):
            raise TypeError(f"{self._name}: expected a list of tensors, got one; put it in a list, {self._name}([w])")
        if isinstance(params, (set, frozenset)):
            raise TypeError(f"{self._name}: a set has no order that a state_dict could rely on; use a list")
        if not isinstance(params, Iterable):
            hint = ""
            if hasattr(params, "parameters"):
                hint = "; pass model.parameters()"
            elif callable(params):
                hint = "; call it, model.parameters() with parentheses"
            raise TypeError(f"{self._name}: expected an iterable of parameters, got {described(params)}{hint}")
        return list(params)

    def _check_param(self, p: Any, which: str) -> None:
        if not isinstance(p, TensorBase):
            hint = ""
            if hasattr(p, "parameters"):
                hint = "; pass model.parameters()"
            elif isinstance(p, str):
                hint = "; pass a dict's .values() or .items()"
            raise TypeError(f"{self._name}: can only optimize Tensors, {which} is {described(p)}{hint}")
        if p.node is not None:
            raise ValueError(
                f"{self._name}: can't optimize a non-leaf Tensor: {which}, of shape {tuple(p.shape)}, was computed "
                f"from others ({p.node.name()}), by arithmetic or .to() perhaps, and will not get a .grad. Make it "
                "first and ask for its gradient then: x = (...).detach().requires_grad_(), or nn.Parameter(...)."
            )

    @property
    def _name(self) -> str:
        return type(self).__name__


def _meant(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """Return the option that ``name`` was probably meant to be."""
    known = list(known)
    if _ALIASES.get(name) in known:
        return _ALIASES[name]
    return next(iter(get_close_matches(name, known, 1, cutoff)), None)


def plain(value: Any) -> Any:
    """Turn 0-d tensors and arrays and NumPy's numbers into Python's; a float64 one would change an update's dtype."""
    if isinstance(value, (np.generic, np.ndarray)) and value.ndim == 0:
        return value.item()
    if isinstance(value, TensorBase) and value.array.size == 1:
        return value.array.item()
    return tuple(map(plain, value)) if isinstance(value, tuple) else value


def described(x: Any) -> str:
    """Return what ``x`` is, for a message."""
    return f"{type(x).__name__} {x!r}" if isinstance(x, (str, int, float)) else type(x).__name__

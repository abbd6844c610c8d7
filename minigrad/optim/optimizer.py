"""The base of all optimizers: parameter groups, state, and one update rule run over blocks of parameters.

An optimizer is its ``update``: the algorithm box of its paper, written once, in place, on flat arrays. Which arrays
those are is decided here and in ``blocks``:

* Small parameters of a group are *gathered* into one flat array. A network of six small layers then costs a dozen
  NumPy calls in all, not a dozen for each parameter.
* A large parameter is updated where it lies, in *slices* that fit the processor's cache. A rule makes a dozen passes
  over its arrays; on a whole large array each of them would go through main memory.
* On a GPU the dozen passes are joined to one: ``fusion`` makes a kernel of the rule.

State lives in flat arrays, and ``optimizer.state[p]["exp_avg"]`` is a view of its place there. The layout is worked out
at the first step and kept until something changes: a gradient that is missing, an array that was replaced, state that
was loaded, an option that needs more state.
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
from minigrad.autograd.node import TensorBase, date_writes, tensor_of
from minigrad.backend import Array, Shape, array_module, device_of, is_array, to_device
from minigrad.optim.blocks import Block, Layout, gatherings
from minigrad.optim.fusion import update_in_one_kernel
from minigrad.optim.hooks import Hooks
from minigrad.optim.options import HOW, Checks, described, plain
from minigrad.optim.options import Group as Group

State = dict[str, Any]


class Optimizer(Checks, Hooks):
    """Base class of all optimizers.

    A new one needs only ``update``, and ``buffers`` and ``scalars`` if it keeps state::

        class Signs(Optimizer):
            def __init__(self, params, lr=1e-3):
                super().__init__(params, {"lr": lr})

            def update(self, xp, p, g, state, group, scratch):
                p -= group["lr"] * xp.sign(g)

    One whose rule needs a parameter in its shape is a :class:`ParameterwiseOptimizer`; any other overrides
    ``update_group`` or ``step``.

    Most take PyTorch's words on how to compute as well. ``foreach`` changes nothing, since small parameters are always
    updated together; ``fused``, ``capturable`` and ``differentiable`` are refused unless they are left off.

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
        Something else than tensors was given, or an option has another name.
    NotImplementedError
        ``fused``, ``capturable`` or ``differentiable`` is true.

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
        self.defaults = {name: plain(value) for name, value in defaults.items()}
        self._hooks = defaultdict(list)
        self._state: defaultdict[Any, State] = defaultdict(dict)
        self._state_shown = False
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

    @property
    def state(self) -> defaultdict[Any, State]:
        """For each parameter that was updated, a dict of its state by PyTorch's names; yours to change."""
        self._state_shown = True  # from now on somebody may change it: each step looks
        return self._state

    @state.setter
    def state(self, value: defaultdict[Any, State]) -> None:
        self._state = value
        self._state_shown = True

    # ----------------------------------------------------------------------------------------------------------
    # What an optimizer defines

    def buffers(self, group: Group) -> dict[str, float]:
        """Return the state arrays of the shape of the parameter: their names, and what they start as."""
        return {}

    def scalars(self, group: Group) -> dict[str, float]:
        """Return the state that is one number: its names, and what it starts as."""
        return {}

    def shapes(self, p: Any, group: Group) -> dict[str, Shape]:
        """Return the names of the state arrays of ``p`` and their shapes."""
        return dict.fromkeys(self.buffers(group), p.array.shape)

    def advance(self, scalars: dict[str, Any], group: Group) -> None:
        """Move the scalars on to this step, once before the updates of a block."""
        if "step" in scalars:
            scalars["step"] += 1

    def update(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group, scratch: Sequence[Array]) -> None:
        """Update ``p`` and the arrays in ``state`` in place: the rule of the paper, for each element.

        All arrays are flat and of one size. ``g`` is the gradient, not to be changed. ``state`` holds the buffers,
        the scalars and ``"first"``, whether the buffers are still what they started as. ``scratch`` is memory to
        work in, ``scratch_arrays`` of them, with anything in it. The rule does nothing else: on a GPU it is called
        with symbols instead of arrays, to see what it does.
        """
        raise NotImplementedError(f"{self._name}: define update(), or step() if it is not an elementwise rule")

    def gradient(self, xp: ModuleType, p: Array, g: Array, group: Group, out: Array) -> Array:
        """Return the direction to descend along: ``g`` itself, or what was made of it in ``out``.

        ``maximize`` turns g into -g. Then comes weight decay, of one of two kinds::

            L2 penalty:  g <- g + weight_decay p         a term of the loss: momentum and scaling see it
            decoupled:   p <- p - lr weight_decay p      apart from the loss: p shrinks, whatever the rule does
        """
        maximize, weight_decay = group.get("maximize"), group.get("weight_decay", 0)
        if weight_decay and group.get("decoupled_weight_decay"):
            p *= 1 - float(group["lr"]) * weight_decay
        elif weight_decay:
            xp.multiply(p, weight_decay, out=out)
            return xp.subtract(out, g, out=out) if maximize else xp.add(out, g, out=out)
        return xp.negative(g, out=out) if maximize else g

    # ----------------------------------------------------------------------------------------------------------
    # Stepping

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient; those whose ``grad`` is None are left alone.

        A ``closure`` clears the gradients, computes the loss, calls ``backward()`` on it and returns it. It is
        called first, and its loss is returned.
        """
        if self._hooks:
            closure = self._before_step(closure)
        loss = self._step(closure)
        self.step_count += 1
        if self._hooks:
            self._after_step(closure)
        return loss

    def _step(self, closure: Callable[[], Any] | None) -> Any:
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if self._state_shown and not all(map(is_, _entries(self._state), self._known)):
            self._layouts.clear()  # somebody loaded, replaced or removed state
        for group in self.param_groups:
            self.update_group(group)
        return loss

    def update_group(self, group: Group) -> None:
        """Update the parameters of one group that have a gradient."""
        layout = self._layouts.get(id(group))
        if layout is None or not layout.fits(group["params"], self.buffers(group)):
            layout = self._lay_out(group)
        for block in layout.blocks:
            self.advance(block.scalars, group)
            g = block.gather()
            block.fuses = block.fuses and update_in_one_kernel(self, block, g, group)  # on a GPU
            if not block.fuses:
                for where, p, state, scratch in block.slices:
                    state.update(block.scalars)
                    self.update(block.xp, p, g[where], state, group, scratch)
            block.scatter()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, so that the next ``backward()`` does not add to them.

        With ``set_to_none=False`` they become zeros instead, which is not the same: a gradient of zero is one, and
        the parameter still moves by momentum and weight decay.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                elif p._grad.node is not None:  # of create_graph: its history may need the values
                    p._grad = tensor_of(array_module(p.array).zeros_like(p.array))
                else:
                    p._grad.array[...] = 0
                    p._grad.writes().add("optimizer.zero_grad()")

    # ----------------------------------------------------------------------------------------------------------
    # Laying out

    def _forget_layouts(self) -> None:
        self._layouts: dict[int, Layout] = {}  # by the id of the group
        self._known: list[Any] = [_END]  # the state as the layouts know it
        self._work: dict[Any, list[Array]] = {}

    def _lay_out(self, group: Group) -> Layout:
        """Arrange what has a gradient in blocks that share dtype, device and scalars, and the state beside them."""
        buffers, scalars = self.buffers(group), self.scalars(group)
        alike: dict[Any, list[Any]] = {}
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self._state[p] if buffers or scalars else {}
            values = {name: float(state.get(name, start)) for name, start in scalars.items()}
            first = any(state.get(name) is None for name in buffers)
            alike.setdefault((p.array.dtype, str(device_of(p.array)), first, *values.values()), []).append(p)
        blocks = []
        for (_, _, first, *numbers), members in alike.items():
            values = dict(zip(scalars, numbers, strict=True))
            for chosen in gatherings(members):
                block = Block(chosen, first, values, self._workspace)
                for name, start in buffers.items():
                    pieces = block.add_state(name, [self._state_array(p, name, start) for p in chosen])
                    for p, piece in zip(chosen, pieces, strict=True):
                        self._state[p][name] = tensor_of(piece)
                for p in chosen:
                    for name, array in block.shown.items():
                        self._state[p][name] = tensor_of(_read_only(array))
                blocks.append(block)
        layout = self._layouts[id(group)] = Layout(group["params"], list(buffers), blocks)
        self._known = list(_entries(self._state))
        return layout

    def _workspace(self, like: Array, size: int) -> list[Array]:
        """Return p, g and scratch of ``size`` elements: the same memory for every block, so that it stays in cache."""
        key = (like.dtype, str(device_of(like)))
        if key not in self._work or self._work[key][0].size < size:
            xp = array_module(like)
            self._work[key] = [xp.empty(size, like.dtype) for _ in range(2 + self.scratch_arrays)]
        return [array[:size] for array in self._work[key]]

    def _state_array(self, p: Any, name: str, start: float, shape: Shape | None = None) -> Array:
        """Return the state ``name`` of ``p`` as an array of its dtype, device, and shape unless another is given.

        There is a new one, full of ``start``, if there was none.
        """
        value, xp = self._state[p].get(name), array_module(p.array)
        shape = p.array.shape if shape is None else shape
        if value is None:
            return xp.full(shape, start, p.array.dtype) if start else xp.zeros(shape, p.array.dtype)
        array = value.array if isinstance(value, TensorBase) else xp.asarray(value)
        if array.shape != shape:
            raise ValueError(
                f"{self._name}: the state {name!r} has shape {tuple(array.shape)} and its parameter "
                f"{tuple(p.array.shape)}; give them the same shape, or del optimizer.state[p] to start anew"
            )
        return to_device(array, device_of(p.array)).astype(p.array.dtype, copy=False)

    # ----------------------------------------------------------------------------------------------------------
    # Groups

    def add_param_group(self, param_group: Group) -> None:
        """Add a group, ``{"params": ..., "lr": 0.1, ...}``; options it does not name are the defaults.

        Layers that are unfrozen later in training come in this way.
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{self._name}: expected a group like {{'params': [...], 'lr': 0.1}}, got {described(param_group)}"
            )
        given = param_group["params"]
        params = [given] if isinstance(given, TensorBase) else self._listed(given)
        self._check_spelling(param_group, self.defaults)
        options = {name: plain(x) if name in self.defaults else x for name, x in param_group.items()}
        group = {**self.defaults, **options}
        named = [entry for entry in params if isinstance(entry, tuple) and len(entry) == 2]
        if named:
            if len(named) != len(params):
                raise ValueError(f"{self._name}: some parameters come with a name and some without; name all or none")
            group["param_names"] = [name for name, _ in named]
            params = [p for _, p in named]
        group["params"] = params
        for other in self.param_groups:
            if params and other["params"] and ("param_names" in group) != ("param_names" in other):
                raise ValueError(f"{self._name}: some groups have names for their parameters and some have none")
        taken = {id(p) for other in self.param_groups for p in other["params"]}
        for k, p in enumerate(params):
            self._check_param(p, f"parameter {k} of group {len(self.param_groups)}")
            if id(p) in taken:
                raise ValueError(
                    f"{self._name}: parameter {k} of group {len(self.param_groups)}, of shape {tuple(p.shape)}, is "
                    "there already, and one step would update it twice; list it once"
                )
            taken.add(id(p))
        self.check(group)
        self.param_groups.append(group)

    def __repr__(self) -> str:
        groups = []
        for k, group in enumerate(self.param_groups):
            options = [f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"]
            groups.append(f"\nParameter Group {k}\n" + "".join(options))
        return f"{self._name} ({''.join(groups)})"

    # ----------------------------------------------------------------------------------------------------------
    # Saving

    def state_dict(self) -> dict[str, Any]:
        """Return state and options in PyTorch's layout, with parameters replaced by their numbers.

        The tensors are the optimizer's own and change with the next step: ``copy.deepcopy`` them to keep them.
        """
        for hook in [*self._hooks["before state_dict"]]:
            hook(self)
        params = [p for group in self.param_groups for p in group["params"]]
        number = {id(p): k for k, p in enumerate(params)}
        groups = [
            {name: value for name, value in group.items() if name != "params"}
            | {"params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {number[id(p)]: dict(values) for p, values in self._state.items() if id(p) in number}
        return self._passed_on("after state_dict", {"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a copy of what :meth:`state_dict` returned; training goes on as if it had not stopped.

        Parameters are matched by their order, and their state takes on their dtype and device. A ``state_dict`` of
        the same optimizer in PyTorch will do as well, and of its options those that say what is computed, not how.
        """
        state_dict = self._passed_on("before load_state_dict", {**state_dict})
        saved = state_dict["param_groups"]
        here, there = ([len(group["params"]) for group in groups] for groups in (self.param_groups, saved))
        if here != there:
            raise ValueError(
                f"{self._name}.load_state_dict: expected groups of {here} parameters, got {there}; was it saved with "
                "another model, or with other groups?"
            )
        state: defaultdict[Any, State] = defaultdict(dict)
        for group, old in zip(self.param_groups, saved, strict=True):
            for p, number in zip(group["params"], old["params"], strict=True):
                if number in state_dict["state"]:
                    state[p] = {
                        name: self._loaded(name, value, p, number, {**group, **old})
                        for name, value in state_dict["state"][number].items()
                    }
        for group, old in zip(self.param_groups, saved, strict=True):
            kept = {name: plain(copy.deepcopy(value)) for name, value in old.items() if name not in ("params", *HOW)}
            group.update(kept)
        self.state = state
        self._forget_layouts()
        for hook in [*self._hooks["after load_state_dict"]]:
            hook(self)

    def _loaded(self, name: str, value: Any, p: Any, number: int, group: Group) -> Any:
        """Return a copy of one saved value, of the parameter's dtype and device if it is an array for it."""
        if isinstance(value, (list, tuple)):
            return [self._loaded(name, part, p, number, group) for part in value]
        if not (isinstance(value, TensorBase) or is_array(value) or hasattr(value, "__array__")):
            return copy.deepcopy(value)
        array = value.array if isinstance(value, TensorBase) else value if is_array(value) else np.asarray(value)
        if name in self.scalars(group):
            return tensor_of(array.copy())
        shape = self.shapes(p, group).get(name, array.shape)
        if array.shape != shape:
            raise ValueError(
                f"{self._name}.load_state_dict: {name!r} of parameter {number} has shape {tuple(array.shape)}, "
                f"expected {tuple(shape)}; was it saved with another model?"
            )
        return tensor_of(to_device(array, device_of(p.array)).astype(p.array.dtype))  # astype copies

    def __getstate__(self) -> dict[str, Any]:
        passing = ("_hooks", "_layouts", "_known", "_work")
        return {name: value for name, value in self.__dict__.items() if name not in passing}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hooks = defaultdict(list)
        self._forget_layouts()


class ParameterwiseOptimizer(Optimizer):
    """Base class of optimizers whose rule needs each parameter as a whole, in its shape: a norm, a matrix product.

    One defines ``update_parameter``, and ``shapes`` and ``scalars`` if it keeps state.
    """

    def update_parameter(self, xp: ModuleType, p: Array, g: Array, state: State, group: Group) -> None:
        """Update ``p`` and the arrays in ``state`` in place; ``state`` holds the scalars too, moved on to this step."""
        raise NotImplementedError(f"{self._name}: define update_parameter()")

    def update_group(self, group: Group) -> None:
        scalars = self.scalars(group)
        for p in group["params"]:
            if p._grad is None or not p.array.size:
                continue
            kept = self._state[p]
            arrays = {name: self._state_array(p, name, 0.0, shape) for name, shape in self.shapes(p, group).items()}
            numbers: dict[str, Any] = {name: float(kept.get(name, start)) for name, start in scalars.items()}
            self.advance(numbers, group)
            self.update_parameter(array_module(p.array), p.array, p._grad.array, {**arrays, **numbers}, group)
            kept.update({name: tensor_of(array) for name, array in arrays.items()})
            kept.update({name: tensor_of(np.array(number, np.float32)) for name, number in numbers.items()})
            date_writes([p.writes()], "optimizer.step()")


_END = object()


def _entries(state: dict[Any, State]) -> Iterator[Any]:
    """Go through all entries of all parameters' state; a mark at the end tells a longer state from a shorter one."""
    return chain(chain.from_iterable(map(dict.values, state.values())), (_END,))


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view

"""Module: what every layer and every network is made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Self

import numpy as np

from minigrad.backend import Device, DeviceLike
from minigrad.nn.hooks import Hook, call_with_hooks
from minigrad.nn.parameter import Parameter
from minigrad.nn.state import IncompatibleKeys, load
from minigrad.ops.promotion import checked_dtype
from minigrad.tensor import RemovableHandle, Tensor, float32, float64


class Module:
    """A layer or a network: parameters, buffers and child modules, and a ``forward`` that uses them.

    All three are ordinary attributes. A :class:`Parameter` or a Module that is set as one counts from then on, in
    order of assignment; a buffer (state that is saved and moved, but not trained) is named by
    :meth:`register_buffer`.

    Attributes
    ----------
    training : bool
        Whether dropout drops and batch normalisation uses the batch; set by :meth:`train` and :meth:`eval`.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2)
    ...
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x).relu())
    >>> net = Net()
    >>> net(minigrad.ones(3, 4)).shape
    minigrad.Size([3, 2])
    >>> [name for name, _ in net.named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
    """

    training: bool = True
    _buffers: dict[str, bool] = MappingProxyType({})  # type: ignore[assignment]  # name -> saved in state_dict?
    _hooks: list[Hook] | None = None

    def __init__(self) -> None:
        self.training = True
        self._buffers = {}

    # ----------------------------------------------------------------------------------------------------------
    # Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks:
                return call_with_hooks(self, self._hooks, args, kwargs)
            return self.forward(*args, **kwargs) if kwargs else self.forward(*args)
        except Exception as error:
            if isinstance(getattr(error, "_origin", None), _Origin):
                error._origin.seen_from(self, error)  # type: ignore[attr-defined]
            raise

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Every module defines this; call the module itself, so that hooks run too."""
        name = type(self).__name__
        near = get_close_matches("forward", vars(type(self)), n=1, cutoff=0.7)
        hint = f"; it has {near[0]}(): is that it, misspelt?" if near else ": define forward(self, input) in the class"
        raise NotImplementedError(f"{name}: a module computes in its forward(), and {name} has none{hint}")

    def input_error(self, message: str, kind: type[Exception] = RuntimeError) -> Exception:
        """Return an error about this module's input, to be raised in its ``forward``.

        On its way out, each module around this one adds its name for it, so that the message starts with the path
        from the module that the user called: ``Net.features.2 (Linear 32 -> 10): ...``.
        """
        error = kind(f"{self._label()}: {message}")
        error._origin = _Origin(self, message)  # type: ignore[attr-defined]
        return error

    def _label(self) -> str:
        """What errors call this module, in a word or three."""
        return type(self).__name__

    def _not_a_tensor(self, input: object) -> Exception:
        what = f"a NumPy array of shape {input.shape}" if isinstance(input, np.ndarray) else type(input).__name__
        return self.input_error(f"expected a Tensor, got {what}.\n  Wrap it first: minigrad.tensor(x)", TypeError)

    def _other_dtype(self, input: Tensor, weight: Tensor) -> Exception:
        short = {float32: "float", float64: "double"}
        fix = f"Convert the input: x.{short[weight.dtype]}()"
        if input.is_floating_point():
            fix += f", or the model: model.{short[input.dtype]}()"
        return self.input_error(f"expected {weight.dtype} input, as the weight is, got {input.dtype}.\n  {fix}")

    # ----------------------------------------------------------------------------------------------------------
    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(value, (Parameter, Module)):
            self._check_member(name, value, old)
            if not isinstance(old, (Parameter, Module)):
                self.__dict__.pop(name, None)  # the order is that of registration
                self._buffers.pop(name, None)
        elif value is not None and isinstance(old, (Parameter, Module)):
            kind = "parameter" if isinstance(old, Parameter) else "module"
            fix = " Wrap it: nn.Parameter(x); to change only the values, write x.data = ..." * (kind == "parameter")
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind} and cannot become a {type(value).__name__}; "
                f"set it to None or delete it first.{fix}"
            )
        elif value is not None and name in self._buffers and not isinstance(value, Tensor):
            raise TypeError(
                f"{type(self).__name__}.{name} is a buffer: expected a Tensor or None, got {type(value).__name__}"
            )
        elif isinstance(value, (list, tuple, dict)):
            self._refuse_hidden(name, value)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        if "_buffers" in self.__dict__:
            self._buffers.pop(name, None)

    def _check_member(self, name: str, value: Parameter | Module, old: object) -> None:
        cls = type(self).__name__
        if "_buffers" not in self.__dict__:
            raise AttributeError(f"{cls}.{name}: call super().__init__() first, before {cls}.__init__ assigns layers")
        if name in vars(Module):
            raise AttributeError(f"{cls}.{name}: every module has something of that name; choose another one")
        if isinstance(old, Parameter) and isinstance(value, Module):
            raise TypeError(f"{cls}.{name} is a parameter and cannot become a module; delete it first")
        if isinstance(value, Parameter) and value.node is not None:
            raise ValueError(f"{cls}.{name}: a parameter must be a leaf, and this one was computed; detach() it")

    def _refuse_hidden(self, name: str, value: Any) -> None:
        """Refuse modules and parameters in a plain list, which nobody looks into, unless they are members already."""
        values = value.values() if isinstance(value, dict) else value
        inside = [x for x in values if isinstance(x, (Parameter, Module))]
        if not inside:
            return
        known = {id(module) for module in self.modules()}
        known |= {id(x) for module in self.modules() for x in module.__dict__.values() if isinstance(x, Parameter)}
        if all(id(x) in known for x in inside):
            return
        kind = "Module" if isinstance(inside[0], Module) else "Parameter"
        right = f"nn.{kind}Dict({{...}})" if isinstance(value, dict) else f"nn.{kind}List([...])"
        raise TypeError(
            f"{type(self).__name__}.{name} is a {type(value).__name__} that holds {kind}s: their parameters would be "
            f"neither trained, nor moved, nor saved. Use {right}"
        )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Set the attribute ``name`` to a parameter, or to None for a parameter this layer is made without."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: expected a Parameter or None as {name!r}, got {type(param).__name__}; "
                "wrap it: nn.Parameter(x)"
            )
        self._check_name("register_parameter", name, isinstance(self.__dict__.get(name), Parameter))
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set the attribute ``name`` to a tensor that belongs to the module's state but is not trained.

        It moves with :meth:`to`, and is saved in :meth:`state_dict` unless ``persistent=False``.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() first, before register_buffer")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: expected a Tensor or None as {name!r}, got {type(tensor).__name__}")
        self._check_name("register_buffer", name, name in self._buffers)
        self._buffers[name] = persistent
        self.__dict__[name] = tensor

    def register_module(self, name: str, module: Module | None) -> None:
        """Set the attribute ``name``, which need not be a Python name, to a child module."""
        if module is not None and not isinstance(module, Module):
            hint = ""
            if isinstance(module, type) and issubclass(module, Module):
                hint = f": that is the class; make one with {module.__name__}(...)"
            elif isinstance(module, (list, tuple)):
                hint = f": unpack it, {type(self).__name__}(*layers)"
            elif callable(module):
                hint = ": call functions in forward(), or use the module of that name, such as nn.ReLU()"
            got = module.__name__ if isinstance(module, type) else type(module).__name__
            raise TypeError(f"{type(self).__name__}: expected a Module as {name!r}, got {got}{hint}")
        self._check_name("register_module", name, isinstance(self.__dict__.get(name), Module))
        setattr(self, name, module)

    add_module = register_module

    def _check_name(self, caller: str, name: str, replacing: bool) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{caller}: expected a string as name, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f'{caller}: a name must not be empty or contain ".", got {name!r}')
        if hasattr(self, name) and not replacing:
            raise KeyError(f"{caller}: {type(self).__name__} already has an attribute {name!r}")

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[0].isdigit()]

    # ----------------------------------------------------------------------------------------------------------
    # Walking parameters, buffers and children

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield (name, module) for the direct children, each module once."""
        seen = set()
        for name, module in own_modules(self):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the direct children."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Yield (path, module) for this module, whose path is ``prefix``, and all within it."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in own_modules(self):
            yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all within it."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield (path, parameter); a shared parameter once, under the first of its names."""
        return self._named(own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters of this module and, unless ``recurse=False``, of all within it."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield (path, buffer); a shared buffer once."""
        return self._named(own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers of this module and, unless ``recurse=False``, of all within it."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named(
        self, own: Callable[[Module], list[tuple[str, Any]]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else iter([(prefix, self)])
        for path, module in modules:
            for name, tensor in own(module):
                if not remove_duplicate or id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield f"{path}.{name}" if path else name, tensor

    def get_submodule(self, target: str) -> Module:
        """Return the module at a path such as ``"features.2"``; the module itself for ``""``."""
        module = self
        for name in target.split(".") if target else []:
            module = module._member(name, Module, target)
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path such as ``"features.2.weight"``."""
        path, _, name = target.rpartition(".")
        return self.get_submodule(path)._member(name, Parameter, target)  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a path such as ``"norm.running_mean"``."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if name not in owner._buffers:
            raise AttributeError(f"{type(owner).__name__} has no buffer {name!r} (looking for {target!r})")
        return owner._member(name, Tensor, target)  # type: ignore[no-any-return]

    def _member(self, name: str, kind: type, target: str) -> Any:
        found = self.__dict__.get(name)
        if not isinstance(found, kind):
            members = ", ".join(key for key, value in self.__dict__.items() if isinstance(value, kind)) or "none"
            what = f"{kind.__name__.lower()} {name!r}"
            raise AttributeError(f"{type(self).__name__} has no {what} (looking for {target!r}); it has {members}")
        return found

    # ----------------------------------------------------------------------------------------------------------
    # Changing all of them

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all within it to training (dropout drops, batch norm uses the batch)."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: expected True or False, got {type(mode).__name__}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Switch this module and all within it to evaluation. Gradients are recorded still: see ``no_grad``."""
        return self.train(False)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[Self]:
        """Evaluate inside a ``with`` block; afterwards every module is in the mode it was in before.

        >>> from minigrad import nn
        >>> model = nn.Sequential(nn.Dropout(), nn.Dropout().eval())
        >>> with model.evaluating():
        ...     [module.training for module in model]
        [False, False]
        >>> [module.training for module in model]
        [True, False]
        """
        before = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            yield self
        finally:
            for module, training in before:
                module.training = training

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` with every module within this one, and then with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters (False), or thaw them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients; with ``set_to_none=False``, fill those there are with zeros."""
        for parameter in self.parameters():
            if set_to_none:
                parameter._grad = None
            elif parameter.grad is not None:
                parameter.grad = parameter.grad.detach().zero_()

    def to(
        self,
        *args: Any,
        device: DeviceLike = None,
        dtype: Any = None,
        non_blocking: bool = False,
    ) -> Self:
        """Move parameters and buffers to a device, and floating ones to a dtype, in place.

        ``to("cuda")``, ``to(minigrad.float64)``, ``to(some_tensor)`` or both by name. Parameters stay the same
        objects, so an optimizer that holds them still does; gradients move along.

        Raises
        ------
        TypeError
            The dtype is not a floating one.
        """
        for x in args:
            if isinstance(x, Tensor):
                device, dtype = x.device, x.dtype
            elif isinstance(x, Device) or (isinstance(x, str) and x.partition(":")[0] in ("cpu", "cuda")):
                device = x
            elif x is not None:
                dtype = x
        if dtype is not None and (dtype := checked_dtype(dtype)).kind != "f":
            raise TypeError(f"{type(self).__name__}.to: expected a floating dtype, got {dtype}")
        return self._apply(lambda t: t.to(device=device, dtype=dtype if t.is_floating_point() else None))

    def cpu(self) -> Self:
        """Move all parameters and buffers to the CPU."""
        return self.to("cpu")

    def cuda(self, device: DeviceLike = None) -> Self:
        """Move all parameters and buffers to a GPU."""
        return self.to(Device("cuda" if device is None else device))

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32."""
        return self.to(float32)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64."""
        return self.to(float64)

    def _apply(self, convert: Callable[[Tensor], Tensor]) -> Self:
        for module in self.children():
            module._apply(convert)
        for _, parameter in own_parameters(self):
            converted = convert(parameter.detach())
            if converted.array is not parameter.array:
                parameter.data = converted
                if parameter.grad is not None:
                    parameter.grad = convert(parameter.grad.detach())
        for name, buffer in own_buffers(self):
            self.__dict__[name] = convert(buffer)
        return self

    # ----------------------------------------------------------------------------------------------------------
    # Saving and loading

    def state_dict(
        self, *, destination: dict[str, Tensor] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Return all parameters and persistent buffers by path, for saving.

        The values look at the module's own memory: training changes them. Copy them
        (``copy.deepcopy(model.state_dict())``) to keep a moment.

        Parameters
        ----------
        destination : dict, optional
            Fill this one.
        prefix : str
            Put in front of every key.
        keep_vars : bool
            Return the parameters themselves instead of detached tensors.

        Examples
        --------
        >>> from minigrad import nn
        >>> list(nn.Sequential(nn.Linear(2, 3), nn.ReLU()).state_dict())
        ['0.weight', '0.bias']
        """
        state = {} if destination is None else destination
        for key, owner, name in self._entries(prefix):
            tensor: Tensor = owner.__dict__[name]
            state[key] = tensor if keep_vars else tensor.detach()
        return state

    def _entries(self, prefix: str = "") -> Iterator[tuple[str, Module, str]]:
        """Walk all that is saved, as (key, owner, attribute): own parameters, own buffers, then the children.

        A tensor that two modules share comes once under each of its keys.
        """
        for name, _ in own_parameters(self):
            yield prefix + name, self, name
        for name, _ in own_buffers(self):
            if self._buffers[name]:
                yield prefix + name, self, name
        for name, child in own_modules(self):
            yield from child._entries(f"{prefix}{name}.")

    def load_state_dict(
        self, state_dict: Mapping[str, Tensor], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of a ``state_dict`` into this module. All is checked before anything is changed.

        Parameters
        ----------
        state_dict : dict
            Tensors by path, as :meth:`state_dict` returns them.
        strict : bool
            Refuse missing and unexpected keys. Other shapes are always refused.
        assign : bool
            Make the given tensors this module's own instead of copying their values. They keep their dtype and
            device; an optimizer made before then holds parameters that are no longer in use.

        Returns
        -------
        IncompatibleKeys
            A named tuple of ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        RuntimeError
            It does not fit. The message is a table of all differences, with guesses where names are nearly alike.
        """
        return load(self, state_dict, strict, assign)

    # ----------------------------------------------------------------------------------------------------------
    # Hooks

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before every forward; what it returns, if anything, replaces the arguments.

        With ``with_kwargs=True`` it is ``hook(module, args, kwargs)``, and returns None or both. ``prepend=True``
        calls it before the hooks there are.
        """
        return self._register_hook(Hook("forward_pre", hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after every forward; what it returns, if anything, replaces the output.

        With ``with_kwargs=True`` it is ``hook(module, args, kwargs, output)``.

        >>> import minigrad
        >>> from minigrad import nn
        >>> layer = nn.Linear(2, 3)
        >>> handle = layer.register_forward_hook(lambda module, args, output: print(tuple(output.shape)))
        >>> _ = layer(minigrad.ones(5, 2))
        (5, 3)
        >>> handle.remove()
        """
        return self._register_hook(Hook("forward", hook, with_kwargs), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` when the gradients of the output are known; its result replaces them."""
        return self._register_hook(Hook("backward_pre", hook), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of the input are known.

        Both are tuples, with None for what has no gradient; positional arguments only. The result, if there is
        one, replaces ``grad_input``. When no input requires grad, the hook is called as soon as ``grad_output`` is
        known, with None for each input.
        """
        return self._register_hook(Hook("backward", hook), prepend)

    def _register_hook(self, hook: Hook, first: bool) -> RemovableHandle:
        if self._hooks is None:
            self._hooks = []
        self._hooks.insert(0 if first else len(self._hooks), hook)
        return RemovableHandle(self._hooks, hook)

    # ----------------------------------------------------------------------------------------------------------
    # Printing

    def extra_repr(self) -> str:
        """Return what stands between the brackets of ``repr``: settings, in one line or several. For overriding."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        settings = self.extra_repr()
        children = self._child_lines()
        if not children and "\n" not in settings:
            return f"{self._get_name()}({settings})"
        lines = [*(settings.split("\n") if settings else []), *children]
        return f"{self._get_name()}(\n" + "".join(f"  {line}\n" for line in lines) + ")"

    def _child_lines(self) -> list[str]:
        """The children's part of ``repr``; a child of several lines is indented to stand within its parent."""
        return [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in own_modules(self)]


class _Origin:
    """Where an input error was raised, told step by step to the modules around it."""

    def __init__(self, module: Module, message: str) -> None:
        self.module = module
        self.label = module._label()
        self.message = message
        self.path = ""

    def seen_from(self, outer: Module, error: Exception) -> None:
        """Put the name that ``outer`` has for the module in front, and write the message anew."""
        if outer is self.module:
            return
        for name, module in outer.named_modules():
            if module is self.module:
                self.module, self.path = outer, f"{name}.{self.path}" if self.path else name
                error.args = (f"{type(outer).__name__}.{self.path} ({self.label}): {self.message}",)
                return


# A module's own members, by type from among its attributes. Lists, so that a loop over them may change the module.


def own_modules(module: Module) -> list[tuple[str, Module]]:
    """Return (name, child) in order of assignment; a child with two names comes twice."""
    return [(name, x) for name, x in module.__dict__.items() if isinstance(x, Module)]


def own_parameters(module: Module) -> list[tuple[str, Parameter]]:
    """Return (name, parameter) in order of assignment."""
    found = []
    for name, x in module.__dict__.items():
        if isinstance(x, Parameter):
            found.append((name, x))
        elif x.__class__ in (list, dict) and x:  # may have been empty when it was set, and filled since
            module._refuse_hidden(name, x)
    return found


def own_buffers(module: Module) -> list[tuple[str, Tensor]]:
    """Return (name, buffer) in order of registration, without those that are None."""
    return [(name, module.__dict__[name]) for name in module._buffers if module.__dict__[name] is not None]

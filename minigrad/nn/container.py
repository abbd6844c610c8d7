"""Containers: modules that hold other modules, or parameters, by number or by name."""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, Generic, Self, TypeVar, overload

from minigrad.nn.module import Module, own_modules, own_parameters
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]

T = TypeVar("T", Module, Parameter)


class _Numbered(Module, Generic[T]):
    """Members in a row, each an attribute of its number: what Sequential, ModuleList and ParameterList share."""

    def _members(self) -> list[tuple[str, T]]:
        raise NotImplementedError

    def _put(self, name: str, member: T) -> None:
        raise NotImplementedError

    def _values(self) -> list[T]:
        return [member for _, member in self._members()]

    def _renumber(self, members: list[T]) -> None:
        for name, _ in self._members():
            delattr(self, name)
        for number, member in enumerate(members):
            self._put(str(number), member)

    def _name(self, index: int) -> str:
        names = [name for name, _ in self._members()]
        if not -len(names) <= index < len(names):
            raise IndexError(f"{type(self).__name__}: index {index} is out of range, its length is {len(names)}")
        return names[index]

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[T]:
        return iter(self._values())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            return self._part(self._members()[index])
        member: T = self.__dict__[self._name(operator.index(index))]
        return member

    def _part(self, members: list[tuple[str, T]]) -> Self:
        return type(self)(member for _, member in members)  # type: ignore[call-arg]

    def __setitem__(self, index: int, member: T) -> None:
        self._put(self._name(operator.index(index)), member)

    def __delitem__(self, index: int | slice) -> None:
        members = self._values()
        del members[index]
        self._renumber(members)

    def append(self, module: T) -> Self:
        """Add one at the end."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[T]) -> Self:
        """Add several at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"{type(self).__name__}: expected several, in a list, got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: T) -> Self:
        """Put one in front of that at ``index``; those behind it move up by one number."""
        n = len(self)
        if not -n <= index <= n:
            raise IndexError(f"{type(self).__name__}: index {index} is out of range, its length is {n}")
        self.append(module)  # which refuses what is no member, before any other is moved
        members = self._values()
        members.insert(index, members.pop())
        self._renumber(members)
        return self

    def pop(self, index: int = -1) -> T:
        """Take one out and return it; those behind it move down by one number."""
        member = self[operator.index(index)]
        del self[index]
        return member

    def __iadd__(self, other: Iterable[T]) -> Self:
        return self.extend(other)


class _NumberedModules(_Numbered[Module]):
    def _members(self) -> list[tuple[str, Module]]:
        return own_modules(self)

    def _put(self, name: str, member: Module) -> None:
        self.register_module(name, member)


class Sequential(_NumberedModules):
    """Modules one after the other: the output of each is the input of the next.

    Parameters
    ----------
    *args : Module
        In order; or one ``OrderedDict`` of modules by name.

    Examples
    --------
    >>> import minigrad
    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> model(minigrad.ones(32, 2)).shape
    minigrad.Size([32, 2])
    >>> model[0]
    Linear(in_features=2, out_features=16, bias=True)
    """

    def __init__(self, *args: Module | OrderedDict[str, Module]) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.register_module(str(name), module)  # type: ignore[arg-type]

    def forward(self, input: Any) -> Any:
        for module in list(self.__dict__.values()):
            if isinstance(module, Module):
                input = module(input)
        return input

    def _part(self, members: list[tuple[str, Module]]) -> Self:
        return type(self)(OrderedDict(members))  # a slice keeps the names

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)

    def __mul__(self, n: int) -> Sequential:
        """Return the modules ``n`` times, one after the other: the same modules, not copies."""
        if not isinstance(n, int):
            return NotImplemented
        if n < 1:
            raise ValueError(f"Sequential: expected a positive number of repetitions, got {n}")
        return Sequential(*self._values() * n)

    __rmul__ = __mul__

    def __imul__(self, n: int) -> Self:
        return self.extend(list(self * n)[len(self) :])


class ModuleList(_NumberedModules):
    """A list of modules that counts: its modules are trained, moved and saved, which those in a plain list are not.

    It has no forward; index it or loop over it in the forward of the module that holds it.

    >>> from minigrad import nn
    >>> nn.ModuleList(nn.Linear(10, 10) for _ in range(3))
    ModuleList(
      (0-2): 3 x Linear(in_features=10, out_features=10, bias=True)
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or [])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def _child_lines(self) -> list[str]:
        """Children that print alike, one behind the other, share one entry."""
        lines = []
        start = 0
        for text, alike in itertools.groupby(map(repr, self)):
            n = len(list(alike))
            text = text.replace("\n", "\n  ")
            lines.append(f"({start}): {text}" if n == 1 else f"({start}-{start + n - 1}): {n} x {text}")
            start += n
        return lines


class _Named(Module, Generic[T]):
    """Members by name: what ModuleDict and ParameterDict share."""

    def _members(self) -> list[tuple[str, T]]:
        raise NotImplementedError

    def __getitem__(self, key: str) -> T:
        return dict(self._members())[key]

    def __setitem__(self, key: str, member: T) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._members())

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return dict(self._members()).keys()

    def values(self) -> ValuesView[T]:
        """Return the members."""
        return dict(self._members()).values()

    def items(self) -> ItemsView[str, T]:
        """Return (name, member) pairs."""
        return dict(self._members()).items()

    def update(self, members: Mapping[str, T] | Iterable[tuple[str, T]]) -> None:
        """Set members by name; those of the same name are replaced."""
        if isinstance(members, (Mapping, _Named)):
            members = members.items()
        elif not isinstance(members, Iterable):
            raise TypeError(f"{type(self).__name__}: expected names and members, got {type(members).__name__}")
        for pair in list(members):
            if len(pair) != 2:
                raise ValueError(f"{type(self).__name__}: expected pairs of a name and a member, got {pair!r}")
            self[pair[0]] = pair[1]

    def pop(self, key: str) -> T:
        """Take one out and return it."""
        member = self[key]
        del self[key]
        return member

    def clear(self) -> None:
        """Take all out."""
        for key in self.keys():
            del self[key]


class ModuleDict(_Named[Module]):
    """A dict of modules that counts: they are trained, moved and saved.

    >>> from minigrad import nn
    >>> heads = nn.ModuleDict({"digit": nn.Linear(8, 10), "parity": nn.Linear(8, 2)})
    >>> list(heads.keys())
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def _members(self) -> list[tuple[str, Module]]:
        return own_modules(self)

    def __setitem__(self, key: str, member: Module) -> None:
        self.register_module(key, member)


# --------------------------------------------------------------------------------------------------------------
# The same for parameters that belong to no layer of their own


def _as_parameter(x: Tensor) -> Parameter:
    return x if isinstance(x, Parameter) else Parameter(x)


def _line(name: str, x: Parameter) -> str:
    return f"({name}): Parameter containing: [{x.dtype} of size {'x'.join(map(str, x.shape))}]"


class ParameterList(_Numbered[Parameter]):
    """A list of parameters that counts: they are trained, moved and saved. Tensors put in become parameters.

    >>> import minigrad
    >>> from minigrad import nn
    >>> nn.ParameterList([minigrad.zeros(2, 3), minigrad.zeros(3)])
    ParameterList(
      (0): Parameter containing: [float32 of size 2x3]
      (1): Parameter containing: [float32 of size 3]
    )
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values or [])  # type: ignore[arg-type]

    def _members(self) -> list[tuple[str, Parameter]]:
        return own_parameters(self)

    def _put(self, name: str, member: Tensor) -> None:
        self.register_parameter(name, _as_parameter(member))

    def _child_lines(self) -> list[str]:
        return [_line(name, x) for name, x in self._members()]


class ParameterDict(_Named[Parameter]):
    """A dict of parameters that counts: they are trained, moved and saved. Tensors put in become parameters.

    Of a plain dict the names are taken in alphabetical order, as PyTorch takes them; an ``OrderedDict``, another
    ParameterDict and a list of pairs keep theirs.

    >>> import minigrad
    >>> from minigrad import nn
    >>> scales = nn.ParameterDict({"left": minigrad.ones(2), "right": minigrad.ones(2)})
    >>> list(scales | {"middle": minigrad.ones(2)})
    ['left', 'right', 'middle']
    """

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        self.update(parameters or {})  # type: ignore[arg-type]

    def _members(self) -> list[tuple[str, Parameter]]:
        return own_parameters(self)

    def __setitem__(self, key: str, member: Tensor) -> None:
        self.register_parameter(key, _as_parameter(member))

    def update(self, members: Mapping[str, Parameter] | Iterable[tuple[str, Parameter]]) -> None:
        """Set parameters by name; those of the same name are replaced."""
        plain = isinstance(members, Mapping) and not isinstance(members, OrderedDict)
        super().update(sorted(members.items()) if plain else members)  # type: ignore[union-attr]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the parameter of a name, or ``default``."""
        return dict(self.items()).get(key, default)

    def setdefault(self, key: str, default: Tensor) -> Parameter:
        """Return the parameter of a name, which is ``default`` if there was none."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Parameter]:
        """Take the last one out and return its name and it."""
        if not len(self):
            raise KeyError("ParameterDict: it is empty")
        key = list(self)[-1]
        return key, self.pop(key)

    def copy(self) -> ParameterDict:
        """Return another ParameterDict of the same parameters."""
        return ParameterDict(list(self.items()))

    def fromkeys(self, keys: Iterable[str], default: Tensor) -> ParameterDict:
        """Return another ParameterDict in which each name has ``default``."""
        return ParameterDict([(key, default) for key in keys])

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __or__(self, other: Mapping[str, Tensor]) -> ParameterDict:
        joined = self.copy()
        joined.update(other)  # type: ignore[arg-type]
        return joined

    def __ror__(self, other: Mapping[str, Tensor]) -> ParameterDict:
        joined = ParameterDict(other)
        joined.update(self)  # type: ignore[arg-type]
        return joined

    def __ior__(self, other: Mapping[str, Tensor]) -> Self:
        self.update(other)  # type: ignore[arg-type]
        return self

    def _child_lines(self) -> list[str]:
        return [_line(name, x) for name, x in self._members()]

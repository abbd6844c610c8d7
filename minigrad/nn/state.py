"""Loading a module's parameters and buffers, and the table of what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from minigrad.backend import array_module, device_of, to_device
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

ROWS = 30  # of a table of differences; more do not help anybody


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict`` returns: keys the module has and the file lacks, and the other way round."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


Target = tuple[Any, str, Tensor]  # a module, the name of its attribute, and what is there now


def load(module: Any, state_dict: Mapping[str, Tensor], strict: bool, assign: bool) -> IncompatibleKeys:
    """Do the work of ``Module.load_state_dict``: find all that does not fit, and only then copy."""
    caller = f"{type(module).__name__}.load_state_dict"
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"{caller}: expected a dict of tensors, got {type(state_dict).__name__}")
    targets = {key: (owner, name, owner.__dict__[name]) for key, owner, name in module._entries()}
    missing = [key for key in targets if key not in state_dict]
    unexpected = [key for key in state_dict if key not in targets]
    rows = _differences(targets, state_dict)
    if strict:
        rows += _strangers(targets, state_dict, missing, unexpected)
    if rows:
        raise RuntimeError(_table(caller, rows, _advice(state_dict, targets, rows)))
    done: dict[int, Parameter] = {}
    for key, target in targets.items():
        if key in state_dict:
            _put(target, state_dict[key], assign, done)
    return IncompatibleKeys(missing, unexpected)


def _put(place: Target, source: Tensor, assign: bool, done: dict[int, Parameter]) -> None:
    owner, name, target = place
    if not assign:
        target.array[...] = to_device(source.array, device_of(target.array))
        target.writes().add("load_state_dict()")
    elif isinstance(target, Parameter):
        if id(target) not in done:  # one that two modules share stays shared
            done[id(target)] = source if isinstance(source, Parameter) else Parameter(source, target.requires_grad)
        setattr(owner, name, done[id(target)])
    else:
        setattr(owner, name, source)


# --------------------------------------------------------------------------------------------------------------
# The table of differences: rows of (key, in the module, in the state_dict, remark)

Row = tuple[str, str, str, str]


def _differences(targets: Mapping[str, Target], state_dict: Mapping[str, Any]) -> list[Row]:
    """Entries on both sides that cannot be copied: not tensors, other shapes, one parameter with two values."""
    rows: list[Row] = []
    first: dict[int, str] = {}
    for key, (_, _, target) in targets.items():
        if key not in state_dict:
            continue
        source = state_dict[key]
        here = str(tuple(target.shape))
        if not isinstance(source, Tensor):
            kind = type(source)
            found = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
            rows.append((key, here, found, "not a minigrad.Tensor: wrap it in minigrad.tensor(...)"))
        elif source.shape != target.shape:
            rows.append((key, here, str(tuple(source.shape)), "other shape"))
        elif id(target) in first and not _equal(source, state_dict[first[id(target)]]):
            twin = first[id(target)]
            rows.append((key, here, "other values", f"is the same parameter as {twin!r} here, but not there"))
        else:
            first.setdefault(id(target), key)
    return rows


def _equal(a: Tensor, b: Tensor) -> bool:
    xp = array_module(a.array)
    return a.array is b.array or bool(xp.array_equal(a.array, to_device(b.array, device_of(a.array))))


def _strangers(
    targets: Mapping[str, Target], state_dict: Mapping[str, Any], missing: list[str], unexpected: list[str]
) -> list[Row]:
    """Entries of one side only, each missing one with the unexpected one that has nearly its name."""
    rows: list[Row] = []
    left = list(unexpected)
    for key in missing:
        near = get_close_matches(key, left, n=1) if len(rows) < ROWS else []
        rows.append((key, _shape(targets[key][2]), "missing", f"did you mean {near[0]!r}?" if near else ""))
        if near:
            left.remove(near[0])
    rows += [(key, "unexpected", _shape(state_dict[key]), "") for key in unexpected]
    return rows


def _shape(x: Any) -> str:
    return str(tuple(x.shape)) if isinstance(x, Tensor) else type(x).__name__


def _advice(state_dict: Mapping[str, Any], targets: Mapping[str, Target], rows: list[Row]) -> str:
    for key, value in state_dict.items():
        if isinstance(value, Mapping) and any(name in targets for name in value):
            return f"state_dict[{key!r}] is a dict that does have such keys: load that one."
    if all("missing" in row or "unexpected" in row for row in rows):
        return "strict=False loads what fits, and returns the missing and unexpected keys."
    return "Shapes must agree in any case; strict=False only allows missing and unexpected keys."


def _table(caller: str, rows: list[Row], advice: str) -> str:
    lines = [("key", "in this module", "in the state_dict", ""), *rows[:ROWS]]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    text = [
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[3]]).rstrip()
        for line in lines
    ]
    if len(rows) > ROWS:
        text.append(f"  ... and {len(rows) - ROWS} more")
    return "\n".join([f"{caller}: the state_dict does not fit, and nothing was loaded.", *text, f"  {advice}"])

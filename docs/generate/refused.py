"""What PyTorch has and minigrad refuses, with the reason, from the tables that the error messages come from."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from minigrad.optim.options import _REFUSED as OPTIONS

ROOMS = tuple(
    f"minigrad{room}" for room in ("", ".nn", ".nn.utils", ".linalg", ".distributed", ".transforms", ".datasets")
)


def rows() -> Iterator[tuple[str, list[str], str]]:
    """Yield module, names, reason."""
    for room in ROOMS:
        try:
            table = getattr(importlib.import_module(room), "_REFUSED", {})
        except ModuleNotFoundError:
            continue
        for key, value in table.items():
            if isinstance(value, str):
                yield room, [key], value
            else:
                yield room, sorted(value, key=str.lower), key


def pages() -> dict[str, str]:
    """Return the table that the page on PyTorch includes."""
    lines = ["| Where | Names | Instead |", "|---|---|---|"]
    for room, names, why in rows():
        lines.append(f"| `{room}` | {', '.join(f'`{name}`' for name in names)} | {why} |")
    for option, why in OPTIONS.items():
        lines.append(f"| all optimizers | `{option}=True` | {why} |")
    return {"_generated/refused.md": "\n".join([*lines, ""])}

"""What PyTorch has and minigrad refuses, with the reason, from the tables that the error messages come from."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from minigrad import refusals
from minigrad.optim.options import _REFUSED as OPTIONS

ROOMS = ("nn", "nn.utils", "linalg", "distributed", "transforms", "datasets")  # with a table of their own


def rows() -> Iterator[tuple[str, list[str], str]]:
    """Yield where one would look, the names, and what is said."""
    for place, table in (("minigrad", refusals.FUNCTIONS), ("minigrad.Tensor", refusals.METHODS)):
        for why, names in table.items():
            yield place, names.split(), why
    for room in ROOMS:
        for key, value in vars(importlib.import_module(f"minigrad.{room}")).get("_REFUSED", {}).items():
            if isinstance(value, str):
                yield f"minigrad.{room}", [key], value
            else:
                yield f"minigrad.{room}", sorted(value, key=str.lower), key


def pages() -> dict[str, str]:
    """Return the table that the page on PyTorch includes."""
    lines = ["| Where | Names | Instead |", "|---|---|---|"]
    for place, names, why in rows():
        lines.append(f"| `{place}` | {', '.join(f'`{name}`' for name in names)} | {why} |")
    for option, why in OPTIONS.items():
        lines.append(f"| all optimizers | `{option}=True` | {why} |")
    return {"_generated/refused.md": "\n".join([*lines, ""])}

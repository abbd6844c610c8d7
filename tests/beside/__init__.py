"""Programs in PyTorch's own words, run twice: with ``torch`` meaning PyTorch, and with ``torch`` meaning minigrad.

The programs stand in the text files of this folder, one per line, under headings in brackets. ``;`` separates
statements, and the last one is the expression whose value must be the same: numbers, dtype, shape and whether it
requires grad. A program with ``## words`` must be refused by both, and minigrad's message must contain the words.
The names in ``names`` below are there to be used.
"""

from __future__ import annotations

import copy
import pickle
import re
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import minigrad

FOLDER = Path(__file__).parent


def names(torch: Any) -> dict[str, Any]:
    """Return what the programs can use, made anew for each: some write in place."""
    tensor = torch.tensor
    return dict(
        torch=torch,
        nn=torch.nn,
        F=torch.nn.functional,
        np=np,
        copy=copy,
        pickle=pickle,
        x=tensor([[1.5, -2.0, 3.0], [4.0, 0.5, -6.0]]),
        y=tensor([[1.0, 2.0, 3.0], [-4.0, 5.0, 0.25]]),
        r=tensor([[1.5, -2.0, 3.0], [4.0, 0.5, -6.0]], requires_grad=True),
        v=tensor([3.0, 1.0, 2.0]),
        s=tensor(2.5),
        d=tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64),
        i=tensor([[1, 2, 3], [4, 5, 6]]),
        k=tensor([2, 0, 1]),
        u8=tensor([1, 200, 255], dtype=torch.uint8),
        b=tensor([True, False, True]),
        m=tensor([[True, False, True], [False, True, True]]),
        z=torch.zeros(2, 1, 3),
        e=torch.zeros(0, 3),
    )


def topics(file: str) -> dict[str, list[str]]:
    """Return the programs of a file under each of its headings."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"\[[A-Za-z][\w ,]*\]", line):
            programs = found.setdefault(line.strip("[]"), [])
        elif line:
            programs.append(line)
    return found


def run(program: str, torch: Any) -> Any:
    scope = names(torch)
    *statements, expression = program.split(";")
    with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):  # PyTorch is silent, or says other things
        exec(";".join(part.strip() for part in statements), scope)
        return plain(eval(expression.strip(), scope))


def plain(value: Any) -> Any:
    """Return a value in a form that the two can be compared in."""
    module = type(value).__module__.partition(".")[0]
    if type(value).__name__ in ("Tensor", "Parameter") and module in ("torch", "minigrad"):
        dtype = str(value.dtype).replace("torch.", "")
        return dtype, tuple(value.shape), value.requires_grad, value.detach().numpy().tolist()
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist()
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    if isinstance(value, str):
        return value.replace("torch.", "minigrad.")
    if isinstance(value, np.dtype) or type(value).__name__ in ("dtype", "device", "Device"):
        return str(value).replace("torch.", "")
    return value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b) or abs(a - b) <= 2e-6 * max(abs(a), abs(b), 0.1)
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def differences(programs: list[str], torch: types.ModuleType) -> Iterator[str]:
    """Yield a sentence for every program on which the two do not agree."""
    for line in programs:
        program, refused, words = line.partition(" ## ")
        results = []
        for library in (torch, minigrad):
            try:
                results.append(run(program, library))
            except Exception as error:
                if not refused:
                    error.add_note(f"in: {program}")
                    raise
                results.append(str(error))
            else:
                if refused:
                    yield f"{program}: not refused by {library.__name__}"
        if refused and words not in results[-1]:
            yield f"{program}: {words!r} is not in {results[-1]!r}"
        if not refused and not same(*results):
            yield f"{program}: PyTorch gives {results[0]}, minigrad {results[1]}"

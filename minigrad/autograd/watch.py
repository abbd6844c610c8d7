"""Looking on: functions that are shown every recorded op, what is not recorded, and every step of a walk.

Empty lists cost nothing. Anomaly detection, explanations and checkpoints look on this way; the engine knows nothing
of them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

_OURS = os.path.dirname(os.path.dirname(__file__))

# Called with an op that has just been recorded, the arguments it was called with, and the tensor it made.
recorded: list[Callable[[Any, tuple[Any, ...], Any], None]] = []

# Called with the arguments of what leaves the graph though a gradient was wanted, and how: "exp, under no_grad()".
cut: list[Callable[[tuple[Any, ...], str], None]] = []

# Called in a walk with a node, the gradient that arrived there (an array; a tensor with ``create_graph``), and the
# shares of the node's parents, in their order, before these are sent on.
walked: list[Callable[[Any, Any, list[Any]], None]] = []


@contextlib.contextmanager
def looking_on(watchers: list[Any], look: Callable[..., None]) -> Iterator[None]:
    """Let ``look`` see what happens inside a ``with`` block."""
    watchers.append(look)
    try:
        yield
    finally:
        watchers.remove(look)


def users_line() -> str:
    """Return "file.py:12: y = x.log()", the innermost line of the stack that is not minigrad's own."""
    import linecache  # the standard library's, wanted here only

    frame: Any = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    path, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(path, number).strip()
    return f"{os.path.basename(path)}:{number}" + f": {text}" * bool(text)

"""How parameters are laid out for an update: gathered when they are small, in slices when they are large."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from itertools import accumulate
from operator import is_
from typing import Any

import numpy as np

from minigrad.autograd.node import date_writes
from minigrad.backend import Array, array_module

# Up to how many elements small parameters are gathered, and how many of a large one are updated at a time. On the CPU
# the arrays of a slice stay in the cache; a GPU has no such cache, and wants few calls. Sharing the slices between two
# threads was tried: alone it takes two thirds of the time, but right after a matrix product nothing is gained, because
# the threads of the product are still waiting for more to do, at full speed.
CPU_GATHERED, CPU_SLICE = 1 << 15, 1 << 16
GPU_GATHERED = GPU_SLICE = 1 << 22
Slice = tuple[slice, Array, dict[str, Any], list[Array]]  # where in the flat arrays, p there, the state there, scratch


class Layout:
    """The blocks of a group, and what they were made for."""

    def __init__(self, params: list[Any], names: list[str], blocks: list[Block]) -> None:
        self.params = list(params)
        self.arrays = _trained(params)
        self.names = names
        self.blocks = blocks

    def fits(self, params: list[Any], buffers: dict[str, float]) -> bool:
        """Return whether these are still the parameters, their arrays, those with a gradient, and their state."""
        return same(params, self.params) and same(_trained(params), self.arrays) and [*buffers] == self.names


def _trained(params: list[Any]) -> list[Any]:
    """Return the array of each parameter, and None for those without a gradient."""
    return [p.array if p._grad is not None else None for p in params]


class Block:
    """Parameters that are updated together: several gathered in flat arrays, or one where it lies; in slices."""

    def __init__(
        self, params: list[Any], first: bool, scalars: dict[str, float], workspace: Callable[..., list[Array]]
    ) -> None:
        alone = all(_nobody_else_holds(p) for p in params)  # asked before this object holds them
        self.params = params
        self.arrays = [p.array for p in params]
        self.scalars: dict[str, Any] = {**scalars, "first": first}
        # What a user sees of the scalars: on the CPU always, so that no step waits for a GPU, and only to read, because
        # the parameters of a block share them.
        self.shown = {name: np.array(x, np.float32 if name == "step" else np.float64) for name, x in scalars.items()}
        like = self.arrays[0]
        self.xp = array_module(like)
        self.buffers: dict[str, Array] = {}
        self.fuses = self.xp is not np  # until an update turns out to be more than one kernel
        ends = list(accumulate(array.size for array in self.arrays))
        self.places = [(slice(e - x.size, e), x.shape) for e, x in zip(ends, self.arrays, strict=True)]
        size, limit = ends[-1], _slice_size(like)
        self.gathered = len(params) > 1 or not like.flags.c_contiguous
        self.moved = False
        if self.gathered:
            self.p, self.g = workspace(like, size)[:2]
            if alone:
                self._move_in()
        else:
            self.p = self.g = like.reshape(-1)
        self.pieces, self.g_pieces = self.split(self.p), self.split(self.g)
        self.writes = [p.writes() for p in params]
        slices = [slice(start, min(start + limit, size)) for start in range(0, size, limit)]
        _, _, *scratch = workspace(like, min(limit, size))
        self.slices: list[Slice] = [
            (where, self.p[where], {}, [array[: where.stop - where.start] for array in scratch]) for where in slices
        ]

    def _move_in(self) -> None:
        """Let the parameters live in one flat array of the block's own, so that they need not be copied every step."""
        self.p = self.xp.concatenate(self.arrays, None)
        self.arrays = self.split(self.p)
        for p, array in zip(self.params, self.arrays, strict=True):
            p.array = array
        self.moved = True

    def split(self, flat: Array) -> list[Array]:
        """Return, for each parameter, the view of its place in a flat array, in its shape."""
        return [flat[where].reshape(shape) for where, shape in self.places]

    def add_state(self, name: str, arrays: list[Array]) -> list[Array]:
        """Move a state of each parameter into a flat array; return where they are now."""
        flat = arrays[0].reshape(-1) if len(arrays) == 1 else self.xp.concatenate(arrays, None)
        self.buffers[name] = flat
        for where, _, state, _ in self.slices:
            state[name] = flat[where]
        return self.split(flat)

    def gather(self) -> Array:
        """Copy the parameters to ``p`` if they are gathered, and return their gradients, flat."""
        if not self.gathered:
            return self.params[0]._grad.array.reshape(-1)
        if not self.moved:
            self.xp.concatenate(self.arrays, None, self.p)
        for piece, p in zip(self.g_pieces, self.params):
            piece[...] = p._grad.array
        return self.g

    def scatter(self) -> None:
        """Copy ``p`` back if it is gathered, show the scalars, and date the writes."""
        if self.gathered and not self.moved:
            for array, piece in zip(self.arrays, self.pieces, strict=True):
                array[...] = piece
        for name, array in self.shown.items():
            array[()] = self.scalars[name]
        self.scalars["first"] = False
        date_writes(self.writes, "optimizer.step()")


def _nobody_else_holds(p: Any) -> bool:
    """Return whether only ``p`` refers to its array, so that no view of it would miss an update made elsewhere."""
    if sys.getrefcount(p.array) > 2:  # p, and the argument of getrefcount
        return False
    return p.array.base is None and bool(p.array.flags.c_contiguous)


def same(a: list[Any], b: list[Any]) -> bool:
    """Return whether two lists hold the very same objects; ``==`` would compare tensors element by element."""
    return len(a) == len(b) and all(map(is_, a, b))


def _slice_size(like: Array) -> int:
    return CPU_SLICE if isinstance(like, np.ndarray) else GPU_SLICE


def gatherings(params: list[Any]) -> Iterator[list[Any]]:
    """Split parameters in those to update together: a large one alone, small ones up to the size of a slice."""
    small: list[Any] = []
    size, limit = 0, CPU_GATHERED if isinstance(params[0].array, np.ndarray) else GPU_GATHERED
    for p in params:
        if 2 * p.array.size > limit:
            yield [p]
            continue
        if size + p.array.size > limit:
            yield small
            small, size = [], 0
        small.append(p)
        size += p.array.size
    if small:
        yield small

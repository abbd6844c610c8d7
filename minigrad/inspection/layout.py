"""A layered layout of a directed graph: every arrow points down, few cross (Sugiyama, Tagawa and Toda, 1981).

Three steps. Each box gets a layer below those of its sources; an arrow over several layers gets a point in each. Boxes
are ordered within their layers by the mean position of their neighbours, to and fro. Then they are moved apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Key = Any  # whatever can stand in a dict


@dataclass
class Place:
    """Where a box stands: its centre."""

    x: float
    y: float


@dataclass
class Layout:
    """Where everything is, and how large the picture is."""

    places: dict[Key, Place]
    routes: dict[tuple[Key, Key], list[Place]]  # of each arrow, from box to box with the points between
    width: float
    height: float


def layered(
    sizes: Mapping[Key, tuple[float, float]],
    arrows: Sequence[tuple[Key, Key]],
    gap: tuple[float, float] = (28.0, 44.0),
    sweeps: int = 12,
) -> Layout:
    """Place boxes of given sizes so that arrows point down; the graph must have no circles."""
    arrows = list(dict.fromkeys(arrows))
    layer = _layers(list(sizes), arrows)
    rows, chains = _with_points(layer, arrows)
    size = {key: sizes.get(key, (2.0, 0.0)) for row in rows for key in row}
    above, below = _neighbours(chains)
    for sweep in range(sweeps):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _order(row, rows, above if down else below)
    x = _spread(rows, size, above, below, gap[0], sweeps)
    left = min(x[key] - size[key][0] / 2 for key in x)
    y, places = 0.0, {}
    for row in rows:
        height = max(size[key][1] for key in row)
        for key in row:
            places[key] = Place(x[key] - left, y + height / 2)
        y += height + gap[1]
    width = max(places[key].x + size[key][0] / 2 for key in places)
    routes = {(chain[0], chain[-1]): [places[key] for key in chain] for chain in chains}
    return Layout({key: places[key] for key in sizes}, routes, width, y - gap[1])


def _layers(keys: list[Key], arrows: Sequence[tuple[Key, Key]]) -> dict[Key, int]:
    """Return each box's layer: one below the lowest of its sources; a source itself stands above its first use."""
    targets: dict[Key, list[Key]] = {key: [] for key in keys}
    waiting = dict.fromkeys(keys, 0)
    for source, target in arrows:
        targets[source].append(target)
        waiting[target] += 1
    sources = [key for key in keys if not waiting[key]]
    layer, ready = dict.fromkeys(keys, 0), list(sources)
    seen = 0
    while ready:
        key = ready.pop()
        seen += 1
        for target in targets[key]:
            layer[target] = max(layer[target], layer[key] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if seen < len(keys):
        raise ValueError("layered: the graph has a circle, so its arrows cannot all point down")
    for key in sources:
        if targets[key]:
            layer[key] = min(layer[target] for target in targets[key]) - 1
    return layer


def _with_points(layer: dict[Key, int], arrows: Sequence[tuple[Key, Key]]) -> tuple[list[list[Key]], list[list[Key]]]:
    """Return the rows, and each arrow as a chain from layer to layer, with a point of its own in each between."""
    lowest = min(layer.values(), default=0)
    rows: list[list[Key]] = [[] for _ in range(max(layer.values(), default=0) - lowest + 1)]
    for key, n in layer.items():
        rows[n - lowest].append(key)
    chains = []
    for source, target in arrows:
        chain: list[Key] = [source]
        for n in range(layer[source] + 1, layer[target]):
            point = (source, target, n)
            rows[n - lowest].append(point)
            chain.append(point)
        chains.append([*chain, target])
    return rows, chains


def _neighbours(chains: list[list[Key]]) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]]]:
    above: dict[Key, list[Key]] = {}
    below: dict[Key, list[Key]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    return above, below


def _order(row: list[Key], rows: list[list[Key]], neighbours: dict[Key, list[Key]]) -> None:
    """Sort a row by the mean position of each box's neighbours; one without any keeps its place."""
    position = {key: k for other in rows for k, key in enumerate(other)}

    def wish(key: Key) -> float:
        near = neighbours.get(key)
        return sum(position[n] for n in near) / len(near) if near else position[key]

    row.sort(key=wish)


def _spread(
    rows: list[list[Key]],
    size: dict[Key, tuple[float, float]],
    above: dict[Key, list[Key]],
    below: dict[Key, list[Key]],
    gap: float,
    sweeps: int,
) -> dict[Key, float]:
    """Return the centre of each box: near the mean of its neighbours, in order, and not on top of another."""
    x: dict[Key, float] = {}
    for row in rows:
        at = 0.0
        for key in row:
            x[key] = at + size[key][0] / 2
            at += size[key][0] + gap
    for sweep in range(2 * sweeps):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            near = [[*above.get(key, ()), *below.get(key, ())] for key in row]
            wish = [sum(x[n] for n in some) / len(some) if some else x[key] for key, some in zip(row, near)]
            for key, place in zip(row, _apart(wish, [size[key][0] + gap for key in row]), strict=True):
                x[key] = place
    return x


def _apart(wish: list[float], widths: list[float]) -> list[float]:
    """Return places in order, closest to the wishes in the sense of least squares, such that boxes do not overlap.

    Boxes that would overlap are joined into a block, which stands at the mean of what its boxes wish for.
    """
    offsets = [0.0]
    for a, b in pairwise(widths):
        offsets.append(offsets[-1] + (a + b) / 2)
    blocks: list[tuple[float, int]] = []  # mean wish, and how many boxes
    for w, offset in zip(wish, offsets):
        mean, count = w - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, n = blocks.pop()
            mean, count = (mean * count + other * n) / (count + n), count + n
        blocks.append((mean, count))
    starts = [mean for mean, count in blocks for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]

"""Samples of the sheet ``padding``."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import I, T, call, row, torch

NAMES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def np_constant_pad(x: Any, pads: Any, value: float = 0.0) -> Any:
    y = np.pad(x, [(max(a, 0), max(b, 0)) for a, b in pads], constant_values=value)
    return y[tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(y.shape, pads))]


def np_border_fold(v: Any, pads: Any, mode: str) -> Any:
    shape = tuple(n - a - b for n, (a, b) in zip(v.shape, pads))
    copied = np.pad(np.arange(np.prod(shape)).reshape(shape), pads, NAMES[mode])
    return np.bincount(copied.ravel(), v.ravel(), np.prod(shape)).reshape(shape)


def flat(pads: Any) -> list[int]:
    return [width for around in reversed(pads) for width in around]


def torch_border_pad(x: Any, pads: Any, mode: str) -> Any:
    padded = [around for around in pads if around != (0, 0)]
    return torch("nn.functional.pad")(x[None, None], flat(padded), mode)[0, 0]


def torch_border_fold(v: Any, pads: Any, mode: str) -> Any:
    shape = tuple(n - a - b for n, (a, b) in zip(v.shape, pads))
    x = torch("zeros")(shape, dtype=v.dtype)
    return torch("func").vjp(lambda x: torch_border_pad(x, pads, mode), x)[1](v)[0]


def np_sampled(x: Any, places: Any, wide: Any) -> Any:
    """Sum all pixels, each with the weight ``wide(distance)`` along both axes."""
    columns, rows = (wide(np.abs(places[..., k, None] - np.arange(x.shape[3 - k]))) for k in (0, 1))
    return np.einsum("nchw,nabh,nabw->ncab", x, rows, columns)


def torch_sampled(mode: str) -> Any:
    def sampled(x: Any, places: Any) -> Any:
        size = torch("tensor")([x.shape[3], x.shape[2]], dtype=x.dtype)
        grid = places * (2 / (size - 1)) - 1
        return torch("nn.functional.grid_sample")(x, grid, mode, align_corners=True)

    return sampled


RESAMPLING = np.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.0, 0.0, 1.0]])

# fmt: off
ROWS = [
    row("constant_pad", np_constant_pad, call(T(2, 3), ((1, 0), (2, 1))), call(T(2, 3), ((0, 0), (1, 1)), 1.5),
        call(T(3, 4), ((-1, 2), (1, -2)), -1.0), call(T(3), ((-1, -2),)), call(T(0, 2), ((1, 1), (0, 0))), ints="int64",
        torch=lambda x, pads, value=0.0: torch("nn.functional.pad")(x, flat(pads), "constant", value)),
    row("border_pad", lambda x, pads, mode: np.pad(x, pads, NAMES[mode]), call(T(2, 3), ((1, 0), (2, 1)), "reflect"),
        call(T(2, 3), ((1, 0), (3, 1)), "circular"), call(T(2, 3), ((3, 1), (0, 2)), "replicate"),
        call(T(2), ((1, 1),), "reflect"), ints="int64", torch=torch_border_pad),
    row("border_fold", np_border_fold, call(T(3, 6), ((1, 0), (2, 1)), "reflect"),
        call(T(3, 7), ((1, 0), (3, 1)), "circular"), call(T(6, 5), ((3, 1), (0, 2)), "replicate"),
        torch=torch_border_fold),
    row("resample", lambda x, matrix, dim: np.moveaxis(np.moveaxis(x, dim, -1) @ matrix.T, -1, dim),
        call(T(2, 3), RESAMPLING, -1), call(T(2, 3, 2), RESAMPLING, -2),
        torch=lambda x, matrix, dim: (x.movedim(dim, -1) @ torch("tensor")(matrix).T).movedim(-1, dim)),
    row("take_rising", lambda x, places, dim: np.take(x, places, dim), call(T(2, 3), np.array([0, 0, 1, 1, 2, 2]), -1),
        call(T(5, 2), np.array([0, 2]), -2), call(T(2, 3), np.array([0, 0, 1, 2]), -1),
        torch=lambda x, places, dim: x.index_select(dim, torch("tensor")(places))),
    row("bilinear", lambda x, places: np_sampled(x, places, lambda d: np.maximum(1 - d, 0)),
        call(T(2, 3, 3, 4), T(2, 2, 3, 2, low=-1.5, high=4.5)), call(T(2, 2, 2, 2), T(2, 0, 1, 2)),
        torch=torch_sampled("bilinear")),
    row("nearest_pixel", lambda x, places: np_sampled(x, places, lambda d: d < 0.5),
        call(T(2, 3, 3, 4), I([[[[0, 1], [3, 3]]], [[[-1, 2], [3, 2]]]])), torch=torch_sampled("nearest")),
]
# fmt: on

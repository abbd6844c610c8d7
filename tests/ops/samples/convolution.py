"""Samples of the sheet ``convolution``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad.ops.window import Window, window_over

from .table import T, call, row, torch


def window(size: Any, kernel: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, ceil: bool = False) -> Window:
    """A window over two dimensions of equal numbers, or over as many as are given."""
    given = [x if isinstance(x, tuple) else (x,) * len(size) for x in (kernel, stride, padding, dilation)]
    return window_over("window", size, *given, ceil)


def triples(window: Window) -> Iterator[tuple[Any, Any, Any]]:
    """Every output, kernel entry and input that belong together, one by one."""
    for o in itertools.product(*map(range, window.out)):
        for k in itertools.product(*map(range, window.kernel)):
            numbers = zip(window.stride, o, window.dilation, k, window.padding)
            i = tuple(a * b + c * d - e for a, b, c, d, e in numbers)
            if all(0 <= j < n for j, n in zip(i, window.size)):
                yield o, k, i


def np_groups(x: Any, dim: int, groups: int) -> list[Any]:
    return np.split(x, groups, dim)


def np_convolution(x: Any, weight: Any, bias: Any, window: Window, groups: int) -> Any:
    parts = []
    for xs, ws in zip(np_groups(x, 1, groups), np_groups(weight, 0, groups)):
        y = np.zeros((len(x), len(ws), *window.out))
        for o, k, i in triples(window):
            y[(..., *o)] += xs[(..., *i)] @ ws[(..., *k)].T
        parts.append(y)
    y = np.concatenate(parts, 1)
    return y if bias is None else y + bias.reshape(-1, *(1,) * len(window.size))


def np_conv_transpose(u: Any, weight: Any, bias: Any, window: Window, groups: int) -> Any:
    parts = []
    for us, ws in zip(np_groups(u, 1, groups), np_groups(weight, 0, groups)):
        x = np.zeros((len(u), ws.shape[1], *window.size))
        for o, k, i in triples(window):
            x[(..., *i)] += us[(..., *o)] @ ws[(..., *k)]
        parts.append(x)
    x = np.concatenate(parts, 1)
    return x if bias is None else x + bias.reshape(-1, *(1,) * len(window.size))


def np_conv_weight(x: Any, u: Any, window: Window, groups: int) -> Any:
    parts = []
    for xs, us in zip(np_groups(x, 1, groups), np_groups(u, 1, groups)):
        w = np.zeros((us.shape[1], xs.shape[1], *window.kernel))
        for o, k, i in triples(window):
            w[(..., *k)] += us[(..., *o)].T @ xs[(..., *i)]
        parts.append(w)
    return np.concatenate(parts)


def np_im2col(x: Any, window: Window) -> Any:
    y = np.zeros((*x.shape[:2], *window.kernel, *window.out))
    for o, k, i in triples(window):
        y[(..., *k, *o)] = x[(..., *i)]
    return y.reshape(len(x), -1, int(np.prod(window.out)))


def np_col2im(columns: Any, window: Window) -> Any:
    columns = columns.reshape(len(columns), -1, *window.kernel, *window.out)
    x = np.zeros((*columns.shape[:2], *window.size))
    for o, k, i in triples(window):
        x[(..., *i)] += columns[(..., *k, *o)]
    return x


def torch_convolution(x: Any, weight: Any, bias: Any, window: Window, groups: int) -> Any:
    f = torch(f"nn.functional.conv{len(window.size)}d")
    return f(x, weight, bias, window.stride, window.padding, window.dilation, groups)


def torch_conv_transpose(u: Any, weight: Any, bias: Any, window: Window, groups: int) -> Any:
    f = torch(f"nn.functional.conv_transpose{len(window.size)}d")
    smallest = [s * (o - 1) - 2 * p + d * (k - 1) + 1 for _, o, k, s, p, d in zip(*window)]
    extra = [n - m for n, m in zip(window.size, smallest)]
    return f(u, weight, bias, window.stride, window.padding, extra, groups, window.dilation)


def torch_conv_weight(x: Any, u: Any, window: Window, groups: int) -> Any:
    f = torch(f"nn.grad.conv{len(window.size)}d_weight")
    shape = (u.shape[1], x.shape[1] // groups, *window.kernel)
    return f(x, shape, u, window.stride, window.padding, window.dilation, groups)


def torch_columns(name: str) -> Any:
    def f(x: Any, window: Window) -> Any:
        size = (window.size,) * (name == "fold")
        return torch(f"nn.functional.{name}")(x, *size, window.kernel, window.dilation, window.padding, window.stride)

    return f


PLAIN = window((4, 3), 2)
STRIDED = window((5, 4), (3, 2), 2, 1)
DILATED = window((5, 4), 2, 1, (2, 1), (2, 3))
LINE = window((6,), 3, 2, 1)
POINT = window((2, 3), 1)
LEFT_OVER = window((5,), 2, 3)  # the last input is in no window
CUBE = window((2, 3, 2), (2, 1, 2), 1, (1, 0, 0))
SAME = window((4, 3), 3, 1, 1)
WIDE = window((3, 3), 2, 1, (3, 1), (2, 1))  # dilated, and more padding than the kernel reaches
SHORT = window((4,), 3)
BRICK = window((2, 3, 2), (2, 2, 1), 1, (0, 1, 1))

# fmt: off
ROWS = [
    row("convolution", np_convolution, call(T(2, 2, 4, 3), T(3, 2, 2, 2), T(3), PLAIN, 1),
        call(T(2, 2, 5, 4), T(2, 1, 3, 2), None, STRIDED, 2), call(T(1, 1, 5, 4), T(2, 1, 2, 2), T(2), DILATED, 1),
        call(T(2, 2, 6), T(4, 1, 3), T(4), LINE, 2), call(T(2, 3, 2, 3), T(2, 3, 1, 1), T(2), POINT, 1),
        call(T(1, 2, 5), T(1, 2, 2), None, LEFT_OVER, 1), call(T(1, 1, 2, 3, 2), T(1, 1, 2, 1, 2), None, CUBE, 1),
        call(T(0, 2, 6), T(1, 2, 3), None, LINE, 1), call(T(2, 2, 4, 3), T(2, 1, 3, 3), T(2), SAME, 2),
        call(T(2, 2, 3, 3), T(2, 1, 2, 2), None, WIDE, 2), call(T(2, 2, 4), T(2, 1, 3), None, SHORT, 2),
        call(T(2, 2, 2, 3, 2), T(2, 1, 2, 2, 1), T(2), BRICK, 2), torch=torch_convolution),
    row("conv_transpose", np_conv_transpose, call(T(2, 3, 3, 2), T(3, 2, 2, 2), T(2), PLAIN, 1),
        call(T(1, 2, 3, 3), T(2, 1, 3, 2), None, STRIDED, 2), call(T(1, 2, 7, 3), T(2, 1, 2, 2), T(1), DILATED, 1),
        call(T(2, 3, 2, 3), T(3, 2, 1, 1), T(2), POINT, 1), call(T(1, 1, 2), T(1, 2, 2), None, LEFT_OVER, 1),
        call(T(1, 1, 3, 3, 1), T(1, 1, 2, 1, 2), None, CUBE, 1), call(T(2, 2, 3, 3), T(2, 1, 3, 2), T(2), STRIDED, 2),
        call(T(2, 2, 4, 3), T(2, 1, 3, 3), T(2), SAME, 2), call(T(2, 2, 7, 4), T(2, 1, 2, 2), None, WIDE, 2),
        torch=torch_conv_transpose),
    row("conv_weight", np_conv_weight, call(T(2, 2, 4, 3), T(2, 3, 3, 2), PLAIN, 1),
        call(T(2, 2, 5, 4), T(2, 2, 3, 3), STRIDED, 2), call(T(1, 1, 5, 4), T(1, 2, 7, 3), DILATED, 1),
        call(T(2, 2, 2, 3), T(2, 1, 2, 3), POINT, 1), call(T(1, 2, 5), T(1, 1, 2), LEFT_OVER, 1),
        call(T(2, 2, 4, 3), T(2, 2, 4, 3), SAME, 2), call(T(2, 2, 3, 3), T(2, 2, 7, 4), WIDE, 2),
        torch=torch_conv_weight),
    row("im2col", np_im2col, call(T(2, 2, 4, 3), PLAIN), call(T(1, 2, 5, 4), STRIDED), call(T(1, 1, 5, 4), DILATED),
        torch=torch_columns("unfold")),
    row("col2im", np_col2im, call(T(2, 8, 6), PLAIN), call(T(1, 6, 9), STRIDED), call(T(1, 4, 21), DILATED),
        torch=torch_columns("fold")),
]
# fmt: on

"""A function of one number and its derivative as a small picture that follows the colours of the page."""

from __future__ import annotations

import html
import warnings
from typing import Any

import numpy as np

import minigrad

WIDTH, HEIGHT = 236.0, 168.0
POINTS = 801
DOMAINS = {  # where there is something to see
    "acos": (-1, 1), "asin": (-1, 1), "atanh": (-1, 1), "erfinv": (-1, 1), "acosh": (0, 4), "log": (-0.5, 4),
    "log2": (-0.5, 4), "log10": (-0.5, 4), "log1p": (-1.5, 4), "sqrt": (-0.5, 4), "rsqrt": (-0.5, 4),
    "ndtri": (0, 1), "logit": (0, 1), "entr": (-0.2, 2), "tan": (-4.5, 4.5), "sin": (-6.5, 6.5), "cos": (-6.5, 6.5),
    "sinc": (-5, 5), "digamma": (-3, 4), "lgamma": (-3, 4), "exp": (-3, 2.5), "exp2": (-3, 2.5), "expm1": (-3, 2.5),
    "hardtanh": (-3, 3), "hardswish": (-5, 5), "deg2rad": (-180, 180), "rad2deg": (-0.06, 0.06),
    "hardshrink": (-2, 2), "softshrink": (-2, 2),
}  # fmt: skip


def sample(function: Any, name: str) -> tuple[Any, Any, Any] | None:
    """Return x, f(x) and f'(x), or None if it is not a function of one number with a derivative."""
    low, high = DOMAINS.get(name, (-4, 4))
    x = np.linspace(low, high, POINTS)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            leaf = minigrad.tensor(x, requires_grad=True)
            y = function(leaf)
            if tuple(y.shape) != x.shape or not y.requires_grad:
                return None
            part = function(minigrad.tensor(x[::100].reshape(-1, 1)))
            if not np.allclose(part.numpy().ravel(), y.detach().numpy()[::100], equal_nan=True):
                return None  # it mixes entries
            y.sum().backward()
    except (RuntimeError, TypeError, ValueError, IndexError):
        return None
    assert leaf.grad is not None
    value = y.detach().numpy()
    return x, value, np.where(np.isfinite(value), leaf.grad.numpy(), np.nan)


def curve(function: Any, name: str) -> str:
    """Return the picture as SVG, or nothing where there is none to draw."""
    sampled = sample(function, name)
    if sampled is None:
        return ""
    x, y, slope = sampled
    if np.array_equal(x, y, equal_nan=True):
        return ""  # a copy: nothing to see
    low, high = _limits(y, slope)

    def at(u: Any, v: Any) -> tuple[Any, Any]:
        return (u - x[0]) / (x[-1] - x[0]) * WIDTH, (high - v) / (high - low) * HEIGHT

    parts = [
        f'<svg class="curve" viewBox="-26 -6 {WIDTH + 34:.0f} {HEIGHT + 24:.0f}" role="img" '
        f'aria-label="{html.escape(f"{name} (solid) and its derivative (dashed), {_words(x, y)}")}">'
    ]
    for tick in _ticks(x[0], x[-1]):
        u, _ = at(tick, 0)
        parts.append(f'<path class="grid" d="M{u:.1f} 0V{HEIGHT:.0f}"/>')
        parts.append(f'<text x="{u:.1f}" y="{HEIGHT + 13:.0f}" text-anchor="middle">{tick:g}</text>')
    for tick in _ticks(low, high):
        _, v = at(0, tick)
        parts.append(f'<path class="grid" d="M0 {v:.1f}H{WIDTH:.0f}"/>')
        parts.append(f'<text x="-5" y="{v + 4:.1f}" text-anchor="end">{tick:g}</text>')
    if low <= 0 <= high:
        parts.append(f'<path class="axis" d="M0 {at(0, 0)[1]:.1f}H{WIDTH:.0f}"/>')
    if x[0] <= 0 <= x[-1]:
        parts.append(f'<path class="axis" d="M{at(0, 0)[0]:.1f} 0V{HEIGHT:.0f}"/>')
    parts.append(f'<svg width="{WIDTH:.0f}" height="{HEIGHT:.0f}">')  # cuts off what lies outside
    parts.append(f'<path class="value" d="{_path(*at(x, y))}"/>')
    parts.append(f'<path class="slope" d="{_path(*at(x, slope))}"/>')
    return "".join([*parts, "</svg></svg>"])


def _limits(y: Any, slope: Any) -> tuple[float, float]:
    both = np.concatenate([y, slope])
    both = both[np.isfinite(both)]
    low, high = max(float(both.min()), -4.0), min(float(both.max()), 4.0)
    low, high = min(low, -0.2), max(high, 0.2)
    room = 0.06 * (high - low)
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    span = high - low
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100, 250) if span / step <= 6)
    return [round(k * step, 6) + 0.0 for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _path(u: Any, v: Any) -> str:
    """Return the line through the points that are there; it is lifted over gaps, jumps and what lies far outside."""
    there = np.isfinite(v) & (v > -3 * HEIGHT) & (v < 4 * HEIGHT)
    step = np.abs(np.diff(np.where(there, v, 0.0)))
    before, behind = np.r_[np.inf, step[:-1]], np.r_[step[1:], np.inf]
    jump = (step > 0.03 * HEIGHT) & (step > 5 * np.minimum(before, behind))
    lifted = ~there[1:] | ~there[:-1] | jump | (step > HEIGHT)
    parts = []
    for run in np.split(np.arange(len(u)), np.flatnonzero(lifted) + 1):
        if there[run[0]] and len(run) > 1:
            kept = run[_bends(u[run], v[run])]
            parts.append("M" + "L".join(f"{u[k]:.1f} {v[k]:.1f}" for k in kept))
    return "".join(parts)


def _bends(u: Any, v: Any, tolerance: float = 0.15) -> list[int]:
    """Return which points are needed so that the others lie on the lines between them (Douglas and Peucker, 1973)."""
    kept, waiting = {0, len(u) - 1}, [(0, len(u) - 1)]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        line = v[first] + (v[last] - v[first]) * (u[first:last] - u[first]) / (u[last] - u[first])
        off = np.abs(v[first:last] - line)
        if off.max() > tolerance:
            middle = first + int(off.argmax())
            kept.add(middle)
            waiting += [(first, middle), (middle, last)]
    return sorted(kept)


def _words(x: Any, y: Any) -> str:
    """Say in words where it starts and ends, for those who do not see the picture."""
    there = np.flatnonzero(np.isfinite(y))
    first, last = there[0], there[-1]
    return f"from {y[first]:.2g} at {x[first]:.2g} to {y[last]:.2g} at {x[last]:.2g}"

"""The picture of the home page: one step of a neuron, drawn by minigrad itself."""

from __future__ import annotations

import re

import minigrad


def graph() -> str:
    """Return the drawing of a neuron's loss after its backward pass, in the colours of the page."""
    x, w, b = minigrad.tensor(2.0), minigrad.tensor(-0.5, requires_grad=True), minigrad.tensor(0.3, requires_grad=True)
    y = (w * x + b).tanh()
    loss = (y - 1) ** 2
    loss.backward(retain_graph=True)
    svg = minigrad.draw(loss, names={"w": w, "b": b, "y": y, "loss": loss}).svg
    svg = re.sub(r"<style>.*?</style>", "", svg, flags=re.DOTALL)
    words = "A neuron as a graph: its weight, its bias, and the steps from them to the loss"
    svg = re.sub(r"<title>.*?</title>", f"<title>{words}</title>", svg)
    return svg.replace("<svg ", f'<svg class="graph" aria-label="{words}" ', 1).replace('fill="#6b7280"', 'class="tip"')


def pages() -> dict[str, str]:
    """Return the fragments that the home page includes."""
    return {"_generated/graph.html": graph() + "\n"}

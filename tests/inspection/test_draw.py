"""Pictures: the right boxes and arrows, in four forms; the layout keeps its promises."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad
from minigrad import nn
from minigrad.inspection import tracing
from minigrad.inspection.layout import layered


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return x + self.b(self.a(x).relu())


def mlp() -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def titles(drawing: Any) -> list[str]:
    return [box.title for box in drawing.boxes]


def test_a_network_of_three_layers() -> None:
    net = mlp()
    loss = net(minigrad.ones(5, 4)).sum()
    drawing = minigrad.draw(loss)
    assert titles(drawing).count("linear") == 3 and titles(drawing).count("relu") == 2
    assert {"net.0.weight", "net.4.bias", "loss = sum"} <= set(titles(drawing))
    assert len(drawing.boxes) == 12 and len(drawing.arrows) == 11
    assert str(drawing).splitlines()[:3] == ["loss = sum  ()", "└─ linear  (5, 3)", "   ├─ relu  (5, 8)"]


def test_a_shared_weight_stands_there_once() -> None:
    w = minigrad.tensor(2.0, requires_grad=True)
    s = (w * 3).sin() * w + w.exp()
    drawing = minigrad.draw(s)
    assert titles(drawing).count("w") == 1
    assert sum(drawing.boxes[source].title == "w" for source, _ in drawing.arrows) == 3


def test_values_and_gradients_where_there_are() -> None:
    w = minigrad.tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    assert "[1, 2]  grad not computed yet" in minigrad.draw(y).text
    y.backward(retain_graph=True)
    assert "[1, 2]  grad [2, 4]" in minigrad.draw(y).text


def test_what_was_shown_is_not_shown_again() -> None:
    x = minigrad.tensor(1.0, requires_grad=True)
    h = x.exp()
    y = h * h.sin()
    lines = minigrad.draw(y).text.splitlines()
    assert sum("^ see above" in line for line in lines) == 1
    for _ in range(40):
        y = y + y
    assert len(minigrad.draw(y).text.splitlines()) < 100


def test_large_networks_are_drawn_by_module() -> None:
    net = nn.Sequential(*[Residual() for _ in range(10)])
    drawing = minigrad.draw(net, minigrad.ones(2, 4))
    assert titles(drawing) == [f"{k} Residual" for k in range(10)]
    assert drawing.arrows == [(k, k + 1) for k in range(9)]
    assert drawing.boxes[0].lines == ["(2, 4)", "40 parameters"]
    drawing = minigrad.draw(net, minigrad.ones(2, 4), depth=2)
    assert {"3.b Linear", "relu", "add"} <= set(titles(drawing))
    assert len(minigrad.draw(net, minigrad.ones(2, 4), depth=0).boxes) == 10 * (4 + 4)
    with tracing():
        out = net(minigrad.ones(2, 4).requires_grad_()).sum()
    assert "0 Residual" in titles(minigrad.draw(out, names=net))


def test_a_module_with_several_outputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.a(x), {"more": 1}, self.b(x)

    drawing = minigrad.draw(Two(), minigrad.ones(1, 2))
    assert sum(box.kind == "result" for box in drawing.boxes) == 2
    assert drawing.text.count("linear") == 2


def test_mermaid_and_dot() -> None:
    w = minigrad.tensor([1.0], requires_grad=True)
    drawing = minigrad.draw((w * w).sum(), names={'w"1': w})
    assert drawing.mermaid.startswith("flowchart TD\n") and "&quot;" in drawing.mermaid
    assert drawing.dot.startswith("digraph {") and r"w\"1" in drawing.dot
    assert drawing.mermaid.count("-->") == drawing.dot.count("->") == len(drawing.arrows)


def test_svg_stands_on_its_own() -> None:
    drawing = minigrad.draw(mlp()(minigrad.ones(5, 4)).sum(), names={"<w>": minigrad.ones(1)})
    root = ET.fromstring(drawing.svg)
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}rect")) == len(drawing.boxes)
    assert len(root.findall(f"{space}path")) == len(drawing.arrows)
    assert root.find(f"{space}title") is not None
    assert "prefers-color-scheme: dark" in drawing.svg
    assert set(re.findall(r"https?://[^\"]+", drawing.svg)) == {"http://www.w3.org/2000/svg"}
    assert drawing._repr_svg_() == drawing.svg


def test_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = minigrad.draw(minigrad.ones(2, requires_grad=True).sum())
    for suffix, start in (
        (".svg", "<svg"),
        (".txt", "sum"),
        (".mmd", "flowchart"),
        (".md", "```mermaid"),
        (".dot", "dig"),
    ):
        drawing.save(tmp_path / f"graph{suffix}")
        assert (tmp_path / f"graph{suffix}").read_text(encoding="utf-8").startswith(start)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(ImportError, match=r"to write .png files, install Graphviz: pip install 'minigrad\[graph\]'"):
        drawing.save(tmp_path / "graph.png")


def test_save_through_graphviz(tmp_path: Path) -> None:
    pytest.importorskip("pygraphviz")
    minigrad.draw(mlp()(minigrad.ones(5, 4)).sum()).save(tmp_path / "graph.png")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_refusals() -> None:
    with pytest.raises(RuntimeError, match="there is no graph behind it"):
        minigrad.draw(minigrad.ones(2))
    with pytest.raises(TypeError, match="expected a Tensor, got int"):
        minigrad.draw(3)


# ----------------------------------------------------------------------------------------------------------------
# Layout


@pytest.mark.parametrize("seed", range(20))
def test_arrows_point_down_and_boxes_do_not_overlap(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 30))
    sizes = {k: (float(draw.uniform(20, 120)), float(draw.uniform(20, 60))) for k in range(n)}
    arrows = [(int(draw.integers(0, k)), k) for k in range(1, n) for _ in range(int(draw.integers(0, 3)))]
    layout = layered(sizes, arrows)
    for source, target in arrows:
        a, b = layout.places[source], layout.places[target]
        assert a.y + sizes[source][1] / 2 < b.y - sizes[target][1] / 2
        heights = [place.y for place in layout.routes[source, target]]
        assert heights == sorted(heights)
    for i in range(n):
        for j in range(i):
            a, b, (w, h), (v, g) = layout.places[i], layout.places[j], sizes[i], sizes[j]
            assert abs(a.x - b.x) >= (w + v) / 2 - 1e-6 or abs(a.y - b.y) >= (h + g) / 2 - 1e-6
    for k, place in layout.places.items():
        assert place.x - sizes[k][0] / 2 >= -1e-6 and place.x + sizes[k][0] / 2 <= layout.width + 1e-6
        assert place.y - sizes[k][1] / 2 >= -1e-6 and place.y + sizes[k][1] / 2 <= layout.height + 1e-6


def test_a_chain_is_straight() -> None:
    layout = layered(dict.fromkeys(range(5), (40.0, 20.0)), [(k, k + 1) for k in range(4)])
    assert len({round(place.x, 6) for place in layout.places.values()}) == 1


def test_circles_are_refused() -> None:
    with pytest.raises(ValueError, match="the graph has a circle"):
        layered({0: (1.0, 1.0), 1: (1.0, 1.0)}, [(0, 1), (1, 0)])

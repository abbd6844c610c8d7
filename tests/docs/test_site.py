"""The built site: no warning, no load from elsewhere, no dead link, and the search finds things."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("sphinx_gallery")
pytest.importorskip("pydata_sphinx_theme")
pytest.importorskip("myst_parser")
pytest.importorskip("numpydoc")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("object", "data")}


class Page(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.ids, self.images = [], [], set(), []
        self.headings, self.language, self.drawings = [], None, []
        self.names, self.tables, self.open_links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "html":
            self.language = found.get("lang")
        if tag == "a":
            self.open_links.append([found.get("aria-label") or found.get("title") or ""])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.images.append((found.get("src"), found.get("alt")))
            self.handle_data(found.get("alt") or "")
        if tag == "svg" and found.get("aria-hidden") != "true":
            self.drawings.append((found.get("role"), found.get("aria-label") or found.get("aria-labelledby")))
        if tag == "table":
            self.tables.append([found.get("class") or "", 0])
        if tag == "th" and self.tables:
            self.tables[-1][1] += 1
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if found.get("id"):
            self.ids.add(found["id"])
        if tag == "a" and found.get("name"):
            self.ids.add(found["name"])
        self.loads += [found[name] for kind, name in LOADS if kind == tag and found.get(name)]
        self.loads += re.findall(r"url\(([^)]*)\)", found.get("style", ""))

    def handle_data(self, data):
        if self.open_links:
            self.open_links[-1].append(data)

    def handle_endtag(self, tag):
        if tag == "a" and self.open_links:
            self.names.append("".join(self.open_links.pop()).strip())


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build.py"), "--fast", "--out", str(out)],
        cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site):
    paths = {path.relative_to(site).as_posix(): path for path in site.rglob("*.html")}
    return {name: Page(path.read_text(encoding="utf-8")) for name, path in paths.items() if name[0] != "_"}


def test_what_there_is(pages):
    for name in ("index", "learn/index", "guide/errors", "sheets/elementwise", "reference/nn", "reference/tensor",
                 "teachers", "contributing", "source/minigrad/autograd/engine.py", "search"):  # fmt: skip
        assert f"{name}.html" in pages
    for path in (ROOT / "tutorials").glob("[0-9]*.py"):
        assert f"learn/{path.stem}.html" in pages


def is_elsewhere(address):
    return bool(re.match(r"(?:https?:)?//", address.strip("\"' ")))


def test_pages_load_nothing_from_elsewhere(pages):
    assert [(name, load) for name, page in pages.items() for load in page.loads if is_elsewhere(load)] == []


def test_styles_load_nothing_from_elsewhere(site):
    styles = list(site.rglob("*.css"))
    assert len(styles) > 3
    for path in styles:
        text = path.read_text(encoding="utf-8")
        loads = re.findall(r"url\(([^)]*)\)", text) + re.findall(r"@import\s+[\"']([^\"']+)", text)
        assert [load for load in loads if is_elsewhere(load)] == []


def test_scripts_load_nothing_from_elsewhere(site):
    """Addresses in scripts are names of formats or words about them; MathJax's are of parts that nobody asks for."""
    scripts = [path for path in site.rglob("*.js") if path.parent.name != "mathjax"]
    assert any(path.name == "minigrad.js" for path in scripts)
    for path in scripts:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:import|fetch|src\s*=|importScripts)\s*\(?\s*[\"'`]https?://[^\"'`]*", text) == []


def test_mathematics_is_here(site, pages):
    assert (site / "_static" / "mathjax" / "tex-svg.js").stat().st_size > 1_000_000
    assert (site / "_static" / "mathjax" / "LICENSE").exists()
    loads = pages["learn/01_gradient_descent.html"].loads
    assert any("mathjax/tex-svg.js" in load for load in loads)


def test_links_lead_somewhere(site, pages):
    dead = []
    checked = 0
    for name, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            path = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if path.is_dir():
                path /= "index.html"
            there = os.path.relpath(os.path.normpath(path), site).replace(os.sep, "/")
            checked += 1
            fragment = unquote(parts.fragment)
            if not path.exists() or (fragment and there in pages and fragment not in pages[there].ids):
                dead.append((name, link))
    assert checked > 10_000
    assert dead == []


def is_ours(name):
    """Whether a page is more than an index that Sphinx makes."""
    return not name.startswith(("genindex", "py-modindex", "search"))


def test_pictures_have_words(pages):
    """Beside the emblem and the cards of lessons, whose titles stand below, every picture says what it shows."""
    images = [(name, *image) for name, page in pages.items() for image in page.images if is_ours(name)]
    assert [image for image in images if image[2] is None] == []
    told = [image for image in images if not re.search(r"icon\.svg$|_thumb\.\w+$", image[1])]
    assert len(told) >= 4
    bare = [image for image in told if len(image[2]) < 20 or re.search(r"\.(png|svg|gif|jpg)|sphx|_\d+$", image[2])]
    assert bare == []


def test_drawings_have_words(pages):
    drawings = {name: page.drawings for name, page in pages.items() if page.drawings}
    assert sum(map(len, drawings.values())) > 50
    inner = (None, None)  # a part of another drawing
    assert [name for name, found in drawings.items() if any(d != inner and None in d for d in found)] == []
    assert [name for name, found in drawings.items() if found[0] == inner] == []


def test_pages_have_one_title_and_a_language(pages):
    written = {name: page for name, page in pages.items() if is_ours(name)}
    assert {page.language for page in written.values()} == {"en"}
    assert [name for name, page in written.items() if page.headings.count(1) != 1] == []


def test_headings_go_down_one_step_at_a_time(pages):
    jumps = {name: [(a, b) for a, b in zip([0, *page.headings], page.headings) if b > a + 1]
             for name, page in pages.items() if is_ours(name)}  # fmt: skip
    assert {name: found for name, found in jumps.items() if found} == {}


def test_the_first_link_leads_past_the_menus(pages):
    assert [name for name, page in pages.items() if page.links[:1] != ["#main-content"]] == []
    assert [name for name, page in pages.items() if "main-content" not in page.ids] == []


def test_links_have_words(pages):
    assert [name for name, page in pages.items() if not page.names or "" in page.names] == []


def test_tables_have_headers(pages):
    tables = [(name, *table) for name, page in pages.items() for table in page.tables if is_ours(name)]
    assert len(tables) > 50
    assert [table for table in tables if not table[2]] == []


def test_every_public_name_can_be_linked_to(site):
    from sphinx.util.inventory import InventoryFile

    sys.path.insert(0, str(ROOT / "docs"))
    from generate import inventory

    with (site / "objects.inv").open("rb") as file:
        found = InventoryFile.load(file, "", lambda _, name: name)
    there = {name for kind, names in found.items() if kind.startswith("py:") for name in names}
    missing = [name.path for names in inventory.rooms().values() for name in names if name.path not in there]
    assert missing == []


@pytest.mark.parametrize("word", ["Linear", "cross_entropy", "gradcheck"])
def test_search_finds(site, word):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(re.search(r"Search\.setIndex\((.*)\)", text, re.DOTALL)[1])
    names = {entry[4] or name for objects in index["objects"].values() for entry in objects for name in [entry[4]]}
    assert word in names

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
        self.headings, self.language, self.fields = [], None, []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "html":
            self.language = found.get("lang")
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.images.append((found.get("src"), found.get("alt")))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if found.get("id"):
            self.ids.add(found["id"])
        if tag == "a" and found.get("name"):
            self.ids.add(found["name"])
        self.loads += [found[name] for kind, name in LOADS if kind == tag and found.get(name)]
        self.loads += re.findall(r"url\(([^)]*)\)", found.get("style", ""))


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
    scripts = [path for path in site.rglob("*.js") if "MathJax" not in path.read_text(encoding="utf-8")]
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


def test_pictures_have_words(pages):
    images = [(name, *image) for name, page in pages.items() for image in page.images if not name.startswith("learn/")]
    assert images
    assert [image for image in images if image[2] is None] == []


def test_pages_have_one_title_and_a_language(pages):
    written = {name: page for name, page in pages.items() if not name.startswith(("genindex", "py-modindex", "search"))}
    assert {page.language for page in written.values()} == {"en"}
    assert [name for name, page in written.items() if page.headings.count(1) != 1] == []


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

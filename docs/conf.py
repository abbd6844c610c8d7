"""Settings of the documentation site; build.py starts Sphinx with them."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from docutils import nodes  # noqa: E402
from generate import figures, sources  # noqa: E402
from sphinx.application import Sphinx  # noqa: E402

import minigrad  # noqa: E402

WORK = Path(os.environ["MINIGRAD_DOCS_WORK"])
RUN = os.environ["MINIGRAD_DOCS_RUN"]  # "fast", "quick" or "full"

project = "minigrad"
author = copyright = "the minigrad developers"
version = release = minigrad.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
root_doc = "index"
exclude_patterns = ["_generated", "learn/*.ipynb", "learn/*.py"]
suppress_warnings = ["config.cache"]  # some settings of the gallery are functions

# --------------------------------------------------------------------------------------------------------------
# Pages

html_theme = "pydata_sphinx_theme"
html_title = "minigrad"
html_static_path = ["_static"]
html_css_files = ["minigrad.css"]
html_js_files = ["minigrad.js"]
html_favicon = "_static/icon.svg"
html_copy_source = html_show_sourcelink = html_show_sphinx = False
html_sidebars = {name: [] for name in ("index", "teachers", "contributing", "benchmarks", "source/**")}
html_theme_options = {
    "logo": {"text": "minigrad", "image_light": "_static/icon.svg", "image_dark": "_static/icon.svg", "alt_text": ""},
    "header_links_before_dropdown": 6,
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_depth": 2,
    "show_nav_level": 1,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
mathjax_path = "mathjax/tex-svg.js"  # MathJax 3.2.2, in one file, so that pages work without a network
mathjax3_config = {"options": {"enableMenu": False}}  # it would make every formula a stop of the Tab key
myst_enable_extensions = ["dollarmath", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# --------------------------------------------------------------------------------------------------------------
# Reference

autodoc_typehints = "none"
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
add_module_names = False
python_use_unqualified_type_names = True
linkcode_resolve = sources.resolve

# --------------------------------------------------------------------------------------------------------------
# Lessons


def _arguments(_conf: object, script: dict[str, str]) -> list[str]:
    """Return the words behind the name of a lesson's script."""
    quick = RUN != "full" and "--quick" in Path(script["src_file"]).read_text(encoding="utf-8")
    return ["--out", figures.FOLDER] + ["--quick"] * quick


def _sharp(_conf: object, _file: str) -> None:
    """Make figures fine enough for narrow and for dense screens."""
    import matplotlib

    matplotlib.rcParams["savefig.dpi"] = 150


sphinx_gallery_conf = {
    "examples_dirs": str(WORK / "lessons"),
    "gallery_dirs": "learn",
    "filename_pattern": r"[/\\]\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": RUN != "fast",
    "image_scrapers": (figures.scrape,),
    "abort_on_example_error": True,
    "reset_argv": _arguments,
    "reset_modules": ("matplotlib", _sharp),
    "reset_modules_order": "both",
    "remove_config_comments": True,
    "write_computation_times": False,  # that page would load scripts from elsewhere
    "min_reported_time": 1e9,
    "show_signature": False,
    "show_memory": False,
    "download_all_examples": False,
    "doc_module": ("minigrad",),
    "reference_url": {"minigrad": None},
}


def _head_rows(_app: object, doctree: nodes.document) -> None:
    """Make the first column of a table without a header the headers of its rows."""
    for group in doctree.findall(nodes.tgroup):
        if not any(isinstance(part, nodes.thead) for part in group):
            next(group.findall(nodes.colspec))["stub"] = 1


def setup(app: Sphinx) -> None:
    """Add what these pages have beyond Sphinx: the sources of minigrad, links into them, and headers of tables."""
    sources.setup(app)
    app.connect("doctree-read", _head_rows)

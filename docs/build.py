"""Build the documentation site into build/docs/html.

    python3 make.py docs           run the lessons in their quick form, a minute or two
    python3 make.py docs --full    run them in full, as readers should see them
    python3 make.py docs --fast    do not run them

What is written by hand is in this folder. It is copied to build/docs/source, the pages that are generated are written
beside it (see generate/), and Sphinx makes the site of both. What has not changed is not built again.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
WRITTEN = ("*.md", "guide/*.md", "images/*", "figures/*.svg", "figures/*.png")


def written() -> Iterator[Path]:
    """The pages and pictures that are written by hand, relative to this folder."""
    for pattern in WRITTEN:
        yield from (path.relative_to(DOCS) for path in sorted(DOCS.glob(pattern)) if path.name != "README.md")


def put(path: Path, text: str) -> None:
    """Write a file unless this is what is there: Sphinx builds again what is newer than its page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def stage(work: Path) -> None:
    """Bring everything Sphinx reads together under ``work``, and take away what is not made any more."""
    from generate import pages

    source, lessons = work / "source", work / "lessons"
    kept = set()
    for path in written():
        kept.add(source / path)
        content = (DOCS / path).read_bytes()
        if path.name == "index.md" and not (DOCS / "benchmarks.md").exists():  # written by a run of the benchmarks
            content = content.replace(b"\nbenchmarks\n", b"\n")
        if not (source / path).exists() or (source / path).read_bytes() != content:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(content)
    for name, text in pages().items():
        kept.add(source / name)
        put(source / name, text)
    for path in source.rglob("*"):
        if path.is_file() and path not in kept and "learn" not in path.relative_to(source).parts:
            path.unlink()

    scripts = sorted((ROOT / "tutorials").glob("[0-9]*.py"))
    for path in scripts:
        put(lessons / path.name, path.read_text(encoding="utf-8"))
    put(lessons / "GALLERY_HEADER.rst", (DOCS / "learn.rst").read_text(encoding="utf-8"))
    for stale in {path.stem for path in lessons.glob("*.py")} - {path.stem for path in scripts}:
        (lessons / f"{stale}.py").unlink()
        for path in (source / "learn").rglob(f"*{stale}*"):
            path.unlink()


def main(words: list[str] | None = None) -> int:
    """Build the site and return an exit status."""
    parser = argparse.ArgumentParser(description="Build the documentation site.")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--fast", action="store_true", help="do not run the lessons")
    mode.add_argument("--full", action="store_true", help="run the lessons in full, not in their quick form")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", help="where to work, and to put html")
    args = parser.parse_args(words)
    work = args.out.resolve()
    run = "fast" if args.fast else "full" if args.full else "quick"
    os.environ["MINIGRAD_DOCS_RUN"], os.environ["MINIGRAD_DOCS_WORK"] = run, str(work)

    stamp = work / "run.txt"  # figures of one mode are not those of another
    if stamp.exists() and stamp.read_text(encoding="utf-8") != run:
        shutil.rmtree(work / "source" / "learn", ignore_errors=True)
    put(stamp, run)
    stage(work)

    from sphinx.cmd.build import main as sphinx

    status = sphinx(
        ["-W", "--keep-going", "-q", "-b", "html", "-c", str(DOCS), "-d", str(work / "doctrees"),
         str(work / "source"), str(work / "html")]
    )  # fmt: skip
    if not status:
        print(f"The site is built. Open {(work / 'html' / 'index.html').as_uri()}")
    return status


if __name__ == "__main__":
    sys.path[:0] = [str(DOCS), str(ROOT)]
    sys.exit(main())

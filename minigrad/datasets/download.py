"""Fetching a file: from the first address that works, checked, and under its name only when it is complete."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from http.client import HTTPException
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_SECONDS = 30.0  # without a byte


def fetch(urls: Sequence[str], path: Path, md5: str, what: str) -> None:
    """Download a file.

    Parameters
    ----------
    urls : sequence of str
        Where it can be had, in the order in which to try.
    path : Path
        Where it goes. What arrives is kept beside it under another name until it is complete and checked.
    md5 : str
        What its bytes must hash to, as its authors have published: it tells whether all arrived well.
    what : str
        The data set, for messages.

    Raises
    ------
    RuntimeError
        If no address gave the file; says what was wrong with each.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    problems = []
    try:
        for url in urls:
            try:
                found = _copy(url, unfinished)
            except (OSError, HTTPException, ValueError) as error:
                problems.append(f"{url}: {_reason(error)}")
                continue
            if found == md5:
                os.replace(unfinished, path)
                return
            problems.append(f"{url}: the file has the MD5 {found}, not {md5}: it is damaged or another one")
    finally:
        unfinished.unlink(missing_ok=True)
    raise RuntimeError(
        f"{what}: could not download {path.name}:\n  " + "\n  ".join(problems) + f"\n  Is this machine online? A file "
        f"that you have got elsewhere goes to {path}"
    )


def _copy(url: str, path: Path) -> str:
    """Copy what is at ``url`` to ``path``, and return its MD5."""
    if not url.startswith(("http://", "https://")):  # urllib would also read local files
        raise ValueError("expected an address that begins with http:// or https://")
    request = urllib.request.Request(url, headers={"User-Agent": "minigrad"})
    md5 = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(request, timeout=_SECONDS) as answer, open(path, "wb") as file:
        length = answer.headers.get("Content-Length")
        length = int(length) if length else None
        done = 0
        with _progress(url.rpartition("/")[2], length) as advance:
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                md5.update(chunk)
                done += len(chunk)
                advance(len(chunk))
        if length is not None and done != length:
            raise OSError(f"only {done} of {length} bytes came")
        file.flush()
        os.fsync(file.fileno())
    return md5.hexdigest()


def _reason(error: Exception) -> str:
    return str(error.reason) if isinstance(error, urllib.error.URLError) else str(error) or type(error).__name__


def _progress(name: str, length: int | None) -> AbstractContextManager[Callable[[int], Any]]:
    """Return what counts bytes: a bar if tqdm is installed and somebody is looking, else nothing."""
    try:
        from tqdm import tqdm
    except ImportError:
        return nullcontext(lambda n: None)
    return _Bar(tqdm(desc=name, total=length, unit="B", unit_scale=True, disable=not sys.stderr.isatty()))


class _Bar(AbstractContextManager[Callable[[int], Any]]):
    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def __enter__(self) -> Callable[[int], Any]:
        return self.bar.update  # type: ignore[no-any-return]

    def __exit__(self, *error: object) -> None:
        self.bar.close()

"""Sets minigrad up and runs its usual jobs. Needs Python 3.11 or newer and nothing else.

    python3 make.py digits      train on handwritten digits and draw what came out
    python3 make.py test        run the tests
    python3 make.py check       lint, formatting and types
    python3 make.py docs        build the documentation site; --fast leaves the lessons out, --full runs them in full
    python3 make.py bench       time training steps against hand-written NumPy
    python3 make.py install     only set up; names of extras may follow, as in: install dev docs

Words after the job go to it: `digits --seed 1`, `test -k engine`. Everything is installed into `.venv` beside this
file, or into the folder that the environment variable MINIGRAD_VENV names; once it is there, and as long as
pyproject.toml does not change, nothing is installed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = Path(os.environ.get("MINIGRAD_VENV") or ROOT / ".venv").absolute()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "minigrad-installed.json"

JOBS = {  # name: the extras it needs, and what Python then runs
    "digits": (["plot", "progress"], [[str(ROOT / "tutorials" / "08_digits.py")]]),
    "test": (["test", "plot", "progress", "io"], [["-m", "pytest", "-n", "auto"]]),
    "check": (["dev"], [["-m", "ruff", "check"], ["-m", "ruff", "format", "--check"], ["-m", "mypy"]]),
    "docs": (["docs"], [[str(ROOT / "docs" / "build.py")]]),
    "bench": ([], [["-m", "tests.benchmarks"]]),
}


def run(*command: str | Path, cwd: Path = ROOT) -> int:
    """Run a command and return its exit status."""
    sys.stdout.flush()
    return subprocess.run([str(word) for word in command], cwd=cwd).returncode


def install(extras: list[str]) -> None:
    """Make the virtual environment and install minigrad with these extras, as far as that is not done yet."""
    key = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = json.loads(STAMP.read_text()) if STAMP.exists() and PYTHON.exists() else {}
    present = set(stamp["extras"]) if stamp.get("pyproject") == key and stamp.get("root") == str(ROOT) else set()
    if stamp and present >= set(extras):
        return
    if not PYTHON.exists():
        print(f"Making a virtual environment in {VENV} ...")
        if run(sys.executable, "-m", "venv", "--clear", VENV):
            sys.exit(
                "Making the virtual environment failed, see above. On Debian and Ubuntu the module venv is a package of"
                " its own: apt install python3-venv"
            )
    wanted = sorted(present | set(extras))
    print(f"Installing minigrad with {', '.join(wanted) or 'no extras'}; needs the network, takes a minute ...")
    target = f".[{','.join(wanted)}]" if wanted else "."
    if run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target):
        sys.exit("Installing failed, see above. Nothing is lost: the same command tries again.")
    STAMP.write_text(json.dumps({"pyproject": key, "root": str(ROOT), "extras": wanted}))


def main(words: list[str]) -> int:
    """Do the job that the first word names, and return its exit status."""
    if not words or words[0] not in {*JOBS, "install"}:
        if words and words[0] not in {"help", "-h", "--help"}:
            print(f"make.py: there is no job {words[0]!r}\n")
        print(__doc__.strip())
        return 0 if words and words[0] in {"help", "-h", "--help"} else 2
    job, rest = words[0], words[1:]
    if job == "install":
        install(rest or ["dev"])
        print(f"minigrad is installed; its Python is {PYTHON}")
        return 0
    extras, commands = JOBS[job]
    install(extras)
    for command in commands:
        # a tutorial reads and writes where its user stands, as if called without make.py
        status = run(PYTHON, *command, *rest, cwd=Path.cwd() if job == "digits" else ROOT)
        if status:
            return status
    return 0


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("minigrad needs Python 3.11 or newer, and this is Python %d.%d" % sys.version_info[:2])  # noqa: UP031
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)

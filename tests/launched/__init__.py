"""Starts programs on several processes, as ``mpiexec`` does; ``programs.py`` holds those of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("programs.py")
BESIDE_PYTHON = Path(sys.executable).with_name("mpiexec")
MPIEXEC = str(BESIDE_PYTHON) if BESIDE_PYTHON.exists() else shutil.which("mpiexec")
LAUNCHED = ("PMI_", "OMPI_", "MPI_", "PMIX_")  # variables by which a launcher speaks to what it starts


def start(n, script, *arguments, module=("-m", "mpi4py"), timeout=60, environment=None, warnings="error"):
    """Run a script on n processes; without mpiexec if n is None. Never longer than ``timeout`` seconds."""
    command = [sys.executable, "-W", warnings, *(module if n else ()), str(script), *map(str, arguments)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHED)}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.run(
        [MPIEXEC, "-n", str(n), *command] if n else command,
        env={**kept, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", **(environment or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
    )


def require_mpi():
    pytest.importorskip("mpi4py")
    if MPIEXEC is None:
        pytest.skip("there is no mpiexec")

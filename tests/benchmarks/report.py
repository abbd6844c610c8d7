"""What was measured, as a table, as a page of the documentation, as JSON, and beside an earlier run."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .harness import Row
from .networks import THREADS
from .workloads import IMPORT_AIM, MEMORY_AIM, Aim

OF = {"by hand": "of the time by hand", "torch": "of PyTorch's time"}


def environment() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {"python": platform.python_version()}
    for package in ("numpy", "torch", "jax", "mygrad", "autograd", "minigrad"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.system(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "threads": THREADS,
            "blas": os.environ.get("OPENBLAS_CORETYPE", ""),
        },
        "versions": versions,
    }


def processor() -> str:
    """The processor's name; /proc knows it better than `platform` where there is one."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def save(path: Path, rows: dict[str, Row], settings: dict[str, Any]) -> None:
    """Everything measured, as JSON, for `--compare`."""
    report = environment() | {"settings": settings, "rows": {name: asdict(row) for name, row in rows.items()}}
    path.write_text(json.dumps(report, indent=1) + "\n")


def load(path: Path) -> tuple[dict[str, Any], dict[str, Row]]:
    report = json.loads(path.read_text())
    rows = {name: Row(**row) for name, row in report["rows"].items()}
    for row in rows.values():
        row.aims = {contestant: (first, then) for contestant, (first, then) in row.aims.items()}
    return report, rows


def table(rows: dict[str, Row]) -> str:
    """The report: one line for each row, ratios to the yardstick, with the median over rounds in brackets."""
    lines = []
    steps = {name: row for name, row in rows.items() if name != "import"}
    for yardstick in dict.fromkeys(row.yardstick for row in steps.values()):  # a table for each
        chosen = {name: row for name, row in steps.items() if row.yardstick == yardstick}
        contestants = list(dict.fromkeys(c for row in chosen.values() for c in [*row.seconds, *row.skipped]))
        others = [c for c in contestants if c != yardstick]
        lines.append(f"ratios to {yardstick}")
        heads = "".join(f"{c:>16}" for c in others)
        lines.append(f"{'row':12}{f'{yardstick}, us':>14}{heads}")
        for name, row in chosen.items():
            ratios = "".join(f"{_cell(row, c):>16}" for c in others)
            lines.append(f"{name:12}{row.best(yardstick) * 1e6:>14.1f}{ratios}   {row.about}")
        lines.append("")
    lines = lines[:-1]
    for name, row in steps.items():
        if row.disturbance > 0.15:
            lines.append(
                f"{name}: disturbed; other processes kept {row.disturbance:.1f} cores busy. Better run it again."
            )
    if any(row.megabytes for row in steps.values()):
        lines += ["", "memory that training adds at its peak, MB: parameters, gradients, Adam's averages, activations"]
        for name, row in steps.items():
            lines.append(f"{name:12}" + "   ".join(f"{c} {megabytes:.1f}" for c, megabytes in row.megabytes.items()))
    if "import" in rows:
        row = rows["import"]
        others = [f"{c} {row.over(c) * 1e3:+.1f} ms" for c in row.seconds if c != row.yardstick] or ["-"]
        lines += ["", f"import {row.yardstick} {row.best(row.yardstick) * 1e3:.1f} ms; over it: {', '.join(others)}"]
    lines += ["", f"{'minigrad takes':34}{'':>8}   aim  then"]
    for name, against, found, aim in verdicts(rows):
        first, then = (f"{x:.2f}" if x >= 0.1 else f"{x:g}" for x in aim)
        lines.append(
            f"{name:12}{against:22}{found:>8.3g}  {first:>4}  {then:>4}{'' if found <= aim[0] else '  missed'}"
        )
    return "\n".join(lines)


def _cell(row: Row, contestant: str) -> str:
    return f"{row.ratio(contestant):.2f} ({row.median_ratio(contestant):.2f})" if contestant in row.seconds else "-"


def verdicts(rows: dict[str, Row]) -> Iterator[tuple[str, str, float, Aim]]:
    """What minigrad takes of each row, against whom, and what was aimed at."""
    for name, row in rows.items():
        for contestant, aim in row.aims.items():
            if "minigrad" in row.seconds and contestant in row.seconds:
                yield name, OF.get(contestant, f"of {contestant}"), row.ratio("minigrad", contestant), aim
        if name == "import" and "minigrad" in row.seconds:
            yield name, "s over NumPy", row.over("minigrad"), IMPORT_AIM
    for name, row in rows.items():
        if row.megabytes.get("torch", 0) > 1 and "minigrad" in row.megabytes:  # below, it is the allocators' pages
            yield name, "of PyTorch's memory", row.megabytes["minigrad"] / row.megabytes["torch"], MEMORY_AIM


def page(rows: dict[str, Row], rounds: int) -> str:
    """The report as a page of the documentation, in Markdown."""
    about = environment()
    machine, versions = about["machine"], about["versions"]
    lines = [
        "# How fast it is",
        "",
        "This page is written by `python -m tests.benchmarks --page docs/benchmarks.md`. Each row is one piece of work "
        "that several libraries do on the same numbers, in turns, in one process; their losses were compared first. "
        f"A figure is the ratio of the smallest of {rounds} times to that of another, so smaller is better; in "
        "brackets stands the median of the rounds' ratios, which says how quiet the machine was.",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        + ", ".join(f"{package} {version}" for package, version in versions.items() if version != "not installed")
        + f"; float32; {about['date'][:10]}."
        + (f" OpenBLAS was told to use the kernels of {machine['blas']}." if machine["blas"] else ""),
        "",
        "## What was aimed at, and what was reached",
        "",
        "| work | minigrad takes | first aim | then | reached? |",
        "|---|---|---|---|---|",
    ]
    for name, against, found, (first, then) in verdicts(rows):
        reached = "both" if found <= then else "the first" if found <= first else "no"
        if name == "import":
            lines.append(
                f"| `import minigrad` | {found * 1e3:.0f} ms more than `import numpy` | {first * 1e3:.0f} ms | "
                f"{then * 1e3:.0f} ms | {reached} |"
            )
        else:
            lines.append(f"| {rows[name].about} | {found:.3g} {against} | {first:g} | {then:g} | {reached} |")
    steps = {name: row for name, row in rows.items() if name != "import"}
    titles = {"by hand": "Training step of an MLP, beside NumPy written by hand", "torch": "Beside PyTorch"}
    for yardstick in dict.fromkeys(row.yardstick for row in steps.values()):
        chosen = {name: row for name, row in steps.items() if row.yardstick == yardstick}
        contestants = list(dict.fromkeys(c for row in chosen.values() for c in row.seconds))
        others = [c for c in contestants if c != yardstick]
        lines += ["", f"## {titles.get(yardstick, yardstick)}", ""]
        lines.append("| " + " | ".join(["work", f"{yardstick}, ms", *others]) + " |")
        lines.append("|---" * (len(others) + 2) + "|")
        for row in chosen.values():
            time = f"{row.best(yardstick) * 1e3:.3g}"
            lines.append("| " + " | ".join([row.about, time, *(_cell(row, c) for c in others)]) + " |")
        if any(row.megabytes for row in chosen.values()):
            lines += [
                "",
                "Memory that training adds at its peak, in MB: parameters, gradients, Adam's averages, activations.",
                "",
                "| work | " + " | ".join(contestants) + " |",
            ]
            lines.append("|---" * (len(contestants) + 1) + "|")
            for row in chosen.values():
                cells = [f"{row.megabytes[c]:.1f}" if c in row.megabytes else "-" for c in contestants]
                lines.append("| " + " | ".join([row.about, *cells]) + " |")
    lines += [
        "",
        "## On a GPU: not measured",
        "",
        "The figures above are a processor's. Where there are an NVIDIA GPU, CuPy, and PyTorch with CUDA, "
        "`python -m tests.benchmarks --device cuda` times steps of an MLP with batches of 128 to 8192, of the CNN and "
        "of the transformer block on the GPU beside PyTorch's, with TF32 off in both.",
    ]
    tried = Path(__file__).with_name("tried.md").read_text(encoding="utf-8")
    return "\n".join(lines) + "\n\n" + tried


def comparison(saved: dict[str, Row], rows: dict[str, Row]) -> str:
    """What changed since a saved run: ratios, which survive a busier machine, and then times, which do not."""
    heads = f"{'ratio then':>12}{'now':>8}{'change':>9}{'us then':>12}{'now':>12}{'change':>9}"
    lines = [f"{'row':10}{'contestant':14}{heads}"]
    for name, row in rows.items():
        if name not in saved:
            lines.append(f"{name:10}not in the saved run")
            continue
        for c in row.seconds:
            if c not in saved[name].seconds:
                lines.append(f"{name:10}{c:14}not in the saved run")
                continue
            then, now, t0, t1 = saved[name].ratio(c), row.ratio(c), saved[name].best(c) * 1e6, row.best(c) * 1e6
            change, time_change = f"{now / then - 1:+.1%}", f"{t1 / t0 - 1:+.1%}"
            cells = f"{then:>12.2f}{now:>8.2f}{change:>9}{t0:>12.1f}{t1:>12.1f}{time_change:>9}"
            lines.append(f"{name:10}{c:14}{cells}")
    return "\n".join(lines)

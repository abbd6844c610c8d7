"""How it is timed: contestants take turns, and the figure is a ratio of minima.

On a machine that does other things too, a time is the cost of the work plus whatever came in between. The minimum over
several rounds is nearest to the cost of the work alone; the median of the ratios within each round stands beside it,
and where the two differ much the run was disturbed. Steps that share their products among threads suffer most, up to a
hundredfold: one thread waits for the other, which waits for a core.
"""

import gc
import importlib.metadata
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from .networks import THREADS
from .workloads import IMPORT_TARGET, WORKLOADS, Step, Workload

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = (
    0.04  # seconds: the threads of the one before spin for some 30 ms before they sleep; nobody is timed meanwhile
)
TOLERANCE = 1e-4  # relative, of float32 losses after three steps


class Disagreement(Exception):
    """Contestants that are to compute the same do not."""


@dataclass
class Row:
    """Seconds of one step (or one import), by contestant and round; the first contestant is the yardstick."""

    seconds: dict[str, list[float]]
    target: float
    about: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    disturbance: float = 0.0  # cores that other processes used meanwhile

    @property
    def yardstick(self) -> str:
        return next(iter(self.seconds))

    def best(self, contestant: str) -> float:
        return min(self.seconds[contestant])

    def ratio(self, contestant: str) -> float:
        """Minimum over minimum."""
        return self.best(contestant) / self.best(self.yardstick)

    def median_ratio(self, contestant: str) -> float:
        """Median of the ratios within each round."""
        pairs = zip(self.seconds[contestant], self.seconds[self.yardstick], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def over(self, contestant: str) -> float:
        """Seconds more than the yardstick, minimum less minimum."""
        return self.best(contestant) - self.best(self.yardstick)


# ---- timing


def measure(workload: Workload, rounds: int, seconds: float) -> Row:
    """Hold the contestants equal, then time them in turns of about `seconds`."""
    contestants, skipped = agreeing_contestants(workload)
    gc.collect()
    gc.freeze()  # PyTorch and JAX leave a million objects, which the collector would look through in everybody's turn
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    others, start = others_seconds(), perf_counter()
    for round_ in range(rounds):
        for contestant in rotated(contestants, round_):
            # A turn starts afresh, because training long on one batch drives gradients and averages down to denormal
            # numbers, which are slow and are not what is to be measured. It also gives every contestant its share of
            # luck with where in memory its arrays come to lie.
            times[contestant].append(turn(workload.start(contestant), seconds))
    disturbance = (others_seconds() - others) / (perf_counter() - start)
    return Row(times, workload.target, workload.about, skipped, disturbance=disturbance)


def agreeing_contestants(workload: Workload) -> tuple[list[str], dict[str, str]]:
    """The contestants that can be imported, and for the others the reason.

    Raises `Disagreement` when the losses of the first steps differ.
    """
    losses: dict[str, list[float]] = {}
    skipped: dict[str, str] = {}
    for contestant in workload.contestants:
        try:
            step = workload.start(contestant)
        except ImportError as error:
            skipped[contestant] = str(error)
            continue
        losses[contestant] = [number(step()) for _ in range(workload.steps_compared)]
    expected = next(iter(losses.values()))
    for contestant, found in losses.items():
        if not all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in zip(found, expected, strict=True)):
            table = "\n".join(f"  {name:10} {values}" for name, values in losses.items())
            raise Disagreement(f"{workload.name}: {contestant} disagrees with {next(iter(losses))}; losses:\n{table}")
    return list(losses), skipped


def number(value: Any) -> float:
    """Of a float or of a tensor with one element."""
    return float(value.item() if hasattr(value, "item") else value)


def turn(step: Step, seconds: float) -> float:
    """Seconds per step, after warming up."""
    gc.collect()
    warm_steps, start = 0, perf_counter()
    while warm_steps < 2 or perf_counter() - start < WARM_UP:
        step()
        warm_steps += 1
    per_step = (perf_counter() - start) / warm_steps
    steps = max(2, round(seconds / per_step))
    start = perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - start) / steps


def rotated(items: list[str], by: int) -> list[str]:
    """Nobody always follows the same neighbour's turn directly after a pause."""
    by %= len(items)
    return items[by:] + items[:by]


def others_seconds() -> float:
    """Processor seconds of all processes but this one since the machine started; 0 where there is no /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq = map(int, stat.read_text().split(None, 8)[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def measure_import(rounds: int, modules: tuple[str, ...] = ("numpy", "minigrad")) -> Row:
    """Seconds that importing each module takes in a fresh interpreter, in turns."""
    times: dict[str, list[float]] = {}
    skipped: dict[str, str] = {}
    for module in modules:  # the first import writes the bytecode and finds out who is there
        try:
            fresh_interpreter(f"import {module} as m; m.__file__ or exit('{module} has no __init__.py')")
            times[module] = []
        except subprocess.CalledProcessError as error:
            skipped[module] = error.stderr.strip().splitlines()[-1]
    for round_ in range(rounds):
        for module in rotated(list(times), round_):
            code = f"from time import perf_counter as t; start = t(); import {module}; print(t() - start)"
            times[module].append(float(fresh_interpreter(code)))
    return Row(times, IMPORT_TARGET, "fresh interpreter", skipped)


def fresh_interpreter(code: str) -> str:
    """What `code` prints in an interpreter of its own that starts in the root of the repository."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout


# ---- memory


def measure_memory(workload: Workload, contestants: list[str]) -> dict[str, float]:
    """Megabytes that training adds at its peak, each in a fresh interpreter, untimed. Empty where there is no /proc."""
    if not Path("/proc/self/clear_refs").exists():
        return {}
    package = "tests.benchmarks"
    code = f"from {package}.harness import print_memory; print_memory({workload.name!r}, {{contestant!r}})"
    return {contestant: float(fresh_interpreter(code.format(contestant=contestant))) for contestant in contestants}


def print_memory(workload_name: str, contestant: str) -> None:
    """Print the peak of resident memory over three steps, less what libraries, initial values and batch took before."""
    warm_up = next(iter(WORKLOADS.values()))  # imports the library, starts its threads
    for name, start in ((warm_up.name, warm_up.start), (workload_name, WORKLOADS[workload_name].start)):
        _ = WORKLOADS[name].arrays
        gc.collect()
        before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to the present value
        step = start(contestant)
        for _ in range(3):
            step()
        growth = resident("VmHWM") - before
        del step
    print(growth / 1e6)


def resident(key: str) -> int:
    """VmRSS (now) or VmHWM (peak) of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


# ---- reports


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
    return report, {name: Row(**row) for name, row in report["rows"].items()}


def table(rows: dict[str, Row]) -> str:
    """The report: one line for each row, ratios to the yardstick, with the median over rounds in brackets."""
    lines = []
    steps = {name: row for name, row in rows.items() if name != "import"}
    for yardstick in dict.fromkeys(row.yardstick for row in steps.values()):  # a table for each
        chosen = {name: row for name, row in steps.items() if row.yardstick == yardstick}
        contestants = list(dict.fromkeys(c for row in chosen.values() for c in [*row.seconds, *row.skipped]))
        others = [c for c in contestants if c != yardstick]
        lines.append(f"ratios to {yardstick}; target is minigrad's")
        heads = "".join(f"{c:>14}" for c in others)
        lines.append(f"{'row':12}{f'{yardstick}, us':>14}{heads}{'target':>9}")
        for name, row in chosen.items():
            cells = [f"{row.ratio(c):.2f} ({row.median_ratio(c):.2f})" if c in row.seconds else "-" for c in others]
            ratios = "".join(f"{cell:>14}" for cell in cells)
            lines.append(f"{name:12}{row.best(yardstick) * 1e6:>14.1f}{ratios}{row.target:>9.2f}   {row.about}")
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
            lines.append(f"{name:10}" + "   ".join(f"{c} {megabytes:.1f}" for c, megabytes in row.megabytes.items()))
    if "import" in rows:
        row = rows["import"]
        others = [f"{c} {row.over(c) * 1e3:+.1f} ms" for c in row.seconds if c != row.yardstick] or ["-"]
        first = f"import {row.yardstick} {row.best(row.yardstick) * 1e3:.1f} ms"
        lines += ["", f"{first}; over it: {', '.join(others)}; target {row.target * 1e3:+.0f} ms"]
    return "\n".join(lines)


def page(rows: dict[str, Row], rounds: int) -> str:
    """The report as a page of the documentation, in Markdown."""
    about = environment()
    machine, versions = about["machine"], about["versions"]
    lines = [
        "# How fast it is",
        "",
        "This page is written by `python -m tests.benchmarks --page docs/benchmarks.md`. Each row is one piece of work "
        "that several libraries do on the same numbers, in turns, in one process; their losses were compared first. "
        f"A figure is the ratio of the smallest of {rounds} times to that of the first column, so smaller is "
        "better; in brackets the median of the rounds' ratios, which says how quiet the machine was.",
        "",
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        + ", ".join(f"{package} {version}" for package, version in versions.items() if version != "not installed")
        + f"; float32; {about['date'][:10]}."
        + (f" OpenBLAS was told to use the kernels of {machine['blas']}." if machine["blas"] else ""),
    ]
    steps = {name: row for name, row in rows.items() if name != "import"}
    titles = {"by hand": "Training step of an MLP, beside NumPy written by hand", "torch": "Beside PyTorch"}
    for yardstick in dict.fromkeys(row.yardstick for row in steps.values()):
        chosen = {name: row for name, row in steps.items() if row.yardstick == yardstick}
        contestants = list(dict.fromkeys(c for row in chosen.values() for c in row.seconds))
        others = [c for c in contestants if c != yardstick]
        lines += ["", f"## {titles.get(yardstick, yardstick)}", ""]
        lines.append("| " + " | ".join(["work", f"{yardstick}, ms", *others, "aim", "missed?"]) + " |")
        lines.append("|---" * (len(others) + 4) + "|")
        for row in chosen.values():
            cells = [f"{row.ratio(c):.2f} ({row.median_ratio(c):.2f})" if c in row.seconds else "-" for c in others]
            missed = "" if row.ratio("minigrad") <= row.target else "missed"
            time = f"{row.best(yardstick) * 1e3:.3g}"
            lines.append("| " + " | ".join([row.about, time, *cells, f"{row.target:.2f}", missed]) + " |")
        if any(row.megabytes for row in chosen.values()):
            lines += [
                "",
                "Memory that training adds at its peak, in MB:",
                "",
                "| work | " + " | ".join(contestants) + " |",
            ]
            lines.append("|---" * (len(contestants) + 1) + "|")
            for row in chosen.values():
                cells = [f"{row.megabytes[c]:.1f}" if c in row.megabytes else "-" for c in contestants]
                lines.append("| " + " | ".join([row.about, *cells]) + " |")
    if "import" in rows:
        row = rows["import"]
        lines += [
            "",
            "## Import",
            "",
            f"`import numpy` takes {row.best('numpy') * 1e3:.0f} ms in a fresh interpreter, `import minigrad` "
            f"{row.over('minigrad') * 1e3:.0f} ms more; the aim is {row.target * 1e3:.0f} ms.",
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

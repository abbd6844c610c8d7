"""How it is timed: contestants take turns, and the figure is a ratio of minima.

On a machine that does other things too, a time is the cost of the work plus whatever came in between. The minimum over
several rounds is nearest to the cost of the work alone; the median of the ratios within each round stands beside it,
and where the two differ much the run was disturbed. Steps that share their products among threads suffer most, up to a
hundredfold: one thread waits for the other, which waits for a core.
"""

import gc
import math
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from .workloads import WORKLOADS, Aim, Step, Workload

ROOT = Path(__file__).resolve().parents[2]
WARM_UP = (
    0.04  # seconds: the threads of the one before spin for some 30 ms before they sleep; nobody is timed meanwhile
)
TOLERANCE = 1e-4  # relative, of float32 losses after three steps


class Disagreement(Exception):
    """Contestants that are to compute the same do not."""


@dataclass
class Row:
    """Seconds of one step (or one import), by contestant and round; the first contestant is the yardstick.

    ``aims`` are the ratios to contestants that minigrad is to reach: first, and then.
    """

    seconds: dict[str, list[float]]
    aims: dict[str, Aim] = field(default_factory=dict)
    about: str = ""
    skipped: dict[str, str] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)
    disturbance: float = 0.0  # cores that other processes used meanwhile

    @property
    def yardstick(self) -> str:
        return next(iter(self.seconds))

    def best(self, contestant: str) -> float:
        return min(self.seconds[contestant])

    def ratio(self, contestant: str, to: str = "") -> float:
        """Minimum over minimum, that of the yardstick unless another is named."""
        return self.best(contestant) / self.best(to or self.yardstick)

    def median_ratio(self, contestant: str) -> float:
        """Median of the ratios within each round."""
        pairs = zip(self.seconds[contestant], self.seconds[self.yardstick], strict=True)
        return statistics.median(theirs / ours for theirs, ours in pairs)

    def over(self, contestant: str) -> float:
        """Seconds more than the yardstick, minimum less minimum."""
        return self.best(contestant) - self.best(self.yardstick)


# ---- timing


def measure(workload: Workload, rounds: int, seconds: float, wait: Step = lambda: None) -> Row:
    """Hold the contestants equal, then time them in turns of about `seconds`; `wait` for work that is not yet done."""
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
            times[contestant].append(turn(workload.start(contestant), seconds, wait))
    disturbance = (others_seconds() - others) / (perf_counter() - start)
    return Row(times, workload.aims, workload.about, skipped, disturbance=disturbance)


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


def turn(step: Step, seconds: float, wait: Step = lambda: None) -> float:
    """Seconds per step, after warming up."""
    gc.collect()
    warm_steps, start = 0, perf_counter()
    while warm_steps < 2 or perf_counter() - start < WARM_UP:
        step()
        wait()
        warm_steps += 1
    per_step = (perf_counter() - start) / warm_steps
    steps = max(2, round(seconds / per_step))
    start = perf_counter()
    for _ in range(steps):
        step()
    wait()
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
    with TemporaryDirectory() as bytecode:  # written by the first import, as when a package is installed
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        variables["PYTHONPYCACHEPREFIX"] = bytecode
        for module in modules:  # which also finds out who is there
            try:
                code = f"import {module} as m; m.__file__ or exit('{module} has no __init__.py')"
                fresh_interpreter(code, variables)
                times[module] = []
            except subprocess.CalledProcessError as error:
                skipped[module] = error.stderr.strip().splitlines()[-1]
        for round_ in range(rounds):
            for module in rotated(list(times), round_):
                code = f"from time import perf_counter as t; start = t(); import {module}; print(t() - start)"
                times[module].append(float(fresh_interpreter(code, variables)))
    return Row(times, {}, "fresh interpreter", skipped)


def fresh_interpreter(code: str, variables: dict[str, str] | None = None) -> str:
    """What `code` prints in an interpreter of its own that starts in the root of the repository."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True).stdout


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

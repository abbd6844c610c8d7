"""What data parallelism costs: a simulation of all-reduce up to 1,024 ranks, and measurements of 1, 2 and 4 beside it.

    python docs/figures/data_parallel.py                                    draw the figures of the guide
    python docs/figures/data_parallel.py --latency 50e-6 --bandwidth 1e9    for another network
    python docs/figures/data_parallel.py --measure 5                        measure anew, on this machine

Time is counted as in Thakur, Rabenseifner and Gropp (2005): a message of n bytes takes ``alpha + n beta`` seconds,
alpha the latency, 1 / beta the bandwidth. Every rank can send one message and receive one at the same time. What it
takes to add up arrived numbers is left out.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # each rank computes on one core

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
KEPT = HERE / "data_parallel.json"
Round = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float]  # who sends, to whom, how many bytes

# --------------------------------------------------------------------------------------------------------------
# Three ways to add up n bytes over p ranks: the messages, round by round, and how long they take by a formula


def star(p: int, n: float) -> Iterator[Round]:
    """Everybody sends all to rank 0, one after the other, and gets the sum back."""
    zero = np.array([0])
    for r in range(1, p):
        yield np.array([r]), zero, n
    for r in range(1, p):
        yield zero, np.array([r]), n


def star_time(p: int, n: float, alpha: float, beta: float) -> float:
    """2 (p - 1) (alpha + n beta)."""
    return 2 * (p - 1) * (alpha + n * beta)


def doubling(p: int, n: float) -> Iterator[Round]:
    """Exchange all with the rank 1 away, then 2, 4, ... away: sums of 2, 4, 8, ... ranks. p is a power of 2."""
    ranks = np.arange(p)
    distance = 1
    while distance < p:
        yield ranks, ranks ^ distance, n
        distance *= 2


def doubling_time(p: int, n: float, alpha: float, beta: float) -> float:
    """log2(p) (alpha + n beta)."""
    return math.log2(p) * (alpha + n * beta)


def ring(p: int, n: float) -> Iterator[Round]:
    """Pass pieces of n / p to the right: p - 1 times to add them up, p - 1 times to tell everybody."""
    ranks = np.arange(p)
    for _ in range(2 * (p - 1)):
        yield ranks, (ranks + 1) % p, n / p


def ring_time(p: int, n: float, alpha: float, beta: float) -> float:
    """2 (p - 1) alpha + 2 (p - 1) / p n beta."""
    return 2 * (p - 1) * alpha + 2 * (p - 1) / p * n * beta


WAYS: dict[str, tuple[Callable[..., Iterator[Round]], Callable[..., float]]] = {
    "star": (star, star_time),
    "doubling": (doubling, doubling_time),
    "ring": (ring, ring_time),
}


def simulate(rounds: Iterator[Round], start: np.ndarray[Any, Any], alpha: float, beta: float) -> np.ndarray[Any, Any]:
    """Return when each rank is done, if rank r begins at ``start[r]``. Each has a clock; a message needs both ends."""
    clock = start.astype(float)
    for senders, receivers, n in rounds:
        arrival = np.maximum(clock[senders], clock[receivers]) + alpha + beta * n
        np.maximum.at(clock, senders, arrival)
        np.maximum.at(clock, receivers, arrival)
    return clock


def step(p: int, parameters: float, tensors: int, args: argparse.Namespace) -> float:
    """Return the efficiency of a training step: the share of the time that goes into computing.

    Every rank has a batch of its own, of one size whatever p is. A dense layer needs 6 operations for each parameter
    and sample, 2 forward and 4 backward. The gradients, 4 bytes each, are sent in ``tensors`` messages afterwards, each
    by ring or by doubling, whichever is faster.
    """
    alpha, beta, n = args.latency, 1 / args.bandwidth, 4 * parameters / tensors
    compute = 6 * args.batch * parameters / args.flops
    ready = compute * (1 + args.jitter * np.abs(np.random.default_rng(0).normal(size=p)))
    way = ring if ring_time(p, n, alpha, beta) < doubling_time(p, n, alpha, beta) else doubling
    first = simulate(way(p, n), ready, alpha, beta).max()  # here the fast ranks wait for the slowest
    each = simulate(way(p, n), np.zeros(p), alpha, beta).max()
    return float(compute / (first + (tensors - 1) * each))


# --------------------------------------------------------------------------------------------------------------
# Measuring on this machine: the same script, started by mpiexec

WIDTHS = (32, 128, 512, 1024)
BATCH = 64


def worker(path: Path) -> None:
    """Time all-reduces and training steps on the ranks that are there; rank 0 writes what it found."""
    import minigrad
    from minigrad import distributed, nn, optim

    distributed.init_process_group()
    p = distributed.get_world_size()

    def seconds(action: Callable[[], None], repeats: int) -> float:
        """The median, over repetitions, of the time of the slowest rank."""
        times = []
        for _ in range(repeats + 2):
            distributed.barrier()
            begin = time.perf_counter()
            action()
            spent = minigrad.tensor(time.perf_counter() - begin, dtype=minigrad.float64)
            distributed.all_reduce(spent, distributed.ReduceOp.MAX)
            times.append(spent.item())
        return float(np.median(times[2:]))

    found: dict[str, Any] = {"ranks": p, "all_reduce": {}}
    for exponent in range(6, 25, 2):
        x = minigrad.zeros(2**exponent // 4)
        found["all_reduce"][2**exponent] = seconds(lambda x=x: distributed.all_reduce(x), 30)  # type: ignore[misc]

    def step_times(width: int) -> dict[str, Any]:
        model = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10))
        optimizer = optim.SGD(model.parameters(), lr=1e-4)
        x, y = minigrad.randn(BATCH, 64), minigrad.randint(0, 10, (BATCH,))
        distributed.broadcast_parameters(model)

        def one_step(average: Callable[[], None]) -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            average()
            optimizer.step()

        return {
            "parameters": sum(v.numel() for v in model.parameters()),
            "tensors": len(list(model.parameters())),
            "compute": seconds(lambda: one_step(lambda: None), 30),
            "flat": seconds(lambda: one_step(lambda: distributed.average_gradients(model)), 30),
            "one_by_one": seconds(lambda: one_step(lambda: distributed.average_gradients(model, flat=False)), 30),
        }

    found["steps"] = [step_times(width) for width in WIDTHS]
    if distributed.get_rank() == 0:
        path.write_text(json.dumps(found))


def best(runs: list[Any]) -> Any:
    """Return the smallest of each number: what was measured while nobody else needed the cores."""
    if isinstance(runs[0], dict):
        return {key: best([run[key] for run in runs]) for key in runs[0]}
    return [best(list(rows)) for rows in zip(*runs, strict=True)] if isinstance(runs[0], list) else min(runs)


def measure(repeats: int) -> None:
    """Run ``worker`` on 1, 2 and 4 ranks several times and keep what it finds."""
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        sys.exit("there is no mpiexec; pip install 'minigrad[dist]' brings one")
    runs = []
    for p in (1, 2, 4):
        found = []
        for _ in range(repeats):
            path = KEPT.with_suffix(".tmp")
            command = [mpiexec, "-n", str(p), sys.executable, "-m", "mpi4py", __file__, "--worker", str(path)]
            subprocess.run(command, check=True)
            found.append(json.loads(path.read_text()))
            path.unlink()
        runs.append(best(found))
    KEPT.write_text(json.dumps({"cores": os.cpu_count(), "batch": BATCH, "runs": runs}, indent=1) + "\n")


# --------------------------------------------------------------------------------------------------------------
# Drawing

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # told apart by colour-blind eyes too
RANKS = [2**k for k in range(11)]
MESSAGES = 20  # as many as a model of 10 layers has parameters


def size_of(parameters: float) -> str:
    """Return a number of parameters in words."""
    power = int(math.log10(parameters)) // 3
    return f"{parameters / 1000**power:.3g}{['', ' thousand', ' million', ' billion'][power]}"


def draw_messages(plt: Any, args: argparse.Namespace, path: Path) -> None:
    """Draw how long an all-reduce takes against its size, on many ranks."""
    alpha, beta, p = args.latency, 1 / args.bandwidth, 1024
    sizes = np.logspace(1, 10, 40)
    figure, axis = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    for (name, (rounds, formula)), colour, marker in zip(WAYS.items(), COLOURS, "osD", strict=False):
        axis.loglog(sizes, [formula(p, n, alpha, beta) for n in sizes], color=colour, label=f"{name}: formula")
        some = sizes[::6]
        times = [simulate(rounds(p, n), np.zeros(p), alpha, beta).max() for n in some]
        axis.loglog(some, times, marker, color=colour, markersize=5, label=f"{name}: simulated")
    axis.loglog(sizes, 2 * sizes * beta, ":", color="0.4", label="2 n beta: no way is faster")
    axis.set(xlabel="size of the message, bytes", ylabel="time, seconds", xlim=(sizes[0], sizes[-1]))
    axis.set_title(
        f"All-reduce on {p:,} ranks: few rounds win when messages are small,\nsmall pieces when they are large"
    )
    axis.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def draw_efficiency(plt: Any, args: argparse.Namespace, path: Path) -> None:
    """Draw the efficiency of a step: simulated on a cluster, and measured here."""
    kept = json.loads(KEPT.read_text())
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4.4), layout="constrained", width_ratios=(3, 2), sharey=True
    )
    for parameters, colour in zip((1e4, 1e6, 1e8), COLOURS, strict=False):
        for tensors, style in ((1, "-"), (MESSAGES, "--")):
            values = [100 * step(p, parameters, tensors, args) for p in RANKS]
            left.semilogx(RANKS, values, style, base=2, color=colour)
            if tensors == 1:
                left.text(RANKS[-1] * 1.15, values[-1], size_of(parameters), color=colour, va="center", fontsize=9)
    left.plot([], [], "-", color="0.4", label="gradients in one message")
    left.plot([], [], "--", color="0.4", label=f"in {MESSAGES} messages")
    left.set_xticks(RANKS, [f"{p:,}" for p in RANKS], fontsize=8)
    left.set(xlabel="ranks, one core each", ylabel="time that goes into computing, %", ylim=(0, 105), xlim=(0.8, 6000))
    left.set_title(
        f"Simulated: {args.latency * 1e6:g} µs, {args.bandwidth / 1e9:g} GB/s, {args.flops / 1e9:g} GFLOP/s,\n"
        f"batch {args.batch} each; numbers of parameters at the right"
    )
    left.legend(frameon=False, fontsize=8, loc="upper right")
    alone, ranks = kept["runs"][0]["steps"], [run["ranks"] for run in kept["runs"]]
    for k, colour in enumerate(COLOURS):
        # p ranks on fewer cores compute p / cores times as long; what is missing then is the price of the messages
        values = [
            100 * alone[k]["flat"] * max(1, p / kept["cores"]) / run["steps"][k]["flat"]
            for p, run in zip(ranks, kept["runs"], strict=True)
        ]
        right.semilogx(ranks, values, "o-", base=2, color=colour, label=size_of(alone[k]["parameters"]))
    right.set_xticks(ranks, ranks)
    right.set(xlabel=f"ranks, on {kept['cores']} cores")
    right.set_title(f"Measured: all ranks on one machine\nof {kept['cores']} cores, batch {kept['batch']} each")
    right.legend(frameon=False, fontsize=8, title="parameters", loc="lower left")
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="0.9")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Draw, or measure first."""
    parser = argparse.ArgumentParser(description="Draw what data parallelism costs.")
    parser.add_argument("--latency", type=float, default=5e-6, help="seconds until a message begins to arrive")
    parser.add_argument("--bandwidth", type=float, default=10e9, help="bytes per second")
    parser.add_argument("--flops", type=float, default=100e9, help="operations per second of each rank")
    parser.add_argument("--batch", type=int, default=64, help="samples per rank")
    parser.add_argument("--jitter", type=float, default=0.0, help="how much slower ranks are by chance, 0.05 is 5 %%")
    parser.add_argument("--out", type=Path, default=HERE.parent / "images", help="folder for the figures")
    parser.add_argument("--measure", type=int, metavar="N", help="measure on this machine first, the best of N times")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return worker(args.worker)
    if args.measure:
        measure(args.measure)
    import matplotlib.pyplot as plt

    args.out.mkdir(parents=True, exist_ok=True)
    draw_messages(plt, args, args.out / "data_parallel_messages.png")
    draw_efficiency(plt, args, args.out / "data_parallel_efficiency.png")


if __name__ == "__main__":
    main()

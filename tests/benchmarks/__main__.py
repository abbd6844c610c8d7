"""The command line: `python -m tests.benchmarks --help`."""

import os

for library in ("OPENBLAS", "MKL", "OMP"):  # read when NumPy is imported, so before the imports below
    os.environ.setdefault(f"{library}_NUM_THREADS", "2")
os.environ["CUPY_TF32"] = "0"  # read when CuPy is imported

import argparse  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from . import harness, on_a_gpu, report  # noqa: E402
from .workloads import WORKLOADS  # noqa: E402

parser = argparse.ArgumentParser(
    prog="python -m tests.benchmarks", description="Time training steps as ratios to hand-written NumPy."
)
every = f"{', '.join([*WORKLOADS, 'import'])}; on a GPU of {', '.join(on_a_gpu.WORKLOADS)}"
parser.add_argument("--rows", help=f"comma-separated, of {every} (default: all)")
parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: beside PyTorch on the same GPU")
parser.add_argument("--rounds", type=int, default=12, help="rounds, of which the minimum counts (default: 12)")
parser.add_argument("--seconds", type=float, default=0.08, help="length of a turn, at least two steps (default: 0.08)")
parser.add_argument("--memory", action="store_true", help="also measure peak memory, in untimed runs")
parser.add_argument("--json", type=Path, metavar="FILE", help="save all figures, with machine, versions, date")
parser.add_argument("--page", type=Path, metavar="FILE", help="write the tables as a page of the documentation")
parser.add_argument("--compare", type=Path, metavar="FILE", help="print the change against a run saved with --json")
options = parser.parse_args()
there = options.device == "cuda"
if there and (lacking := on_a_gpu.lacking()):
    sys.exit(f"nothing to measure on: {lacking}")
if there and (options.page or options.memory):
    parser.error("--page and --memory are for the processor")
if there:
    on_a_gpu.begin()
names = [*on_a_gpu.WORKLOADS] if there else [*WORKLOADS, "import"]
chosen = options.rows.split(",") if options.rows else names
if unknown := [name for name in chosen if name not in names]:
    parser.error(f"--rows: expected some of {', '.join(names)}, got {', '.join(unknown)}")
if options.rounds < 1:
    parser.error(f"--rounds: expected at least 1, got {options.rounds}")
saved = report.load(options.compare) if options.compare else None  # first, so that a wrong name is told at once

rows = {}
for name in chosen:
    print(f"{name} ...", file=sys.stderr, flush=True)
    if name == "import":
        rows[name] = harness.measure_import(options.rounds)
    else:
        try:
            if there:
                rows[name] = harness.measure(on_a_gpu.WORKLOADS[name], options.rounds, options.seconds, on_a_gpu.wait)
            else:
                rows[name] = harness.measure(WORKLOADS[name], options.rounds, options.seconds)
        except harness.Disagreement as error:
            sys.exit(str(error))
        if options.memory:
            rows[name].megabytes = harness.measure_memory(WORKLOADS[name], list(rows[name].seconds))

about = report.environment()
machine = about["machine"]
print(f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads; float32; {about['date']}")
if there:
    print(on_a_gpu.about())
print(", ".join(f"{package} {version}" for package, version in about["versions"].items()))
print(f"minimum of {options.rounds} rounds; in brackets the median of the rounds' ratios\n")
print(report.table(rows))
for contestant, reason in {c: reason for row in rows.values() for c, reason in row.skipped.items()}.items():
    print(f"\nskipped {contestant}: {reason}")
if options.json:
    settings = {"rounds": options.rounds, "seconds": options.seconds} | ({"gpu": on_a_gpu.about()} if there else {})
    report.save(options.json, rows, settings)
if options.page:
    options.page.write_text(report.page(rows, options.rounds), encoding="utf-8")
if saved:
    then, saved_rows = saved
    print(f"\nagainst the run of {then['date']} on {then['machine']['processor']}")
    print(report.comparison(saved_rows, rows))

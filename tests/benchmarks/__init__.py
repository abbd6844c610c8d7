"""Speed, as ratios to hand-written NumPy in one run: `python -m tests.benchmarks` from the root of the repository.

`workloads` says what is computed and by whom, `by_hand` is the yardstick, `harness` takes the times and prints the
table.
"""

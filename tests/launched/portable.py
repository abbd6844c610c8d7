"""Run a lesson on minigrad or, with its imports changed, on PyTorch: ``portable.py torch lesson.py ...``.

Random numbers come from NumPy in both, and layers start from them too, so that the lesson prints the same.
"""

import importlib
import re
import sys
from pathlib import Path

import numpy as np


def draw_from_numpy(library):
    """Replace the library's random numbers: its generator, what layers start as, and the order of samples."""
    nn, data = (importlib.import_module(f"{library.__name__}.{part}") for part in ("nn", "utils.data"))
    draws = np.random.default_rng(0)

    def manual_seed(seed):
        nonlocal draws
        draws = np.random.default_rng(seed)

    def drawn(method):
        def draw(*shape, dtype=library.float32, device="cpu"):
            shape = shape[0] if isinstance(shape[0], tuple) else shape
            return library.tensor(getattr(draws, method)(shape), dtype=dtype, device=device)

        return draw

    def start(layer):
        with library.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(library.rand(*parameter.shape) * 2 - 1)

    library.manual_seed, library.rand, library.randn = manual_seed, drawn("random"), drawn("standard_normal")
    library.randint = lambda low, high, size: library.tensor(draws.integers(low, high, size))
    nn.Linear.reset_parameters = start
    data.RandomSampler.__iter__ = lambda sampler: iter(draws.permutation(len(sampler.data_source)).tolist())


if __name__ == "__main__":
    name, lesson = sys.argv[1:3]
    draw_from_numpy(importlib.import_module(name))
    text = Path(lesson).read_text(encoding="utf-8")
    text = re.sub(r"^import minigrad$", f"import {name} as minigrad", text, flags=re.MULTILINE)
    text = re.sub(r"^from minigrad", f"from {name}", text, flags=re.MULTILINE)
    sys.argv = sys.argv[2:]
    exec(compile(text, lesson, "exec"), {"__name__": "__main__"})

"""Write api.json: what the real CuPy wheel offers, frozen so that the stand-in cannot promise more.

CuPy imports on a machine without a GPU, so its names and signatures can be read anywhere. In an environment of its own:

    pip install "cupy-cuda12x==14.2.0"
    python tests/strict_cupy/freeze.py

A signature is stored as its parameters, ``"a, axis=, dtype=, out=, keepdims="``; a bare ``=`` means "has a default".
"""

import inspect
import json
import re
from pathlib import Path


def parameters(function) -> str | None:
    """The parameters without types and default values, or None where the wheel does not tell."""
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return compiled_parameters(function)
    star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    out = []
    for p in found:
        if p.kind is p.KEYWORD_ONLY and not any(part.startswith("*") for part in out):
            out.append("*")
        out.append(star.get(p.kind, "") + p.name + ("" if p.default is p.empty else "="))
    return ", ".join(part for part in out if part != "self")


def compiled_parameters(function) -> str | None:
    """Cython writes the signature of a compiled method into the first line of its docstring."""
    found = re.match(r"[\w.]+\((.*?)\)(?: ->|$)", (function.__doc__ or "").split("\n")[0])
    if not found:
        return None
    parts = [re.sub(r"=.*", "=", part.strip()).split(" ")[-1] for part in found[1].split(",")]
    return ", ".join(part for part in parts if part != "self")


def freeze() -> dict:
    """Read the installed CuPy; imported here, because test collection imports this file where there is none."""
    import cupy
    import cupyx
    import cupyx.scipy.special

    surfaces = {
        "cupy": cupy,
        "cupy.ndarray": cupy.ndarray,
        "cupy.random": cupy.random,
        "cupy.random.Generator": cupy.random.Generator,
        "cupy.linalg": cupy.linalg,
        "cupy.cuda": cupy.cuda,
        "cupy.lib.stride_tricks": cupy.lib.stride_tricks,
        "cupyx": cupyx,
        "cupyx.scipy.special": cupyx.scipy.special,
    }
    signatures = {}
    for prefix, home in surfaces.items():
        for name in dir(home):
            value = getattr(home, name, None)
            if name.startswith("_") or not callable(value) or isinstance(value, (type, cupy.ufunc)):
                continue
            if (text := parameters(value)) is not None:
                signatures[f"{prefix}.{name}"] = text
    return {
        "cupy": cupy.__version__,
        "made": "by freeze.py from the cupy-cuda12x wheel",
        "names": {prefix: sorted(dir(home)) for prefix, home in surfaces.items()},
        "ufuncs": sorted(name for name in dir(cupy) if isinstance(getattr(cupy, name), cupy.ufunc)),
        "signatures": dict(sorted(signatures.items())),
    }


if __name__ == "__main__":
    Path(__file__).with_name("api.json").write_text(json.dumps(freeze(), indent=1) + "\n")

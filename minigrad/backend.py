"""Arrays, devices and random numbers: the only file that knows NumPy from CuPy.

Everything else asks here for the *array module* of an array (``numpy`` or ``cupy``, called ``xp``) and calls the
same functions on either. CuPy is imported when somebody asks for ``device="cuda"``, never before.
"""

from __future__ import annotations

import functools
import math
import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  # numpy.ndarray or cupy.ndarray
Shape: TypeAlias = tuple[int, ...]

# An array of 31 MB, made and freed at once. C's library on Linux gives large freed arrays back to the system, and the
# next step takes them anew, page by page, each page filled with zeros: that was half the time of a transformer's step.
# Once it has seen a size freed, it keeps arrays up to that size at hand; above 32 MB it never does. ("Dynamic mmap
# threshold" in mallopt(3).) No memory is touched here.
np.empty(31 << 20, np.uint8)

# --------------------------------------------------------------------------------------------------------------
# Array modules


def array_module(x: object) -> ModuleType:
    """Return the module whose functions work on ``x``: ``cupy`` for an array on a GPU, else ``numpy``.

    >>> array_module(np.zeros(3)).__name__
    'numpy'
    """
    if type(x) is np.ndarray or isinstance(x, (np.ndarray, np.generic)):
        return np
    cupy = sys.modules.get("cupy")  # an array of a module that was never imported cannot exist
    return cupy if cupy is not None and isinstance(x, cupy.ndarray) else np


def is_array(x: object) -> bool:
    """Return whether ``x`` is an array of either module."""
    if isinstance(x, np.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(x, cupy.ndarray)


@functools.lru_cache(maxsize=64)
def constant_row(xp: ModuleType, value: float, n: int, dtype: Any) -> Array:
    """Return a vector of ``n`` times ``value``, kept for the next call; not to be written into.

    NumPy works faster with it than with a number: ``maximum(x, zeros)`` takes half the time of ``maximum(x, 0)``,
    and ``ones.dot(x)`` a third of ``x.sum(axis=0)``.
    """
    row = xp.full(n, value, dtype)
    if xp is np:
        row.flags.writeable = False
    return row


@functools.lru_cache(maxsize=64)
def constants(xp: ModuleType, dtype: Any, *values: float) -> list[Array]:
    """Return numbers as 0-d arrays, kept for the next call; not to be written into.

    NumPy converts a Python number in every call, which takes as long as the arithmetic on a small array.
    """
    return [xp.array(value, dtype) for value in values]


def forget_constants() -> None:
    """Drop what the two above keep: it lies on the GPU that was the current one when it was made."""
    constant_row.cache_clear()
    constants.cache_clear()


def cupy_special() -> ModuleType:
    """Return the module in which CuPy keeps erf, gammaln and other special functions, which NumPy does not have."""
    import cupyx.scipy.special

    return cupyx.scipy.special  # type: ignore[no-any-return]


def to_numpy(x: Array) -> np.ndarray[Any, Any]:
    """Return ``x`` as a NumPy array: itself if it is one, a copy if it lives on a GPU."""
    return x if isinstance(x, np.ndarray) else np.asarray(x) if array_module(x) is np else x.get()


# --------------------------------------------------------------------------------------------------------------
# Devices


class Device:
    """Where an array lives: ``cpu``, or ``cuda`` with the number of the GPU; without a number, the current one.

    >>> Device("cuda:1").type, Device("cuda:1").index
    ('cuda', 1)
    >>> Device("cpu")
    device(type='cpu')
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | Device, index: int | None = None) -> None:
        kind, colon, number = str(type).partition(":")
        if kind not in ("cpu", "cuda") or (colon and not number.isdigit()):
            raise RuntimeError(f"device: expected 'cpu', 'cuda' or 'cuda:0', got {type!r}")
        self.type = kind
        if kind == "cpu":
            self.index = None
        else:
            self.index = int(number) if number else _current_gpu() if index is None else index

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Device, str)) and str(self) == str(Device(other))

    def __hash__(self) -> int:
        return hash(str(self))


def _current_gpu() -> int:
    cupy = sys.modules.get("cupy")  # if nobody has imported it, nobody has chosen another GPU than the first
    return int(cupy.cuda.runtime.getDevice()) if cupy is not None and cupy.cuda.is_available() else 0


CPU = Device("cpu")
DeviceLike: TypeAlias = Device | str | None


def device_of(x: Array) -> Device:
    """Return the device on which the array ``x`` lives."""
    return CPU if isinstance(x, (np.ndarray, np.generic)) else Device("cuda", x.device.id)


def module_for(device: DeviceLike) -> ModuleType:
    """Return the array module that makes arrays on ``device``; one sentence if this machine cannot."""
    if device is None or Device(device).type == "cpu":
        return np
    return _cupy()


def _cupy() -> ModuleType:
    try:
        import cupy
    except ImportError:
        raise RuntimeError(
            "device 'cuda': CuPy is not installed; pip install 'minigrad[cuda12]' (or cuda13), or use device='cpu'"
        ) from None
    # Importing CuPy works on a machine without a GPU and the first allocation fails, so ask before.
    if not cupy.cuda.is_available():
        raise RuntimeError("device 'cuda': CuPy is installed but finds no usable GPU; use device='cpu'")
    return cupy  # type: ignore[no-any-return]


def to_device(x: Array, device: DeviceLike) -> Array:
    """Return the array ``x`` on ``device``: itself if it is there already, else a copy."""
    if device is None or device_of(x) == device:
        return x
    target = Device(device)
    if target.type == "cpu":
        return x.get()
    cupy = module_for(target)
    with cupy.cuda.Device(target.index):
        return cupy.array(x)


def cuda_is_available() -> bool:
    """Return whether CuPy is installed and finds a GPU."""
    try:
        _cupy()
    except RuntimeError:
        return False
    return True


# --------------------------------------------------------------------------------------------------------------
# Random numbers


class Generator:
    """A stream of random numbers of our own: same seed, same numbers, whatever other code draws.

    Neither ``numpy.random.seed`` nor anybody's use of NumPy's global state changes it.

    >>> a, b = Generator().manual_seed(3), Generator().manual_seed(3)
    >>> bool((a.uniform((2,)) == b.uniform((2,))).all())
    True
    """

    def __init__(self, device: DeviceLike = "cpu") -> None:
        self.device = Device(device or "cpu")
        module_for(self.device)  # a machine without a GPU says so here
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Restart the stream from ``seed`` (any integer)."""
        self._seed = int(seed)
        # The host stream also serves a GPU's generator: CuPy's has no permutation and no bounded normal of its own.
        self._host = np.random.default_rng(self._seed & 0xFFFF_FFFF_FFFF_FFFF)
        self._draw: Any = self._host if self.device.type == "cpu" else None  # a GPU's stream starts when it is used
        return self

    def _stream(self) -> Any:
        if self._draw is None:
            with (cupy := module_for(self.device)).cuda.Device(self.device.index):
                self._draw = cupy.random.default_rng(self._seed & 0xFFFF_FFFF)
        return self._draw

    def seed(self) -> int:
        """Restart the stream from a seed taken from the operating system, and return that seed."""
        self.manual_seed(int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1))
        return self._seed

    def initial_seed(self) -> int:
        """Return the seed this stream started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Return the position in the stream, for :meth:`set_state` (CPU only)."""
        if self.device.type != "cpu":
            raise RuntimeError("Generator.get_state: only CPU generators can be saved; use manual_seed on the GPU")
        return {"seed": self._seed, "host": self._host.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> Generator:
        """Go back to a position that :meth:`get_state` returned."""
        self.manual_seed(state["seed"])
        self._host.bit_generator.state = state["host"]
        return self

    def uniform(self, shape: Shape, low: float = 0.0, high: float = 1.0, dtype: Any = np.float32) -> Array:
        """Draw from [low, high), an array of ``shape``."""
        x = self._stream().random(shape, dtype=_drawable(dtype))
        if high - low != 1.0:
            x *= high - low
        if low != 0.0:
            x += low
        return x

    def normal(self, shape: Shape, mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32) -> Array:
        """Draw from the normal distribution, an array of ``shape``."""
        x = self._stream().standard_normal(shape, dtype=_drawable(dtype))
        if std != 1.0:
            x *= std
        if mean != 0.0:
            x += mean
        return x

    def bernoulli(self, shape: Shape, p: float) -> Array:
        """Draw True with probability ``p``, else False, an array of ``shape``.

        On the CPU 16 random bits decide an entry, at half the cost of a fraction; one in 65,536 is left undecided by
        them, and a fraction decides it.
        """
        if self.device.type != "cpu":
            return self._stream().random(shape, dtype=np.float32) < p
        size = math.prod(shape)
        bits = self._host.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        whole = int(p * 2**16)
        drawn: np.ndarray[Any, Any] = bits < whole
        if p * 2**16 != whole:
            undecided = np.flatnonzero(bits == whole)
            drawn[undecided] = self._host.random(len(undecided)) < p * 2**16 - whole
        return drawn.reshape(shape)

    def integers(self, low: int, high: int, shape: Shape, dtype: Any = np.int64) -> Array:
        """Draw integers from low to high - 1, an array of ``shape``; drawn on the host, so equal on every device."""
        return to_device(self._host.integers(low, high, shape, dtype=dtype), self.device)

    def poisson(self, rate: Array) -> Array:
        """Draw numbers of events from the Poisson distribution, one for each entry of ``rate``."""
        return self._stream().poisson(rate)

    def permutation(self, n: int) -> np.ndarray[Any, Any]:
        """Return 0 ... n-1 in random order, as a NumPy array."""
        return self._host.permutation(n)

    def __repr__(self) -> str:
        return f"Generator(device={str(self.device)!r}, seed={self._seed})"


def _drawable(dtype: Any) -> Any:
    """Return ``dtype`` if fractions can be drawn in it; as integers they would all be 0."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise RuntimeError(f"random numbers: expected dtype float32 or float64, got {dtype}; randint draws integers")
    return dtype


_generators: dict[str, Generator] = {}


def default_generator(device: DeviceLike = "cpu") -> Generator:
    """Return the generator that everything random on ``device`` uses unless it is given another."""
    name = str(Device(device or "cpu"))
    if name not in _generators:
        _generators[name] = Generator(name)
        if _first_seed is not None:
            _generators[name].manual_seed(_first_seed)
    return _generators[name]


def swap_default_generator(generator: Generator) -> Generator:
    """Make ``generator`` the default one of the CPU from now on, and return the one that was."""
    before = default_generator()
    _generators["cpu"] = generator
    return before


_first_seed: int | None = None  # what ``manual_seed`` was last called with, for generators that are made later


def seed_gpus(seed: int) -> None:
    """Seed the GPUs' generators only."""
    for name in [name for name in _generators if name != "cpu"]:
        _generators[name].manual_seed(seed)


def get_rng_state() -> dict[str, Any]:
    """Return where the CPU's default generator is in its stream, for :func:`set_rng_state`."""
    return default_generator().get_state()


def set_rng_state(new_state: dict[str, Any]) -> None:
    """Continue the CPU's default generator from a state that :func:`get_rng_state` returned."""
    default_generator().set_state(new_state)


def seed() -> int:
    """Seed the generators of all devices from the operating system, and return that seed."""
    chosen = default_generator().seed()
    manual_seed(chosen)
    return chosen


def manual_seed(seed: int) -> Generator:
    """Seed the generators of all devices: initialisation, dropout and shuffling repeat from here.

    Parameters
    ----------
    seed : int
        Any integer; the same seed gives the same numbers on the same machine and NumPy version.

    Returns
    -------
    Generator
        The CPU's generator.

    Examples
    --------
    >>> _ = manual_seed(0); a = default_generator().normal((2,))
    >>> _ = manual_seed(0); b = default_generator().normal((2,))
    >>> bool((a == b).all())
    True
    """
    global _first_seed
    _first_seed = int(seed)
    for generator in _generators.values():
        generator.manual_seed(seed)
    return default_generator()


def initial_seed() -> int:
    """Return the seed of the CPU's generator."""
    return default_generator().initial_seed()

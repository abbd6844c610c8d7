"""The GPUs of this machine, as CuPy sees them: how many there are, which one is in use, and how much memory is taken.

Computing on one needs nothing from here: ``device="cuda"`` where tensors are made, ``model.to("cuda")`` and
``x.to("cuda")`` are enough. ``is_available`` is for scripts that run anywhere::

    device = "cuda" if minigrad.cuda.is_available() else "cpu"
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from types import ModuleType, TracebackType
from typing import Any

from minigrad.backend import Device, DeviceLike, cuda_is_available, forget_constants, module_for, seed_gpus

__all__ = [
    "current_device",
    "device",
    "device_count",
    "empty_cache",
    "get_device_name",
    "is_available",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "reset_peak_memory_stats",
    "set_device",
    "synchronize",
]

manual_seed = manual_seed_all = seed_gpus


def is_available() -> bool:
    """Return whether ``device="cuda"`` works here: CuPy is installed and finds a GPU."""
    return cuda_is_available()


def device_count() -> int:
    """Return the number of GPUs, 0 if CuPy is not there."""
    return int(module_for("cuda").cuda.runtime.getDeviceCount()) if is_available() else 0


def current_device() -> int:
    """Return the number of the GPU that ``device="cuda"`` means."""
    return int(module_for("cuda").cuda.runtime.getDevice())


def set_device(device: DeviceLike | int) -> None:
    """Let ``device="cuda"`` mean another GPU from now on."""
    _gpu(device).use()
    forget_constants()


def get_device_name(device: DeviceLike | int = None) -> str:
    """Return what a GPU is called, such as "NVIDIA H200"."""
    name = module_for("cuda").cuda.runtime.getDeviceProperties(_gpu(device).id)["name"]
    return name.decode() if isinstance(name, bytes) else str(name)


def synchronize(device: DeviceLike | int = None) -> None:
    """Wait until the GPU has done all that was asked of it; needed around timings, because calls return at once."""
    _gpu(device).synchronize()


def memory_allocated(device: DeviceLike | int = None) -> int:
    """Return the bytes that arrays on a GPU take now."""
    with _gpu(device):
        return int(module_for("cuda").get_default_memory_pool().used_bytes())


def memory_reserved(device: DeviceLike | int = None) -> int:
    """Return the bytes that CuPy holds, for arrays and for those to come; grows to the peak and stays there."""
    with _gpu(device):
        return int(module_for("cuda").get_default_memory_pool().total_bytes())


def max_memory_allocated(device: DeviceLike | int = None) -> int:
    """Return the most bytes that arrays on a GPU took at a time since :func:`reset_peak_memory_stats`."""
    return _peak("max_memory_allocated", device)[0]


def max_memory_reserved(device: DeviceLike | int = None) -> int:
    """Return the most bytes that CuPy held at a time since :func:`reset_peak_memory_stats`."""
    return _peak("max_memory_reserved", device)[1]


def reset_peak_memory_stats(device: DeviceLike | int = None) -> None:
    """Let the peaks begin anew, at what is taken now.

    CuPy notes no peaks by itself, so there are none before this is first called. Noting them costs about a microsecond
    for each new array, and is done for those of the thread that calls this.
    """
    peaks = _peaks(module_for("cuda"))
    with suppress(KeyError):  # it is there already
        peaks.__enter__()
    with _gpu(device) as gpu:
        peaks.of.pop(gpu.id, None)
        peaks.note(gpu.id)


def _peak(name: str, device: DeviceLike | int) -> tuple[int, int]:
    peaks, gpu = _peaks(module_for("cuda")), _gpu(device)
    if gpu.id not in peaks.of:
        raise RuntimeError(
            f"{name}: expected to be asked to note the peak beforehand, as CuPy does not by itself; call "
            "minigrad.cuda.reset_peak_memory_stats() where it shall begin"
        )
    return peaks.of[gpu.id]  # type: ignore[no-any-return]


@cache
def _peaks(cupy: ModuleType) -> Any:
    """Return what CuPy calls after each allocation, once it is entered."""

    class Peaks(cupy.cuda.MemoryHook):  # type: ignore[misc,name-defined]
        name = "minigrad.cuda"

        def __init__(self) -> None:
            self.of: dict[int, tuple[int, int]] = {}  # bytes allocated and reserved at most, by the GPU's number

        def note(self, gpu: int) -> None:
            pool, (allocated, reserved) = cupy.get_default_memory_pool(), self.of.get(gpu, (0, 0))
            self.of[gpu] = max(allocated, int(pool.used_bytes())), max(reserved, int(pool.total_bytes()))

        def malloc_postprocess(self, device_id: int, **what: int) -> None:
            self.note(device_id)

    return Peaks()


def empty_cache() -> None:
    """Give memory that no array uses back to the GPU, for other programs."""
    module_for("cuda").get_default_memory_pool().free_all_blocks()


class device:
    """Let ``device="cuda"`` mean a certain GPU inside a ``with`` block."""

    def __init__(self, device: DeviceLike | int) -> None:
        self._gpu = _gpu(device)

    def __enter__(self) -> None:
        self._gpu.__enter__()
        forget_constants()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gpu.__exit__(kind, error, trace)
        forget_constants()


def _gpu(device: DeviceLike | int) -> Any:
    """Return CuPy's object for a GPU given by number or name; None is the current one."""
    cupy = module_for("cuda")
    if device is None:
        return cupy.cuda.Device()
    if isinstance(device, int):
        return cupy.cuda.Device(device)
    wanted = Device(device)
    if wanted.type != "cuda":
        raise ValueError(f"cuda: expected a GPU, such as 'cuda:0' or 0, got {str(wanted)!r}")
    return cupy.cuda.Device(wanted.index)

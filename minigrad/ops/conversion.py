"""Op sheet: the same values in other memory: copied, or on another device. (Another dtype: ``cast`` in ``op.py``.)"""

from __future__ import annotations

from typing import Any

from minigrad.backend import Device, to_device
from minigrad.ops.op import op


@op(promote=None)
def clone(xp: Any, x: Any, /) -> Any:
    """a copy of x;   d = dx"""
    return x.copy()


@op(promote=None)
def transfer(xp: Any, x: Any, /, device: Device, source: Device) -> Any:
    """x, which is on source, copied to device;   d = dx, copied back"""
    return to_device(x, device)


clone.derivative(x=lambda g: g)
transfer.derivative(x=lambda g, device, source: transfer(g, source, device))

"""``detect_anomaly``: stop where the first NaN or infinity appears, and say which op, which line, and why."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any

import numpy as np

from minigrad.autograd import watch
from minigrad.autograd.node import Node, TensorBase
from minigrad.backend import array_module

_GROWING = (
    "a result too large for its dtype: do the numbers grow from layer to layer, or from step to step? Look at the "
    "learning rate and the initialisation"
)

# What makes an op give NaN or infinity although its inputs are finite, and what helps.
CAUSES = {
    "log": "log of 0 is -inf, of a negative number NaN; keep it away from 0, log(x + eps) or x.clamp(min=eps).log(), "
    "or use log_softmax, logsigmoid or logsumexp, which are exact",
    "log2": "log2 of 0 is -inf, of a negative number NaN; keep it away from 0 with x.clamp(min=eps)",
    "log10": "log10 of 0 is -inf, of a negative number NaN; keep it away from 0 with x.clamp(min=eps)",
    "log1p": "log1p of -1 is -inf, below it NaN",
    "sqrt": "sqrt of a negative number is NaN, perhaps a variance that rounding has made negative; use "
    "x.clamp(min=0).sqrt()",
    "rsqrt": "1 / sqrt(x) is infinite at 0 and NaN below; add a small eps first",
    "exp": "exp overflows above 88.7 in float32 and 709.8 in float64; subtract the maximum first, or use softmax, "
    "log_softmax or logsumexp, which do",
    "exp2": "exp2 overflows from 128 on in float32",
    "expm1": "expm1 overflows above 88.7 in float32",
    "sinh": "sinh overflows above 89.4 in float32",
    "cosh": "cosh overflows above 89.4 in float32",
    "div": "a division by 0 (0 / 0 is NaN); add a small eps to the divisor, or pick the good entries before dividing",
    "reciprocal": "a division by 0; add a small eps",
    "pow": "a power that overflows, a negative number to a fractional power, or 0 to a negative one",
    "mul": "a product too large for its dtype",
    "square": "a square too large for its dtype: above 1.8e19 in float32",
    "sum": "a sum too large for its dtype",
    "matmul": _GROWING,
    "linear": _GROWING,
    "asin": "asin is defined between -1 and 1",
    "acos": "acos is defined between -1 and 1",
    "acosh": "acosh is defined from 1 on",
    "atanh": "atanh is infinite at -1 and 1, NaN beyond",
    "logsumexp": "all inputs along the dimension are -inf",
    "softmax": "all inputs along the dimension are -inf: a fully masked row",
    "log_softmax": "all inputs along the dimension are -inf: a fully masked row",
}

# The same for the derivative: where the function is fine and its slope is not.
STEEP = {
    "sqrt": "the slope of sqrt, 1 / (2 sqrt(x)), is infinite at 0; use (x + eps).sqrt()",
    "pow": "the slope of x^p, p x^(p-1), is infinite at 0 for p below 1",
    "log": "the slope of log, 1 / x, is infinite at 0",
    "div": "the slope of a / b, -a / b^2, overflows near b = 0",
    "asin": "the slope of asin is infinite at -1 and 1",
    "acos": "the slope of acos is infinite at -1 and 1",
    "vector_norm": "the slope of a norm is undefined at the origin",
    "where": "where(condition, a, b) sends 0 times the gradient into the branch that was not taken, and 0 * inf is NaN "
    "there; make the argument safe before: where(ok, x, 1).log()",
}
_ZERO_TIMES = (
    "0 times an infinite slope is NaN: is this the branch that a where() or a mask threw away? Make the argument safe "
    "before the op: where(ok, x, 1).log() instead of where(ok, x.log(), 0)"
)


class AnomalyError(RuntimeError):
    """A value that is not finite, reported by :class:`detect_anomaly` where it appeared.

    ``op`` is the op's name, ``line`` the user's line that called it, ``backward`` whether it was found on the way back.
    """

    def __init__(self, message: str, op: str, line: str, backward: bool) -> None:
        super().__init__(message)
        self.op, self.line, self.backward = op, line, backward


class detect_anomaly:
    """Check the output of every recorded op, and every gradient of a walk; raise at the first NaN or infinity.

    A ``with`` block around forward and backward. For hunting a bug only: every check reads from the device, and the
    line of every op is looked up in the stack. With ``check_nan=False`` nothing is checked.

    Raises
    ------
    AnomalyError
        A RuntimeError that names the op, the line that called it, shapes, the range of its inputs, how many entries
        are bad, and the likely cause.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([4.0, 0.0], requires_grad=True)
    >>> with minigrad.autograd.detect_anomaly():  # doctest: +ELLIPSIS
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
    minigrad.autograd.anomaly.AnomalyError: backward of sqrt, called at ...
      Of the 2 entries of the gradient of x, of shape (2,), 1 infinite.
      Inputs: x (2,) from 0 to 4; incoming gradient (2,) from 1 to 1.
      Likely cause: the slope of sqrt, 1 / (2 sqrt(x)), is infinite at 0; use (x + eps).sqrt().
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._calls: weakref.WeakKeyDictionary[Node, tuple[str, str]] = weakref.WeakKeyDictionary()

    def __enter__(self) -> detect_anomaly:
        if self.check_nan:
            self._numpy = np.errstate(divide="ignore", invalid="ignore", over="ignore")  # it says less, and earlier
            self._numpy.__enter__()
            watch.recorded.append(self._recorded)
            watch.walked.append(self._walked)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.check_nan:
            watch.recorded.remove(self._recorded)
            watch.walked.remove(self._walked)
            self._numpy.__exit__(kind, error, trace)

    def _recorded(self, op: Any, args: tuple[Any, ...], out: Any) -> None:
        line = watch.users_line()
        inputs = [
            (name, x.array if isinstance(x, TensorBase) else x)
            for name, x in zip(op.inputs, args)
            if isinstance(x, (TensorBase, int, float))
        ]
        ranges = ", ".join(f"{name} {_range(x)}" for name, x in inputs)
        self._calls[out.node] = line, ranges
        if found := _found("the output", out.array):
            earlier = [name for name, x in inputs if _found("", x)]
            cause = f"{earlier[0]} was not finite already" if earlier else CAUSES.get(op.name, _GROWING)
            raise _error(op.name, line, False, found, f"Inputs: {ranges}", cause)

    def _walked(self, node: Node, g: Any, shares: list[Any]) -> None:
        op = node.plan.op
        for k, share in zip(node.plan.inputs, shares):
            found = _found(f"the gradient of {op.inputs[k]}", _array(share))
            if not found:
                continue
            line, ranges = self._calls.get(node, ("a line outside detect_anomaly", "not noted"))
            incoming = _array(g)
            if _found("", incoming):
                cause = "the incoming gradient was not finite already: was it given to backward(), or made by a hook?"
            elif "NaN" in found and bool((incoming == 0).any()):
                cause = _ZERO_TIMES
            else:
                cause = STEEP.get(op.name, CAUSES.get(op.name, ""))
            seen = f"Inputs: {ranges}; incoming gradient {_range(incoming)}"
            raise _error(op.name, line, True, found, seen, cause)


class set_detect_anomaly(detect_anomaly):
    """Do as :class:`detect_anomaly` if ``mode`` is true, else nothing: for a switch on the command line."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(mode and check_nan)


def _error(op: str, line: str, backward: bool, found: str, seen: str, cause: str) -> AnomalyError:
    message = f"{'backward of ' * backward}{op}, called at {line}\n  {found}.\n  {seen}."
    if cause:
        message += f"\n  Likely cause: {cause}" + "." * (not cause.endswith("?"))
    return AnomalyError(message, op, line, backward)


def _array(x: Any) -> Any:
    return x.array if isinstance(x, TensorBase) else x


def _found(what: str, x: Any) -> str:
    """Return a sentence if there are entries that are not finite, else ""."""
    xp = array_module(x)
    if not hasattr(x, "dtype") or x.dtype.kind != "f" or bool(xp.isfinite(x).all()):
        return ""
    nans = int(xp.isnan(x).sum())
    infinite = int(xp.isinf(x).sum())
    kinds = " and ".join(f"{n} {kind}" for n, kind in ((nans, "NaN"), (infinite, "infinite")) if n)
    return f"Of the {x.size} entries of {what}, of shape {tuple(x.shape)}, {kinds}"


def _range(x: Any) -> str:
    if not hasattr(x, "shape"):
        return f"= {x}"
    if not x.size:
        return f"{tuple(x.shape)}, empty"
    if x.dtype.kind not in "fiu":
        return f"{tuple(x.shape)} {x.dtype}"
    return f"{tuple(x.shape)} from {float(x.min()):.6g} to {float(x.max()):.6g}"

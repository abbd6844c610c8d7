"""Is a derivative right? Compare what ``backward`` says with what a small step in each input does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minigrad.autograd.engine import grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import array_module, default_generator, to_numpy

Index = tuple[int, ...]
Jacobian = np.ndarray[Any, Any]  # J[i, j] = d output[i] / d input[j], both flattened


class Entry(NamedTuple):
    """One derivative, d output[output_index] / d input[input_index], found in both ways."""

    output: int
    input: int
    output_index: Index
    input_index: Index
    analytic: float
    numeric: float

    @property
    def relative_error(self) -> float:
        """|analytic - numeric| / |numeric|; inf if only the numeric one is 0."""
        difference = abs(self.analytic - self.numeric)
        return difference / abs(self.numeric) if self.numeric else float("inf") if difference else 0.0

    def __str__(self) -> str:
        return (
            f"d output {self.output}{list(self.output_index)} / d input {self.input}{list(self.input_index)}: "
            f"backward says {self.analytic:.6g}, small steps say {self.numeric:.6g} "
            f"(relative error {self.relative_error:.2g})"
        )


@dataclass(frozen=True)
class GradcheckReport:
    """What a check found; true if nothing was wrong.

    ``worst`` is the derivative furthest beyond the tolerance, or closest to it if all is well (None if there was none
    to compare); ``checked`` of them were compared and ``wrong`` of them differ; ``verdict`` is the likely cause.
    """

    name: str
    worst: Entry | None
    checked: int
    wrong: int
    verdict: str = ""

    def __bool__(self) -> bool:
        return self.wrong == 0

    def __str__(self) -> str:
        if not self.wrong:
            return f"{self.name}: {self.checked} derivatives are right; the least exact is {self.worst}"
        found = f"{self.name}: {self.wrong} of {self.checked} derivatives are wrong; the worst is {self.worst}."
        return f"{found} {self.verdict}".rstrip()


class GradcheckError(RuntimeError):
    """A derivative is wrong, or cannot be checked. ``report`` has the details of a wrong one."""

    report: GradcheckReport | None = None


def gradcheck(
    func: Callable[..., Any],
    inputs: TensorBase | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> GradcheckReport:
    """Compare the gradients of ``func`` with central differences, (f(x + eps) - f(x - eps)) / (2 eps), entry by entry.

    A step of 1e-6 drowns in the rounding of float32, so floating inputs of another dtype are replaced by float64
    copies. Random numbers from minigrad's default generator repeat in each call: dropout can be checked.

    Parameters
    ----------
    func : callable
        Called as ``func(*inputs)``; returns a tensor or a tuple of tensors.
    inputs : Tensor or sequence
        The arguments. Floating tensors with ``requires_grad=True`` are checked; everything else is passed on.
    eps : float
        The step.
    atol, rtol : float
        A derivative is right if ``|analytic - numeric| <= atol + rtol * |numeric|``.
    raise_exception : bool
        Raise if something is wrong; otherwise return a report that is false.
    nondet_tol : float
        How far the results of two calls with the same inputs may differ.

    Returns
    -------
    GradcheckReport
        True if all is well; its text says what was compared.

    Raises
    ------
    GradcheckError
        A derivative is wrong: the message names the worst one and, if it shows, the cause. Also if two calls differ,
        or if no result depends on a checked input.
    ValueError
        No input requires grad.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(gradcheck(minigrad.sin, x))
    True
    """
    return _Check("gradcheck", func, inputs, eps, atol, rtol, nondet_tol).report(raise_exception)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: TensorBase | Sequence[Any],
    grad_outputs: TensorBase | Sequence[TensorBase] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> GradcheckReport:
    """Check second derivatives: :func:`gradcheck` of the function from inputs to their gradients.

    The gradients are those of ``sum(grad_outputs * outputs)``, with random ``grad_outputs`` if none are given. These
    are checked too, as inputs behind the others, because the gradients must be linear in them. In the report, output
    k is the gradient of the k-th checked input.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(gradgradcheck(minigrad.sin, x))
    True
    """
    name = "gradgradcheck"
    args = _in_float64(name, inputs)
    outputs = [y for y in _outputs(name, func(*args)) if y._requires_grad]
    if isinstance(grad_outputs, TensorBase):
        grad_outputs = [grad_outputs]
    draw = np.random.default_rng(0).standard_normal
    incoming: list[Any] = []
    for k, y in enumerate(outputs):
        given = draw(y.shape) if grad_outputs is None else grad_outputs[k].array
        incoming.append(tensor_of(array_module(y.array).asarray(given, dtype=np.float64)))
        incoming[k]._requires_grad = True

    def gradients(*both: Any) -> tuple[Any, ...]:
        args_, incoming_ = both[: len(args)], both[len(args) :]
        outputs = [y for y in _outputs(name, func(*args_)) if y._requires_grad]
        checked = [x for x in args_ if isinstance(x, TensorBase) and x._requires_grad]
        return grad(outputs, checked, incoming_, create_graph=True, materialize_grads=True)

    return _Check(name, gradients, [*args, *incoming], eps, atol, rtol, nondet_tol).report(raise_exception)


class _Check:
    def __init__(
        self, name: str, func: Callable[..., Any], inputs: Any, eps: float, atol: float, rtol: float, nondet_tol: float
    ) -> None:
        self.name, self.func, self.eps, self.atol, self.rtol = name, func, eps, atol, rtol
        self.args = _in_float64(name, inputs)
        self.checked = [k for k, x in enumerate(self.args) if isinstance(x, TensorBase) and x._requires_grad]
        self.generator_state = default_generator().get_state()
        self.outputs = self.call()
        self.here = self.values()
        for k, (y, again) in enumerate(zip(self.outputs, self.here, strict=True)):
            apart = np.abs(to_numpy(y.array) - again).max(initial=0.0)
            if apart > nondet_tol:
                raise GradcheckError(
                    f"{name}: this function is random: output {k} of two calls with the same inputs differs by "
                    f"{apart:.3g}. Draw the random numbers outside and pass them in, or set nondet_tol"
                )
        if not any(y._requires_grad for y in self.outputs):
            raise GradcheckError(
                f"{name}: no output has a history that leads to a checked input, so there is nothing to compare. Does "
                "the function use its arguments? Was the result detached, or made under no_grad()?"
            )

    def call(self) -> list[Any]:
        default_generator().set_state(self.generator_state)
        return _outputs(self.name, self.func(*self.args))

    def values(self, x: Any = None, index: Index = (), step: float = 0.0) -> list[Any]:
        """Return copies of the outputs with ``step`` added to ``x[index]`` of one input array."""
        if x is None:
            return [to_numpy(y.array).copy() for y in self.call()]
        before = x[index].copy()
        x[index] = before + step
        try:
            return self.values()
        finally:
            x[index] = before

    def by_backward(self, y: Any) -> list[Jacobian]:
        """Return the Jacobian of ``y`` for each checked input: row i is the gradient of entry i."""
        inputs = [self.args[k] for k in self.checked]
        jacobians: list[Jacobian] = [np.zeros((y.array.size, x.array.size)) for x in inputs]
        for i in range(y.array.size if y._requires_grad else 0):
            g = array_module(y.array).zeros(y.shape)
            g[_index(i, y.shape)] = 1.0
            shares = grad(y, inputs, tensor_of(g), retain_graph=True, allow_unused=True)
            for jacobian, share in zip(jacobians, shares, strict=True):
                if share is not None:
                    jacobian[i] = to_numpy(share.array).reshape(-1)
        return jacobians

    def by_small_steps(self, x: Any) -> list[Jacobian]:
        """Return the Jacobian of each output: column j is the difference that a step in ``x[j]`` makes."""
        jacobians: list[Jacobian] = [np.zeros((y.size, x.size)) for y in self.here]
        for j in range(x.size):
            above, below = (self.values(x, _index(j, x.shape), step) for step in (self.eps, -self.eps))
            for jacobian, a, b in zip(jacobians, above, below, strict=True):
                jacobian[:, j] = (a - b).reshape(-1) / (2 * self.eps)
        return jacobians

    def report(self, raise_exception: bool) -> GradcheckReport:
        # All of backward comes first: the small steps write into arrays that the graph keeps.
        analytic = [self.by_backward(y) for y in self.outputs]
        worst, worst_excess, checked, wrong, verdict = None, -1.0, 0, 0, ""
        for position, k in enumerate(self.checked):
            for o, numeric in enumerate(self.by_small_steps(self.args[k].array)):
                a = analytic[o][position]
                with np.errstate(invalid="ignore"):
                    excess = np.abs(a - numeric) / (self.atol + self.rtol * np.abs(numeric))
                excess[np.isnan(excess)] = np.inf  # NaN, or two infinities, prove nothing
                checked, wrong = checked + excess.size, wrong + int((excess > 1).sum())
                if excess.max(initial=-1.0) > worst_excess:
                    worst_excess = excess.max()
                    i, j = _index(int(excess.argmax()), excess.shape)
                    y_index, x_index = _index(i, self.outputs[o].shape), _index(j, self.args[k].shape)
                    worst = Entry(o, k, y_index, x_index, float(a[i, j]), float(numeric[i, j]))
                    if worst_excess > 1:
                        verdict = self.verdict(worst, a, numeric)
        report = GradcheckReport(self.name, worst, checked, wrong, verdict)
        if wrong and raise_exception:
            error = GradcheckError(str(report))
            error.report = report
            raise error
        return report

    def verdict(self, worst: Entry, a: Jacobian, n: Jacobian) -> str:
        """Guess what is wrong from how the analytic Jacobian ``a`` relates to the numeric one ``n``."""

        def same(p: Any, q: Any) -> bool:
            return bool(np.allclose(p, q, rtol=10 * self.rtol, atol=10 * self.atol))

        x = self.args[worst.input].array
        left, right = (
            ((self.values(x, worst.input_index, step)[worst.output] - self.here[worst.output]) / step)
            for step in (-self.eps, self.eps)
        )
        slopes = sorted((float(left[worst.output_index]), float(right[worst.output_index])))
        if not same(*slopes):
            allowed = slopes[0] - self.atol <= worst.analytic <= slopes[1] + self.atol
            return (
                f"There is a kink at this point: the one-sided slopes are {slopes[0]:.4g} and {slopes[1]:.4g}. "
                + ("What backward says lies between them and is allowed; check" if allowed else "Check")
                + " at a point beside the kink."
            )
        if same(a, 0.0):
            return "All gradients are 0: is the input cut off by detach() or no_grad(), or its rule missing?"
        factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
        if factor and same(a, factor * n):
            return "The sign is wrong." if same(factor, -1.0) else f"All are wrong by the constant factor {factor:.6g}."
        if x.ndim == 2 and x.shape[0] == x.shape[1]:
            if same(a.reshape(-1, *x.shape).swapaxes(1, 2).reshape(a.shape), n):
                return "Transposed, it would be right."
        return ""


def _in_float64(name: str, inputs: Any) -> list[Any]:
    """Return the arguments, floating tensors as float64 leaves that can be written to.

    One that is so already stays the same object: ``func`` may also reach it from elsewhere, as a module its parameters.
    """
    args = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    for k, x in enumerate(args):
        if isinstance(x, TensorBase) and x.array.dtype.kind == "f":
            if x.array.dtype != np.float64 or x.node is not None or 0 in x.array.strides:
                args[k] = tensor_of(x.array.astype(np.float64))
                args[k]._requires_grad = x._requires_grad
    if not any(isinstance(x, TensorBase) and x._requires_grad for x in args):
        raise ValueError(f"{name}: no input requires grad; set requires_grad=True on the tensors to be checked")
    return args


def _outputs(name: str, result: Any) -> list[Any]:
    """Return the floating tensors that the function returned."""
    found = list(result) if isinstance(result, (tuple, list)) else [result]
    for k, y in enumerate(found):
        if not isinstance(y, TensorBase):
            raise TypeError(f"{name}: expected the function to return tensors, got {type(y).__name__} as output {k}")
        if y.array.dtype == np.float32:
            raise GradcheckError(
                f"{name}: output {k} is float32 although the inputs are float64, and too inexact for small steps. Does "
                "the function use parameters or other tensors in float32? Convert them first: model.double()"
            )
    return [y for y in found if y.array.dtype.kind == "f"]


def _index(flat: int, shape: Sequence[int]) -> Index:
    return tuple(int(n) for n in np.unravel_index(flat, tuple(shape)))

"""Is a derivative right? Compare what ``backward`` says with what a small step in each input does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.autograd.engine import grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import array_module, default_generator, to_numpy

Index = tuple[int, ...]
Jacobian = np.ndarray[Any, Any]  # J[i, j] = d output[i] / d input[j], both flattened


@dataclass(frozen=True)
class Entry:
    """One derivative, d output[output_index] / d input[input_index], computed in both ways."""

    output: int
    input: int
    output_index: Index
    input_index: Index
    analytic: float
    numeric: float

    @property
    def relative_error(self) -> float:
        """|analytic - numeric| / |numeric|; inf where only the numeric one is 0."""
        difference = abs(self.analytic - self.numeric)
        return difference / abs(self.numeric) if self.numeric else float("inf") if difference else 0.0

    def __str__(self) -> str:
        return (
            f"d output{_subscript(self.output, self.output_index)} / d input{_subscript(self.input, self.input_index)}"
            f": analytic (backward) {self.analytic:.6g}, numeric (small steps) {self.numeric:.6g}, "
            f"relative error {self.relative_error:.2g}"
        )


@dataclass(frozen=True)
class GradcheckReport:
    """What a check found; true if nothing was wrong.

    Attributes
    ----------
    worst : Entry or None
        The derivative furthest beyond the tolerance, or closest to it if all is well.
    checked, wrong : int
        How many derivatives were compared, and how many of them differ.
    verdict : str
        The likely cause, or an empty string.
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
    """A derivative is wrong, or cannot be checked. ``report`` holds the details of a wrong one."""

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

    Everything is computed in float64, because a step of 1e-6 drowns in the rounding of float32: floating inputs of
    another dtype are replaced by float64 copies. Random numbers from minigrad's default generator are repeated in
    each call, so that dropout can be checked.

    Parameters
    ----------
    func : callable
        Called as ``func(*inputs)``; returns a tensor or a tuple of tensors.
    inputs : Tensor or sequence
        The arguments. Floating tensors with ``requires_grad=True`` are checked, everything else is passed on.
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
        A derivative is wrong. The message names the worst one and, where there is one, the likely cause. Also if two
        calls differ, or if the results cannot depend on the inputs.
    ValueError
        No input requires grad.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(gradcheck(minigrad.sin, x))
    True
    """
    return _check("gradcheck", func, inputs, eps, atol, rtol, raise_exception, nondet_tol)


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

    The gradient is that of ``sum(grad_outputs * outputs)``, with random ``grad_outputs`` if none are given. They are
    inputs of the check too: the gradient is linear in them, and a rule may have lost that. In the report, output k
    is the gradient of the k-th checked input, and the ``grad_outputs`` are counted as inputs behind the others.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(gradgradcheck(minigrad.sin, x))
    True
    """
    given = _in_float64("gradgradcheck", inputs)
    outputs = [y for y in _outputs("gradgradcheck", func(*given)) if y._requires_grad]
    if grad_outputs is None:
        draw = np.random.default_rng(0).standard_normal
        arrays = [array_module(y.array).asarray(draw(y.shape)) for y in outputs]
    else:
        tensors = [grad_outputs] if isinstance(grad_outputs, TensorBase) else grad_outputs
        arrays = [g.array.astype(np.float64) for g in tensors]
    incoming = [tensor_of(g) for y, g in zip(outputs, arrays, strict=True)]
    for g in incoming:
        g._requires_grad = True

    def gradients(*args: Any) -> tuple[Any, ...]:
        inputs, incoming = args[: len(given)], args[len(given) :]
        checked = [x for x in inputs if isinstance(x, TensorBase) and x._requires_grad]
        outputs = [y for y in _outputs("gradgradcheck", func(*inputs)) if y._requires_grad]
        return grad(outputs, checked, incoming, create_graph=True, materialize_grads=True)

    return _check("gradgradcheck", gradients, [*given, *incoming], eps, atol, rtol, raise_exception, nondet_tol)


def _check(
    name: str,
    func: Callable[..., Any],
    inputs: Any,
    eps: float,
    atol: float,
    rtol: float,
    raise_exception: bool,
    nondet_tol: float,
) -> GradcheckReport:
    args = _in_float64(name, inputs)
    checked = [k for k, x in enumerate(args) if isinstance(x, TensorBase) and x._requires_grad]
    generator = default_generator()
    state = generator.get_state()

    def call() -> list[Any]:
        generator.set_state(state)
        return _outputs(name, func(*args))

    def values() -> list[Any]:
        return [to_numpy(y.array).copy() for y in call()]

    outputs, here = call(), values()
    for k, (y, again) in enumerate(zip(outputs, here, strict=True)):
        apart = np.abs(to_numpy(y.array) - again).max(initial=0.0)
        if apart > nondet_tol:
            raise GradcheckError(
                f"{name}: this function is random: two calls with the same inputs gave an output {k} that differs by "
                f"{apart:.3g}. Draw the random numbers outside and pass them in, or set nondet_tol"
            )
    if not any(y._requires_grad for y in outputs):
        raise GradcheckError(
            f"{name}: no output has a history that leads to an input that requires grad, so there is nothing to check. "
            "Does the function use its arguments? Was the result detached, or made under no_grad()?"
        )
    # All analytic Jacobians come first: the small steps below write into arrays that the graph keeps.
    analytic = [_by_backward(y, [args[k] for k in checked]) for y in outputs]
    tolerance_used, worst, total, wrong = -1.0, None, 0, 0
    jacobians: dict[tuple[int, int], tuple[Jacobian, Jacobian]] = {}
    for position, k in enumerate(checked):
        for o, numeric in enumerate(_by_small_steps(values, args[k].array, eps)):
            a = analytic[o][position]
            jacobians[o, k] = a, numeric
            with np.errstate(invalid="ignore"):
                used = np.abs(a - numeric) / (atol + rtol * np.abs(numeric))
            used[np.isnan(used)] = np.inf  # a NaN, or two infinities, prove nothing
            total, wrong = total + used.size, wrong + int((used > 1).sum())
            if used.size and used.max() > tolerance_used:
                tolerance_used = float(used.max())
                i, j = tuple(int(n) for n in np.unravel_index(used.argmax(), used.shape))
                y_index, x_index = _index(i, outputs[o].shape), _index(j, args[k].shape)
                worst = Entry(o, k, y_index, x_index, float(a[i, j]), float(numeric[i, j]))
    verdict = ""
    if wrong and worst is not None:
        slopes = _one_sided_slopes(values, here, worst, args[worst.input].array, eps)
        verdict = _verdict(worst, *jacobians[worst.output, worst.input], args[worst.input].shape, slopes, atol, rtol)
    report = GradcheckReport(name, worst, total, wrong, verdict)
    if wrong and raise_exception:
        error = GradcheckError(str(report))
        error.report = report
        raise error
    return report


def _in_float64(name: str, inputs: Any) -> list[Any]:
    """Return the arguments with floating tensors in float64, those to be checked as leaves that can be written to.

    Such a leaf stays the same object: ``func`` may also reach it from elsewhere, as a module its parameters.
    """
    args = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    for k, x in enumerate(args):
        if isinstance(x, TensorBase) and x.array.dtype.kind == "f":
            fits = x.array.dtype == np.float64 and x.node is None and 0 not in x.array.strides
            if not fits:
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
                f"{name}: output {k} is float32 although all inputs are float64: too inexact for small steps. Does the "
                "function use other tensors or parameters in float32? Convert them first: model.double()"
            )
    return [y for y in found if y.array.dtype.kind == "f"]


def _by_backward(y: Any, inputs: list[Any]) -> list[Jacobian]:
    """Return the Jacobian for each input: row i is the gradient of output entry i."""
    xp = array_module(y.array)
    rows: list[Jacobian] = [np.zeros((y.array.size, x.array.size)) for x in inputs]
    if y._requires_grad:
        for i in range(y.array.size):
            g = xp.zeros(y.shape)
            g[_index(i, y.shape)] = 1.0
            shares = grad(y, inputs, tensor_of(g), retain_graph=True, allow_unused=True)
            for jacobian, share in zip(rows, shares, strict=True):
                if share is not None:
                    jacobian[i] = to_numpy(share.array).reshape(-1)
    return rows


def _by_small_steps(values: Callable[[], list[Any]], x: Any, eps: float) -> list[Jacobian]:
    """Return the Jacobian of each output: column j is the difference that a step in input entry j makes."""
    columns = []
    for j in range(x.size):
        above, below = (_after_step(values, x, _index(j, x.shape), step) for step in (eps, -eps))
        columns.append([(a - b).reshape(-1) / (2 * eps) for a, b in zip(above, below, strict=True)])
    return [np.stack(column, axis=1) for column in zip(*columns, strict=True)]


def _after_step(values: Callable[[], list[Any]], x: Any, index: Index, step: float) -> list[Any]:
    before = x[index].copy()
    x[index] = before + step
    try:
        return values()
    finally:
        x[index] = before


def _one_sided_slopes(
    values: Callable[[], list[Any]], here: list[Any], entry: Entry, x: Any, eps: float
) -> tuple[float, float]:
    """Return the slopes of one derivative to the left and to the right of its point."""
    left, right = (
        (_after_step(values, x, entry.input_index, step)[entry.output] - here[entry.output]) / step
        for step in (-eps, eps)
    )
    return float(left[entry.output_index]), float(right[entry.output_index])


def _verdict(
    worst: Entry, a: Jacobian, n: Jacobian, shape: Index, slopes: tuple[float, float], atol: float, rtol: float
) -> str:
    """Guess the cause from how the analytic Jacobian ``a`` of the worst output and input relates to ``n``."""

    def same(p: Any, q: Any) -> bool:
        return bool(np.allclose(p, q, rtol=10 * rtol, atol=10 * atol))

    left, right = sorted(slopes)
    if not same(left, right):
        inside = left - atol <= worst.analytic <= right + atol
        return (
            f"There is a kink at this point: the one-sided slopes are {slopes[0]:.3g} and {slopes[1]:.3g}. "
            + ("The analytic value lies between them and is allowed; " if inside else "")
            + "check at a point beside the kink."
        )
    if not np.isfinite(a).all():
        return "The analytic gradient is not finite."
    if same(a, 0.0):
        return "The gradient is 0 everywhere: was the input cut off by detach() or no_grad(), or is its rule missing?"
    factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
    if factor and same(a, factor * n):
        return "The sign is wrong." if same(factor, -1.0) else f"Everywhere wrong by the constant factor {factor:.6g}."
    if len(shape) == 2 and shape[0] == shape[1]:
        if same(a.reshape(-1, *shape).swapaxes(1, 2).reshape(a.shape), n):
            return "It would be right transposed."
    return ""


def _index(flat: int, shape: Sequence[int]) -> Index:
    return tuple(int(n) for n in np.unravel_index(flat, tuple(shape)))


def _subscript(k: int, index: Index) -> str:
    return f" {k}" + (f"[{', '.join(map(str, index))}]" if index else "")

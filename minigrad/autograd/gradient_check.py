"""Is a derivative right? Compare what ``backward`` says with what a small step in each input does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.autograd import watch
from minigrad.autograd.gradients import grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import array_module, default_generator, is_array, to_numpy

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
            f"d output {self.output}{list(self.output_index)} / d input {self.input}{list(self.input_index)}: backward "
            f"says {self.analytic:.6g}, small steps say {self.numeric:.6g} (relative error {self.relative_error:.2g})"
        )


class GradcheckReport(NamedTuple):
    """What a check found; true if nothing was wrong.

    Of ``checked`` derivatives ``wrong`` many differ. ``worst`` is the one furthest beyond the tolerance, or closest to
    it if all is well (None if there were none); ``verdict`` is the likely cause. With ``blame`` the ``culprit`` is the
    first op of the function whose own derivative is wrong.
    """

    name: str
    worst: Entry | None
    checked: int
    wrong: int
    verdict: str = ""
    culprit: str = ""

    def __bool__(self) -> bool:
        return self.wrong == 0

    def __str__(self) -> str:
        if not self.wrong:
            return f"{self.name}: {self.checked} derivatives are right; the least exact is {self.worst}"
        found = f"{self.name}: {self.wrong} of {self.checked} derivatives are wrong; the worst is {self.worst}."
        return " ".join(part for part in (found, self.verdict, self.culprit) if part)


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
    fast_mode: bool = False,
    second_order: bool = False,
    blame: bool = False,
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
    fast_mode : bool
        Compare one number for each pair of output and input, the derivative of a random mixture of the output's
        entries along a random direction of the input: two calls, however large they are. It notices as much, but
        cannot say which entry is wrong.
    second_order : bool
        Go on with :func:`gradgradcheck` if the first derivatives are right.
    blame : bool
        If something is wrong, check every op that the function called on its own, and name the first that is wrong.

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
    check = _Check("gradcheck", func, inputs, eps, atol, rtol, nondet_tol, fast_mode)
    report = check.report(raise_exception, gradcheck if blame else None)
    if not second_order or not report:
        return report
    more: dict[str, Any] = dict(eps=eps, atol=atol, rtol=rtol, nondet_tol=nondet_tol, fast_mode=fast_mode, blame=blame)
    return gradgradcheck(func, inputs, raise_exception=raise_exception, **more)


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
    fast_mode: bool = False,
    blame: bool = False,
) -> GradcheckReport:
    """Check second derivatives: :func:`gradcheck` of the function from inputs to their gradients.

    The gradients are those of ``sum(grad_outputs * outputs)``, with random ``grad_outputs`` if none are given. These
    count as inputs behind the others. In the report, output k is the gradient of the k-th checked input.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor([0.5, -1.0], requires_grad=True)
    >>> bool(gradgradcheck(minigrad.sin, x))
    True
    """
    args = _in_float64(inputs)
    outputs = [y for y in _outputs(func(*args)) if y._requires_grad]
    if grad_outputs is None:
        draw = np.random.default_rng(0).standard_normal
        grad_outputs = [tensor_of(array_module(y.array).asarray(draw(y.shape))) for y in outputs]
    incoming = [grad_outputs] if isinstance(grad_outputs, TensorBase) else list(grad_outputs)
    for k, g in enumerate(incoming):
        incoming[k] = tensor_of(g.array.astype(np.float64))
        incoming[k]._requires_grad = True

    def gradients(*args_and_incoming: Any) -> tuple[Any, ...]:
        xs, gs = args_and_incoming[: len(args)], args_and_incoming[len(args) :]
        ys = [y for y in _outputs(func(*xs)) if y._requires_grad]
        checked = [x for x in xs if isinstance(x, TensorBase) and x._requires_grad]
        return grad(ys, checked, gs, create_graph=True, materialize_grads=True)

    check = _Check("gradgradcheck", gradients, [*args, *incoming], eps, atol, rtol, nondet_tol, fast_mode)
    return check.report(raise_exception, gradgradcheck if blame else None, lambda: func(*args))


class _Check:
    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        inputs: Any,
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
        fast_mode: bool,
    ) -> None:
        self.name, self.func, self.eps, self.atol, self.rtol, self.fast_mode = name, func, eps, atol, rtol, fast_mode
        self.args = _in_float64(inputs)
        self.checked = [k for k, x in enumerate(self.args) if isinstance(x, TensorBase) and x._requires_grad]
        self.generator_state = default_generator().get_state()
        self.outputs = self.call()
        self.here = self.values()
        for k, (y, again) in enumerate(zip(self.outputs, self.here, strict=True)):
            apart = np.abs(to_numpy(y.array) - again).max(initial=0.0)
            if apart > nondet_tol:
                raise GradcheckError(
                    f"gradcheck: this function is random: output {k} of two calls with the same inputs differs by "
                    f"{apart:.3g}. Draw the random numbers outside and pass them in, or set nondet_tol"
                )
        if not any(y._requires_grad for y in self.outputs):
            raise GradcheckError(
                "gradcheck: no output has a history that leads to a checked input, so nothing can be compared. Does "
                "the function use its arguments? Was the result detached, or made under no_grad()?"
            )

    def call(self) -> list[Any]:
        default_generator().set_state(self.generator_state)
        return _outputs(self.func(*self.args))

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
        for i, index in enumerate(np.ndindex(*y.shape) if y._requires_grad else ()):
            g = array_module(y.array).zeros(y.shape)
            g[index] = 2.0  # and not 1: a rule that forgets g, or squares it, must not pass
            shares = grad(y, inputs, tensor_of(g), retain_graph=True, materialize_grads=True)
            for jacobian, share in zip(jacobians, shares, strict=True):
                jacobian[i] = to_numpy(share.array).reshape(-1) / 2.0
        return jacobians

    def by_small_steps(self, x: Any) -> list[Jacobian]:
        """Return the Jacobian of each output: column j is the difference that a step in ``x[j]`` makes."""
        jacobians: list[Jacobian] = [np.zeros((y.size, x.size)) for y in self.here]
        for j, index in enumerate(np.ndindex(*x.shape)):
            above, below = self.values(x, index, self.eps), self.values(x, index, -self.eps)
            for jacobian, a, b in zip(jacobians, above, below, strict=True):
                jacobian[:, j] = (a - b).reshape(-1) / (2 * self.eps)
        return jacobians

    def along_directions(self) -> list[tuple[Jacobian, Jacobian]]:
        """Return, for each input and output, u^T J v of a random u and v: by one walk, and by one step along v."""
        draw = np.random.default_rng(0)
        found = []
        for k in self.checked:
            x = self.args[k].array
            v = draw.uniform(0.5, 1.5, x.shape) * draw.choice([-1.0, 1.0], x.shape)
            before = x.copy()
            sides = []
            for step in (self.eps, -self.eps):
                x[...] = before + array_module(x).asarray(step * v)
                sides.append(self.values())
            x[...] = before
            for y, above, below in zip(self.outputs, *sides, strict=True):
                u = draw.uniform(0.5, 1.5, y.shape)
                numeric = (u * (above - below)).sum() / (2 * self.eps)
                analytic = 0.0
                if y._requires_grad:
                    g = tensor_of(array_module(y.array).asarray(u))
                    (share,) = grad(y, self.args[k], g, retain_graph=True, materialize_grads=True)
                    with np.errstate(invalid="ignore"):
                        analytic = (to_numpy(share.array) * v).sum()
                found.append((np.full((1, 1), analytic), np.full((1, 1), numeric)))
        return found

    def both_ways(self) -> Iterator[tuple[int, int, Jacobian, Jacobian]]:
        """Yield input, output, and the Jacobian of the two by backward and by small steps."""
        pairs = [(k, o) for k in self.checked for o in range(len(self.outputs))]
        if self.fast_mode:
            for (k, o), (a, n) in zip(pairs, self.along_directions(), strict=True):
                yield k, o, a, n
            return
        # All of backward comes first: the small steps write into arrays that the graph keeps.
        analytic = [self.by_backward(y) for y in self.outputs]
        for position, k in enumerate(self.checked):
            for o, n in enumerate(self.by_small_steps(self.args[k].array)):
                yield k, o, analytic[o][position], n

    def report(
        self,
        raise_exception: bool,
        check_alone: Callable[..., GradcheckReport] | None,
        forward: Callable[[], Any] | None = None,
    ) -> GradcheckReport:
        worst, worst_excess, checked, wrong, verdict = None, -1.0, 0, 0, ""
        for k, o, a, n in self.both_ways():
            with np.errstate(invalid="ignore"):
                excess = np.abs(a - n) / (self.atol + self.rtol * np.abs(n))
            excess[np.isnan(excess)] = np.inf  # NaN, or two infinities, prove nothing
            checked, wrong = checked + excess.size, wrong + int((excess > 1).sum())
            if excess.max(initial=-1.0) > worst_excess:
                worst_excess = excess.max()
                i, j = np.unravel_index(excess.argmax(), excess.shape)
                at_output: Index = ()
                at_input: Index = ()
                if not self.fast_mode:
                    at_output = tuple(map(int, np.unravel_index(i, self.here[o].shape)))
                    at_input = tuple(map(int, np.unravel_index(j, self.args[k].shape)))
                worst = Entry(o, k, at_output, at_input, float(a[i, j]), float(n[i, j]))
                verdict = self.verdict(worst, a, n) if worst_excess > 1 and not self.fast_mode else ""
        report = GradcheckReport(self.name, worst, checked, wrong, verdict)
        if wrong and check_alone is not None:
            report = report._replace(culprit=self.culprit(check_alone, forward or self.call))
        if wrong and raise_exception:
            error = GradcheckError(str(report))
            error.report = report
            raise error
        return report

    def culprit(self, check_alone: Callable[..., GradcheckReport], forward: Callable[[], Any]) -> str:
        """Return a sentence about the first op in ``forward`` that is wrong when it is checked alone."""
        calls: list[tuple[Any, list[Any], str]] = []

        def note(op: Any, args: tuple[Any, ...], out: Any) -> None:
            calls.append((op, [_copied(x) for x in args], watch.users_line()))

        with watch.looking_on(watch.recorded, note):
            forward()
        names = [op.name for op, _, _ in calls]
        for k, (op, args, line) in enumerate(calls):
            leaves = [x for x in args if isinstance(x, TensorBase) and x._requires_grad]

            def alone(*given: Any, op: Any = op, args: list[Any] = args) -> Any:
                rest = iter(given)
                values = [next(rest) if isinstance(x, TensorBase) and x._requires_grad else _copied(x) for x in args]
                again = getattr(values[-1], "again", op)  # a Function's context knows how to call it
                return op(*values) if again is op else again(*values[:-1])

            try:
                report = check_alone(alone, leaves, eps=self.eps, atol=self.atol, rtol=self.rtol, raise_exception=False)
            except GradcheckError as error:
                return f"To blame is {op.name}, op {k + 1} of {len(calls)}, called at {line}: {error}"
            if not report and len(calls) == 1:
                return f"To blame is {op.name}, the only op, called at {line}."
            if not report:
                found = f"Alone, {report.worst}. {report.verdict}".rstrip()
                return f"To blame is {op.name}, op {k + 1} of {len(calls)}, called at {line}. {found}"
        listed = ", ".join(names[:8]) + ", ..." * (len(names) > 8)
        return (
            f"Each of the {len(calls)} recorded ops ({listed}) is right on its own: is part of the way not recorded, "
            "cut by detach(), no_grad() or NumPy?"
        )

    def verdict(self, worst: Entry, a: Jacobian, n: Jacobian) -> str:
        """Guess what is wrong from how the analytic Jacobian ``a`` relates to the numeric one ``n``."""

        def same(p: Any, q: Any) -> bool:
            return bool(np.allclose(p, q, rtol=10 * self.rtol, atol=10 * self.atol))

        def slope(step: float) -> float:
            there = self.values(x, worst.input_index, step)[worst.output]
            return float((there - self.here[worst.output])[worst.output_index]) / step + 0.0  # no -0

        x = self.args[worst.input].array
        low, high = sorted((slope(-self.eps), slope(self.eps)))
        steep = max(-self.eps, self.eps, key=lambda step: abs(slope(step)))
        if abs(slope(steep) * steep) > self.atol and not 0.5 < slope(steep / 10) / slope(steep) < 2:
            return "There is a jump here: the slope depends on the size of the step. Check at a point beside it."
        if not same(low, high):
            allowed = low - self.atol <= worst.analytic <= high + self.atol
            comment = "What backward says lies between them and is allowed; check" if allowed else "Check"
            return f"There is a kink here, with slopes {low:.4g} and {high:.4g}. {comment} at a point beside it."
        if not np.isfinite(a).all():
            return "Backward gives values that are not finite."
        if same(a, 0.0):
            return "All gradients are 0: is the input cut off by detach() or no_grad(), or its rule missing?"
        factor = float((a * n).sum() / (n * n).sum()) if n.any() else 0.0
        if factor and same(a, factor * n):
            return "The sign is wrong." if same(factor, -1.0) else f"All are wrong by the constant factor {factor:.6g}."
        if x.ndim == 2 and x.shape[0] == x.shape[1]:
            if same(a.reshape(-1, *x.shape).swapaxes(1, 2).reshape(a.shape), n):
                return "Transposed, it would be right."
        return ""


def _copied(x: Any) -> Any:
    """Return an argument as it is now: a tensor as a leaf, arrays in nests copied, everything else itself."""
    if isinstance(x, TensorBase):
        leaf = tensor_of(x.array.copy())
        leaf._requires_grad = x._requires_grad
        return leaf
    if isinstance(x, (tuple, list)):
        return type(x)(map(_copied, x))
    return x.copy() if is_array(x) else x


def _in_float64(inputs: Any) -> list[Any]:
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
        raise ValueError("gradcheck: no input requires grad; set requires_grad=True on the tensors to be checked")
    return args


def _outputs(result: Any) -> list[Any]:
    """Return the floating tensors that the function returned."""
    found = list(result) if isinstance(result, (tuple, list)) else [result]
    for k, y in enumerate(found):
        if not isinstance(y, TensorBase):
            raise TypeError(f"gradcheck: expected the function to return tensors; output {k} is {type(y).__name__}")
        if y.array.dtype == np.float32:
            raise GradcheckError(
                f"gradcheck: output {k} is float32, too inexact for small steps, although the inputs are float64. Does "
                "the function use parameters or other tensors in float32? Convert them first: model.double()"
            )
    return [y for y in found if y.array.dtype.kind == "f"]

"""Derivatives of functions, as matrices and as products with vectors; ``torch.autograd.functional``'s names.

For f from n numbers to m, with Jacobian J (m rows, n columns): ``vjp`` is v^T J, one walk back; ``jvp`` is J u. There
is no forward mode here: v -> v^T J is linear in v, and *its* derivative along u is J u, so ``jvp`` walks back twice.
A row of the Jacobian takes one walk, and a Hessian is the Jacobian of the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autograd.grad_mode import enable_grad
from minigrad.autograd.gradients import grad
from minigrad.autograd.node import TensorBase, tensor_of
from minigrad.backend import array_module
from minigrad.ops.shape import reshape, stack

Tensors = Any  # a tensor, or a tuple of them

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]


def _listed(caller: str, what: str, x: Any) -> tuple[list[Any], bool]:
    """Return tensors as a list, and whether they came as a tuple."""
    several = isinstance(x, (tuple, list))
    listed = list(x) if several else [x]
    for k, item in enumerate(listed):
        if not isinstance(item, TensorBase):
            raise TypeError(
                f"{caller}: expected {what} to be a Tensor or a tuple of them, entry {k} is {type(item).__name__}"
            )
    return listed, several


def _prepared(
    caller: str, func: Callable[..., Any], inputs: Any, create_graph: bool
) -> tuple[list[Any], bool, list[Any], bool]:
    """Call ``func`` on inputs whose gradients can be asked for; return these and the outputs, as lists."""
    xs, several_inputs = _listed(caller, "inputs", inputs)
    for k, x in enumerate(xs):
        if x.dtype.kind != "f":
            raise RuntimeError(f"{caller}: input {k} is {x.dtype}, which has no derivative; use x.float()")
    if create_graph:  # the inputs' own history goes on
        xs = [x.view(x.shape) if x._requires_grad else x.detach().requires_grad_() for x in xs]
    else:
        xs = [x.detach().requires_grad_() for x in xs]
    ys, several_outputs = _listed(caller, "the function's outputs", func(*xs))
    return xs, several_inputs, ys, several_outputs


def _vectors(caller: str, v: Any, like: list[Any], what: str) -> list[Any]:
    """Return the vector of a product, checked; 1 for a single number."""
    if v is None:
        if len(like) == 1 and like[0].array.size == 1:
            return [_full(like[0], 1.0)]
        raise RuntimeError(
            f"{caller}: v can be left out for a single number only; pass tensors of the shapes of the {what}"
        )
    vs, _ = _listed(caller, "v", v)
    if len(vs) != len(like):
        raise RuntimeError(f"{caller}: got {len(vs)} tensors as v for {len(like)} {what}")
    for k, (a, b) in enumerate(zip(vs, like, strict=True)):
        if a.shape != b.shape:
            raise RuntimeError(
                f"{caller}: v[{k}] has shape {tuple(a.shape)}, expected {tuple(b.shape)}, that of the {what}"
            )
    return vs


def _full(like: Any, value: float) -> Any:
    return tensor_of(array_module(like.array).full(like.array.shape, value, like.dtype))


def _gradients(caller: str, ys: list[Any], xs: list[Any], vs: Any, create_graph: bool, strict: bool) -> list[Any]:
    """Return v^T J for each input; zeros where an output does not depend on an input, or with ``strict`` an error."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y._requires_grad]
    found: Any = [None] * len(xs)
    if pairs:
        outputs, given = zip(*pairs)
        found = grad(outputs, xs, given, retain_graph=True, create_graph=create_graph, allow_unused=True)
    for k, g in enumerate(found):
        if g is None and strict:
            raise RuntimeError(
                f"{caller}: the outputs do not depend on input {k}; pass strict=False to get zeros for it"
            )
    return [_full(x, 0.0) if g is None else g for g, x in zip(found, xs, strict=True)]


def _given_back(results: list[Any], several: bool, create_graph: bool) -> Any:
    results = results if create_graph else [x.detach() for x in results]
    return tuple(results) if several else results[0]


@enable_grad()
def vjp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return func(inputs) and v^T J: how the number sum(v * func) changes with each input.

    ``v`` has the shape of the outputs and may be left out if there is one number. ``create_graph`` keeps the result
    differentiable; ``strict`` refuses outputs that do not depend on an input, instead of giving zeros.

    >>> import minigrad
    >>> vjp(lambda x: x**2, minigrad.tensor([1.0, 3.0]), minigrad.tensor([1.0, 10.0]))
    (tensor([1., 9.]), tensor([ 2., 60.]))
    """
    xs, several, ys, several_outputs = _prepared("vjp", func, inputs, create_graph)
    vs = _vectors("vjp", v, ys, "outputs")
    products = _gradients("vjp", ys, xs, vs, create_graph, strict)
    return _given_back(ys, several_outputs, create_graph), _given_back(products, several, create_graph)


@enable_grad()
def jvp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return func(inputs) and J v: how the outputs change when the inputs move along v.

    ``v`` has the shape of the inputs. Computed by walking back twice, see the head of this file.

    >>> import minigrad
    >>> jvp(lambda x: x**2, minigrad.tensor([1.0, 3.0]), minigrad.tensor([1.0, 10.0]))
    (tensor([1., 9.]), tensor([ 2., 60.]))
    """
    xs, _, ys, several_outputs = _prepared("jvp", func, inputs, create_graph)
    vs = _vectors("jvp", v, xs, "inputs")
    probes = [_full(y, 0.0).requires_grad_() for y in ys]  # any value will do: the product is linear in them
    products = _gradients("jvp", ys, xs, probes, True, strict)
    results = _gradients("jvp", products, probes, vs, create_graph, strict)
    return _given_back(ys, several_outputs, create_graph), _given_back(results, several_outputs, create_graph)


@enable_grad()
def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return all derivatives: J[i..., j...] = d output[i...] / d input[j...], of shape output.shape + input.shape.

    For several inputs or outputs a tuple, or a tuple of tuples with the outputs outside. One walk for each output
    entry; ``vectorize`` is accepted and changes nothing.

    >>> import minigrad
    >>> jacobian(lambda x: x * x.sum(), minigrad.tensor([1.0, 2.0]))
    tensor([[4., 1.],
            [2., 5.]])
    """
    if strategy != "reverse-mode":
        raise NotImplementedError(f"jacobian: strategy={strategy!r} is not supported; there is no forward mode")
    xs, several_inputs, ys, several_outputs = _prepared("jacobian", func, inputs, create_graph)
    blocks = []
    for y in ys:
        rows = []
        for index in np.ndindex(*y.shape):
            v = array_module(y.array).zeros(y.array.shape, y.dtype)
            v[index] = 1
            rows.append(_gradients("jacobian", [y], xs, [tensor_of(v)], create_graph, strict))
        made = []
        for k, x in enumerate(xs):
            shape = (*y.shape, *x.shape)
            made.append(_stacked([row[k] for row in rows], shape, x))
        blocks.append(_given_back(made, several_inputs, create_graph))
    return tuple(blocks) if several_outputs else blocks[0]


def _stacked(rows: list[Any], shape: tuple[int, ...], like: Any) -> Any:
    if not rows:
        return tensor_of(array_module(like.array).zeros(shape, like.dtype))
    return reshape(stack(rows), shape)


def _single_number(caller: str, func: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*xs: Any) -> Any:
        y = func(*xs)
        if not isinstance(y, TensorBase) or y.array.size != 1:
            got = tuple(y.shape) if isinstance(y, TensorBase) else type(y).__name__
            raise RuntimeError(f"{caller}: expected a function that returns a single number, got {got}; sum() it?")
        return reshape(y, ())

    return checked


@enable_grad()
def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return all second derivatives of a function of one number: H[i..., j...] = d^2 f / d x[i...] d x[j...].

    For several inputs a tuple of tuples of such blocks. It is the Jacobian of the gradient: a walk for each entry of
    the inputs, each through the recorded walk of the first.

    >>> import minigrad
    >>> hessian(lambda x: (x**3).sum(), minigrad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    _, several = _listed("hessian", "inputs", inputs)
    func = _single_number("hessian", func)

    def gradient(*xs: Any) -> Any:
        found = _gradients("hessian", [func(*xs)], list(xs), [None], True, strict)
        return tuple(found) if several else found[0]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


@enable_grad()
def hvp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return func(inputs) and H v, without forming H: the gradient of (gradient . v), two walks (Pearlmutter, 1994).

    >>> import minigrad
    >>> hvp(lambda x: (x**3).sum(), minigrad.tensor([1.0, 2.0]), minigrad.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    xs, several, ys, _ = _prepared("hvp", _single_number("hvp", func), inputs, create_graph)
    vs = _vectors("hvp", v, xs, "inputs")
    gradient = _gradients("hvp", ys, xs, [None], True, strict)
    products = _gradients("hvp", gradient, xs, vs, create_graph, strict)
    return _given_back(ys, False, create_graph), _given_back(products, several, create_graph)


def vhp(
    func: Callable[..., Any], inputs: Tensors, v: Tensors = None, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return func(inputs) and v^T H, which is :func:`hvp`: a Hessian is symmetric."""
    return hvp(func, inputs, v, create_graph, strict)

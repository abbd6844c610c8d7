"""Functions of functions, under ``torch.func``'s names: gradient, value and gradient, Jacobian, Hessian, products.

Parameters may be tensors or nests of them: lists, tuples and dicts, such as ``dict(model.named_parameters())``;
derivatives come back in the same nest. They compose: ``grad(grad(f))`` is the second derivative.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

from minigrad.autograd import functional
from minigrad.autograd.grad_mode import enable_grad
from minigrad.autograd.gradients import grad as gradients_of
from minigrad.autograd.node import TensorBase

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "value_and_grad",
    "vjp",
    "vmap",
]


def flattened(nest: Any) -> list[Any]:
    """Return the tensors of a nest of lists, tuples and dicts, in order."""
    if isinstance(nest, TensorBase):
        return [nest]
    if isinstance(nest, dict):
        return [x for part in nest.values() for x in flattened(part)]
    if isinstance(nest, (list, tuple)):
        return [x for part in nest for x in flattened(part)]
    raise TypeError(f"func: expected tensors, or lists, tuples and dicts of them, got {type(nest).__name__}")


def like(nest: Any, tensors: Any) -> Any:
    """Return ``nest`` with the tensors of an iterator in place of its own."""
    if isinstance(nest, TensorBase):
        return next(tensors)
    if isinstance(nest, dict):
        return type(nest)((key, like(part, tensors)) for key, part in nest.items())
    parts = [like(part, tensors) for part in nest]
    return type(nest)(*parts) if hasattr(nest, "_fields") else type(nest)(parts)


def _fresh(x: Any) -> Any:
    """Return a tensor whose gradient can be asked for; it keeps its history, so that an outer ``grad`` sees through."""
    return x.view(x.shape) if x._requires_grad else x.detach().requires_grad_()


def grad_and_value(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Any:
    """Return a function that returns the gradient of ``func``, and its value, at its arguments.

    ``func`` returns a single number, or with ``has_aux`` a pair of it and anything else, which is passed on:
    ``(gradient, (value, aux))``. ``argnums`` says which arguments to differentiate; for a tuple, a tuple comes back.

    >>> import minigrad
    >>> grad_and_value(lambda x: (x**2).sum())(minigrad.tensor([1.0, 3.0]))
    (tensor([2., 6.]), tensor(10.))
    """

    @functools.wraps(func, updated=())
    @enable_grad()
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else argnums
        outer = any(x._requires_grad for k in numbers for x in flattened(args[k]))
        given = list(args)
        for k in numbers:
            given[k] = like(args[k], iter([_fresh(x) for x in flattened(args[k])]))
        result = func(*given, **kwargs)
        value, aux = result if has_aux else (result, None)
        if not isinstance(value, TensorBase) or value.array.size != 1:
            got = tuple(value.shape) if isinstance(value, TensorBase) else type(value).__name__
            raise RuntimeError(f"grad: expected a function that returns a single number, got {got}; sum() it?")
        xs = [x for k in numbers for x in flattened(given[k])]
        found = gradients_of(value, xs, create_graph=True, materialize_grads=True) if value._requires_grad else None
        results = iter(found or [x.detach() * 0 for x in xs])
        # Nobody outside differentiates: what was recorded for those who might is let go.
        if not outer and not _depends_on_more(value, xs):
            results, value = iter([x.detach() for x in results]), cast(Any, value).detach()
        nests = [like(given[k], results) for k in numbers]
        return (nests[0] if isinstance(argnums, int) else tuple(nests)), ((value, aux) if has_aux else value)

    return differentiated


def _depends_on_more(value: Any, xs: list[Any]) -> bool:
    """Return whether ``value`` was made from a leaf that requires grad besides ``xs``."""
    own, seen, stack = set(map(id, xs)), set(), [value.node]
    while stack:
        node = stack.pop()
        if isinstance(node, TensorBase):
            if id(node) not in own:
                return True
        elif node is not None and node not in seen:
            seen.add(node)
            stack.extend(node.parents)
    return False


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Any:
    """Return a function that returns the gradient of ``func`` at its arguments; options as :func:`grad_and_value`.

    >>> import minigrad
    >>> slope = grad(lambda x: x**3)
    >>> slope(minigrad.tensor(2.0)), grad(slope)(minigrad.tensor(2.0)), grad(grad(slope))(minigrad.tensor(2.0))
    (tensor(12.), tensor(12.), tensor(6.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return gradient


def value_and_grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Any:
    """Return a function that returns (value, gradient): :func:`grad_and_value` in JAX's order."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def value_first(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return value, found

    return value_first


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return func(*primals) and a function from v, of the outputs' shapes, to v^T J, one part for each argument.

    >>> import minigrad
    >>> y, pull = vjp(lambda x: x**2, minigrad.tensor([1.0, 3.0]))
    >>> pull(minigrad.tensor([1.0, 10.0]))
    (tensor([ 2., 60.]),)
    """
    with enable_grad():
        given = [like(x, iter([_fresh(part) for part in flattened(x)])) for x in primals]
        result = func(*given)
        outputs, aux = result if has_aux else (result, None)
        ys, xs = flattened(outputs), flattened(given)
    outer = any(x._requires_grad for x in flattened(primals))

    def pull(*cotangents: Any) -> Any:
        vs = flattened(cotangents[0] if len(cotangents) == 1 else cotangents)
        with enable_grad():
            vs = functional._vectors("vjp", tuple(vs), ys, "outputs")
            create = outer or any(v._requires_grad for v in vs)
            found = iter(functional._gradients("vjp", ys, xs, vs, create, False))
        return tuple(like(x, found) for x in given)

    shown = like(outputs, (y if outer else y.detach() for y in ys))
    return (shown, pull, aux) if has_aux else (shown, pull)


def jvp(func: Callable[..., Any], primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
    """Return func(*primals) and J v: how the outputs move when the arguments move along ``tangents``.

    Walks back twice; see :mod:`minigrad.autograd.functional`.
    """
    create_graph = any(x._requires_grad for x in (*primals, *tangents))
    return functional.jvp(func, tuple(primals), tuple(tangents), create_graph)


def _of_argument(name: str, matrix: Callable[..., Any], func: Callable[..., Any], argnums: Any) -> Callable[..., Any]:
    @functools.wraps(func, updated=())
    def derivative(*args: Any) -> Any:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for k in numbers:
            if not isinstance(args[k], TensorBase):
                raise TypeError(f"{name}: argument {k} is {type(args[k]).__name__}, expected a Tensor")

        def of_chosen(*xs: Any) -> Any:
            given = list(args)
            for k, x in zip(numbers, xs, strict=True):
                given[k] = x
            return func(*given)

        chosen = tuple(args[k] for k in numbers)
        create_graph = any(x._requires_grad for x in chosen)
        return matrix(of_chosen, chosen[0] if isinstance(argnums, int) else chosen, create_graph)

    return derivative


def jacrev(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Any:
    """Return a function that returns the Jacobian of ``func``; see :func:`minigrad.autograd.functional.jacobian`.

    >>> import minigrad
    >>> jacrev(lambda x: x**2)(minigrad.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    return _of_argument("jacrev", functional.jacobian, func, argnums)


def jacfwd(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Any:
    """Return what :func:`jacrev` returns: there is no forward mode that could be quicker for few inputs."""
    return _of_argument("jacfwd", functional.jacobian, func, argnums)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Any:
    """Return a function that returns the Hessian of ``func``; see :func:`minigrad.autograd.functional.hessian`."""
    return _of_argument("hessian", functional.hessian, func, argnums)


def vmap(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Refuse: a tensor here has no hidden batch dimension."""
    raise NotImplementedError(
        "vmap: not supported; nearly every op takes leading batch dimensions as it is, and for the rest "
        "minigrad.stack([func(x) for x in batch]) does the same"
    )


def functional_call(
    module: Any, parameters_and_buffers: Any, args: Any = None, kwargs: dict[str, Any] | None = None
) -> Any:
    """Call a module with other tensors in place of the parameters and buffers of these names, for this call only.

    What makes a module a function of its parameters, to be differentiated::

        loss = lambda p: cross_entropy(functional_call(net, p, (x,)), t)
        gradients = grad(loss)(dict(net.named_parameters()))

    Raises
    ------
    KeyError
        The module has no parameter or buffer of a name.
    """
    groups = parameters_and_buffers if isinstance(parameters_and_buffers, (tuple, list)) else [parameters_and_buffers]
    given = {name: x for group in groups for name, x in group.items()}
    owners = [(name, *_owner(module, name)) for name in given]
    before = [(owner, name, owner.__dict__[name]) for _, owner, name in owners]
    try:
        for path, owner, name in owners:
            owner.__dict__[name] = given[path]
        args = () if args is None else args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for owner, name, x in before:
            owner.__dict__[name] = x


def _owner(module: Any, path: str) -> tuple[Any, str]:
    *parents, name = path.split(".")
    owner = module
    for part in parents:
        owner = dict(owner.named_children()).get(part)
        if owner is None:
            break
    if owner is None or not isinstance(owner.__dict__.get(name), TensorBase):
        known = [n for n, _ in (*module.named_parameters(), *module.named_buffers())]
        raise KeyError(f"functional_call: {type(module).__name__} has no {path!r}; it has {', '.join(known)}")
    return owner, name

"""What users call: ``backward`` fills in ``.grad``, ``grad`` returns gradients. Both check, walk, and hand out."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from minigrad.autograd.engine import Gradients, run_hooks, walk
from minigrad.autograd.grad_mode import is_grad_enabled, set_grad_enabled
from minigrad.autograd.node import Node, TensorBase, refuse_stale, tensor_of
from minigrad.backend import array_module, device_of


def backward(
    tensors: TensorBase | Sequence[TensorBase],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: TensorBase | Sequence[TensorBase] | None = None,
) -> None:
    """Add the gradients of ``tensors`` to the ``.grad`` of the leaves they were made from.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        What to differentiate, usually one scalar loss.
    grad_tensors : Tensor or sequence of Tensor, optional
        The incoming gradient of each, of its shape; 1 for a scalar.
    retain_graph : bool, optional
        Keep what the nodes hold, so that the graph can be walked again. Default: ``create_graph``.
    create_graph : bool
        Record the walk itself, so that the gradients can be differentiated too.
    inputs : Tensor or sequence of Tensor, optional
        Only these get a gradient; by default all leaves that require one.

    Raises
    ------
    RuntimeError
        A tensor has no history, is not a scalar and has no ``grad_tensors``, or its graph was walked before.
    """
    if create_graph and not is_grad_enabled():
        with set_grad_enabled(True):
            return backward(tensors, grad_tensors, retain_graph, create_graph, inputs)
    starts = _starts("backward", tensors, grad_tensors, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        arrived = walk(starts, create_graph, retain)
    else:
        targets = _targets("backward", inputs)
        for x in targets:
            retain_grad(x)  # fills the grad of those that are not leaves
        arrived = _gradients_at(targets, starts, create_graph, retain)
        arrived = {x: g for x, g in arrived.items() if x.node is None}
    taken = set() if grad_tensors is None else {id(g) for _, g in starts}
    for leaf, g in arrived.items():
        if not leaf._requires_grad:  # any more
            continue
        if leaf._hooks is not None:
            g = run_hooks(leaf._hooks, g)
        before = leaf._grad
        if create_graph:  # g has a history, which writing in place would break
            leaf._grad = _own(g, taken) if before is None else before + g
        elif before is None:
            if type(g) is np.ndarray and g.base is None and id(g) not in taken:
                taken.add(id(g))  # nobody else's already: a call of _own for each weight is felt in small networks
            else:
                g = _own(g, taken)
            leaf._grad = tensor_of(g)
        else:
            before.array += g
            before.writes().add("backward()")


def grad(
    outputs: TensorBase | Sequence[TensorBase],
    inputs: TensorBase | Sequence[TensorBase],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; no ``.grad`` is touched.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        ``sum_i grad_outputs[i] * d outputs[i] / d inputs[k]`` is returned for each k. Inputs need not be leaves.
    grad_outputs : Tensor or sequence of Tensor, optional
        Incoming gradients, of the shapes of the outputs; 1 for a scalar.
    retain_graph, create_graph : bool
        As in :func:`backward`. ``create_graph=True`` is how second derivatives are taken.
    allow_unused : bool, optional
        Return None for an input that was not used, instead of raising. Default: ``materialize_grads``.
    materialize_grads : bool
        Return zeros instead of None.

    Returns
    -------
    tuple of Tensor
        One gradient per input, of its shape and dtype.

    Examples
    --------
    >>> import minigrad
    >>> x = minigrad.tensor(3.0, requires_grad=True)
    >>> (slope,) = minigrad.autograd.grad(x**3, x, create_graph=True)
    >>> (curvature,) = minigrad.autograd.grad(slope, x)
    >>> slope.item(), curvature.item()
    (27.0, 18.0)
    """
    if is_grads_batched:
        raise NotImplementedError("grad: is_grads_batched is not supported; call grad once per row of grad_outputs")
    if allow_unused is False and materialize_grads:
        raise ValueError("grad: allow_unused=False and materialize_grads=True contradict each other; leave one out")
    if create_graph and not is_grad_enabled():
        with set_grad_enabled(True):
            return grad(outputs, inputs, grad_outputs, retain_graph, True, allow_unused, False, materialize_grads)
    targets = _targets("grad", inputs)
    starts = _starts("grad", outputs, grad_outputs, create_graph)
    arrived = _gradients_at(targets, starts, create_graph, create_graph if retain_graph is None else retain_graph)
    taken = {id(g) for _, g in starts}
    results: list[Any] = []
    for k, x in enumerate(targets):
        g = arrived.get(x)
        if g is not None:
            if x.node is None and x._hooks is not None:
                g = run_hooks(x._hooks, g)
            g = _own(g, taken) if create_graph else tensor_of(_own(g, taken))
        elif materialize_grads:
            g = tensor_of(array_module(x.array).zeros_like(x.array))
        elif not allow_unused:
            raise RuntimeError(
                f"grad: input {k} was not used to compute the outputs; pass allow_unused=True to get None for it"
            )
        results.append(g)
    return tuple(results)


def _as_list(x: Any) -> list[Any]:
    return [x] if isinstance(x, TensorBase) else list(x)


def _targets(caller: str, inputs: Any) -> list[Any]:
    targets = _as_list(inputs)
    if not targets:
        raise RuntimeError(f"{caller}: inputs is empty, so there is nothing to compute")
    for k, x in enumerate(targets):
        if not x._requires_grad:
            raise RuntimeError(f"{caller}: input {k} does not require grad; set requires_grad=True before it is used")
    return targets


def _starts(caller: str, tensors: Any, gradients: Any, create_graph: bool) -> list[tuple[Any, Any]]:
    """Check what the walk starts from, before anything is changed; return (node or leaf, gradient) pairs."""
    roots = [tensors] if isinstance(tensors, TensorBase) else list(tensors)
    given = [None] * len(roots) if gradients is None else gradients
    given = given if isinstance(given, (list, tuple)) else [given]
    if len(given) != len(roots):
        raise RuntimeError(f"{caller}: got {len(roots)} tensors and {len(given)} gradients; give one for each")
    starts: list[tuple[Any, Any]] = []
    for root, g in zip(roots, given):
        array = root.array
        if not root._requires_grad:
            raise RuntimeError(
                f"{caller}: this tensor of shape {tuple(array.shape)} has no history: nothing it was made from "
                "requires grad. Was it made under no_grad(), from detach() or .item(), or from parameters with "
                "requires_grad=False?"
            )
        if root.node is not None and root._writes is not None:
            refuse_stale(root, caller)
        if g is None:
            if array.size != 1:
                raise RuntimeError(
                    f"{caller}: a gradient can be created implicitly only for scalars, and this tensor has shape "
                    f"{tuple(array.shape)}; reduce it with .sum() or .mean(), or pass gradient= of that shape"
                )
            if type(array) is np.ndarray and not array.ndim and not create_graph:
                g = array.dtype.type(1)  # rules compute faster with a NumPy scalar than with a 0-d array
            else:
                g = array_module(array).ones(array.shape, array.dtype)
                g = tensor_of(g) if create_graph else g
        elif not isinstance(g, TensorBase):
            raise TypeError(
                f"{caller}: expected a Tensor as gradient, got {type(g).__name__}; wrap it in minigrad.tensor(...)"
            )
        elif g.shape != array.shape:
            raise RuntimeError(
                f"{caller}: expected a gradient of the tensor's shape {tuple(array.shape)}, got {tuple(g.shape)}"
            )
        elif type(g.array) is not type(array):
            raise RuntimeError(
                f"{caller}: expected a gradient on {device_of(array)}, where the tensor is, got one on "
                f"{device_of(g.array)}; move it there with g.to('{device_of(array)}')"
            )
        else:
            g = cast(Any, g).to(root.dtype) if create_graph else g.array.astype(root.dtype, copy=False)
        starts.append((root.node or root, g))
    return starts


def _gradients_at(targets: list[Any], starts: Any, create_graph: bool, retain_graph: bool) -> Gradients:
    """Walk only what lies between ``starts`` and ``targets``, and return the gradient of each target."""
    inner = {x.node: x for x in targets if x.node is not None}  # targets that are not leaves: overheard in passing
    arrived: Gradients = {}
    listeners: list[tuple[list[Any], Any]] = []
    for node, x in inner.items():

        def listen(g: Any, x: Any = x) -> None:
            arrived[x] = g if create_graph else g.array

        node.hooks = [] if node.hooks is None else node.hooks
        node.hooks.append(listen)
        listeners.append((node.hooks, listen))
    try:
        leaves = walk(starts, create_graph, retain_graph, _between(starts, targets))
    finally:
        for hooks, listen in listeners:
            hooks.remove(listen)
    for x in targets:
        if x in leaves:
            arrived[x] = leaves[x]
        elif x.node is not None and inner[x.node] in arrived:
            arrived[x] = arrived[inner[x.node]]  # two tensors of one node
    return arrived


def _between(starts: Any, targets: list[Any]) -> set[Any]:
    """Return the nodes and leaves on a path from ``starts`` to ``targets``."""
    needed = {x.node or x for x in targets}
    reachable: set[Node] = set()
    stack = [start for start, _ in starts]
    while stack:
        node = stack.pop()
        if type(node) is Node and node not in reachable:
            if node.kept is None and needed != {node}:
                node.refuse_released()  # its parents are gone, so nobody knows what lies below
            reachable.add(node)
            stack.extend(node.parents)
    for node in sorted(reachable, key=lambda n: n.number):  # parents before children
        if any(parent in needed for parent in node.parents):
            needed.add(node)
    return needed


def _own(g: Any, taken: set[int]) -> Any:
    """Return a gradient, an array or with history a tensor, that no other gradient, view or caller can see change.

    ``add`` hands the same array to both of its inputs, and a view shares its memory; but users may change ``x.grad``
    in place. ``taken`` holds the ids of gradients that are spoken for.
    """
    if isinstance(g, TensorBase):
        g = cast(Any, g).clone() if g.array.base is not None or id(g) in taken else g
        taken.add(id(g))
        return g
    if type(g) is not np.ndarray:
        g = array_module(g).asarray(g)  # NumPy's arithmetic on 0-d arrays returns scalars
    if g.base is not None or id(g) in taken:
        g = g.copy()
    taken.add(id(g))
    return g


def retain_grad(tensor: TensorBase) -> None:
    """Make ``backward`` fill ``tensor.grad`` although it is not a leaf."""
    if not tensor._requires_grad:
        raise RuntimeError("retain_grad: this tensor does not require grad, so it will never have a gradient")
    if tensor.node is None or tensor.__dict__.get("_retains_grad"):
        return
    # A weak reference: the node must not keep its own output alive.
    reference = weakref.ref(tensor)

    def keep(g: Any) -> None:
        kept = reference()
        if kept is not None:
            kept._grad = g if kept._grad is None else kept._grad + g

    tensor.node.hooks = [] if tensor.node.hooks is None else tensor.node.hooks
    tensor.node.hooks.append(keep)
    tensor.__dict__["_retains_grad"] = keep  # the hook itself: see inplace.overwrite

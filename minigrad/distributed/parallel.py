"""Data parallelism: every rank has the whole model and a share of the batch, and the gradients are averaged.

The loss of a batch is the mean over its samples, and so is its gradient. Ranks that start with the same parameters,
differentiate over shares of the batch and average their gradients therefore all hold the gradient of the whole batch;
they take the same step and still have the same parameters. That is all there is to it::

    broadcast_parameters(model)                 # once: the same start
    for x, y in loader:                         # each rank's loader yields its share
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        average_gradients(model)                # the one message of a step
        optimizer.step()

:class:`DistributedDataParallel` does both by itself, so that a training loop need not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from minigrad.autograd.grad_mode import is_grad_enabled
from minigrad.autograd.node import Node, TensorBase, tensor_of
from minigrad.backend import Array, array_module
from minigrad.distributed.group import messages
from minigrad.distributed.messages import ReduceOp
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.tensor import Tensor

# --------------------------------------------------------------------------------------------------------------
# Two ways to send several arrays. ``send`` changes one in place, on all ranks.

Send = Callable[[Array], None]


def one_by_one(arrays: Iterable[Array], send: Send) -> None:
    """Send each array by itself: k arrays cost k times the time that a message takes before its first byte moves."""
    for array in arrays:
        send(array)


def in_one(arrays: Iterable[Array], send: Send) -> None:
    """Copy the arrays into one flat array, send that, and copy the pieces back: one message for each dtype."""
    kinds: dict[Any, list[Array]] = {}
    for array in arrays:
        kinds.setdefault((array_module(array), array.dtype), []).append(array)
    for (xp, _), alike in kinds.items():
        flat = xp.concatenate([array.reshape(-1) for array in alike])
        send(flat)
        start = 0
        for array in alike:
            array[...] = flat[start : start + array.size].reshape(array.shape)
            start += array.size


# --------------------------------------------------------------------------------------------------------------
# The two messages of data parallelism


def broadcast_parameters(module: Module, src: int = 0) -> None:
    """Give every rank the parameters and buffers of rank ``src``.

    Raises
    ------
    RuntimeError
        The ranks have different models: a parameter of another name, shape or dtype.
    """
    ways = messages("broadcast_parameters")
    tensors: dict[str, Tensor] = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    kinds = [(name, tuple(x.shape), str(x.dtype)) for name, x in tensors.items()]
    for other, theirs in enumerate(ways.objects(kinds)):
        if theirs != kinds:
            mine, its = next((a, b) for a, b in zip([*kinds, None], [*theirs, None]) if a != b)
            raise RuntimeError(
                f"broadcast_parameters: the ranks have different models: rank {ways.rank} has {mine} where rank "
                f"{other} has {its}"
            )
    in_one([x.array for x in tensors.values()], lambda array: ways.broadcast(array, src))
    for x in tensors.values():
        x.writes().add("broadcast_parameters()")


def average_gradients(module: Module, *, flat: bool = True) -> None:
    """Replace the gradient of each parameter by its mean over all ranks. Call it between backward and step.

    A rank whose batch did not reach some parameter sends zeros for it: messages are matched by their order, so it
    cannot leave one out. A parameter that no rank has used keeps ``grad=None``.

    Parameters
    ----------
    module : Module
        The model; frozen parameters take no part.
    flat : bool
        Send one array with all gradients in it, or (False) each gradient by itself. The result is the same.
    """
    ways = messages("average_gradients")
    parameters = [p for p in module.parameters() if p.requires_grad]
    if ways.size == 1 or not parameters:
        return
    if any(p._grad is not None and p._grad._requires_grad for p in parameters):
        raise NotImplementedError(
            "average_gradients: these gradients have a history (create_graph=True), and the mean over ranks is not "
            "recorded; detach() them"
        )
    xp = array_module(parameters[0].array)
    grads = [xp.zeros_like(p.array) if p._grad is None else p._grad.array for p in parameters]
    used = xp.array([p._grad is not None for p in parameters], parameters[0].dtype)  # by how many ranks
    send_all = in_one if flat else one_by_one
    send_all([*grads, used], lambda array: ways.all_reduce(array, ReduceOp.SUM))
    for k, (p, g) in enumerate(zip(parameters, grads, strict=True)):
        g /= ways.size
        if p._grad is not None:
            p._grad.writes().add("average_gradients()")
        elif used[k] > 0:
            p._grad = tensor_of(g)


def average_buffers(module: Module) -> None:
    """Replace each floating buffer, such as batch norm's running statistics, by its mean over all ranks.

    For a model whose ranks have each counted their own batches, before it is evaluated or saved.
    """
    ways = messages("average_buffers")
    buffers = [b for b in module.buffers() if b.is_floating_point()]
    in_one([b.array for b in buffers], lambda array: ways.all_reduce(array, ReduceOp.SUM))
    for b in buffers:
        b.array /= ways.size
        b.writes().add("average_buffers()")


# --------------------------------------------------------------------------------------------------------------
# Both of them, unasked


class DistributedDataParallel(Module):
    """A model whose gradients are the same on all ranks when ``backward()`` returns: their mean.

    Wrap the model after it was moved and before the optimizer is made; then train as with one process. On the way in,
    all ranks take over rank 0's parameters. From then on each ``backward()`` ends in one message with all gradients:
    hooks on the parameters count which gradients are there, and the last one sends them.

    Parameters
    ----------
    module : Module
        The model, the same on every rank. The names in ``state_dict`` begin with ``module.``, as in PyTorch; save
        ``ddp.module`` to leave that out.
    device_ids, output_device
        The one GPU on which the module is already, or None.
    broadcast_buffers : bool, optional
        Let all ranks take over rank 0's buffers before each forward (the default). All ranks have to call forward
        then, in evaluation too; call ``ddp.module`` to evaluate on one.
    init_sync : bool
        Whether to take over rank 0's parameters.
    find_unused_parameters : bool
        Allow that a forward does not use some of the parameters: before backward, look for those that it does use.
        Without, it is an error to leave one out, and the next forward says so.
    dim, process_group, bucket_cap_mb, check_reduction, gradient_as_bucket_view, static_graph
        PyTorch's. Gradients are complete all at once here, so that there is one message and nothing to set.

    Notes
    -----
    The mean is over ranks. If their shares of the batch are of different sizes, multiply the loss by
    :func:`~minigrad.distributed.batch_weight`. What ``autograd.grad`` returns is not averaged.

    Examples
    --------
    >>> from minigrad import distributed, nn, ones
    >>> distributed.init_process_group()
    >>> model = distributed.DistributedDataParallel(nn.Linear(2, 1))
    >>> model(ones(3, 2)).sum().backward()
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    >>> distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: None = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
    ) -> None:
        super().__init__()
        messages("DistributedDataParallel", process_group)
        trained = [p for p in module.parameters() if p.requires_grad]
        if not trained:
            raise RuntimeError("DistributedDataParallel: no parameter of this module requires grad; use it as it is")
        here = trained[0].device
        for given in [*(device_ids or []), *([] if output_device is None else [output_device])]:
            if given != here.index and str(given) != str(here):
                raise ValueError(
                    f"DistributedDataParallel: expected the GPU on which the module is, {here}, got {given!r}; leave "
                    "device_ids and output_device out, and move the module first"
                )
        self.module = module
        self.broadcast_buffers = broadcast_buffers is not False
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = True  # off inside no_sync()
        if init_sync:
            broadcast_parameters(module)
        self._listen()

    def _listen(self) -> None:
        """Let the parameters' hooks tell when their gradients arrive."""
        self._awaited = {p: name for name, p in self.module.named_parameters() if p.requires_grad}
        self._used = set(self._awaited)  # by the last forward
        self._arrived: dict[Parameter, Any] = {}  # in the backward that is going on: what .grad was before
        self._sending = True  # whether the next backward ends in a message
        for p in self._awaited:
            p.register_hook(lambda g, p=p: self._on_gradient(p, g))  # type: ignore[misc]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._listen()  # a copy has parameters of its own, and hooks are not copied

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name not in ("_awaited", "_used", "_arrived")}

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Send nothing for forwards inside a ``with`` block: gradients are summed up on each rank.

        The next backward outside sends the sums. For accumulating the gradients of several small batches.
        """
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output of the module within."""
        self._check_complete()
        self._sending = self.require_backward_grad_sync
        ways = messages("DistributedDataParallel")
        if self.broadcast_buffers and self._sending and ways.size > 1:
            in_one([b.array for b in self.module.buffers()], lambda array: ways.broadcast(array, 0))
        output = self.module(*args, **kwargs)
        if self.find_unused_parameters and self._sending and is_grad_enabled():
            self._used = _leaves(output) & set(self._awaited)
            if not self._used:
                raise RuntimeError(
                    "DistributedDataParallel: the output depends on no parameter, so this rank would never send its "
                    "gradients, for which the others wait"
                )
        return output

    def _check_complete(self) -> None:
        if not self._arrived:
            return
        missing = [self._awaited[p] for p in self._awaited if p in self._used and p not in self._arrived]
        self._arrived.clear()
        raise RuntimeError(
            f"DistributedDataParallel: the last backward() gave no gradient to {', '.join(missing[:5])}"
            f"{' ...' if len(missing) > 5 else ''}, so that nothing was sent and the ranks went apart. Let every "
            "parameter take part in the loss, freeze it with requires_grad_(False) before wrapping, or pass "
            "find_unused_parameters=True"
        )

    def _on_gradient(self, p: Parameter, g: Tensor) -> Tensor | None:
        """Take note that ``g`` is about to be added to ``p.grad``; if it is the last one, send all."""
        if not self._sending or p not in self._used:
            return None
        if p in self._arrived:
            self._check_complete()
        self._arrived[p] = _state(p)
        if len(self._arrived) < len(self._used):
            return None
        before, self._arrived = self._arrived, {}
        if any(_state(other) == was for other, was in before.items() if other is not p):
            raise RuntimeError(
                "DistributedDataParallel: gradients arrived, but .grad is as before. It averages what backward() puts "
                "there; autograd.grad() puts nothing there"
            )
        p.grad = g if p.grad is None else p.grad + g
        average_gradients(self.module)
        g, p.grad = p.grad, None  # to be put there by backward(), which is waiting for this hook
        return g


def _state(p: Parameter) -> tuple[int, int]:
    return id(p._grad), 0 if p._grad is None or p._grad._writes is None else p._grad._writes.count


def _leaves(output: Any) -> set[Any]:
    """Return the leaves that ``output``, a tensor or a nest of tuples, lists and dicts of them, was made from."""
    stack, seen = [output], set()
    while stack:
        x = stack.pop()
        if isinstance(x, (tuple, list, dict)):
            stack.extend(x.values() if isinstance(x, dict) else x)
        elif isinstance(x, (TensorBase, Node)):
            x = x.node or x if isinstance(x, TensorBase) else x
            if x not in seen:
                seen.add(x)
                stack.extend(x.parents if isinstance(x, Node) else ())
    return {x for x in seen if isinstance(x, TensorBase)}

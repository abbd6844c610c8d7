"""The same training step of an MLP in libraries that do not have PyTorch's names. Those not installed are left out.

Where a library brings no Adam of its own, or a slow one, the hand-written one updates its parameters: what is compared
is the differentiation.
"""

from typing import Any

import numpy as np

from .by_hand import Adam, Array, flatten

Step = Any


def mlp_in_jax(parameters: list[Array], inputs: Array, labels: Any) -> Step:
    """The whole step compiled by XLA, with the parameters' memory handed over from step to step."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")

    def loss_of(values: list[Any], x: Any, t: Any) -> Any:
        for k in range(0, len(values), 2):
            x = x @ values[k].T + values[k + 1]
            if k + 2 < len(values):
                x = jnp.maximum(x, 0)
        return -jnp.take_along_axis(jax.nn.log_softmax(x), t[:, None], 1).mean()

    def update(state: Any, x: Any, t: Any) -> Any:
        values, means, squares, count = state
        loss, grads = jax.value_and_grad(loss_of)(values, x, t)
        count = count + 1
        means = [0.9 * m + 0.1 * g for m, g in zip(means, grads, strict=True)]
        squares = [0.999 * v + 0.001 * g * g for v, g in zip(squares, grads, strict=True)]
        step, root = 1e-3 / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        values = [p - step * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in zip(values, means, squares, strict=True)]
        return (values, means, squares, count), loss

    compiled = jax.jit(update, donate_argnums=0)
    values = [jnp.array(value) for value in parameters]
    state = (values, [jnp.zeros_like(v) for v in values], [jnp.zeros_like(v) for v in values], jnp.zeros(()))
    x, t = jnp.array(inputs), jnp.array(labels)
    held = [state]

    def step() -> Any:
        held[0], loss = compiled(held[0], x, t)
        return float(loss)

    return step


def mlp_in_autograd(parameters: list[Array], inputs: Array, labels: Any) -> Step:
    """HIPS autograd: NumPy's functions, wrapped."""
    import autograd.numpy as anp
    from autograd import value_and_grad

    data, values = flatten(parameters)
    grad = np.zeros_like(data)
    slots = np.cumsum([0, *(value.size for value in values)])
    adam, rows = Adam(data, grad), np.arange(len(inputs))

    def loss_of(given: list[Any]) -> Any:
        x = inputs
        for k in range(0, len(given), 2):
            x = anp.dot(x, given[k].T) + given[k + 1]
            if k + 2 < len(given):
                x = anp.maximum(x, 0)
        z = x - anp.max(x, axis=1, keepdims=True)
        return anp.mean(anp.log(anp.sum(anp.exp(z), axis=1)) - z[rows, labels])

    differentiated = value_and_grad(loss_of)

    def step() -> float:
        loss, grads = differentiated(values)
        for k, g in enumerate(grads):
            grad[slots[k] : slots[k + 1]] = g.reshape(-1)
        adam.step()
        return float(loss)

    return step


def mlp_in_mygrad(parameters: list[Array], inputs: Array, labels: Any) -> Step:
    import mygrad
    from mygrad.nnet.losses import softmax_crossentropy

    data, values = flatten(parameters)
    grad = np.zeros_like(data)
    slots = np.cumsum([0, *(value.size for value in values)])
    adam = Adam(data, grad)

    def step() -> float:
        leaves = [mygrad.tensor(value, copy=False) for value in values]
        x = inputs
        for k in range(0, len(leaves), 2):
            x = mygrad.matmul(x, leaves[k].T) + leaves[k + 1]
            if k + 2 < len(leaves):
                x = mygrad.maximum(x, 0)
        loss = softmax_crossentropy(x, labels)
        loss.backward()
        for k, leaf in enumerate(leaves):
            grad[slots[k] : slots[k + 1]] = leaf.grad.reshape(-1)
        found = float(loss.item())
        del loss, x, leaves
        adam.step()
        return found

    return step

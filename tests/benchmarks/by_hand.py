"""Backpropagation written out in NumPy: what a training step costs when little but its arithmetic is left.

Read `MLP` first: a training step as one writes it down, with the sensible habits (parameters and gradients each in
one flat buffer, Adam in blocks that fit the cache, no gradient for the data). Compare it with what a framework does
when `loss.backward()` is called.

`MLP` is the yardstick. `TunedMLP` computes the same, as fast as plain NumPy gets: every array a step needs is allocated
once, every result is written straight to where it is wanted, and four habits that look odd were each measured to pay:

* `np.dot(a, b, out)` starts about 0.3 us sooner than `np.matmul`. Transposing costs nothing: BLAS reads either order.
* `np.maximum(x, zeros)` with a row of zeros is up to three times as fast as `np.maximum(x, 0)` (NumPy 2.4).
* A sum over rows or columns as a product with ones is two to three times as fast as `sum`.
* Constants are 0-d arrays: converting a Python number costs about 0.1 us in every call.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def flatten(arrays: list[Array]) -> tuple[Array, list[Array]]:
    """Copy arrays into one flat buffer; return it and, for each array, the view of it that has the array's shape."""
    flat = np.concatenate([array.reshape(-1) for array in arrays])
    ends = np.cumsum([array.size for array in arrays])
    return flat, [flat[end - array.size : end].reshape(array.shape) for array, end in zip(arrays, ends, strict=True)]


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1) over one flat buffer, in place and in blocks that stay in the cache.

    As whole-array expressions it would go through main memory a dozen times.
    """

    BLOCK = 32_768  # elements: five float32 blocks are 640 KiB, which fits a second-level cache of 1 MiB

    def __init__(self, data: Array, grad: Array) -> None:
        self.lr, self.betas, self.eps, self.steps = 1e-3, (0.9, 0.999), 1e-8, 0
        exp_avg, exp_avg_sq = np.zeros_like(data), np.zeros_like(data)
        scratch = np.empty_like(data[: self.BLOCK])
        self.blocks = []
        for start in range(0, data.size, self.BLOCK):
            block = slice(start, start + self.BLOCK)
            p, g, m, v = data[block], grad[block], exp_avg[block], exp_avg_sq[block]
            self.blocks.append((p, g, m, v, scratch[: p.size]))

    def step(self) -> None:
        self.steps += 1
        beta1, beta2 = self.betas
        step_size = self.lr / (1 - beta1**self.steps)
        root = (1 - beta2**self.steps) ** 0.5
        for p, g, m, v, s in self.blocks:
            m *= beta1  # m <- beta1 m + (1 - beta1) g
            m += np.multiply(g, 1 - beta1, out=s)
            v *= beta2  # v <- beta2 v + (1 - beta2) g^2
            np.multiply(g, g, out=s)
            s *= 1 - beta2
            v += s
            np.sqrt(v, out=s)  # p <- p - step_size m / (sqrt(v) / root + eps)
            s /= root
            s += self.eps
            np.divide(m, s, out=s)
            s *= step_size
            p -= s


class MLP:
    """Linear layers with ReLU between them, softmax cross entropy at the end, and Adam.

    parameters: weight (out, in) and bias (out,) of each layer in turn, copied. inputs: (batch, in). labels: (batch,)
    integers.
    """

    optimizer = Adam

    def __init__(self, parameters: list[Array], inputs: Array, labels: NDArray[np.integer]) -> None:
        self.data, values = flatten(parameters)
        self.grad, grads = flatten([np.zeros_like(value) for value in values])
        self.weights, self.biases = values[0::2], values[1::2]
        self.weight_grads, self.bias_grads = grads[0::2], grads[1::2]
        self.inputs, self.labels, self.rows = inputs, labels, np.arange(len(inputs))
        self.adam = self.optimizer(self.data, self.grad)

    def step(self) -> float:
        """One training step; return the loss before it."""
        loss = self.forward_and_backward()
        self.adam.step()
        return loss

    def forward_and_backward(self) -> float:
        last = len(self.weights) - 1

        # Forward: x -> x W^T + b -> max(., 0) -> ... The input of each layer is kept, because backward needs it.
        x, kept = self.inputs, []
        for i in range(last + 1):
            kept.append(x)
            x = x @ self.weights[i].T
            x += self.biases[i]
            if i < last:
                np.maximum(x, 0, out=x)

        # Softmax cross entropy, for each row z of the logits: loss = log(sum exp z) - z[label]. Shifting z by its
        # maximum changes neither this nor the gradient, and keeps exp from overflowing.
        z = x - x.max(axis=1, keepdims=True)
        exp_z = np.exp(z)
        sums = exp_z.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - z[self.rows, self.labels]).mean()

        # d loss / dz = softmax(z) - one_hot(label), over the batch size because the loss is the mean over the batch.
        g = exp_z / sums
        g[self.rows, self.labels] -= 1
        g /= len(g)

        # Backward, last layer first; g is d loss / d (x W^T + b) of layer i, and x was its input.
        for i in range(last, -1, -1):
            x = kept[i]
            np.matmul(g.T, x, out=self.weight_grads[i])
            np.sum(g, axis=0, out=self.bias_grads[i])
            if i > 0:  # nobody wants the gradient of the data: the first layer's is a whole product saved
                g = g @ self.weights[i]
                g *= x > 0  # ReLU passes the gradient where its output is positive
        return float(loss)


class TunedAdam(Adam):
    """The same update in ten passes over the data instead of twelve.

    The running averages of g and g^2 are kept without their constant factors (1 - beta1) and (1 - beta2), which go into
    the step size and epsilon instead:

        m <- beta1 m + g                  v <- beta2 v + g^2
        p <- p - step_size * m / (sqrt(v) + epsilon)
    """

    def __init__(self, data: Array, grad: Array) -> None:
        super().__init__(data, grad)
        self.beta1, self.beta2 = (np.array(beta, data.dtype) for beta in self.betas)
        self.step_size, self.epsilon = np.zeros((), data.dtype), np.zeros((), data.dtype)

    def step(self) -> None:
        self.steps += 1
        beta1, beta2 = self.betas
        # What the left-out factors and the bias corrections 1 - beta^t come to:
        root = ((1 - beta2**self.steps) / (1 - beta2)) ** 0.5
        self.epsilon[()] = self.eps * root
        self.step_size[()] = self.lr * root * (1 - beta1) / (1 - beta1**self.steps)
        for p, g, m, v, s in self.blocks:
            np.multiply(m, self.beta1, m)
            np.add(m, g, m)
            np.multiply(v, self.beta2, v)
            np.multiply(g, g, s)
            np.add(v, s, v)
            np.sqrt(v, s)
            np.add(s, self.epsilon, s)
            np.divide(m, s, s)
            np.multiply(s, self.step_size, s)
            np.subtract(p, s, p)


class TunedMLP(MLP):
    """The same step with every array allocated beforehand: `MLP` line for line, each result into its place."""

    optimizer = TunedAdam

    def __init__(self, parameters: list[Array], inputs: Array, labels: NDArray[np.integer]) -> None:
        super().__init__(parameters, inputs, labels)
        batch, dtype = len(inputs), inputs.dtype
        self.outputs = [np.empty((batch, len(bias)), dtype) for bias in self.biases]  # of the layers, after ReLU
        self.output_grads = [np.empty_like(output) for output in self.outputs]
        self.masks = [np.empty(output.shape, bool) for output in self.outputs]
        self.zeros = [np.zeros_like(bias) for bias in self.biases]
        self.zero = np.zeros((), dtype)
        classes = len(self.biases[-1])
        self.ones_batch, self.ones_classes = np.ones(batch, dtype), np.ones((classes, 1), dtype)
        self.row = np.empty((batch, 1), dtype)  # one number for each example
        self.one_hot = np.zeros((batch, classes), dtype)
        self.one_hot[self.rows, labels] = 1
        self.chosen = self.rows * classes + labels  # where the right classes are in the flattened logits
        self.one_over_batch = np.array(1 / batch, dtype)

    def forward_and_backward(self) -> float:
        last = len(self.weights) - 1

        # Forward
        x = self.inputs
        for i in range(last + 1):
            y = self.outputs[i]
            np.dot(x, self.weights[i].T, y)
            np.add(y, self.biases[i], y)
            if i < last:
                np.maximum(y, self.zeros[i], out=y)
            x = y

        # Softmax cross entropy
        z, g, row = self.outputs[last], self.output_grads[last], self.row
        np.maximum.reduce(z, axis=1, out=row, keepdims=True)
        np.subtract(z, row, z)
        np.exp(z, g)
        np.dot(g, self.ones_classes, row)
        np.divide(g, row, g)
        np.subtract(g, self.one_hot, g)
        np.multiply(g, self.one_over_batch, g)
        np.log(row, row)
        loss = (np.dot(self.ones_batch, row)[0] - np.dot(self.ones_batch, z.take(self.chosen))) * self.one_over_batch

        # Backward
        for i in range(last, -1, -1):
            x = self.outputs[i - 1] if i > 0 else self.inputs
            np.dot(g.T, x, self.weight_grads[i])
            np.dot(self.ones_batch, g, self.bias_grads[i])
            if i > 0:
                g_below, mask = self.output_grads[i - 1], self.masks[i - 1]
                np.dot(g, self.weights[i], g_below)
                np.greater(x, self.zero, mask)
                np.multiply(g_below, mask, g_below)
                g = g_below
        return float(loss)

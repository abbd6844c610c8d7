"""
Backpropagation from nothing
============================

How can a program know the derivative of whatever you compute with it? By taking notes. On this page an engine that does
so grows in a few steps, for single numbers and without any library. At the end the same expression goes through
minigrad, which works in the same way on whole arrays, and the numbers agree.
"""

import argparse
import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt

import minigrad

parser = argparse.ArgumentParser(description="A scalar autograd engine, grown step by step.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)

# %%
# Step 1: numbers that take notes
# -------------------------------
# A ``Value`` is a number that remembers from which other values it was computed (its parents), and how fast it changes
# when each of them changes (the slopes). It also gets a running number; what that is for will be seen in step 4.


class Value:
    """A number, the values it was computed from, and its slope towards each of them."""

    made = 0

    def __init__(self, data, parents=(), slopes=(), name=""):
        self.data = data
        self.parents = parents
        self.slopes = slopes
        self.name = name
        self.grad = 0.0
        Value.made += 1
        self.number = Value.made


# %%
# Step 2: two rules of calculus
# -----------------------------
# A sum changes as fast as either of its terms. A product changes with one factor as fast as the other factor is large.
# The slopes are plain numbers, known the moment the operation runs.


def add(a, b):
    return Value(a.data + b.data, (a, b), (1.0, 1.0), "+")


def mul(a, b):
    return Value(a.data * b.data, (a, b), (b.data, a.data), "×")


Value.__add__ = add
Value.__mul__ = mul

a = Value(3.0)
b = a * a
print(f"3 × 3 = {b.data:g}, with the slopes {b.slopes[0]:g} and {b.slopes[1]:g} towards its two factors")

# %%
# Step 3: a way back, and why it is wrong
# ---------------------------------------
# The chain rule: a small change of ``a`` changes ``c`` by the product of the slopes along the way from ``a`` to ``c``;
# where there are several ways, their contributions add up. So let us start at the result with 1 and go back through the
# parents: whenever a value receives something, it adds it to its gradient and passes the gradient on.


def backward_at_once(value, arriving=1.0):
    value.grad += arriving
    for parent, slope in zip(value.parents, value.slopes):
        backward_at_once(parent, value.grad * slope)


a = Value(1.0)
b = a + a
c = b + b
backward_at_once(c)
print(f"\nc = 4 a, so dc/da is 4; passing on at once says {a.grad:g}")

# %%
# Six! What went wrong: ``b`` is used twice, so two contributions of 1 arrive there. After the first one, ``b`` passes
# on its gradient, which is 1. After the second one its gradient is 2, and it passes on 2, in which the first
# contribution is contained again. ``a`` got 1 + 1 from the first visit and 2 + 2 from the second.
#
# One repair is to pass on only what has just arrived. Then every path is walked by itself, and the sum is right:


def backward_every_path(value, arriving=1.0):
    value.grad += arriving
    visits = 1
    for parent, slope in zip(value.parents, value.slopes):
        visits += backward_every_path(parent, arriving * slope)
    return visits


print("\ndoublings  visits, path by path")
for doublings in (2, 4, 8, 16):
    a = y = Value(1.0)
    for _ in range(doublings):
        y = y + y
    visits = backward_every_path(y)
    assert a.grad == 2**doublings
    print(f"{doublings:9d}  {visits:20,d}")

# %%
# Right but hopeless: each doubling doubles the number of paths. Sixty of them, which cost sixty additions, would keep
# this loop busy for thousands of years.
#
# Step 4: the right order
# -----------------------
# A value should pass its gradient on *once*, when everything that can arrive has arrived; that is, after all values
# computed from it. Those are younger than itself, since a value cannot be used before it is made. So take the
# youngest first. That is what the running number is for.


def backward(result):
    reached, waiting = set(), [result]
    while waiting:
        value = waiting.pop()
        if value not in reached:
            reached.add(value)
            waiting.extend(value.parents)
    result.grad = 1.0
    for value in sorted(reached, key=lambda value: value.number, reverse=True):
        for parent, slope in zip(value.parents, value.slopes):
            parent.grad += value.grad * slope


Value.backward = backward

a = Value(1.0)
b = a + a
c = b + b
c.backward()
print(f"\nyoungest first: dc/da = {a.grad:g}")

a = y = Value(1.0)
for _ in range(60):
    y = y + y
y.backward()
print(f"60 doublings:   dy/da = {a.grad:g}, which is 2⁶⁰")
assert a.grad == 2.0**60

# %%
# Step 5: the rest of a neuron
# ----------------------------
# More operations are more slopes, and nothing else; the walk stays as it is. Differences and negatives are made of what
# there is. Plain numbers are allowed beside values.


def power(a, exponent):
    return Value(a.data**exponent, (a,), (exponent * a.data ** (exponent - 1),), f"power {exponent}")


def tanh(a):
    y = math.tanh(a.data)
    return Value(y, (a,), (1 - y**2,), "tanh")


def with_numbers(operation):
    return lambda a, b: operation(a, b if isinstance(b, Value) else Value(b, name="number"))


Value.__add__ = Value.__radd__ = with_numbers(add)
Value.__mul__ = Value.__rmul__ = with_numbers(mul)
Value.__pow__ = power
Value.__neg__ = lambda a: a * -1.0
Value.__sub__ = lambda a, b: a + -b
Value.tanh = tanh

# %%
# That is the whole engine. Here is a neuron with two inputs, and how wrong it is about its target, written for any kind
# of number that has ``tanh``:


def neuron_loss(w1, w2, bias, x1, x2):
    return ((w1 * x1 + w2 * x2 + bias).tanh() - 0.5) ** 2


NAMES = ("w1", "w2", "bias", "x1", "x2")
NUMBERS = (0.8, -1.2, 0.3, 1.5, 0.5)
values = [Value(number, name=name) for name, number in zip(NAMES, NUMBERS, strict=True)]
loss = neuron_loss(*values)
loss.backward()

# %%
# Is it true?
# -----------
# The derivative is what a small nudge does, so nudge each input a little up and a little down and compare. Then give
# the same function to minigrad.


def nudged(position, by=1e-6):
    """The slope from two runs, one a little above and one a little below; only the results are used, no notes."""
    above, below = list(NUMBERS), list(NUMBERS)
    above[position] += by
    below[position] -= by
    return (neuron_loss(*map(Value, above)).data - neuron_loss(*map(Value, below)).data) / (2 * by)


tensors = [
    minigrad.tensor(number, dtype=minigrad.float64, device=args.device, requires_grad=True) for number in NUMBERS
]
neuron_loss(*tensors).backward()

print("\nd loss / d ...   our engine     nudging    minigrad")
for position, (value, tensor) in enumerate(zip(values, tensors, strict=True)):
    ours, slow, theirs = value.grad, nudged(position), tensor.grad.item()
    print(f"{value.name:>14}   {ours:10.7f}  {slow:10.7f}  {theirs:10.7f}")
    assert abs(ours - slow) < 1e-8
    assert abs(ours - theirs) < 1e-14

# %%
# The picture
# -----------
# The notes that were taken, drawn: each box holds a value and below it the gradient that arrived there. Read the values
# from left to right and the gradients from right to left. At a plus sign the gradient goes on unchanged to both sides;
# at a product it is multiplied by the other factor, so a weight learns fastest where its input is large.


def place(result):
    """Where to draw each value: columns by distance from the result, rows from the inputs' order."""
    column, row = {}, {}

    def measure(value, distance):
        column[value] = min(column.get(value, 0), -distance)
        for parent in value.parents:
            measure(parent, distance + 1)

    def stack(value):
        for parent in value.parents:
            if parent not in row:
                stack(parent)
        leaves = sum(not other.parents for other in row)
        row[value] = sum(row[p] for p in value.parents) / len(value.parents) if value.parents else -leaves

    measure(result, 0)
    stack(result)
    return {value: (column[value], row[value]) for value in column}


where = place(loss)
figure, axis = plt.subplots(figsize=(12, 5.2), layout="constrained")
for value, (column, row) in where.items():
    fill = "#FFFFFF" if value.parents else "#CFE8F7"
    text = f"{value.name}\n{value.data:.3f}\ngrad {value.grad:+.3f}"
    for parent in value.parents:
        axis.annotate(
            "", (column - 0.28, row), where[parent], zorder=1, arrowprops={"arrowstyle": "->", "color": "0.45"}
        )
    axis.text(
        column, row, text, ha="center", va="center", fontsize=9, linespacing=1.4, zorder=2,
        bbox={"boxstyle": "round,pad=0.4", "facecolor": fill, "edgecolor": "0.3"},
    )  # fmt: skip
columns, rows = zip(*where.values(), strict=True)
axis.set(xlim=(min(columns) - 0.5, 0.5), ylim=(min(rows) - 0.6, 0.6), title="(tanh(w1·x1 + w2·x2 + bias) - 0.5)²")
axis.axis("off")
figure.savefig(args.out / "03_graph.png", dpi=120)
print(f"\nfigure: {args.out / '03_graph.png'}")

# %%
# In the picture, as in the table, the loss falls fastest when w1 falls:

assert max(values, key=lambda value: value.grad) is values[0]
assert round(values[0].grad, 3) == 0.316

# %%
# Exercises
# ---------
# 1. Add ``exp`` and division to the engine. Each is one function with one slope or two; check them by nudging.
# 2. Call ``loss.backward()`` a second time. The gradients of the weights are now wrong, even if you expected them to
#    double: the inner values still hold what arrived in the first walk. Keep the sums of a walk in a dictionary that is
#    local to ``backward``, and add only to values without parents. That is what minigrad's engine does.
# 3. Make four neurons and one more that takes their outputs, and train them on XOR: the inputs (0, 0), (0, 1), (1, 0),
#    (1, 1) have the targets 0, 1, 1, 0.

"""
Tensors, and how to read the engine
===================================

A tensor is a box of numbers with a shape. The first half of this lesson is about shapes: how they combine, who shares
memory with whom, and the one shape mistake that everybody makes. In the second half you open the engine and follow one
``backward()`` through the files of minigrad, step by step.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn

parser = argparse.ArgumentParser(description="Tensors, broadcasting, views, and the path of one backward().")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(0)
BLUE, ORANGE, LIGHT = "#0072B2", "#D55E00", ("#CFE8F7", "#FCE3C5", "#DDF0E4")  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# Boxes of numbers
# ----------------
# A number is a tensor without dimensions, a *scalar*. A list of numbers is a *vector*, with one dimension. A table is a
# *matrix*, with two. A colour photo has three: colours, rows, columns. A hundred photos have four. The *shape* says how
# long each dimension is, the *dtype* what kind of number is inside, the *device* where they lie: on the CPU or on a
# GPU (``to`` moves them). All numbers of a tensor are of one kind and without gaps: that is what makes tensors fast.

examples = {
    "5.0": minigrad.tensor(5.0),
    "[1, 2, 3]": minigrad.tensor([1, 2, 3]),
    "[[72., 75., 78.], [70., 73., 76.]]": minigrad.tensor([[72.0, 75.0, 78.0], [70.0, 73.0, 76.0]]),
    "zeros(3, 32, 32), a photo": minigrad.zeros(3, 32, 32),
    "[True, False]": minigrad.tensor([True, False]),
    "np.array([0.5])": minigrad.tensor(np.array([0.5])),
}
print(f"{'made from':36} {'shape':12} ndim  numbers  {'dtype':8} device")
for words, x in examples.items():
    x = x.to(args.device)
    print(f"{words:36} {tuple(x.shape)!s:12} {x.ndim:4d} {x.numel():8d}  {x.dtype!s:8} {x.device}")

# %%
# Two rows deserve a look. Whole numbers become int64, which counts and labels things and cannot have a gradient; write
# ``5.0`` and not ``5`` for what should be learned. And NumPy's numbers are float64 and stay so, while networks work in
# float32: write ``.float()`` when data comes from there. An operation on two kinds gives the wider one.
#
# Broadcasting
# ------------
# ``+``, ``*`` and the like work entry by entry, so the shapes should be equal. If they are not, write them below each
# other, *aligned at the right*. Two lengths fit if they are equal or one of them is 1; a missing one counts as 1. Then
# whatever has length 1 is repeated:
#
# =============  ==========  =========================================
# shapes         result      what happens
# =============  ==========  =========================================
# (3, 4), (4,)   (3, 4)      the same row is added to each row
# (3, 1), (4,)   (3, 4)      all pairs
# (3, 4), ()     (3, 4)      one number for all
# (3, 4), (3,)   refused     4 against 3
# =============  ==========  =========================================

column = minigrad.tensor([[10.0], [20.0], [30.0]], device=args.device, requires_grad=True)
row = minigrad.tensor([1.0, 2.0, 3.0, 4.0], device=args.device, requires_grad=True)
table = column + row
try:
    minigrad.zeros(3, 4) + minigrad.zeros(3)
except RuntimeError as error:
    print(f"\n{error}")

# %%
# And backwards? A number that was used four times has four effects on the result, and they add up. So what broadcasting
# *repeats* on the way forward is *summed* on the way back, and every gradient has the shape of its tensor. You should
# see 4 in each entry of the column, since each was used in four places, and 3 in each entry of the row.

table.sum().backward()


def draw_cells(axis, left, label, values, colour, shape=None):
    """Draw a block of cells, and dotted ones where broadcasting to ``shape`` repeats it without storing it."""
    values = np.atleast_2d(values.detach().cpu().numpy())
    rows, columns = shape or values.shape
    for i, j in np.ndindex(rows, columns):
        real = i < values.shape[0] and j < values.shape[1]
        style = {"facecolor": colour, "edgecolor": "0.3"} if real else {"fill": False, "edgecolor": "0.7", "ls": ":"}
        axis.add_patch(plt.Rectangle((left + j, 2 - i), 1, 1, zorder=1 + real, **style))
        value = np.broadcast_to(values, (rows, columns))[i, j]
        axis.text(left + j + 0.5, 2.5 - i, f"{value:g}", ha="center", va="center", color="0.1" if real else "0.6")
    axis.text(left, -0.15, label, va="top", color="0.2")


figure, (forwards, backwards) = plt.subplots(2, 1, figsize=(9, 5.4), layout="constrained")
draw_cells(forwards, 0, "column (3, 1)", column, LIGHT[0], (3, 4))
draw_cells(forwards, 5.5, "row (4,)", row, LIGHT[1], (3, 4))
draw_cells(forwards, 11, "table (3, 4)", table, LIGHT[2])
forwards.text(4.75, 1.5, "+", ha="center", va="center", fontsize=18)
forwards.text(10.25, 1.5, "=", ha="center", va="center", fontsize=18)
draw_cells(backwards, 0, "column.grad (3, 1)", column.grad, LIGHT[0])
draw_cells(backwards, 5.5, "row.grad (4,)", row.grad, LIGHT[1])
draw_cells(backwards, 11, "gradient of table (3, 4)", minigrad.ones(3, 4), LIGHT[2])
for tip, words, x, y in (((1.3, 0.3), "sum of each row", 4, 0.45), ((9.7, 2.5), "sum of each column", 7.5, 1.6)):
    backwards.annotate("", tip, (10.8, tip[1]), arrowprops={"arrowstyle": "->", "color": "0.3"})
    backwards.text(x, y, words, color="0.3", ha="center")
forwards.set_title("Forwards: lengths of 1 are repeated")
backwards.set_title("Backwards: what was repeated is summed")
for axis in (forwards, backwards):
    axis.set(xlim=(-0.2, 15.2), ylim=(-0.9, 3.2), aspect="equal")
    axis.axis("off")
figure.savefig(args.out / "04_broadcasting.png", dpi=120)
assert column.grad.tolist() == [[4.0], [4.0], [4.0]]
assert row.grad.tolist() == [3.0, 3.0, 3.0, 3.0]

# %%
# The classic mistake: (N, 1) against (N,)
# ----------------------------------------
# A linear layer returns a column, shape (N, 1). Targets often come as a plain vector, shape (N,). Their difference is
# not N differences but *all N × N pairs*: each prediction is compared with every target. Nothing crashes. The loss even
# falls, to a wrong place: a prediction that must suit all targets at once can only be their mean.
#
# Here is a line, trained with the right loss and with the wrong one. You should see the wrong one lie flat.

x = minigrad.linspace(-1, 1, 40, device=args.device).reshape(40, 1)
targets = 2 * x[:, 0] + 0.2 * minigrad.randn(40, device=args.device)  # shape (40,)


def fit(loss_of):
    minigrad.manual_seed(1)
    line = nn.Linear(1, 1).to(args.device)
    optimizer = minigrad.optim.SGD(line.parameters(), lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        loss_of(line(x), targets).backward()
        optimizer.step()
    return line


right = fit(lambda prediction, target: ((prediction - target.reshape(40, 1)) ** 2).mean())
wrong = fit(lambda prediction, target: ((prediction - target) ** 2).mean())

figure, (left_axis, right_axis) = plt.subplots(1, 2, figsize=(11, 4.3), layout="constrained")
pairs = (right(x) - targets).detach().cpu()
image = left_axis.imshow(pairs, cmap="PuOr", vmin=-4, vmax=4)
left_axis.plot([-0.5, 39.5], [-0.5, 39.5], color="0.1", linewidth=1)
left_axis.annotate("the 40 differences\nthat were meant", (12, 12), (16, 5), arrowprops={"arrowstyle": "->"})
left_axis.set(xlabel="target", ylabel="prediction", title="(40, 1) - (40,) has shape (40, 40)")
figure.colorbar(image, ax=left_axis, label="prediction - target")
right_axis.plot(x.cpu(), targets.cpu(), ".", color="0.5", label="data")
right_axis.plot(x.cpu(), right(x).detach().cpu(), color=BLUE, label="(N, 1) - (N, 1)")
right_axis.plot(x.cpu(), wrong(x).detach().cpu(), color=ORANGE, linestyle="--", label="(N, 1) - (N,)")
right_axis.set(xlabel="x", ylabel="y", title="The wrong loss fits the mean")
right_axis.legend(frameon=False)
figure.savefig(args.out / "04_mistake.png", dpi=120)

try:
    nn.MSELoss()(right(x), targets)
except ValueError as error:
    print(f"\n{error}")
print(f"slope of the line: {right.weight.item():.3f} with the right loss, {wrong.weight.item():.3f} with the wrong one")

# %%
# A minus sign cannot know what you meant. Losses can: minigrad's refuse (PyTorch's warn). So use them; print shapes.
#
# Views: two tensors, one memory
# ------------------------------
# Turning a table on its side needs no copying, only another way to count: go down where you went right. Such a tensor
# is a *view*. It costs nothing, and whoever writes into it writes into the original. Slices and changes of shape are
# views; picking by a list or by a condition has to gather the numbers, so it copies. The proof: add 1 to each of them,
# and see whether the sum of x moves.

x = minigrad.arange(6.0, device=args.device).reshape(2, 3)
looks = {
    "x.T": x.T,
    "x.reshape(6)": x.reshape(6),
    "x[1]": x[1],
    "x[:, ::2]": x[:, ::2],
    "x[:, [0, 2]]": x[:, [0, 2]],
    "x[x > 2]": x[x > 2],
    "x.clone()": x.clone(),
}
print("\nexpression     shape    shares x's memory")
for words, y in looks.items():
    before = x.sum().item()
    y += 1
    shared = x.sum().item() != before
    print(f"{words:14} {tuple(y.shape)!s:8} {'yes, a view' if shared else 'no, a copy'}")

# %%
# NumPy can be such a neighbour too: ``minigrad.tensor`` copies an array, ``from_numpy`` shares its memory, and so does
# ``numpy()`` on the way back. The columns of a pandas table come as an array: ``df[["area", "rent"]].to_numpy()``.

array = np.zeros(3)
neighbour = minigrad.from_numpy(array)
neighbour += 1
print(f"\n1 was added to {neighbour}; the array is {array}")

# %%
# Views and copies have gradients. What was picked gets the gradient, the rest gets 0; what was picked twice gets it
# twice, for the same reason as in broadcasting.

x = minigrad.tensor([1.0, 2.0, 3.0], device=args.device, requires_grad=True)
print("\npicked             gradient of the sum")
for words, picked in {"x[:2]": x[:2], "x[[0, 0, 2]]": x[[0, 0, 2]], "x[x > 1.5]": x[x > 1.5]}.items():
    x.grad = None
    picked.sum().backward()
    print(f"{words:18} {x.grad.tolist()}")

# %%
# One caution. ``backward`` may need a number as it was on the way forward: the derivative of exp is its own output.
# Writing into that output would make the gradient silently wrong, so minigrad dates every write and refuses such a
# ``backward()``. Lesson 23 shows what it says and what to do.
#
# Reading the engine
# ------------------
# Lesson 03 built an engine for single numbers. minigrad's own is the same idea for tensors, and you can read all of it.
# Take an expression with three operations, in which b is used twice:

a = minigrad.tensor(1.0, device=args.device, requires_grad=True)
b = a + a
c = b * b
loss = c + b
print(f"\nloss = b² + b with b = 2a is {loss.item():g}, and by hand d loss / d a = (2b + 1) · 2 = 10\n")
print(minigrad.draw(loss))

# %%
# **First stop: minigrad/ops/op.py**, ``Op.__call__``. ``b * b`` calls the op ``mul``. It takes the arrays out of the
# tensors, computes, wraps the result, and if somebody wants a gradient, it makes a node. No other place in minigrad
# records anything.
#
# **Second stop: minigrad/autograd/node.py**, ``Node``. The notes that were taken: the *parents*, to which the gradients
# will go; the values that the derivatives will need; and a running number from a ``clock``. This is all that is kept
# between forward and backward:

print(f"\n{minigrad.saved_for_backward(loss)}")

# %%
# Addition keeps nothing, as its slopes are 1 whatever the numbers are. The product keeps its two factors; both are b,
# so the memory is shared.
#
# **Third stop: minigrad/ops/elementwise.py**. What each op computes and its derivative, side by side. For ``mul`` the
# rules are ``a=lambda g, b: g * b`` and ``b=lambda g, a: g * a``: the incoming gradient g times the other factor. The
# names of the parameters say what the node must keep.
#
# **Fourth stop: minigrad/autograd/engine.py**, ``walk``. Forty lines that take the youngest node first, ask it for the
# share of each parent, and add the shares up. ``explain`` replays the walk in words:

print(f"\n{minigrad.explain(loss)}")

# %%
# The walk by hand
# ----------------
# Here is the heart of ``walk``, with one thing left open: which node comes next. Its nodes are minigrad's own.


def walk(loss, choose):
    """Return the gradients of the leaves, and the visits in order: the node, what arrived, what it passed on."""
    sums, leaves, visits = {loss.grad_fn: minigrad.ones_like(loss).array}, {}, []
    while sums:
        node = choose(sums, key=lambda node: node.number)
        g = sums.pop(node)
        shares = node.shares(g, create_graph=False)
        visits.append((node, g, shares))
        for parent, share in zip(node.parents, shares):
            box = leaves if isinstance(parent, minigrad.Tensor) else sums
            box[parent] = box.get(parent, 0) + share
    return leaves, visits


gradients, visits = walk(loss, choose=max)
print(f"\nour walk: {gradients[a]:g} after {len(visits)} visits")

# %%
# A node is younger than all it was made from, so with ``max`` its gradient is complete when its turn comes. In the
# picture the nodes stand in the order in which they were made. Follow the arrows from right to left: b's turn comes
# when both of its users have passed something on.

figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
names = {a: "a", b.grad_fn: "b = a + a", c.grad_fn: "c = b · b", loss.grad_fn: "loss = c + b"}
places = {thing: k for k, thing in enumerate(names)}
totals = {a: gradients[a]} | {node: g for node, g, _ in visits}
arrow = {"arrowstyle": "-|>", "color": BLUE, "shrinkA": 24, "shrinkB": 24}
paper = {"facecolor": "white", "edgecolor": "none", "pad": 1}
for node, _, shares in visits:
    twins = node.parents[0] is node.parents[1]
    for parent, share, side in zip(node.parents, shares, (1, -1)):
        start, end = places[node], places[parent]
        bend = 0.25 * side * twins if start - end == 1 else 0.45
        curved = arrow | {"connectionstyle": f"arc3,rad={bend}"}
        axis.annotate("", (end, 0), (start, 0), arrowprops=curved)
        middle = (start + end) / 2, bend * (start - end) / 2
        axis.text(*middle, f"+{share:g}", color=BLUE, ha="center", va="center", bbox=paper)
for thing, k in places.items():
    kind = "leaf" if thing is a else f"node {k}, visited as no. {[node for node, *_ in visits].index(thing) + 1}"
    circle = {"boxstyle": "circle,pad=0.5", "facecolor": LIGHT[0] if thing is a else "white"}
    axis.text(k, 0, f"{totals[thing]:g}", ha="center", va="center", fontsize=14, zorder=3, bbox=circle)
    axis.text(k, -0.42, f"{names[thing]}\n{kind}", ha="center", va="top")
axis.set(xlim=(-0.5, 3.5), ylim=(-0.75, 0.6), aspect="equal", title="Gradients flow from the youngest to the oldest")
axis.axis("off")
figure.savefig(args.out / "04_walk.png", dpi=120)

# %%
# And if we take the oldest first? Then b passes its first contribution on before the second has come, and is visited
# again. The sum is still right, but the visits pile up, as in step 3 of lesson 03. For numbers that are each the sum of
# the two before, you should see visits grow like the numbers themselves:

print("\nnodes   visits, youngest first   visits, oldest first")
for nodes in (5, 10, 15, 20):
    before = last = start = minigrad.tensor(1.0, device=args.device, requires_grad=True)
    for _ in range(nodes):
        before, last = last, last + before
    good, bad = walk(last, choose=max), walk(last, choose=min)
    assert good[0][start] == bad[0][start]
    print(f"{nodes:5d} {len(good[1]):22,d} {len(bad[1]):24,d}")
print(f"\nfigures: 04_broadcasting.png, 04_mistake.png, 04_walk.png in {args.out}")

# %%
# What ``walk`` in autograd/engine.py has more than ours: a heap, so that the youngest is found at once; hooks, which
# may look at a gradient; and it lets go of what a node kept as soon as it is used. ``backward`` in
# autograd/gradients.py then puts the sums of the leaves into ``.grad``.
#
# Our walk and ``backward`` must agree, the wrong loss must have lost the slope, and one visit for each node must do:

loss.backward()
assert array.tolist() == [1, 1, 1]
assert a.grad.item() == gradients[a] == 10
assert abs(right.weight.item() - 2) < 0.2
assert abs(wrong.weight.item()) < 0.01
assert len(good[1]) == 20 < 10_000 < len(bad[1])

# %%
# Exercises
# ---------
# 1. Before you run them: what are the shapes of (5, 1, 3) + (4, 1), (2, 3) + (2, 1), and (7,) + (7, 1)?
# 2. ``loss.backward()`` a second time is refused. Which line of autograd/engine.py made that so, and what is gained?
# 3. Let ``walk`` record ``create_graph=True``, with tensors instead of arrays. What does it take to get the second
#    derivative, d² loss / d a² = 8?

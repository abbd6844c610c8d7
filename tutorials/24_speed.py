"""
How fast is it really?
======================

What does a training step cost, where does the time go, and what does a framework add to the arithmetic? Measured here,
on your machine, against the same network written out by hand in NumPy. Then what can be gained: by larger batches, by
computing twice to save memory, by smaller numbers, by a GPU.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread, so that all is compared on the same footing

import argparse
import cProfile
import pstats
import sys
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.utils.checkpoint import checkpoint_sequential

parser = argparse.ArgumentParser(description="What training costs: time, memory, and what can be done about either.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="measure less carefully, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
F = nn.functional
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# How to measure
# --------------
# The classic mistakes are to measure once, and to measure the first time. The first call pays for things that never
# happen again (memory from the system, caches that are cold), and any single one may be the one during which the
# machine did something else. So: run it once unmeasured, then many times, and take the *median*, the time in the
# middle, which does not care about a few that went wrong. What remains is noise of ten per cent or more. That is why
# this lesson asserts no times.
#
# The page is about the processor, where NumPy can take part. With ``--device cuda`` the last table shows your GPU too.


def seconds(run, *inputs, budget=0.02 if args.quick else 0.3):
    """Median time of ``run(*inputs)``, from as many calls as fit into the budget (three at least)."""
    run(*inputs)
    times, end = [], time.perf_counter() + budget
    while len(times) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run(*inputs)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


# %%
# By hand
# -------
# The measure of all things: any number of layers with ReLU between them, cross entropy and SGD, with the derivatives
# written out. Forward is a loop over the layers, backward the same loop in reverse. Nothing is recorded or checked, all
# is arithmetic. What you should see first: minigrad computes the same, to the last digits of float32.


class ByHand:
    def __init__(self, model):
        self.layers = [[p.detach().numpy().copy() for p in part.parameters()] for part in model[::2]]

    def step(self, x, labels, rate):
        inputs = [x]  # of each layer
        for W, b in self.layers[:-1]:
            inputs.append(np.maximum(inputs[-1] @ W.T + b, 0))
        W, b = self.layers[-1]
        z = inputs[-1] @ W.T + b
        z -= z.max(axis=1, keepdims=True)
        dz = np.exp(z)  # softmax minus one-hot is the derivative of cross entropy by the scores
        dz /= dz.sum(axis=1, keepdims=True)
        dz[np.arange(len(x)), labels] -= 1
        dz /= len(x)
        for (W, b), a in zip(self.layers[::-1], inputs[::-1], strict=True):
            dW, db = dz.T @ a, dz.sum(axis=0)
            if a is not x:  # nobody asks for the gradient of the images
                dz = dz @ W  # with W as it was on the way forward
                dz *= a > 0
            W -= rate * dW
            b -= rate * db


def setting(sizes, batch, device="cpu", dtype=minigrad.float32):
    """A model, its optimizer, and random images with labels."""
    minigrad.manual_seed(0)
    parts = [part for n, m in pairwise(sizes) for part in (nn.Linear(n, m), nn.ReLU())]
    model = nn.Sequential(*parts[:-1]).to(device, dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    images, labels = minigrad.randn(batch, sizes[0]), minigrad.randint(0, sizes[-1], (batch,))
    return model, optimizer, images.to(device, dtype), labels.to(device)


def loss_of(model, images, labels):
    return F.cross_entropy(model(images), labels)


def there_and_back(model, images, labels):
    loss_of(model, images, labels).backward()


def step(model, optimizer, images, labels):
    optimizer.zero_grad()
    there_and_back(model, images, labels)
    optimizer.step()


model, optimizer, images, labels = setting((64, 128, 32, 10), 64)
by_hand = ByHand(model)
for _ in range(20):
    step(model, optimizer, images, labels)
    by_hand.step(images.numpy(), labels.numpy(), 0.01)
difference = np.abs(model[0].weight.detach().numpy() - by_hand.layers[0][0]).max()
print(f"weights after 20 steps, minigrad against by hand: largest difference {difference:.1e}")
assert difference < 1e-6

# %%
# Four sizes, from a toy to something that makes the processor work. What you should see: for the smallest network
# minigrad takes about twice as long as the arithmetic, since recording and walking cost some microseconds for
# each operation, however small the arrays are. For larger ones this *overhead* disappears behind the matrix products.
# It can even be faster than our simple program, which makes a new large array for ``rate * gradient`` in each step,
# where minigrad updates in place and in small blocks: fresh memory is not free.

SIZES = {
    "2-16-2, batch 32": ((2, 16, 2), 32),
    "64-128-10, batch 64": ((64, 128, 10), 64),
    "784-256-10, batch 128": ((784, 256, 10), 128),
    "1024-1024-10, batch 256": ((1024, 1024, 10), 256),
}
print(f"\nmilliseconds per step {'by hand':>12} {'minigrad':>10} {'ratio':>7}    forward  backward  optimizer")
parts = {}
for name, (sizes, batch) in SIZES.items():
    model, optimizer, images, labels = setting(sizes, batch)
    by_hand, x, t = ByHand(model), images.numpy(), labels.numpy()
    hand = seconds(by_hand.step, x, t, 0.01)
    whole = seconds(step, model, optimizer, images, labels)
    forward = seconds(loss_of, model, images, labels)
    both = seconds(there_and_back, model, images, labels)
    update = seconds(optimizer.step)
    parts[name] = (hand, forward, max(both - forward, 0.0), update)
    shares = "".join(f"{part / sum(parts[name][1:]):10.0%}" for part in parts[name][1:])
    print(f"{name:23} {1000 * hand:10.3f} {1000 * whole:10.3f} {whole / hand:7.2f} {shares}")

# %%
# In the figure, each network's time by hand is 1. For each matrix product forward there should be two on the way back,
# one for the gradient of the weights and one for that of the inputs. Still, backward takes hardly longer than forward
# here: nobody asks for the gradient of the *images*, so the first layer, which is the large one, needs one only.

figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
left = np.zeros(len(parts))
for k, (part, colour) in enumerate(zip(("forward", "backward", "optimizer"), (BLUE, ORANGE, GREEN), strict=True), 1):
    widths = np.array([times[k] / times[0] for times in parts.values()])
    axis.barh(list(parts), widths, left=left, color=colour, label=part)
    left += widths
axis.axvline(1, color="0.2", linestyle="--", label="by hand")
axis.invert_yaxis()
axis.set(xlabel="time of a step, relative to the same network by hand", title="Small networks pay the overhead")
axis.legend(frameon=False, loc="lower right")
figure.savefig(args.out / "24_step.png", dpi=120)

# %%
# Where does it go?
# -----------------
# ``cProfile`` counts the calls of every function and measures the time inside. (Being watched makes Python slower, so
# read the table as shares.) Here a hundred steps of the second network. What you should see: the products, ``dot``,
# come first, and then no function stands out. It is bookkeeping, in ``op.py``, ``node.py`` and ``engine.py``, a little
# in each.

model, optimizer, images, labels = setting((64, 128, 10), 64)
profile = cProfile.Profile()
profile.enable()
for _ in range(100):
    step(model, optimizer, images, labels)
profile.disable()
entries = pstats.Stats(profile).stats.items()
whole = sum(entry[2] for _, entry in entries)
print("\nshare   calls per step   function")
for (path, _, name), (_, calls, own, *_) in sorted(entries, key=lambda item: -item[1][2])[:9]:
    print(f"{own / whole:5.0%} {calls / 100:12.0f}        {name}{f' ({Path(path).name})' if path != '~' else ''}")

# %%
# The price of one operation
# --------------------------
# One product of two arrays, of different lengths. Three times: by NumPy; by minigrad with recording; and with the way
# back. What you should see: flat lines at the left, where the price is that of the call, then all rise together, where
# it is that of the numbers. The distance at the left is the overhead, in microseconds. Learn from it: *give the library
# few large operations, not many small ones*. A Python loop over the images of a batch pays it for every image.


def product_and_back(a, b, g):
    return minigrad.autograd.grad(a * b, a, g)


lengths = [10**k for k in range(0, 6 if args.quick else 7)]
price = {"NumPy": [], "minigrad": [], "minigrad and back": []}
for length in lengths:
    a = minigrad.rand(length, requires_grad=True)
    b, g = minigrad.rand(length), minigrad.ones(length)
    x, y = a.detach().numpy(), b.numpy()
    price["NumPy"].append(1e6 * seconds(np.multiply, x, y, budget=0.05))
    price["minigrad"].append(1e6 * seconds(minigrad.mul, a, b, budget=0.05))
    price["minigrad and back"].append(1e6 * seconds(product_and_back, a, b, g, budget=0.05))
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for (name, times), colour, marker in zip(price.items(), ("0.4", BLUE, ORANGE), "osD", strict=True):
    axis.loglog(lengths, times, color=colour, marker=marker, linewidth=2, label=name)
axis.set(xlabel="numbers in each array", ylabel="microseconds", title="First the call costs, then the numbers do")
axis.legend(frameon=False)
figure.savefig(args.out / "24_overhead.png", dpi=120)

# %%
# Batches
# -------
# Images per second for a whole network, in batches from 1 to 1024. What you should see: the first doublings are nearly
# free, as more images share the overhead; then it saturates. (For *learning*, a larger batch means fewer steps.)
#
# Where a sample takes time, a photo to be read and decoded, ``DataLoader(num_workers=4)`` has four other processes make
# the next batches during the step. For data in memory it does not pay: to send a batch takes longer than to cut it out.

batches = [2**k for k in range(0, 11, 2)]
rates = {}
for batch in batches:
    model, optimizer, images, labels = setting((64, 128, 10), batch)
    rates[batch] = batch / seconds(step, model, optimizer, images, labels, budget=0.1)
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.loglog(batches, list(rates.values()), color=BLUE, marker="o", linewidth=2)
axis.loglog(batches, [rates[1] * batch for batch in batches], color="0.6", linestyle=":", label="if more cost nothing")
axis.set(xlabel="images in a batch", ylabel="images per second", title="Larger batches share the overhead")
axis.set_xticks(batches, batches)
axis.set_ylim(top=3 * max(rates.values()))
axis.legend(frameon=False)
figure.savefig(args.out / "24_batches.png", dpi=120)

# %%
# What backward keeps
# -------------------
# Between forward and backward, memory fills with what the derivatives will need. ``saved_for_backward`` lists it. What
# you should see: a linear layer keeps its input, and its weight, which is there anyway; ReLU keeps its output, which is
# the *same array* as the next layer's input (shared); cross entropy keeps probabilities. So a chain of such layers
# needs one array of (batch, width) for each layer.

model, _, images, labels = setting((64, 128, 10), 64, args.device)
loss = F.cross_entropy(model(images), labels)
print(f"\n{minigrad.saved_for_backward(loss)}")

# %%
# Less memory for more time
# -------------------------
# A deep network has many such arrays. *Checkpointing* cuts the chain into segments and keeps only what goes into each;
# when backward arrives at a segment, its forward is computed again. With n layers in k segments there are about k
# arrays for the cuts and n / k for the segment at work; their sum is least at :math:`k = \sqrt{n}` (Chen and others,
# 2016; read ``minigrad/utils/checkpoint.py``). The price is one more forward.
#
# What you should see: the memory falls steeply, is least near 6 segments for 36 layers, and rises again; the time goes
# up by about that of a forward (dotted; more, where the system takes its time to hand out large pieces of memory). The
# gradients are equal to the last bit.

DEPTH, WIDTH, BATCH = 36, 64, 2048
minigrad.manual_seed(0)
chain = nn.Sequential(*(nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()) for _ in range(DEPTH)))
x = minigrad.randn(BATCH, WIDTH)


def forward_and_back(segments):
    chain.zero_grad()
    (checkpoint_sequential(chain, segments, x) if segments > 1 else chain(x)).square().mean().backward()
    return chain[0][0].weight.grad.numpy()


def peak(segments):
    """The most memory in use at any time, in arrays of one layer."""
    tracemalloc.start()
    forward_and_back(segments)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / (4 * BATCH * WIDTH)


segments = [1, 2, 3, 4, 6, 9, 12, 18, 36]
whole = forward_and_back(1)
same = {k: bool((forward_and_back(k) == whole).all()) for k in segments}
memory = {k: peak(k) for k in segments}
plain, forward = seconds(forward_and_back, 1), seconds(chain, x)
extra = {k: seconds(forward_and_back, k) / plain for k in segments}
print("\nsegments   memory (arrays of one layer)   time")
for k in segments:
    print(f"{k:8d} {memory[k]:20.1f} {extra[k]:19.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
left.plot(segments, list(memory.values()), color=BLUE, marker="o", linewidth=2)
left.axvline(DEPTH**0.5, color="0.5", linestyle=":", label=f"√{DEPTH}")
left.set(ylabel="peak memory (arrays of one layer)", title="Memory", ylim=0)
left.legend(frameon=False)
right.plot(segments, list(extra.values()), color=ORANGE, marker="o", linewidth=2)
again = [1 + forward / plain * (k - 1) / k for k in segments]  # the last segment is not computed twice
right.plot(segments, again, color="0.5", linestyle=":", label="one more forward")
right.set(ylabel="time, relative to no segments", title="Time", ylim=0)
right.legend(frameon=False)
for axis in (left, right):
    axis.set(xlabel="segments", xticks=[1, 6, 12, 18, 36])
figure.savefig(args.out / "24_checkpoint.png", dpi=120)

# %%
# Smaller numbers, and a GPU
# --------------------------
# float32 has 7 digits in 4 bytes, float64 16 digits in 8. Networks are content with 7 (their gradients are noisy
# anyway), so float32 is the default; it halves the memory and nearly doubles the speed of what is large. Checking
# derivatives by small steps needs float64, and ``gradcheck`` takes care of it. The classic mistake: arrays that come
# from NumPy are float64, and one of them can pull a whole program up. minigrad's layers refuse it.
#
# A GPU does thousands of sums at once, but each start takes time: for a small network it loses, for a large one it wins
# by far. Only two lines change: the model is moved, and the data. And mind the clock! A GPU works on while
# Python runs ahead; if you do not wait for it (``synchronize``), you measure how fast orders are given. ``.item()``
# waits as well, which is why it does not belong in every step of a loop.

columns = {"float64": ("cpu", minigrad.float64), "float32": ("cpu", minigrad.float32)}
if args.device != "cpu":
    columns["float32, GPU"] = (args.device, minigrad.float32)


def timed(sizes, batch, device, dtype):
    model, optimizer, images, labels = setting(sizes, batch, device, dtype)

    def step_and_wait():
        step(model, optimizer, images, labels)
        if device != "cpu":
            minigrad.cuda.synchronize()

    return 1000 * seconds(step_and_wait)


print(f"\nmilliseconds per step   {''.join(f'{name:>14}' for name in columns)}")
for name, (sizes, batch) in SIZES.items():
    times = [timed(sizes, batch, device, dtype) for device, dtype in columns.values()]
    print(f"{name:24}{''.join(f'{duration:14.3f}' for duration in times)}")
kept = {}
for dtype in (minigrad.float64, minigrad.float32):
    model, _, images, labels = setting((64, 128, 10), 64, args.device, dtype)
    kept[dtype] = minigrad.saved_for_backward(F.cross_entropy(model(images), labels)).nbytes
print(f"\nkept for backward: float64 {kept[minigrad.float64]:,d} bytes, float32 {kept[minigrad.float32]:,d} bytes")
print("\nfigures: 24_step.png, 24_overhead.png, 24_batches.png, 24_checkpoint.png")

# %%
# No times are asserted, as they are your machine's. But some things do not depend on it: the gradients with and without
# checkpoints are equal; 6 segments need less than half of the memory, and less than 36 do; float32 keeps half the bytes
# of float64 (but for the labels, which are integers):

assert all(same.values()), same
assert memory[6] < 0.5 * memory[1], memory
assert memory[6] < memory[36], memory
assert abs(kept[minigrad.float64] / kept[minigrad.float32] - 2) < 0.05, kept

# %%
# Exercises
# ---------
# 1. Take the images of a batch one by one in a Python loop, add up the losses, and call ``backward`` once. How much
#    slower is it than the batch? Estimate it from 24_overhead first.
# 2. Replace SGD by Adam in ``setting``. How does the optimizer's share change, and for which of the four sizes? Read
#    ``minigrad/optim/blocks.py`` to see what is done about it.
# 3. Checkpoint every segment *twice*: cut the chain into 4, and each of these into 3. What should that save, what does
#    it cost, and what does minigrad's checkpoint do with one inside another? (Its docstring says so.)

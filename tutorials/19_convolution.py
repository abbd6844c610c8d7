"""
Convolution
===========

A small pattern is moved over an image, and at each place one number says how well it fits. That is a convolution, and
with it a network learns what a stroke looks like once, instead of once for every place where a stroke can be. Here it
is computed in three ways that agree, and then four networks of one size show what it is good for, and what it is not.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # matrices this small lose more than they gain by a second thread

import argparse
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad import nn, optim
from minigrad.datasets import Digits
from minigrad.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser(description="Convolution, from loops to a network that reads shifted digits.")
parser.add_argument("--seed", type=int, default=0, help="for first weights and shuffling (default: 0)")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="four epochs only, to see that everything runs")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(args.seed)
F = nn.functional
BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# A pattern on the move
# ---------------------
# The pattern is called a *kernel* or *filter*; here it has 3 by 3 weights. Lay it on the image, multiply each weight by
# the pixel below it, add the nine products up, write the sum down, move on by one pixel:
#
# .. math:: y_{ij} = \sum_{a=0}^{2} \sum_{b=0}^{2} w_{ab}\, x_{i+a,\,j+b}
#
# The kernel below has ones above and minus ones below: it asks "is it darker above than below?". What you should see:
# on the lower edges of the strokes the answer is a large number (orange), on the upper edges a large negative one
# (purple), and on blank paper 0. The grid of answers is called a *feature map*. It is 6 by 6, as there are only six
# places for 3 pixels in a row of 8. The green frames mark the largest answer and what it was computed from.

digit = Digits("train").data[55].reshape(8, 8).numpy()
edge = np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]])
answers = np.array([[np.sum(edge * digit[i : i + 3, j : j + 3]) for j in range(6)] for i in range(6)])
i, j = np.unravel_index(answers.argmax(), answers.shape)

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
left.imshow(digit, cmap="gray_r")
left.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 3, 3, fill=False, color=GREEN, linewidth=3))
middle.imshow(edge, cmap="PuOr_r", vmin=-3, vmax=3)
for (row, column), weight in np.ndenumerate(edge):
    middle.text(column, row, f"{weight:g}", ha="center", va="center", fontsize=13)
drawn = right.imshow(answers, cmap="PuOr_r", vmin=-3, vmax=3)
right.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, color=GREEN, linewidth=3))
figure.colorbar(drawn, ax=right, label="answer", shrink=0.8)
for axis, title in ((left, "image, 8 × 8"), (middle, "kernel, 3 × 3"), (right, "feature map, 6 × 6")):
    axis.set(title=title, xticks=[], yticks=[])
figure.savefig(args.out / "19_edge.png", dpi=120)

# %%
# Three ways, one result
# ----------------------
# A real layer has more indices. The images come in a batch of N, each of C *channels* (the three colours of a photo, or
# the feature maps of the layer before), and there are O kernels, each reaching through all channels; each makes one
# channel of the output. Two more numbers: *padding* puts p rows of zeros around the image, and *stride* s moves the
# kernel by s pixels at a time. Counting places, the output has
#
# .. math:: \left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1
#
# rows for n rows of input and a kernel of k. First the definition, as loops:


def conv_by_loops(x, weight, bias, stride, padding):
    """x (N, C, H, W), weight (O, C, k, k): four loops over the outputs; in each, one sum over C, k and k."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k = weight.shape[-1]
    height, width = ((n - k) // stride + 1 for n in x.shape[2:])
    y = np.empty((len(x), len(weight), height, width))
    for n, o, i, j in np.ndindex(y.shape):
        window = x[n, :, stride * i : stride * i + k, stride * j : stride * j + k]
        y[n, o, i, j] = np.sum(window * weight[o]) + bias[o]
    return y


# %%
# Each output is a sum of products, and so is each entry of a matrix product. So write every window as a column of a
# matrix, and all outputs come from *one* product, at which computers are very good. This is called *im2col*, image to
# columns. No loop over places is left, only one over the k · k weights: the slice for (a, b) takes, for all windows at
# once, the pixel that lies below that weight. ``minigrad/ops/convolution.py`` does the same, with its derivatives.


def conv_by_columns(x, weight, bias, stride, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    k, (n, c) = weight.shape[-1], x.shape[:2]
    height, width = ((size - k) // stride + 1 for size in x.shape[2:])
    columns = np.empty((n, c, k, k, height, width))
    for a, b in np.ndindex(k, k):
        columns[:, :, a, b] = x[:, :, a : a + stride * height : stride, b : b + stride * width : stride]
    y = weight.reshape(len(weight), -1) @ columns.reshape(n, c * k * k, height * width)
    return y.reshape(n, -1, height, width) + bias.reshape(-1, 1, 1)


x = minigrad.randn(4, 3, 15, 14, dtype=minigrad.float64).to(args.device)
layer = nn.Conv2d(3, 8, kernel_size=3, stride=2, padding=1).double().to(args.device)
numbers = [tensor.detach().cpu().numpy() for tensor in (x, layer.weight, layer.bias)]
results = {}
print(f"{'':12} {'output':15} {'milliseconds':>12}   largest difference to the loops")
for name, compute in (
    ("loops", lambda: conv_by_loops(*numbers, 2, 1)),
    ("columns", lambda: conv_by_columns(*numbers, 2, 1)),
    ("nn.Conv2d", lambda: layer(x).detach().cpu().numpy()),
):
    start = time.perf_counter()
    results[name] = compute()
    took = 1000 * (time.perf_counter() - start)
    difference = np.abs(results[name] - results["loops"]).max()
    print(f"{name:12} {results[name].shape!s:15} {took:12.2f}   {difference:.1e}")
    assert difference < 1e-12

# %%
# (A word about the name. In mathematics a convolution turns the kernel by 180 degrees first. Neural networks do not:
# what they call convolution is a mathematician's *cross-correlation*. As the weights are learned, nobody misses it.)
#
# The classic mistake is a missing or misplaced channel dimension. Grey images arrive as (N, H, W), images from files
# with the channels last. minigrad says what it saw:

for channels, shape in ((1, (64, 8, 8)), (3, (64, 32, 32, 3))):
    try:
        nn.Conv2d(channels, 8, 3)(minigrad.rand(shape))
    except RuntimeError as error:
        print(f"\n{error}")

# %%
# What one output can see
# -----------------------
# One output of one layer sees 3 by 3 pixels. But it is an input of the next layer, whose outputs see 3 by 3 of *them*.
# The part of the image that can influence an output is its *receptive field*. Each layer adds (k - 1) times the product
# of all strides before it. No need to believe that: the gradient of one output with respect to the image is not zero
# exactly where the output looks. With all weights 1 it even counts on how many paths each pixel arrives.
#
# What you should see: 3, 5 and 7 pixels without strides, where the middle counts more than the rim; 3, 7 and 15 with
# a stride of 2, as each layer takes steps twice as long as the one before.


def seen_by_one_output(layers, stride, size=17):
    """Return the gradient of the middle output of a stack of 3 x 3 convolutions with respect to the image."""
    y = image = minigrad.zeros(1, 1, size, size, device=args.device, requires_grad=True)
    weight = minigrad.ones(1, 1, 3, 3, device=args.device)
    for _ in range(layers):
        y = F.conv2d(y, weight, stride=stride, padding=1)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    return image.grad[0, 0].cpu().numpy()


figure, axes = plt.subplots(2, 3, figsize=(8, 5.6), layout="constrained")
fields = {}
for row, stride in zip(axes, (1, 2), strict=True):
    for axis, layers in zip(row, (1, 2, 3), strict=True):
        paths = seen_by_one_output(layers, stride)
        rows = fields[stride, layers] = int((paths.sum(axis=1) > 0).sum())
        axis.imshow(np.where(paths > 0, paths / paths.max(), np.nan), cmap="Blues", vmin=-0.3, vmax=1)
        axis.set(title=f"{layers} layer{'s' * (layers > 1)}, stride {stride}:\n{rows} × {rows}", xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="0.7")
figure.suptitle("The pixels that one output sees; darker: on more paths")
figure.savefig(args.out / "19_receptive_field.png", dpi=120)
assert list(fields.values()) == [3, 5, 7, 3, 7, 15]

# %%
# Shift the image, and the answers shift
# --------------------------------------
# The same weights are used at every place (*parameter sharing*), so a pattern gives the same answer wherever it is. Two
# things follow. First, there is little to learn: from 14 × 14 pixels to 16 maps of that size, a linear layer needs
# 600,000 weights, a convolution 144. Second, a shifted image gives shifted maps. With ``padding_mode="circular"``,
# where the right neighbour of the last column is the first, it does so everywhere; with zeros, away from the border.
# But that only holds for shifts by whole strides: with stride 2 a shift by one pixel gives *different* numbers.

print("\nstride  shift of the image  shift of the maps  difference")
image = minigrad.rand(1, 1, 14, 14).to(args.device)
for stride, shift in ((1, 1), (2, 2), (2, 1)):
    conv = nn.Conv2d(1, 4, 3, stride=stride, padding=1, padding_mode="circular").to(args.device)
    with minigrad.no_grad():
        moved = conv(image.roll(shift, dims=3))
        expected = conv(image).roll(shift // stride, dims=3)
    difference = (moved - expected).abs().max().item()
    print(f"{stride:6d} {shift:19d} {shift // stride:18d} {difference:11.1e}")
    assert (difference < 1e-6) == (shift % stride == 0)

# %%
# Four networks of one size
# -------------------------
# Now the digits, each in the middle of a paper of 14 by 14, so that there is room to move. Four networks of about 5,000
# parameters learn them, always in the middle. *Pooling* takes the largest of each 2 by 2 answers and halves the map; it
# is a stride of 2. Networks B and C differ in the end: B reads its last maps place by place (``Flatten``, then a linear
# layer), C keeps only the largest answer of each map (``AdaptiveMaxPool2d(1)``): whether a pattern is there, not where.
# D is C without the halving.

epochs = 4 if args.quick else 30


def prepared(part):
    """Digits in the middle of a paper of 14 by 14, as (N, 1, 14, 14)."""
    digits = Digits(part)
    images = F.pad(digits.data.reshape(-1, 1, 8, 8), (3, 3, 3, 3))
    return TensorDataset(images.to(args.device), digits.targets.to(args.device))


def read_places(c, h, w):
    return [nn.Flatten(), nn.Linear(c * h * w, 10)]


def read_largest(c):
    return [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 10)]


def two_convolutions(c, *end, between=()):
    first, second = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, 2 * c, 3, padding=1)
    return nn.Sequential(first, nn.ReLU(), *between, second, nn.ReLU(), *end)


NETWORKS = {
    "A  no convolution": lambda: nn.Sequential(nn.Flatten(), nn.Linear(196, 24), nn.ReLU(), nn.Linear(24, 10)),
    "B  reads places": lambda: two_convolutions(12, nn.MaxPool2d(2), *read_places(24, 3, 3), between=[nn.MaxPool2d(2)]),
    "C  reads the largest": lambda: two_convolutions(16, *read_largest(32), between=[nn.MaxPool2d(2)]),
    "D  C without pooling": lambda: two_convolutions(16, *read_largest(32)),
}


def train(make):
    minigrad.manual_seed(args.seed)  # the same batches for all
    model = make().to(args.device)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    loader = DataLoader(prepared("train"), batch_size=64, shuffle=True)
    for _ in range(epochs):
        for images, labels in loader:
            loss = F.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model


def accuracy(model, shift):
    """Share of test images read rightly when shifted up, down, left and right."""
    images, labels = prepared("test").tensors
    with minigrad.no_grad():
        right = [
            (model(images.roll(step, dims=dim)).argmax(dim=1) == labels).float().mean().item()
            for step in (shift, -shift)
            for dim in (2, 3)
        ]
    return sum(right) / 4


SHIFTS = (0, 1, 2, 3)
models = {name: train(make) for name, make in NETWORKS.items()}
table = {name: [accuracy(model, shift) for shift in SHIFTS] for name, model in models.items()}
print(f"\n{'':22} parameters    accuracy when shifted by 0, 1, 2, 3 pixels")
for name, model in models.items():
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{name:22} {count:10,d}   {''.join(f'{share:9.1%}' for share in table[name])}")

# %%
# What you should see. In the middle, where they learned, the three with convolutions make fewer mistakes than A, though
# not many fewer (one image is 0.3 per cent; with another ``--seed`` the order can change). Two pixels to the side, A is
# close to guessing, and B not far from it. That is the classic misunderstanding: *a convolution does not make a network
# blind to shifts*. Its maps shift along, and a linear layer that reads them place by place has never seen them there. C
# forgets the place, so it survives; but look at 1 and 3: its pooling has a stride of 2, and between the strides the
# numbers change. D has no stride and hardly notices the shift. It pays with time, as its second layer works on four
# times as many places.

figure, axis = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (name, shares), colour, marker in zip(table.items(), (RED, ORANGE, BLUE, GREEN), "osD^", strict=True):
    axis.plot(SHIFTS, [100 * share for share in shares], color=colour, marker=marker, linewidth=2, label=name)
axis.axhline(10, color="0.6", linestyle=":", label="guessing")
axis.set(xlabel="shift of the test image (pixels)", ylabel="per cent right", xticks=SHIFTS, ylim=(0, 103))
axis.set_title("Only what forgets the place survives a shift")
axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
figure.savefig(args.out / "19_shifted.png", dpi=120)

# %%
# What the filters look for
# -------------------------
# The 16 filters of D's first layer, and what six of them answer on one image. Filters that are orange all over answer
# to ink of any form: their maps are blurred copies. Those in which orange and purple are in balance tell more, so they
# come first, with their maps. What you should see: most are edges like the one that we made by hand, each turned its
# own way, and each map keeps other sides of the strokes. Nobody drew them; gradient descent did.

model = models["D  C without pooling"]
images, _ = prepared("test").tensors
filters = model[0].weight.detach().cpu().numpy()[:, 0]
with minigrad.no_grad():
    maps = model[1](model[0](images[:1])).cpu().numpy()[0]
balance = np.abs(filters.sum(axis=(1, 2))) / np.abs(filters).sum(axis=(1, 2))
order = np.argsort(balance + (maps.std(axis=(1, 2)) < 0.05))  # silent ones last
limit = np.abs(filters).max()
figure = plt.figure(figsize=(10, 4.6), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1.1, 1))
above.suptitle("16 filters, from edges to blots (orange: ink wanted, purple: unwanted)", fontsize=11)
for axis, chosen in zip(above.subplots(2, 8).flat, order, strict=True):
    axis.imshow(filters[chosen], cmap="PuOr_r", vmin=-limit, vmax=limit)
    axis.set(xticks=[], yticks=[])
below.suptitle("an image, and the feature maps of the first six filters (dark: large answer)", fontsize=11)
for axis, picture in zip(below.subplots(1, 7), [images[0, 0].cpu().numpy(), *maps[order[:6]]], strict=True):
    axis.imshow(picture, cmap="gray_r", vmin=picture[0, 7])  # paper is white
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="0.7")
figure.savefig(args.out / "19_filters.png", dpi=120)
print(f"\nfigures: 19_edge.png, 19_receptive_field.png, 19_shifted.png, 19_filters.png in {args.out}")

# %%
# In the end: with convolutions 95 per cent are right; two pixels aside the networks that read places are lost, and the
# one that forgets the place, and takes no strides, loses less than three per cent.

a, b, c, d = table.values()
assert d[2] - max(a[2], b[2]) > 0.3, table
if not args.quick:
    assert min(b[0], c[0], d[0]) > 0.95, table
    assert max(a[2], b[2]) < 0.4, table
    assert d[2] > d[0] - 0.03, table
    assert c[2] > c[1] + 0.1, table

# %%
# Exercises
# ---------
# 1. Shift the training images at random, by ``images.roll((dy, dx), dims=(2, 3))`` with -2 to 2 pixels. Does B catch up
#    with D? Does A? What did you have to pay?
# 2. Compute the receptive field of one output of B's second convolution from the formula, then measure it with the
#    gradient as above. (A pooling layer is a kernel of 2 with stride 2.)
# 3. Fill ``model[0].weight`` with your own edges in eight directions, set its ``requires_grad`` to False, and train the
#    rest of D. How much worse than learned filters are yours?

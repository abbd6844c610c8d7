"""
Derivatives, four ways
======================

Gradient descent needs slopes. Here one slope is found in four ways: by hand, by taking a small step, by the chain rule
on paper, and by backpropagation. The first three explain the fourth, and the second is the judge of all others.
"""

# portable: runs on PyTorch with the imports changed

import argparse
import sys
import timeit
from functools import partial
from math import cos, exp, sin
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import minigrad
from minigrad.autograd import Function, gradcheck
from minigrad.autograd.functional import jacobian

parser = argparse.ArgumentParser(description="Derivatives by hand, by small steps, by the chain rule, by backward.")
parser.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
parser.add_argument("--out", type=Path, default=Path(sys.argv[0]).parent / "figures", help="folder for the figures")
parser.add_argument("--quick", action="store_true", help="smaller sizes where time is measured")
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
minigrad.manual_seed(0)
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # told apart by colour-blind eyes too
plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})

# %%
# By hand
# -------
# The derivative of f at x says how many times as fast f moves as x does. If x grows by a tiny h, f grows by about
# f'(x) · h:
#
# .. math:: f'(x) = \lim_{h \to 0} \frac{f(x + h) - f(x)}{h}
#
# For f(x) = x² the quotient is ((x + h)² - x²) / h = 2x + h, and with h gone, 2x. That is the whole method: work the
# quotient out once, on paper, for each basic function. The results are the rules that everybody knows from school, and
# the ones in minigrad/ops/elementwise.py, where each stands beside its function.
#
# By a small step
# ---------------
# A computer can skip the paper: choose a small h and divide. What you should see in the table: each ten times smaller h
# makes the error ten times smaller. The error is h itself, as the formula above says.


def square(x):
    return x * x


print("f(x) = x² at x = 3, where f'(x) = 6\n\n       h   (f(x + h) - f(x)) / h        error")
for h in (1.0, 0.1, 0.01, 0.001):
    quotient = (square(3 + h) - square(3)) / h
    print(f"{h:8g} {quotient:23.6f} {quotient - 6:12.6f}")

# %%
# So take h as small as possible? That is the classic mistake. Computers keep about 7 digits of a float32 number and 16
# of a float64 one, and f(x + h) - f(x) is the small difference of two nearly equal numbers: the digits that they share
# are lost, and what is left is rounding. Dividing by a tiny h makes the rounding large.
#
# Two errors pull in two directions. With *eps* for the relative rounding error (1.2e-7 in float32, 2.2e-16 in float64):
#
# .. math::
#
#    \text{error} \approx \underbrace{\tfrac{h}{2} |f''(x)|}_{\text{step too long}}
#                 + \underbrace{\frac{\mathrm{eps} \cdot |f(x)|}{h}}_{\text{step too short}}
#
# The sum is smallest where both are about equal, at h near the square root of eps. There is a better quotient at the
# same price, the *central* difference: one step up and one step down. The curvature pushes both ends the same way and
# cancels, so its first error is h²/6 · f''' and its best h is near the cube root of eps.
#
# The test function from here on is f(x) = exp(sin(x²)), three functions inside each other. In the figure, you should
# see four curves like the letter V: to the right of the bottom the step is too long, to the left too short.


def f(x):
    return (x * x).sin().exp()


def f_by_hand(x):
    return exp(sin(x * x)) * cos(x * x) * 2 * x


AT = 0.7
true = f_by_hand(AT)
smallest = {}
figure, axis = plt.subplots(figsize=(7.5, 4.8), layout="constrained")
for digits, colour, shortest in (("float32", ORANGE, -7), ("float64", BLUE, -15)):
    lengths = np.logspace(shortest, 0, 200).astype(digits)
    h = minigrad.tensor(lengths, device=args.device)
    x = minigrad.tensor(AT, dtype=h.dtype, device=args.device)
    for kind, quotient, line in (
        ("forward", (f(x + h) - f(x)) / h, ":"),
        ("central", (f(x + h) - f(x - h)) / (2 * h), "-"),
    ):
        error = np.abs(quotient.cpu().numpy().astype(float) - true) / true
        # the median of 15 neighbours: rounding is hit and miss, and a lucky hit is not a method
        smooth = np.array([np.median(error[max(0, k - 7) : k + 8]) for k in range(len(error))])
        best = smooth.argmin()
        smallest[digits, kind] = lengths[best], smooth[best]
        axis.loglog(lengths, smooth, color=colour, linestyle=line, linewidth=2, label=f"{kind}, {digits}")
        axis.plot(lengths[best], smooth[best], marker="o", color=colour)
axis.annotate("too short:\nrounding", (0.14, 0.97), xycoords="axes fraction", va="top", color="0.3")
axis.annotate("too long:\ncurvature", (0.97, 0.5), xycoords="axes fraction", va="top", ha="right", color="0.3")
axis.set(xlabel="step h", ylabel="relative error of the derivative", title="Not too long and not too short")
axis.legend(loc="lower left", frameon=False)
figure.savefig(args.out / "02_differences.png", dpi=120)

print("\n                     best h    error there")
for (digits, kind), (h, error) in smallest.items():
    print(f"{digits}, {kind:8}   {h:7.0e}      {error:9.0e}")

# %%
# In float32 not even the best step gives more than five digits, and the step has to be guessed. So small steps are
# no way to train a network. But they need nothing except the function itself, so they are a witness that cannot be
# wrong in the same way as your mathematics. In float64, central, with h about 1e-6, they are a very good witness.
#
# By the chain rule, on paper
# ---------------------------
# f is three functions, one inside the other. Name what is in between:
#
# .. math:: u = x^2, \qquad v = \sin u, \qquad y = e^v
#
# If u moves 2x times as fast as x, and v moves cos(u) times as fast as u, and y moves eᵛ times as fast as v, then y
# moves (eᵛ · cos(u) · 2x) times as fast as x. Rates multiply, as in a gearbox:
#
# .. math:: \frac{dy}{dx} = \frac{dy}{dv} \cdot \frac{dv}{du} \cdot \frac{du}{dx}
#
# Each factor is a *local* derivative: it asks one basic function for its slope at the number that went through it.

u = AT * AT
v = sin(u)
y = exp(v)
rows = (("u = x²", u, "2x", 2 * AT), ("v = sin u", v, "cos u", cos(u)), ("y = exp v", y, "exp v", y))
product = 1.0
print(f"\nstep         value   local derivative    from x to here       (x = {AT})")
for name, value, formula, slope in rows:
    product *= slope
    print(f"{name:9} {value:8.5f}   {formula:>6} = {slope:7.5f} {product:17.5f}")

# %%
# By backpropagation
# ------------------
# ``backward()`` does the same, and it starts at the other end: the gradient of y is 1; times exp v, it is the gradient
# of v; times cos u, that of u; times 2x, that of x. For one input the direction does not matter. For many inputs it
# does, as the end of this lesson shows. ``retain_grad()`` asks the numbers in the middle to keep theirs.

x = minigrad.tensor(AT, dtype=minigrad.float64, device=args.device, requires_grad=True)
u = x * x
v = u.sin()
y = v.exp()
for middle in (u, v, y):
    middle.retain_grad()
y.backward()
print("\nbackward      dy/dy     dy/dv     dy/du     dy/dx")
print(f"          {y.grad.item():9.5f} {v.grad.item():9.5f} {u.grad.item():9.5f} {x.grad.item():9.5f}")

central = ((f(x + 1e-6) - f(x - 1e-6)) / 2e-6).item()
print(f"\nby hand        {true:.15f}\nsmall steps    {central:.15f}\nchain rule     {product:.15f}")
print(f"backward       {x.grad.item():.15f}")
assert abs(product - true) < 1e-14
assert abs(x.grad.item() - true) < 1e-14
assert 0 < abs(central - true) < 1e-8  # good, but never exact

# %%
# Several inputs: partial derivatives and the gradient
# ----------------------------------------------------
# With two inputs there are two questions. How fast does f move if only x moves? That is the *partial derivative*
# ∂f/∂x: hold y still and take the derivative as before. The other one is ∂f/∂y. Both together, as a vector, are the
# *gradient* ∇f. For
#
# .. math:: f(x, y) = x^2 + x y + 2 y^2, \qquad \nabla f = (2x + y,\; x + 4y)
#
# The gradient is more than two numbers in a row. A step of length h in any direction changes f by h times the part of
# the gradient that lies in this direction. So f climbs fastest along the gradient, falls fastest against it, and does
# not change at all at a right angle to it. That is why training steps go along minus the gradient.


def bowl(x, y):
    return x * x + x * y + 2 * y * y


here = minigrad.tensor([1.5, 0.5], dtype=minigrad.float64, device=args.device, requires_grad=True)
bowl(here[0], here[1]).backward()
gradient = here.grad.cpu().numpy()
print(f"\nat (1.5, 0.5) the gradient is {gradient}, by hand [{2 * 1.5 + 0.5} {1.5 + 4 * 0.5}]")

angles = np.linspace(0, 2 * np.pi, 73)
towards = np.stack([np.cos(angles), np.sin(angles)])
slopes = (bowl(1.5 + 1e-6 * towards[0], 0.5 + 1e-6 * towards[1]) - bowl(1.5, 0.5)) / 1e-6  # small steps all around
steepest = angles[slopes.argmax()]

# %%
# On the map, the arrows are gradients and the lines join places of equal height: every arrow stands at a right angle on
# its line, and is long where the lines are close. On the right, the slope from the black point in every direction,
# measured by small steps. It is highest where the gradient points, and there it is as large as the gradient is long.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
grid = np.linspace(-2.9, 2.9, 120)
left.contour(grid, grid, bowl(grid[None, :], grid[:, None]), levels=[0.5, 1, 2, 4, 6, 9, 12, 16, 20, 25], colors="0.7")
places = np.stack(np.meshgrid(np.linspace(-2, 2, 6), np.linspace(-2, 2, 6)))
points = minigrad.tensor(places, device=args.device, requires_grad=True)
bowl(points[0], points[1]).sum().backward()  # each point feels only its own term of the sum
arrows = {"angles": "xy", "scale_units": "xy", "scale": 14, "width": 0.006}
left.quiver(*places, *points.grad.cpu().numpy(), color=BLUE, **arrows)
left.quiver(1.5, 0.5, *gradient, color=ORANGE, **arrows)
left.plot(1.5, 0.5, "o", color="0.1")
left.set(xlabel="x", ylabel="y", aspect="equal", title="Gradients point straight uphill")
right.plot(np.degrees(angles), slopes, color="0.3")
right.axvline(np.degrees(np.arctan2(*gradient[::-1])), color=ORANGE, label="direction of the gradient")
right.axhline(np.hypot(*gradient), color=ORANGE, linestyle=":", label="length of the gradient")
right.axhline(0, color="0.85", zorder=0)
right.set(xlabel="direction in degrees", ylabel="slope of f", xticks=range(0, 361, 90))
right.set_title("The slope is largest that way")
right.legend(loc="upper right", bbox_to_anchor=(0.96, 0.95), frameon=False)
figure.savefig(args.out / "02_gradient.png", dpi=120)
assert abs(steepest - np.arctan2(*gradient[::-1])) < np.radians(5)  # within one direction that was tried

# %%
# Several outputs: the Jacobian
# -----------------------------
# A function from two numbers to two numbers has four partial derivatives. Written as a table with a row for each output
# and a column for each input, they are the *Jacobian*. Take the step from polar to ordinary coordinates,
# (r, a) to (r cos a, r sin a). By hand:
#
# .. math::
#
#    J = \begin{pmatrix} \cos a & -r \sin a \\ \sin a & r \cos a \end{pmatrix}
#
# ``backward`` starts at a single number. Given a vector with as many entries as there are outputs, it starts with their
# sum weighted by this vector, and returns vector times Jacobian. With (1, 0) that is the first row; a whole Jacobian
# costs one walk for each output. ``jacobian`` in minigrad/autograd/functional.py does just this.


def place(polar):
    r, a = polar[0], polar[1]
    return minigrad.stack([r * a.cos(), r * a.sin()])


polar = minigrad.tensor([2.0, 0.5], dtype=minigrad.float64, device=args.device, requires_grad=True)
by_hand = np.array([[cos(0.5), -2 * sin(0.5)], [sin(0.5), 2 * cos(0.5)]])
place(polar).backward(minigrad.tensor([1.0, 0.0], dtype=minigrad.float64, device=args.device))
whole = jacobian(place, polar.detach()).cpu().numpy()
print(f"\nJacobian by hand\n{by_hand.round(4)}\nits first row by backward {polar.grad.cpu().numpy().round(4)}")
assert np.allclose(by_hand[0], polar.grad.cpu().numpy(), rtol=1e-14)
assert np.allclose(by_hand, whole, rtol=1e-14)

# %%
# The judge
# ---------
# Whoever writes a derivative by hand will get one wrong. Here somebody wrote x³ with a rule of their own and forgot the
# square: 3x instead of 3x². Nothing crashes and a network would even train a little, because the sign is often right.
# ``gradcheck`` compares ``backward`` with central differences in float64 (the V-shaped curves say why), and must reject
# it. Its source is minigrad/autograd/gradient_check.py, and every op of minigrad stands before this judge in the tests.


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x  # wrong: should be 3 x²


x = minigrad.tensor([0.5, 1.0, 2.0], dtype=minigrad.float64, device=args.device, requires_grad=True)
try:
    gradcheck(Cube.apply, (x,))
    verdict = "right"
except RuntimeError as error:
    verdict = "wrong"
    print(f"\n{error}")
print(f"Cube is {verdict}; f is {'right' if gradcheck(f, (x,)) else 'wrong'}")
assert verdict == "wrong"

# %%
# Three inputs and three outputs have nine derivatives; six are 0, and rightly so. Of the other three only two are found
# wrong: at x = 1 the rule gives 3, right by accident. So check at several ordinary points, never only at 0 or 1. And
# keep away from kinks: at the corner of ``relu`` the left slope is 0 and the right slope 1. Central differences say
# 0.5, ``backward`` says 0, and both are defensible.

kink = minigrad.tensor(0.0, dtype=minigrad.float64, device=args.device, requires_grad=True)
kink.relu().backward()
nudged = ((kink + 1e-6).relu() - (kink - 1e-6).relu()).item() / 2e-6
print(f"relu at its corner: backward {kink.grad.item():g}, central difference {nudged:g}")

# %%
# What it costs
# -------------
# A network has thousands of parameters. Small steps run the whole function twice for each of them: 2n runs for n
# parameters. Backpropagation runs it once forwards, and once backwards at about the price of one or two more forward
# runs, *whatever n is*. Here is the loss of a linear model with n weights, timed both ways. You should see the ratio
# grow as n does.


def loss_of(w, inputs, targets):
    return ((inputs @ w - targets) ** 2).mean()


def by_small_steps(weight, *data, h=1e-6):
    slopes = minigrad.empty_like(weight)
    with minigrad.no_grad():
        moved = weight.clone()
        for k in range(len(weight)):
            moved[k] += h
            above = loss_of(moved, *data)
            moved[k] -= 2 * h
            slopes[k] = (above - loss_of(moved, *data)) / (2 * h)
            moved[k] += h
    return slopes


def by_backward(weight, *data):
    weight.grad = None
    loss_of(weight, *data).backward()
    return weight.grad


sizes = (4, 16, 64, 256) if args.quick else (4, 16, 64, 256, 1024, 4096)
costs = []
print("\n    n   small steps    backward      ratio")
for n in sizes:
    *data, weight = (
        minigrad.randn(shape, dtype=minigrad.float64, device=args.device) for shape in ((50, n), (50,), (n,))
    )
    weight.requires_grad_()
    assert minigrad.allclose(by_small_steps(weight, *data), by_backward(weight, *data), rtol=1e-5, atol=1e-5)
    slow, fast = (  # the shortest of several runs, in seconds: the others were disturbed by something
        min(timeit.repeat(partial(method, weight, *data), number=1, repeat=repeat))
        for method, repeat in ((by_small_steps, 2 if n > 500 else 5), (by_backward, 20))
    )
    costs.append((slow, fast))
    print(f"{n:5d} {slow:11.2e} s {fast:9.1e} s {slow / fast:10.0f}")

figure, axis = plt.subplots(figsize=(6.5, 4.3), layout="constrained")
axis.set_prop_cycle(color=(ORANGE, BLUE), marker=("o", "s"))
axis.loglog(sizes, 1000 * np.array(costs), label=("small steps: 2n runs", "backward: one run and back"))
axis.set(xlabel="number of parameters n", ylabel="time in milliseconds", title="The whole gradient, two ways")
axis.legend(frameon=False)
figure.savefig(args.out / "02_cost.png", dpi=120)
print(f"\nfigures: 02_differences.png, 02_gradient.png, 02_cost.png in {args.out}")

# %%
# How one walk can give all n slopes at once is the subject of the next lesson.
#
# The central difference must beat the forward one, float64 must beat float32, and the best steps must lie where the
# theory puts them. With n parameters ``backward`` must be faster by at least a tenth of n:

eps = {"float32": 2.0**-23, "float64": 2.0**-52}
for digits, root in eps.items():
    assert smallest[digits, "central"][1] < smallest[digits, "forward"][1]
    assert 0.03 < smallest[digits, "forward"][0] / root ** (1 / 2) < 30
    assert 0.03 < smallest[digits, "central"][0] / root ** (1 / 3) < 30
assert smallest["float64", "forward"][1] < smallest["float32", "central"][1] < 1e-4
assert costs[-1][0] / costs[-1][1] > sizes[-1] / 10

# %%
# Exercises
# ---------
# 1. Mend ``Cube`` and let the judge look again. Then make a subtle mistake, 3.001 x², and see whether it is caught.
# 2. Derive the central difference: write down f(x + h) and f(x - h) up to h³ and subtract. Which terms cancel?
# 3. Give ``gradcheck`` a float32 tensor. Why does it complain, and which curve of the first figure is it afraid of?

"""What is timed: each workload is one piece of work that several contestants do on the same numbers.

To add one, write a function like `mlp_step` that returns a `Workload`, and put a call of it into `WORKLOADS`. A
contestant is a function that takes the workload's arrays and returns a step: a callable without arguments that does the
work once and returns a number (or a tensor of one element) by which the contestants are held equal. What a contestant
needs is imported inside it, so that `ImportError` means "not installed" and it is left out.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from . import by_hand

THREADS = 2  # of every contestant, in matrix products

Step = Callable[[], Any]


@dataclass(frozen=True)
class Workload:
    """One row of the table. The first contestant is the yardstick, target the ratio to it that minigrad is to reach."""

    name: str
    about: str
    target: float
    make_arrays: Callable[[], tuple[Any, ...]]
    contestants: dict[str, Callable[..., Step]]

    @cached_property
    def arrays(self) -> tuple[Any, ...]:
        return self.make_arrays()

    def start(self, contestant: str) -> Step:
        """A fresh step function of this contestant; nothing is left over from an earlier one."""
        return self.contestants[contestant](*self.arrays)


def mlp_arrays(sizes: tuple[int, ...], batch: int, dtype: Any = np.float32) -> tuple[Any, ...]:
    """Weight (out, in) and bias of each layer in turn, drawn as PyTorch draws them; inputs; integer labels."""
    rng = np.random.default_rng(0)
    parameters = []
    for fan_in, fan_out in pairwise(sizes):
        bound = fan_in**-0.5
        for shape in ((fan_out, fan_in), (fan_out,)):
            parameters.append(rng.uniform(-bound, bound, shape).astype(dtype))
    return parameters, rng.standard_normal((batch, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], batch)


def mlp_tuned(parameters: list[by_hand.Array], inputs: by_hand.Array, labels: Any) -> Step:
    return by_hand.TunedMLP(parameters, inputs, labels).step


def mlp_by_hand(parameters: list[by_hand.Array], inputs: by_hand.Array, labels: Any) -> Step:
    return by_hand.MLP(parameters, inputs, labels).step


def mlp_in_framework(name: str, parameters: list[by_hand.Array], inputs: by_hand.Array, labels: Any) -> Step:
    """The step as a user writes it. It serves every framework that has PyTorch's names: torch, minigrad."""
    framework = importlib.import_module(name)
    if framework.__file__ is None:
        raise ImportError(f"{name} is a folder without an __init__.py")
    nn = importlib.import_module(f"{name}.nn")
    optim = importlib.import_module(f"{name}.optim")
    if name == "torch":
        framework.set_num_threads(THREADS)

    layers = []
    for weight in parameters[0::2]:
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    names = list(model.state_dict())
    model.load_state_dict({key: framework.tensor(value) for key, value in zip(names, parameters, strict=True)})
    opt = optim.Adam(model.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    x, target = framework.tensor(inputs), framework.tensor(labels)

    def step() -> Any:
        opt.zero_grad()
        loss = loss_function(model(x), target)
        loss.backward()
        opt.step()
        return loss

    return step


def mlp_step(name: str, sizes: tuple[int, ...], batch: int, target: float) -> Workload:
    """One training step in float32: Linear layers with ReLU between them, softmax cross entropy, backward, Adam."""
    return Workload(
        name=name,
        about=f"MLP {'-'.join(map(str, sizes))}, batch {batch}",
        target=target,
        make_arrays=partial(mlp_arrays, sizes, batch),
        contestants={
            "by hand": mlp_by_hand,
            "tuned": mlp_tuned,
            "torch": partial(mlp_in_framework, "torch"),
            "minigrad": partial(mlp_in_framework, "minigrad"),
        },
    )


WORKLOADS = {
    workload.name: workload
    for workload in (
        mlp_step("tiny", (2, 16, 16, 2), 32, 1.6),
        mlp_step("digits", (64, 128, 64, 10), 64, 1.3),
        mlp_step("mnist", (784, 512, 256, 10), 128, 1.1),
        mlp_step("big", (1024, 4096, 4096, 10), 512, 1.0),
    )
}
IMPORT_TARGET = 0.050  # seconds that `import minigrad` may take over `import numpy`

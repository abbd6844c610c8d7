"""What is timed: each workload is one piece of work that several contestants do on the same numbers.

To add one, write a function like `mlp_step` that returns a `Workload`, and put a call of it into `WORKLOADS`. A
contestant is a function that takes the workload's arrays and returns a step: a callable without arguments that does the
work once and returns a number (or a tensor of one element) by which the contestants are held equal. What a contestant
needs is imported inside it, so that `ImportError` means "not installed" and it is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np

from . import by_hand, networks
from .networks import beside_torch
from .other_libraries import mlp_in_autograd, mlp_in_jax, mlp_in_mygrad

Step = Callable[[], Any]
Aim = tuple[float, float]  # first, and then


@dataclass(frozen=True)
class Workload:
    """One row of the table. The first contestant is the yardstick.

    ``aims`` are the ratios to contestants that minigrad is to reach: first, and then.
    """

    name: str
    about: str
    aims: dict[str, Aim]
    make_arrays: Callable[[], tuple[Any, ...]]
    contestants: dict[str, Callable[..., Step]]
    steps_compared: int = 3  # by their numbers; 0 where they are random

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


def mlp_in_framework(
    name: str, options: dict[str, Any], parameters: list[by_hand.Array], inputs: by_hand.Array, labels: Any
) -> Step:
    """The step as a user writes it. It serves every framework that has PyTorch's names: torch, minigrad."""
    framework = networks.package(name)
    nn, optim = framework.nn, framework.optim

    layers = []
    for weight in parameters[0::2]:
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    names = list(model.state_dict())
    model.load_state_dict({key: framework.tensor(value) for key, value in zip(names, parameters, strict=True)})
    model.to(networks.DEVICE)
    opt = optim.Adam(model.parameters(), lr=1e-3, **options)
    loss_function = nn.CrossEntropyLoss()
    x, target = (framework.tensor(array).to(networks.DEVICE) for array in (inputs, labels))

    def step() -> Any:
        opt.zero_grad()
        loss = loss_function(model(x), target)
        loss.backward()
        opt.step()
        return loss

    return step


def mlp_step(name: str, sizes: tuple[int, ...], batch: int, hand: Aim, torch: Aim) -> Workload:
    """One training step in float32: Linear layers with ReLU between them, softmax cross entropy, backward, Adam."""
    return Workload(
        name=name,
        about=f"MLP {'-'.join(map(str, sizes))}, batch {batch}",
        aims={"by hand": hand, "torch": torch},
        make_arrays=partial(mlp_arrays, sizes, batch),
        contestants={
            "by hand": mlp_by_hand,
            "tuned": mlp_tuned,
            "torch": partial(mlp_in_framework, "torch", {}),
            "fused": partial(mlp_in_framework, "torch", {"fused": True}),
            "jax": mlp_in_jax,
            "mygrad": mlp_in_mygrad,
            "autograd": mlp_in_autograd,
            "minigrad": partial(mlp_in_framework, "minigrad", {}),
        },
    )


def network(
    name: str, about: str, aim: Aim, build: Callable[[Any], Any], arrays: Any, steps_compared: int = 3
) -> Workload:
    """One training step of a model that is built from PyTorch's names, beside PyTorch."""
    return Workload(name, about, {"torch": aim}, arrays, beside_torch(networks.training_step, build), steps_compared)


def optimizer(name: str, n: int, **options: Any) -> Workload:
    """One update alone, beside PyTorch's fused one."""
    contestants = {
        "torch": partial(networks.optimizer_step, "torch", name, options | {"fused": True}, n),
        "minigrad": partial(networks.optimizer_step, "minigrad", name, options, n),
    }
    about = f"{name} over {n // 1_000_000} M parameters, PyTorch's fused"
    aims = {"torch": (1.5, 1.0)}
    return Workload(f"{name.lower()}-{n // 1_000_000}m", about, aims, partial(networks.flat_arrays, n), contestants)


HVP = (64, 128, 128, 10)

WORKLOADS = {
    workload.name: workload
    for workload in (
        mlp_step("tiny", (2, 16, 16, 2), 32, (1.4, 1.15), (0.25, 0.2)),
        mlp_step("digits", (64, 128, 64, 10), 64, (1.2, 1.07), (0.45, 0.38)),
        mlp_step("mnist", (784, 512, 256, 10), 128, (1.03, 0.95), (0.95, 0.85)),
        mlp_step("big", (1024, 4096, 4096, 10), 512, (0.95, 0.85), (0.75, 0.65)),
        network("norm", "MLP 784-256-128-10 with BatchNorm and Dropout, batch 128", (0.9, 0.7), networks.normalized_mlp,
                partial(networks.rows, 128, 784), steps_compared=0),
        network("lenet", "LeNet, batch 64 of 28x28", (2.0, 1.2), networks.lenet, partial(networks.images, 64, 1, 28)),
        network("cnn", "CNN 3-32-64 with BatchNorm, batch 32 of 32x32", (2.5, 1.5), networks.cnn,
                partial(networks.images, 32, 3, 32)),
        network("transformer", "block 64 wide, 2 heads, 32 tokens, batch 16", (1.3, 0.9), networks.transformer,
                partial(networks.words, 16, 32)),
        network("lstm", "LSTM 64-128, 32 steps, batch 32", (1.5, 0.9), networks.lstm,
                partial(networks.series, 32, 32, 64)),
        Workload("chain", "10,000 recorded ops, forward and backward", {"torch": (0.9, 0.6)}, tuple,
                 beside_torch(networks.chain, 10_000)),
        Workload("hvp", f"Hessian-vector product, MLP {'-'.join(map(str, HVP))}, batch 64", {"torch": (1.5, 1.0)},
                 partial(networks.rows, 64, 64), beside_torch(networks.hessian_vector_product, HVP)),
        Workload("data", "DataLoader epoch, 60,000 x 784 shuffled, batches of 128", {"torch": (0.1, 0.05)},
                 networks.data_arrays, beside_torch(networks.epoch_of_data)),
        optimizer("Adam", 1_000_000),
        optimizer("Adam", 50_000_000),
        optimizer("AdamW", 50_000_000),
        optimizer("SGD", 50_000_000, lr=1e-3, momentum=0.9),
    )
}  # fmt: skip
IMPORT_AIM: Aim = (0.050, 0.025)  # seconds that `import minigrad` may take over `import numpy`
MEMORY_AIM: Aim = (1.1, 0.9)  # of what PyTorch takes, at the peak of a training step

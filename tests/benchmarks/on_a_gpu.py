"""Training steps on a GPU, beside PyTorch eager on the same one; both compute in float32 proper, without TF32."""

from functools import partial

import minigrad
from minigrad.backend import module_for

from . import networks
from .workloads import Aim, Workload, mlp_arrays, mlp_in_framework, network

AIM: Aim = (1.3, 1.0)


def mlp_step(name: str, sizes: tuple[int, ...], batch: int) -> Workload:
    contestants = {lib: partial(mlp_in_framework, lib, {}) for lib in ("torch", "minigrad")}
    about = f"MLP {'-'.join(map(str, sizes))}, batch {batch}"
    return Workload(name, about, {"torch": AIM}, partial(mlp_arrays, sizes, batch), contestants)


WORKLOADS = {
    workload.name: workload
    for workload in (
        mlp_step("mnist-128", (784, 512, 256, 10), 128),
        mlp_step("mnist-1024", (784, 512, 256, 10), 1024),
        mlp_step("mnist-8192", (784, 512, 256, 10), 8192),
        mlp_step("big-512", (1024, 4096, 4096, 10), 512),
        mlp_step("big-8192", (1024, 4096, 4096, 10), 8192),
        network("cnn", "CNN 3-32-64 with BatchNorm, batch 256 of 32x32", AIM, networks.cnn,
                partial(networks.images, 256, 3, 32)),
        network("transformer", "block 64 wide, 2 heads, 32 tokens, batch 128", AIM, networks.transformer,
                partial(networks.words, 128, 32)),
    )
}  # fmt: skip


def lacking() -> str:
    """Say in a sentence what is missing here to measure on a GPU; nothing if nothing is."""
    try:
        module_for("cuda")
        import torch
    except (RuntimeError, ImportError) as error:
        return str(error)
    return "" if torch.cuda.is_available() else "this PyTorch finds no GPU; install one that was built with CUDA"


def begin() -> None:
    """Let the steps that are made from now on run on the GPU."""
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    networks.DEVICE = "cuda"


def wait() -> None:
    """Wait until the GPU has done what either library asked of it: calls return at once."""
    minigrad.cuda.synchronize()


def about() -> str:
    """The GPU and what drives it."""
    return f"{minigrad.cuda.get_device_name()}, cupy {module_for('cuda').__version__}, TF32 off"

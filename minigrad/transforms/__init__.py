"""Images made ready for a network, and varied at random, as in torchvision.

::

    augment = transforms.Compose([transforms.RandomCrop(28, padding=2), transforms.RandomRotation(10)])
    for x, y in loader:
        loss = criterion(model(augment(x)), y)

A transform takes an image (C, H, W) or a batch (N, C, H, W), in floats from 0 to 1 or in bytes. In a batch every image
gets a draw of its own; torchvision makes one draw for all, which ``same_on_batch=True`` does here. The draws come from
minigrad's default generator, which ``minigrad.manual_seed`` seeds, or from ``generator=``.
"""

from typing import Any

from minigrad.transforms import functional
from minigrad.transforms.color import (
    ColorJitter,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
)
from minigrad.transforms.container import Compose, RandomApply, RandomChoice, RandomOrder
from minigrad.transforms.conversion import ConvertImageDtype, Lambda, Normalize, ToTensor
from minigrad.transforms.geometry import (
    CenterCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomPerspective,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
)
from minigrad.transforms.randomness import RandomTransform
from minigrad.transforms.resampling import InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomPerspective",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomTransform",
    "RandomVerticalFlip",
    "Resize",
    "ToTensor",
    "functional",
]

_REFUSED = {
    "policies that were searched for on photographs are left out; compose the transforms you mean": (
        *("AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide", "AugMix"),
    ),
    "images are tensors here; x.permute(1, 2, 0).numpy() is what Pillow and Matplotlib take": (
        *("ToPILImage", "PILToTensor"),
    ),
    "write a Lambda of the function in transforms.functional, or of your own": (
        *("RandomAdjustSharpness", "RandomAutocontrast", "RandomEqualize", "RandomPosterize", "RandomSolarize"),
        *("ElasticTransform", "FiveCrop", "LinearTransformation", "TenCrop", "v2"),
    ),
}


def __getattr__(name: str) -> Any:
    """Say why something of torchvision's is not here."""
    why = next((f": {reason}" for reason, names in _REFUSED.items() if name in names), "")
    raise AttributeError(f"minigrad.transforms has no {name!r}{why}")

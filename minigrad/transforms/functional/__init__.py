"""Transforms as functions: nothing here is drawn at random.

Every function takes an image (C, H, W) or a batch (N, C, H, W). Where torchvision takes one number for all, such as an
angle, N numbers are welcome too: one for each image of the batch.
"""

from minigrad.transforms.functional.color import *  # noqa: F403
from minigrad.transforms.functional.conversion import *  # noqa: F403
from minigrad.transforms.functional.geometry import *  # noqa: F403
from minigrad.transforms.resampling import InterpolationMode

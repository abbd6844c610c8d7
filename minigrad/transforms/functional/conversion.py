"""From arrays to tensors, between kinds of numbers, and to zero mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import ops
from minigrad.backend import is_array, to_numpy
from minigrad.creation import as_tensor
from minigrad.ops.promotion import checked_dtype
from minigrad.tensor import Tensor
from minigrad.transforms.images import channel_values, check_image, constant

__all__ = ["convert_image_dtype", "get_dimensions", "normalize", "to_tensor"]


def to_tensor(pic: Any) -> Tensor:
    """Return an image (H, W, C) or (H, W) of bytes as a tensor (C, H, W) of floats from 0 to 1.

    Parameters
    ----------
    pic : array, PIL image, or Tensor of bytes
        Arrays of other numbers keep them and their dtype. Batches (N, H, W, C) become (N, C, H, W). A tensor of bytes
        is taken as (C, H, W) already, as minigrad's data sets give it where torchvision's give a PIL image.

    Raises
    ------
    TypeError
        If it is anything else.
    ValueError
        If it has other than 2, 3 or 4 dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> to_tensor(np.array([[[255, 0]], [[51, 102]]], dtype=np.uint8))
    tensor([[[1.0000],
             [0.2000]],
    <BLANKLINE>
            [[0.0000],
             [0.4000]]])
    """
    if isinstance(pic, Tensor):
        if pic.dtype != np.uint8:
            raise TypeError(
                f"to_tensor: expected an array, a PIL image or a tensor of bytes, got a tensor of {pic.dtype}; it is a "
                "tensor already, leave ToTensor() out"
            )
        return pic.to(ops.get_default_dtype()) / 255
    if not is_array(pic):
        if not hasattr(pic, "__array_interface__"):  # what PIL images have
            raise TypeError(f"to_tensor: expected an array or a PIL image, got {type(pic).__name__}")
        pic = np.asarray(pic)
        if pic.dtype == bool:
            pic = pic.astype(np.uint8) * np.uint8(255)
    if pic.ndim not in (2, 3, 4):
        raise ValueError(f"to_tensor: expected an image (H, W), (H, W, C) or a batch (N, H, W, C), got {pic.shape}")
    if pic.dtype.kind not in "fuib":
        raise TypeError(f"to_tensor: expected an array of numbers, got {pic.dtype}")
    channels_first = pic[None] if pic.ndim == 2 else np.moveaxis(to_numpy(pic), -1, -3)
    if pic.dtype != np.uint8:
        return as_tensor(channels_first.copy(order="C"))
    floats = channels_first.astype(ops.get_default_dtype(), order="C")
    floats /= 255
    return as_tensor(floats)


def convert_image_dtype(image: Tensor, dtype: Any = np.float32) -> Tensor:
    """Return the image in another dtype with white as white: 255 in bytes is 1.0 in floats.

    Raises
    ------
    RuntimeError
        From floats to integers with more digits than the floats have.

    Examples
    --------
    >>> import minigrad
    >>> convert_image_dtype(minigrad.tensor([[[0.0, 0.5, 1.0]]]), minigrad.uint8)
    tensor([[[  0, 127, 255]]], dtype=minigrad.uint8)
    """
    check_image("convert_image_dtype", image)
    old, new = image.dtype, checked_dtype(dtype)
    if new.kind not in "fui":
        raise TypeError(f"convert_image_dtype: expected a floating or integer dtype, got {new}")
    if old == new or (old.kind == "f" and new.kind == "f"):
        return image.to(new)
    if old.kind == "f":
        if new.itemsize >= old.itemsize:
            raise RuntimeError(
                f"convert_image_dtype: {old} does not tell all {new} numbers apart; convert to uint8, int16 or "
                "scale yourself"
            )
        return (image * (np.iinfo(new).max + 1 - 1e-3)).to(new)  # each integer gets an equal share of 0 to 1
    white = int(np.iinfo(old).max)
    if new.kind == "f":
        return image.to(new) / white
    factor = (int(np.iinfo(new).max) + 1) // (white + 1)
    return image.to(new) * factor if factor else (image // ((white + 1) // (int(np.iinfo(new).max) + 1))).to(new)


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Return (x - mean) / std, with one mean and one standard deviation for each channel or one for all.

    Raises
    ------
    TypeError
        If the image is not floating: ``ToTensor()`` comes before.
    ValueError
        If a standard deviation is 0, or their number is not that of the channels.

    Examples
    --------
    >>> import minigrad
    >>> normalize(minigrad.tensor([[[0.0, 0.5, 1.0]]]), mean=[0.5], std=[0.5])
    tensor([[[-1.,  0.,  1.]]])
    """
    check_image("normalize", tensor)
    if tensor.dtype.kind != "f":
        raise TypeError(
            f"normalize: expected a floating image, got {tensor.dtype}; put ToTensor() or ConvertImageDtype(float32) "
            "before it"
        )
    channels = int(tensor.shape[-3])
    shift = channel_values("normalize", "mean", _numbers(mean), channels)
    scale = channel_values("normalize", "std", _numbers(std), channels)
    if not scale.astype(tensor.dtype).all():
        raise ValueError(f"normalize: expected a std other than 0 for each channel, got {std}; this would divide by 0")
    shift, scale = constant(tensor, shift), constant(tensor, scale)
    if inplace:
        return tensor.sub_(as_tensor(shift)).div_(as_tensor(scale))
    return (tensor - shift) / scale


def _numbers(x: Any) -> Any:
    return x.tolist() if isinstance(x, Tensor) else x


def get_dimensions(img: Tensor) -> list[int]:
    """Return [channels, height, width]."""
    return [int(n) for n in check_image("get_dimensions", img).shape[-3:]]

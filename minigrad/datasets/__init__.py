"""Data sets: small ones that ship inside the package, generated ones, and readers of larger ones in your folders.

=====================================================  ======================================================
:class:`Digits` :class:`Iris` :class:`Wine`            inside the package; nothing is downloaded
:class:`BreastCancer`
:func:`make_moons` :func:`make_circles`                generated: as many samples as you like
:func:`make_spirals` :func:`make_blobs`
:func:`make_regression` :func:`make_sine`
:class:`MNIST` :class:`FashionMNIST` :class:`CIFAR10`  from a folder, into which ``download=True`` fetches them
:class:`Diabetes`                                      from a file, or an installed scikit-learn
=====================================================  ======================================================
"""

from typing import TYPE_CHECKING, Any

from minigrad.datasets.digits import Digits
from minigrad.datasets.generated import (
    make_blobs,
    make_circles,
    make_moons,
    make_regression,
    make_sine,
    make_spirals,
)
from minigrad.datasets.labelled import Labelled
from minigrad.datasets.tables import BreastCancer, Diabetes, Iris, Wine

if TYPE_CHECKING:
    from minigrad.datasets.images import CIFAR10, MNIST, FashionMNIST

__all__ = [
    "BreastCancer",
    "CIFAR10",
    "Diabetes",
    "Digits",
    "FashionMNIST",
    "Iris",
    "Labelled",
    "MNIST",
    "Wine",
    "make_blobs",
    "make_circles",
    "make_moons",
    "make_regression",
    "make_sine",
    "make_spirals",
]


def __getattr__(name: str) -> Any:
    """Import the readers of image files, and with them what downloads, when somebody first asks for one."""
    if name in ("CIFAR10", "FashionMNIST", "MNIST"):
        from minigrad.datasets import images

        return getattr(images, name)
    raise AttributeError(f"minigrad.datasets has no {name!r}")

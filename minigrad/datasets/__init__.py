"""Data sets that ship inside the package: nothing is downloaded."""

from minigrad.datasets.digits import Digits

__all__ = ["Digits"]

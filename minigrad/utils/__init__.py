"""Tools around training: :mod:`minigrad.utils.data` brings data to it in batches."""

from minigrad.utils import data

__all__ = ["data"]

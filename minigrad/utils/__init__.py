"""Tools around training: :mod:`minigrad.utils.data` brings data to it in batches."""

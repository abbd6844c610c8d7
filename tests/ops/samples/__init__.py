"""The op table: what each op is called with in the tests, and what it should give. How to read it: ``table.py``."""

from . import (
    activation,
    conversion,
    elementwise,
    indexing,
    loss,
    normalization,
    product,
    reduction,
    shape,
)
from .table import Call, Row

SHEETS = [
    elementwise,
    reduction,
    shape,
    indexing,
    product,
    activation,
    loss,
    normalization,
    conversion,
]

ROWS: list[Row] = [row for sheet in SHEETS for row in sheet.ROWS]

"""Seeing what autograd does: the walk in words, why a gradient is what it is, the graph as a picture, what is kept."""

from minigrad.inspection.drawing import Drawing, draw
from minigrad.inspection.explanation import Contributions, Explanation, explain, explain_grad
from minigrad.inspection.graph import Trace, tracing
from minigrad.inspection.layers import Summary, summary
from minigrad.inspection.memory import SavedForBackward, saved_for_backward

__all__ = [
    "Contributions",
    "Drawing",
    "Explanation",
    "SavedForBackward",
    "Summary",
    "Trace",
    "draw",
    "explain",
    "explain_grad",
    "saved_for_backward",
    "summary",
    "tracing",
]

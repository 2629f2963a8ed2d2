"""How all plots look: their colours and margins."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Two colours that everybody can tell apart, in print too (Okabe and Ito 2008).
BLUE, ORANGE = "#0072B2", "#D55E00"


def make_figure(width: float, height: float, left: float) -> tuple[Figure, "Axes"]:
    """Make a figure, in inches, with fixed margins: a layout engine takes longer than drawing."""
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(left=left, right=0.97, bottom=0.6 / height, top=1 - 0.45 / height)
    return figure, figure.add_subplot()

"""Pictures that explain atrous convolution, drawn from the layers and the calculator themselves.

Each drawing measures what it shows and says so in one line; nothing in a picture is typed by hand.
"""

from wavestack.explain.draw import DRAWINGS, draw

__all__ = ["DRAWINGS", "draw"]

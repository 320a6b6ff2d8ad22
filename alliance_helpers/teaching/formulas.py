"""Formulas of a web page as pictures, so that no page needs a script to set them."""

from __future__ import annotations

import base64
import io
import re
from html import escape

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from ..figures.style import INK

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)
CODE = re.compile(r"(`[^`]*`)")
SIZE, ROOM = 12, 1  # points: of the letters; above and below them
FINE = 7200  # measured in whole dots of this many to the inch


def drawn(markdown: str) -> str:
    """Markdown with every formula between dollars as a picture; its alt text is the formula.

    Examples
    --------
    >>> drawn("The share $\\\\rho_x$.")[:26]
    'The share <img class="form'
    """
    parts = CODE.split(markdown)
    return "".join(
        part
        if CODE.fullmatch(part)
        else FORMULA.sub(lambda m: _picture(m[1] or m[2], large=bool(m[1])), part)
        for part in parts
    )


def _picture(tex: str, large: bool) -> str:
    shown = tex.strip().replace(r"\frac", r"\dfrac") if large else tex.strip()
    font = FontProperties(size=SIZE, math_fontfamily="dejavuserif")
    measured = MathTextParser("path").parse(f"${shown}$", dpi=FINE, prop=font)[:3]
    width, height, depth = (72 / FINE * length for length in measured)  # points
    whole = height + 2 * ROOM
    figure = Figure(figsize=(width / 72, whole / 72))
    figure.patch.set_alpha(0)
    figure.text(0, (depth + ROOM) / whole, f"${shown}$", fontproperties=font, color=INK)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    place = "display:block;margin:1em auto;" if large else ""
    style = f"{place}height:{whole / SIZE:.3f}em;vertical-align:{-(depth + ROOM) / SIZE:.3f}em"
    source = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<img class="formula" alt="{escape(tex.strip())}" src="data:image/svg+xml;base64,{source}"'
        f' style="{style}">'
    )

"""A figure with controls: still, live and in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from html import escape
from inspect import signature
from typing import Any, NamedTuple

import joblib
import matplotlib.pyplot as plt
import pandas as pd
from ipywidgets import (
    HTML,
    Button,
    FloatSlider,
    HBox,
    IntSlider,
    Layout,
    SelectionSlider,
    ToggleButtons,
    VBox,
)
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..cohorts.open import open_study
from ..cohorts.simulate import simulate_dyads
from ..errors import AllianceError, ParameterError
from ..pages.outputs import figure_html
from ..pages.style import INK, PAPER, QUIET, RC
from ..study.clean import clean
from ..study.codebook import Codebook
from ..study.read_codebook import read_codebook

LABEL_BELOW, LABEL_LEFT = 0.27, 0.44  # inches from the axes


def panels(figure: Figure, widths: tuple[float, ...] = (1,), **margins: float) -> list[Axes]:
    """Empty axes side by side: new ones at first, later the same ones wiped.

    Ticks and labels are most of the work of drawing axes; what is wiped keeps them.

    Parameters
    ----------
    figure : Figure
        The one that `Demo.draw` was given.
    widths : tuple of float
        One relative width per panel.
    **margins
        Handed to `subplots_adjust`: left, right, bottom, top, wspace.
    """
    if figure.axes:
        for ax in figure.axes:
            for bars in list(ax.containers):
                bars.remove()
            for artist in (*ax.lines, *ax.patches, *ax.collections, *ax.texts):
                artist.remove()
            if ax.get_legend():
                ax.get_legend().remove()
            ax.relim()
        return list(figure.axes)
    made = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
    figure.subplots_adjust(**margins)
    for ax in made:
        box = ax.get_window_extent()
        ax.xaxis.set_label_coords(0.5, -LABEL_BELOW * figure.dpi / box.height)
        ax.yaxis.set_label_coords(-LABEL_LEFT * figure.dpi / box.width, 0.5)
    return list(made)


DPI = 130
CSS_DPI = 100
WIDTH = 7.0
BUTTONS = 4
REMEMBERED = 40  # pictures of one demonstration, about 40 kB each
# A fixed place for titles and labels: to search for one takes a third of the time of a drawing.
LOOK_OF_FIGURES = RC | {"axes.titley": 1.0}
LOOK = {"style": {"description_width": "19em"}, "layout": {"width": "min(44em, 98%)"}}


# In JupyterLab: handles and tracks stand out from white, whatever has the keyboard's focus is
# framed, and buttons stand beside their name as sliders do.
VISIBLE = """<style>
.alliance-demo .noUi-handle { border: 2px solid #1F4E8C; background: #FFFFFF; box-shadow: none; }
.alliance-demo .noUi-target { background: #767676; border-color: #767676; }
.alliance-demo .widget-label { flex: none; text-align: left; }
.alliance-demo .widget-toggle-buttons { display: flex; align-items: baseline; }
.alliance-demo .widget-readout { max-width: none; width: auto; overflow: visible; }
.alliance-demo .widget-toggle-button { width: auto; color: #1A1A1A; border: 1px solid #767676; }
.alliance-demo .widget-toggle-button.mod-active {
  background: #1F4E8C; color: #FFFFFF; box-shadow: none;
}
.alliance-demo :focus-visible, .alliance-demo .noUi-handle:focus {
  outline: 3px solid #1F4E8C; outline-offset: 2px;
}
</style>"""


@dataclass(frozen=True)
class Slide:
    """A slider. Whole numbers where all its numbers are whole."""

    label: str
    low: float
    high: float
    step: float
    value: float

    def widget(self) -> IntSlider | FloatSlider:
        whole = all(isinstance(x, int) for x in (self.low, self.high, self.step, self.value))
        made = IntSlider if whole else FloatSlider
        how = {} if whole else {"readout_format": f".{_decimals(self.step)}f"}
        return made(
            value=self.value, min=self.low, max=self.high, step=self.step, description=self.label,
            **LOOK, **how,
        )  # fmt: skip

    def check(self, name: str, value: object) -> None:
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise ParameterError(f"{name} is {value!r}; give {self.low:g} to {self.high:g}.")


@dataclass(frozen=True)
class Choose:
    """A list to choose from: what is shown, and the value that stands for it.

    A few are buttons, many a slider through the names. (JupyterLab takes the arrow keys away from
    a drop-down list, so that it could not be used by keyboard.)
    """

    label: str
    options: Mapping[str, object]
    value: object

    def widget(self) -> ToggleButtons | SelectionSlider:
        made = ToggleButtons if len(self.options) <= BUTTONS else SelectionSlider
        return made(
            options=list(self.options.items()), value=self.value, description=self.label,
            **LOOK,
        )  # fmt: skip

    def check(self, name: str, value: object) -> None:
        if value not in self.options.values():
            allowed = ", ".join(repr(v) for v in self.options.values())
            raise ParameterError(f"{name} is {value!r}; choose one of {allowed}.")


@dataclass(frozen=True)
class Still:
    """One setting, drawn: what `Demo.picture` returns and Jupyter displays."""

    png: bytes
    text: str
    alt: str
    width: int

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        image = base64.b64encode(self.png).decode("ascii")
        html = figure_html(self.png, self.alt, self.width) + numbers_html(self.text)
        bundle = {"image/png": image, "text/html": html, "text/plain": self.text}
        return bundle, {"image/png": {"alt": self.alt, "width": self.width}}


@dataclass(frozen=True)
class Demo:
    """A demonstration.

    Attributes
    ----------
    controls : mapping of str to Slide or Choose
        By the name of the argument of `compute` that each sets.
    compute : callable
        One value per control in, a result out.
    say : callable
        Result in, the sentence with its numbers out.
    draw : callable
        A figure and the result in; it takes its axes from :func:`.panels.panels`.
    shows : str
        What kind of figure it is, for those who do not see it; the numbers are added.
    height : float
        Inches.
    """

    controls: Mapping[str, Slide | Choose]
    compute: Callable[..., Any]
    say: Callable[[Any], str]
    draw: Callable[[Figure, Any], None]
    shows: str
    height: float = 3.5
    _kept: list[Figure] = field(default_factory=list, repr=False, compare=False)
    _drawn: dict = field(default_factory=dict, repr=False, compare=False)

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Every control's value: the given ones, the others as they stand at the start.

        Raises
        ------
        ParameterError
            A name that is no control, or a value outside its bounds.
        """
        if unknown := set(changed) - set(self.controls):
            raise ParameterError(
                f"{sorted(unknown)[0]!r} is no control here; use {', '.join(self.controls)}."
            )
        for name, value in changed.items():
            self.controls[name].check(name, value)
        return {name: c.value for name, c in self.controls.items()} | changed

    def text(self, **changed: Any) -> str:
        """The sentence that goes with a setting of the controls."""
        return self.say(self.compute(**self.settings(**changed)))

    def picture(self, **changed: Any) -> Still:
        """The figure at one setting of the controls, still."""
        return self.still(self.settings(**changed))

    def still(self, settings: Mapping[str, Any]) -> Still:
        """Compute, draw and say one complete setting.

        The figure is reused from call to call, and what was drawn lately is not drawn twice.
        """
        key = tuple(settings.items())
        if key in self._drawn:
            return self._drawn[key]
        result = self.compute(**settings)
        text = self.say(result)
        with plt.rc_context(LOOK_OF_FIGURES):
            figure = self._figure()
            self.draw(figure, result)
            buffer = io.BytesIO()
            figure.canvas.print_png(
                buffer, metadata={"Software": None}, pil_kwargs={"compress_level": 1}
            )
        alt = f"{self.shows} {text}"
        still = Still(buffer.getvalue(), text, alt, round(WIDTH * CSS_DPI))
        if len(self._drawn) == REMEMBERED:
            self._drawn.pop(next(iter(self._drawn)))
        self._drawn[key] = still
        return still

    def _figure(self) -> Figure:
        if not self._kept:
            self._kept.append(Figure(figsize=(WIDTH, self.height), dpi=DPI))
            FigureCanvasAgg(self._kept[0])
        return self._kept[0]

    def explore(self) -> VBox:
        """The controls, the numbers in a sentence, and the figure.

        Every change is computed and drawn before the next is taken from the browser, which holds
        back all but the latest setting meanwhile: dragging cannot queue a backlog.
        """
        return _Explorer(self).box


class _Explorer:
    def __init__(self, demo: Demo) -> None:
        self.demo, self.waiting = demo, False
        self.inputs = {name: c.widget() for name, c in demo.controls.items()}
        self.numbers, self.figure = HTML(), HTML()
        again = Button(description="Back to the start", layout=Layout(width="11em"))
        again.on_click(self.reset)
        for control in self.inputs.values():
            control.observe(self.show, "value")
        rows = [HTML(VISIBLE), *self.inputs.values(), HBox([again]), self.numbers, self.figure]
        self.box = VBox(rows)
        self.box.add_class("alliance-demo")
        self.show()

    def show(self, _change: object = None) -> None:
        if self.waiting:
            return
        try:
            still = self.demo.still({name: w.value for name, w in self.inputs.items()})
        except AllianceError as error:
            self.numbers.value = numbers_html(str(error))
            return
        self.figure.value = figure_html(still.png, still.alt, still.width)
        self.numbers.value = numbers_html(still.text)

    def reset(self, _button: object = None) -> None:
        self.waiting = True
        for name, control in self.demo.controls.items():
            self.inputs[name].value = control.value
        self.waiting = False
        self.show()


def numbers_html(text: str) -> str:
    """The sentence with the numbers; read out by screen readers when it changes."""
    return (
        f'<div class="alliance-numbers" role="status" style="max-width:{WIDTH * CSS_DPI:.0f}px;'
        f"font-size:15px;line-height:1.45;padding:6px 10px;margin:4px 0;"
        f"background:{PAPER};color:{INK};"
        f'border-left:4px solid {QUIET}">{unbroken(escape(text))}</div>'
    )


def unbroken(text: str) -> str:
    """No line ends between a number and its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _decimals(step: float) -> int:
    return len(f"{step:.6f}".rstrip("0").split(".")[1])


def kept(make: Callable[..., Demo]) -> Callable[..., Demo]:
    """Give the same demonstration whenever a function is called with the same data and settings.

    Data are compared by content, so that dyads a student has changed are drawn anew; what is left
    out counts as its default.
    """
    made: dict[str, Demo] = {}

    @wraps(make)
    def demo(*args: object, **named: object) -> Demo:
        called = signature(make).bind(*args, **named)
        called.apply_defaults()
        key = joblib.hash(called.arguments)
        if key not in made:
            made[key] = make(*args, **named)
        return made[key]

    return demo


class Dyads(NamedTuple):
    """One row per client, and the codebook that says what the columns are."""

    dyads: pd.DataFrame
    codebook: Codebook


def open_dyads(
    data: str = "",
    codebook: str = "",
    scenario: str = "published",
    n_clients: int = 201,
    seed: int = 1995,
) -> Dyads:
    """Your own study's dyads, cleaned and scored, or synthetic ones without gaps or slips.

    Parameters
    ----------
    data, codebook : str
        Folder of your own study, and its codebook; with `data` empty dyads are simulated.
    scenario, n_clients, seed
        Of the simulation. As they stand these are the 201 clients of the shipped cohort, before
        answers went missing and slips were made.

    Raises
    ------
    ScenarioError, ParameterError, DataError, CodebookError

    Examples
    --------
    >>> len(open_dyads().dyads)
    201
    """
    if data:
        opened = clean(open_study(data, codebook))
        return Dyads(opened.dyads, opened.codebook)
    return Dyads(simulate_dyads(scenario, n_clients, seed), read_codebook())

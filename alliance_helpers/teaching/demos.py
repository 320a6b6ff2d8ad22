"""A figure with controls: still, live and in words."""

from __future__ import annotations

import io
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, update_wrapper, wraps
from html import escape
from inspect import getdoc, signature
from math import ceil
from pathlib import Path
from string import Formatter
from types import SimpleNamespace
from typing import Any

import ipywidgets as ipw
import joblib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

from ..errors import AllianceError, ParameterError
from ..pages.outputs import Picture, figure_html
from ..pages.printing import coefficient, figure_number, p_words
from ..pages.style import INK, PAPER, QUIET, RC

DPI = 130
CSS_DPI = 100
WIDTH = 7.0
BUTTONS = 4
ROUND = 2  # pixels of paper around a text
REMEMBERED = 40  # pictures of one demonstration, about 40 kB each
LOOK_OF_FIGURES = RC | {"axes.titlesize": 10.5, "axes.titley": 1.0}

SAID = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
VISIBLE = f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>"


@dataclass(frozen=True)
class Slide:
    """A slider. Whole numbers where all its numbers are whole."""

    label: str
    low: float
    high: float
    step: float
    value: float

    def widget(self, **look: Any) -> ipw.IntSlider | ipw.FloatSlider:
        whole = all(isinstance(x, int) for x in (self.low, self.high, self.step, self.value))
        made = ipw.IntSlider if whole else ipw.FloatSlider
        decimals = len(f"{self.step:g}".partition(".")[2])
        how = {} if whole else {"readout_format": f".{decimals}f"}
        how |= {"min": self.low, "max": self.high, "step": self.step}
        return made(value=self.value, description=self.label, **how, **look)

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

    def widget(self, **look: Any) -> ipw.ToggleButtons | ipw.SelectionSlider:
        made = ipw.ToggleButtons if len(self.options) <= BUTTONS else ipw.SelectionSlider
        options = list(self.options.items())
        return made(options=options, value=self.value, description=self.label, **look)

    def check(self, name: str, value: object) -> None:
        if value not in self.options.values():
            allowed = ", ".join(repr(v) for v in self.options.values())
            raise ParameterError(f"{name} is {value!r}; choose one of {allowed}.")


@dataclass(frozen=True)
class Still(Picture):
    """One setting, drawn: what `Demo.picture` returns and Jupyter displays."""

    text: str = ""

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        bundle, metadata = super()._repr_mimebundle_(include, exclude)
        bundle["text/html"] += numbers_html(self.text)
        return bundle | {"text/plain": self.text}, metadata


class Words(Formatter):
    """Sentences with results in them.

    `{x:r}` is a correlation or share (`{x:r3}` with three decimals), `{x:v1}` a value with one,
    `{x:p}` a p-value, `{x:%}` a share in per cent; of an interval both ends are written.
    """

    def format_field(self, value: Any, spec: str) -> str:
        if spec == "%":
            return f"{100 * value:.0f} %"
        form = {"r": coefficient, "v": figure_number}.get(spec[:1])
        if form is None:
            return p_words(value) if spec == "p" else format(value, spec)
        return " to ".join(form(x, int(spec[1:] or 2)) for x in np.atleast_1d(value))


def said(demo: str, part: str, /, **values: Any) -> str:
    """A sentence of `demos.toml` that is part of another."""
    return Words().format(SAID[demo][part], **values)


@dataclass(frozen=True, eq=False)
class Demo:
    """A demonstration.

    Attributes
    ----------
    controls : mapping of str to Slide or Choose
        By the name of the argument of `compute` that each sets.
    compute : callable
        One value per control in, a result out.
    say : str or mapping of str to str
        The sentence with the result's numbers (:class:`Words`), or several by the result's `case`.
    draw : callable
        The result and the panels' axes in; all that it draws lies in these axes. Its docstring says
        what kind of figure it is, for those who do not see it, where `plots` does not say it; the
        numbers are added.
    height : float
        Inches.
    widths : tuple of float
        Relative widths of the panels.
    """

    controls: Mapping[str, Slide | Choose]
    compute: Callable[..., Any]
    say: str | Mapping[str, str]
    draw: Callable[..., Any]
    height: float = 3.5
    widths: tuple[float, ...] = (1,)

    def settings(self, **changed: Any) -> dict[str, Any]:
        """Every control's value: the given ones, the others as they stand at the start.

        Raises
        ------
        ParameterError
            A name that is no control, or a value outside its bounds.
        """
        if unknown := set(changed) - set(self.controls):
            names = ", ".join(self.controls)
            raise ParameterError(f"{sorted(unknown)[0]!r} is no control here; use {names}.")
        for name, value in changed.items():
            self.controls[name].check(name, value)
        return {name: c.value for name, c in self.controls.items()} | changed

    def text(self, **changed: Any) -> str:
        """The sentence that goes with a setting of the controls."""
        return self._say(self.compute(**self.settings(**changed)))

    def _say(self, result: Any) -> str:
        say = self.say if isinstance(self.say, str) else self.say[result.case]
        return Words().format(say, **vars(result))

    def picture(self, **changed: Any) -> Still:
        """The figure at one setting of the controls, still."""
        return self.still(**self.settings(**changed))

    @cached_property
    def still(self) -> Callable[..., Still]:
        """Compute, draw and say one complete setting; what was drawn lately is not drawn twice."""
        return lru_cache(REMEMBERED)(self._still)

    @cached_property
    def figure(self) -> Figure:
        """What every setting is drawn in, one after another."""
        figure = Figure(figsize=(WIDTH, self.height), dpi=DPI, layout="constrained")
        figure.subplots(1, len(self.widths), width_ratios=self.widths)
        return figure

    @cached_property
    def renderer(self) -> Remembering:
        return Remembering(*self.figure.canvas.get_width_height(), DPI)

    def _still(self, **settings: Any) -> Still:
        result = self.compute(**settings)
        text, buffer = self._say(result), io.BytesIO()
        with plt.rc_context(LOOK_OF_FIGURES):
            figure = self.figure
            _wipe(figure)
            self.draw(result, *figure.axes)
            self.renderer.clear()
            figure.draw(self.renderer)
            image = Image.fromarray(np.asarray(self.renderer.buffer_rgba())).convert("RGB")
            image.save(buffer, "png", compress_level=1)
            _stay(figure)
        alt = f"{getdoc(self.draw) or figure.get_label()} {text}".replace("\n", " ")
        return Still(buffer.getvalue(), alt, round(WIDTH * CSS_DPI), live=True, text=text)

    def explore(self) -> ipw.VBox:
        """The controls, the numbers in a sentence, and the figure.

        Every change is computed and drawn before the next is taken from the browser, which holds
        back all but the latest setting meanwhile: dragging cannot queue a backlog.
        """
        wide, plain = ({"layout": ipw.Layout(width=w)} for w in ("min(44em, 98%)", None))  # shared
        wide["style"] = {"description_width": "19em"}
        inputs = {name: control.widget(**wide) for name, control in self.controls.items()}
        look, numbers, figure = (ipw.HTML(text, **plain) for text in (VISIBLE, "", ""))
        again = ipw.Button(description="Back to the start", layout=ipw.Layout(width="11em"))

        def show(_event: object = None) -> None:
            try:  # a page can be made to send any other value than its controls have
                still = self.picture(**{n: widget.value for n, widget in inputs.items()})
            except (AllianceError, MemoryError) as error:
                full = isinstance(error, MemoryError)
                numbers.value = numbers_html(SAID["full"] if full else str(error))
                return
            figure.value = figure_html(still.png, still.alt, still.width)
            numbers.value = numbers_html(still.text)

        def reset(_event: object = None) -> None:
            for name, widget in inputs.items():
                widget.unobserve(show, "value")
                widget.value = self.controls[name].value
                widget.observe(show, "value")
            show()

        for widget in inputs.values():
            widget.observe(show, "value")
        again.on_click(reset)
        show()
        box = ipw.VBox([look, *inputs.values(), again, numbers, figure], **plain)
        box.add_class("alliance-demo")
        return box


class Remembering(RendererAgg):
    """Draws a text that was written before as an image: letters take half the time of a drawing."""

    def draw_text(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        if angle or ismath:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        image, below = written(s, prop.copy(), gc.get_rgb()[:3])
        self.draw_image(gc, round(x) - ROUND, self.height - round(y) - below, image)


@lru_cache(256)
def written(text: str, font: FontProperties, color: tuple) -> tuple[np.ndarray, int]:
    """A text from the bottom upwards in pixels, and how many of them lie below its baseline."""
    measured = RendererAgg(1, 1, DPI).get_text_width_height_descent(text, font, False)
    width, height, descent = (ceil(x) + ROUND for x in measured)
    alone = RendererAgg(width + ROUND, height + ROUND, DPI)
    gc = alone.new_gc()
    gc.set_foreground((*color, 1.0), isRGBA=True)
    alone.draw_text(gc, ROUND, alone.height - descent, text, font, 0)
    return np.array(alone.buffer_rgba())[::-1], descent


def _wipe(figure: Figure) -> None:
    """Empty axes to draw in again; ticks and labels, most of the work of drawing, are kept."""
    figure.set_label("")
    for ax in figure.axes:
        for bars in list(ax.containers):
            bars.remove()
        for artist in (*ax.lines, *ax.patches, *ax.collections, *ax.texts):
            artist.remove()
        ax.legend_ = None
        ax.relim()
        ax.autoscale()


def _stay(figure: Figure) -> None:
    """Axes and labels stay where they were laid out first.

    What moves with a control is seen, and to search for a place takes a third of the time of a
    drawing.
    """
    figure.set_layout_engine("none")
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        label = axis.label
        axis.set_label_coords(*label.get_position(), transform=label.get_transform())


def demonstration(
    name: str, draw: Callable, height: float = 0.0, **given: tuple
) -> Callable[[Callable[..., dict]], Callable[[], Demo]]:
    """Make a demonstration of what a function computes from its controls.

    The function returns what it found by name; the result holds this and the controls' settings.
    The sentence, the controls and the figure's size are those of `demos.toml` under `name`, but for
    what is given here: of a control what its study knows.
    """
    told = SAID[name]
    parts = {n: [*about, *given.get(n, ())] for n, about in told["controls"].items()}
    controls = {n: (Slide if len(p) == 5 else Choose)(*p) for n, p in parts.items() if len(p) > 1}
    about = told["say"], draw, height or told["height"], told.get("widths", (1,))

    def made(compute: Callable[..., dict]) -> Callable[[], Demo]:
        def found(*values: Any, **named: Any) -> SimpleNamespace:
            settings = dict(zip(controls, values, strict=False)) | named
            return SimpleNamespace(**settings | compute(**settings))

        demo = Demo(controls, found, *about)

        give = update_wrapper(lambda: demo, compute, ("__module__", "__name__", "__doc__"))
        del give.__wrapped__  # it takes no settings
        return give

    return made


def numbers_html(text: str) -> str:
    """The sentence with the numbers; read out by screen readers when it changes."""
    look = {"width": WIDTH * CSS_DPI, "paper": PAPER, "ink": INK, "quiet": QUIET}
    return SAID["box"].format(text=unbroken(escape(text)), **look)


def unbroken(text: str) -> str:
    """No line ends between a number and its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


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
        return made.get(key) or made.setdefault(key, make(*args, **named))

    return demo

"""A unit as a single file, opened from disk: it moves, and answers as the notebook does."""

import json
import re
from html import unescape

import pytest
from seminar_pages import Watched
from test_browser_report import WIDTHS, axe, barred  # noqa: F401  a fixture

from alliance_helpers.teaching import exercises, widgets
from tools.seminar import lite
from tools.seminar.editions import units

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PROJECTORS = (1280, 800), (1280, 720), (1024, 768)


@pytest.mark.parametrize("unit", units([6]), ids=lambda unit: unit.stem)
def test_it_bars_nobody(chromium, tmp_path, axe, unit):  # noqa: F811
    file = tmp_path / "unit.html"
    file.write_text(lite.page(unit), encoding="utf-8")
    page = chromium.new_page()
    page.goto(file.as_uri())
    assert [barred(page, axe, width) for width in WIDTHS.values()] == [[], []]
    page.close()


def test_it_moves_and_answers_without_a_server(chromium, tmp_path):
    file = tmp_path / "unit.html"
    file.write_text(lite.page(units([6])[0]), encoding="utf-8")
    watched = Watched(chromium.new_page())
    page = watched.page
    page.goto(file.as_uri())
    demo = page.locator(".alliance-demo")
    demo.get_by_label("favour").press("ArrowRight")
    said = " ".join(demo.locator(".alliance-numbers").inner_text().split())
    assert said == widgets.own_view_held().text(favour=0.65)
    box = page.locator(".ask").nth(1)
    for answer, reply in (
        ("", "No answer yet."), ("-0.367", "Right: -0.367."), ("−0,4", "Close: one more decimal"),
        ("0.367", "Mind the sign."), ("x", "A number is wanted here"), ("-1", "The numerator"),
    ):  # fmt: skip
        box.locator("input").fill(answer)
        box.locator("button").click()
        assert reply in box.locator("p").inner_text()
    page.reload()
    assert page.get_by_label("Your answer to 1.2").input_value() == "-1"
    assert watched.errors == []
    assert [url for url in watched.outside if not url.startswith("file:")] == []
    page.close()


ASKED = (
    {"expected": 0.1764, "within": 0.0015, "hint": "Again.", "traps": {"That is r.": 0.1833}},
    {"expected": -0.25, "traps": {"Step.": -0.3, "Sign.": 0.25, "None.": 0}, "why": "So {}."},
    {"expected": 24, "within": 0.5, "traps": {"{} is half.": 12.345}},
    {"expected": "more", "choices": ["more", "less"], "traps": {"Less?": "less"}},
    {"expected": "more", "choices": ["more", "less"], "hint": "Look."},
)
ANSWERS = (
    "", "0.18", ".176", "0.183", "0,2", "17.6", "17.6 %", "1/4", "-.25", "−0.3", "-0.2", "0",
    "24", "24.4", "12.3", "12.35", "12", "123456", "x", "1/0", "more", "less",
)  # fmt: skip


def test_a_page_without_python_answers_as_python_does(chromium, tmp_path):
    file = tmp_path / "unit.html"
    file.write_text(lite.page(units([6])[0]), encoding="utf-8")
    page = chromium.new_page()
    page.goto(file.as_uri())
    for how in ASKED:
        embedded = lite.ask("1.1", **how)._repr_html_()
        data = re.search(r"<script[^>]*>(.*)</script>", embedded)[1]
        for answer in ANSWERS:
            if answer and "choices" in how and answer not in how["choices"]:
                continue
            line, said = exercises.ask("1.1", **how).children
            line.children[0].value = answer
            line.children[1].click()
            shown = unescape(re.sub("<.*?>", "", said.value))
            found = page.evaluate(f"reply({json.dumps(answer)}, {data})")
            assert found.replace("'", "") == shown.replace("'", ""), (how, answer)
    page.close()


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.stem)
def test_no_slide_is_taller_than_a_screen(chromium, tmp_path, monkeypatch, unit):
    def start(demo):
        controls = demo.controls.values()
        return [tuple(lite.values(control).index(control.value) for control in controls)]

    monkeypatch.setattr(lite, "settings", start)
    file = tmp_path / "slides.html"
    file.write_text(lite.page(unit, slides=True), encoding="utf-8")
    for width, height in PROJECTORS:
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.goto(file.as_uri())
        heights = "[...document.querySelectorAll('article')].map(slide => slide.offsetHeight)"
        assert {*page.evaluate(heights)} <= {0, height}
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.close()

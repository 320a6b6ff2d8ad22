"""The seminar in a real browser: every unit, every control, as web page and in JupyterLab."""

import re
import time

import pytest
from playwright.sync_api import expect
from seminar_pages import (
    BUTTONS_OF,
    SLIDER,
    TIMEOUT,
    UNITS,
    Playing,
    Watched,
    demos_of,
    lab,
    open_lab,
    open_web,
    voila,
)
from test_browser_report import WIDTHS, axe, barred  # noqa: F401  a fixture

from alliance_helpers.paths import NOTEBOOKS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EXPLORED = [p.stem for p in sorted(NOTEBOOKS.glob("0*.ipynb")) if ".explore()" in p.read_text()]
CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const paper = e => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$|transparent/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || e.closest('script, style, noscript, mjx-assistive-mml') || !e.checkVisibility())
      continue;
    const [a, b] = [light(getComputedStyle(e).color), light(paper(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(text.slice(0, 40));
  }
  return poor; }"""


CUT_OFF = """() => [...document.querySelectorAll('.alliance-demo .widget-label')]
  .filter(label => label.scrollWidth > label.clientWidth).map(label => label.textContent)"""
COUNT_FIGURES = """box => { window.figures = 0;
  const figure = m => [...m.addedNodes].some(n => n.tagName === 'IMG');
  new MutationObserver(all => { window.figures += all.filter(figure).length })
    .observe(box, {childList: true, subtree: true}); }"""


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voila")
    with voila(folder) as address:
        address.log = folder / "voila.log"
        yield address


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    with lab(tmp_path_factory.mktemp("lab")) as address:
        yield address


def move_everything(page, demos) -> None:
    """Every control one step by keyboard and back; each time the sentence must be the right one."""
    for place, demo in enumerate(demos):
        playing = Playing(page, place, demo)
        assert playing.text == playing.expected()
        for name in demo.controls:
            rises = playing.can_move(name)
            for up in (rises, not rises):
                playing.press(name, up)
                expected = playing.expected()
                playing.wait_for(expected)
                assert playing.text == expected, f"{name} at {playing.settings[name]}"
        figure = playing.box.locator("img.alliance-figure")
        assert playing.text in " ".join(figure.get_attribute("alt").split())


@pytest.mark.parametrize("unit", UNITS)
def test_web_page(chromium, web, axe, unit):  # noqa: F811
    demos = demos_of(unit)
    watched = open_web(chromium, web(unit), len(demos))
    move_everything(watched.page, demos)
    assert [barred(watched.page, axe, width) for width in WIDTHS.values()] == [[], []]
    assert watched.page.evaluate("[...document.images].filter(i => !i.alt).length") == 0
    assert watched.page.evaluate(CONTRAST) == []
    assert watched.errors == []
    assert watched.outside == []
    watched.page.close()


@pytest.mark.parametrize("unit", UNITS)
def test_jupyterlab(chromium, laboratory, unit):
    demos = demos_of(unit)
    watched = open_lab(chromium, laboratory(unit), len(demos))
    move_everything(watched.page, demos)
    assert_sound(watched)


def assert_sound(watched) -> None:
    """A notebook in JupyterLab without an error, and with words for every figure."""
    cells = ".jp-Notebook"
    kits = f"{cells} img:not(.jp-RenderedImage img)"  # not the reader's own, from a plain library
    missing = f"[...document.querySelectorAll('{kits}')].filter(i => !i.alt).length"
    assert watched.page.evaluate(missing) == 0
    stopped = "[data-mime-type='application/vnd.jupyter.stderr']"  # tracebacks and warnings
    assert watched.page.locator(f"{cells} {stopped}").count() == 0
    assert watched.page.evaluate(CUT_OFF) == []
    assert watched.errors == []
    assert watched.outside == []
    watched.page.close()


def test_every_link_of_start_opens(chromium, laboratory):
    """JupyterLab finds a file for each; a page, a notebook and a table are opened by a click."""
    watched = Watched(chromium.new_page(viewport={"width": 1300, "height": 1000}))
    page = watched.page
    page.goto(laboratory("START"), timeout=TIMEOUT)
    written = re.findall(r"\]\(([^)]+)\)", (NOTEBOOKS / "START.ipynb").read_text())
    found = "() => [...document.querySelectorAll('.jp-RenderedMarkdown a[href*=\"/files/\"]')]"
    page.wait_for_function(f"({found})().length == {len(written)}", timeout=TIMEOUT)
    files = page.evaluate(f"({found})().map(link => link.href)")
    assert [page.request.get(file).status for file in files] == [200] * len(written)
    for name in ("findings.yml", "client_interviews.csv", "02_descriptives.ipynb"):
        page.locator(".lm-TabBar-tabLabel", has_text="START").first.click()
        page.locator(f".jp-RenderedMarkdown a[href*='{name}']").click()
        page.locator(".jp-mod-current .lm-TabBar-tabLabel", has_text=name).wait_for(timeout=TIMEOUT)
    assert (watched.errors, watched.outside) == ([], [])
    page.close()


@pytest.mark.parametrize("name", EXPLORED)
def test_explorer_of_a_main_notebook(chromium, laboratory, name):
    """Each slider and each group of buttons changes the sentence."""
    watched = open_lab(chromium, laboratory(name), 1)
    box = watched.page.locator(".alliance-demo")
    sentence = box.locator(".alliance-numbers")
    sliders, groups = box.locator(SLIDER), box.locator(BUTTONS_OF)
    moves = [(sliders.nth(i), "ArrowRight") for i in range(sliders.count())]
    moves += [(groups.nth(i).locator("button").nth(1), "Space") for i in range(groups.count())]
    for control, key in moves:
        before = sentence.inner_text()
        pressed = control.get_attribute("class") or ""
        if "mod-active" in pressed:  # the second is chosen already: choose the first
            control = control.locator("xpath=preceding-sibling::button[1]")
        control.press(key)
        expect(sentence).not_to_have_text(before, timeout=20_000)
    assert_sound(watched)


@pytest.mark.parametrize(("name", "shown"), [("02_descriptives", 5), ("05_finding_2", 6)])
def test_one_line_changes_every_result_of_a_notebook(chromium, laboratory, name, shown):
    """Who took part and reliabilities; regressions and claims: each table and figure says so."""
    watched = open_lab(chromium, laboratory(name), 0, subscale="bond")
    results = watched.page.locator(".jp-OutputArea-output")
    captions = results.locator("caption, figcaption").all_inner_texts()
    assert [c for c in captions if "[bond as the rating]" in c] == captions
    assert len(captions) == shown
    assert_sound(watched)


def test_no_visitor_waits_for_a_session_to_be_replaced(chromium, web):
    """Two sessions of a unit are ready; those who come next are served at once too."""
    took = []
    for _ in range(4):
        started = time.monotonic()
        open_web(chromium, web(UNITS[1]), 4)
        took.append(time.monotonic() - started)
    for context in chromium.contexts:
        context.close()
    assert max(took) < 10


def test_code_is_hidden_until_asked_for(chromium, web):
    page = open_web(chromium, web(UNITS[0]), 3).page
    code = page.locator("pre.code").first
    assert not code.is_visible()
    page.get_by_label("Show the code").check()
    assert code.is_visible()
    page.close()


def test_an_answer_is_checked_on_the_page_and_kept(chromium, web, axe):  # noqa: F811
    """Empty, wrong, right with its reason; a reload keeps it, and it can be downloaded.

    The teacher sees each visitor's first answer to an exercise once, and that it is right by now.
    """
    page = open_web(chromium, web(UNITS[0]), 3).page
    box = page.locator(".alliance-exercise").first
    for answer, reply in (("", "No answer yet"), ("4", "Not yet: 4"), ("2", "Right: 2. r and ICC")):
        box.locator("input").fill(answer)
        box.locator("button").click()
        box.get_by_text(reply).wait_for(timeout=20_000)
    page.locator("select").first.select_option("noise")
    page.locator(".essay").fill("Ask both.")
    page.reload()
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    box.locator("button").click()  # the kernel is a new one, and knows the answer too
    box.get_by_text("Right: 2.").wait_for(timeout=20_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my answers").click()
    text = download.value.path().read_text()
    page.locator(".alliance-exercise").nth(4).locator("button").click()
    page.get_by_text("Right: noise.").wait_for(timeout=20_000)
    for line in ("answer to 1.1: 2", "answer to 2.3: noise", "to discuss: Ask both."):
        assert line in text
    labels = page.evaluate("answers().map(label)")
    assert len(set(labels)) == len(labels) == 7
    page.close()
    watched = Watched(chromium.new_page())
    address = re.search(r"for the teacher: (\S+)", web.log.read_text())[1]
    watched.page.goto(address.replace("localhost", "127.0.0.1"))
    rows = watched.page.locator("tr:has(td)").all_inner_texts()
    assert [" ".join(row.split()) for row in rows] == [
        "1.1 Right 0 Close 0 Not yet 1 1 of 1",
        "2.3 same 0 unchanged 0 noise ✓ 1 1 of 1",
    ]
    assert [barred(watched.page, axe, width) for width in WIDTHS.values()] == [[], []]
    watched.page.wait_for_event("requestfinished")  # it follows by itself
    assert (watched.errors, watched.outside) == ([], [])
    watched.page.close()


def test_a_page_that_is_left_gives_its_place_back(chromium, web):
    """Also one that was opened by its own address, not from the list of units."""
    page = open_web(chromium, web(UNITS[0]), 3).page
    kernel = page.evaluate("KERNEL")
    page.close(run_before_unload=True)
    deadline = time.monotonic() + 20
    while f"Kernel shutdown: {kernel}" not in web.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_tap_enlarges_a_figure_on_a_phone(chromium, web):
    """It stays large when a control is moved, and the page never scrolls sideways."""
    demos = demos_of(UNITS[4])
    page = open_web(chromium, web(UNITS[4]), len(demos)).page
    page.set_viewport_size({"width": 390, "height": 800})
    sideways = "document.documentElement.scrollWidth > innerWidth"
    playing = Playing(page, 2, demos[2])
    figure = playing.box.locator("img")
    assert 370 < figure.bounding_box()["width"] <= 390
    figure.click()
    assert figure.bounding_box()["width"] == 700
    assert not page.evaluate(sideways)
    playing.press("term")
    playing.wait_for(playing.expected())
    assert figure.bounding_box()["width"] == 700
    figure.click()
    assert figure.bounding_box()["width"] <= 390
    page.close()


def test_the_first_page_leads_to_every_unit(chromium, web):
    page = chromium.new_page()
    page.goto(web(""))
    links = page.locator("#voila-tree-main a").evaluate_all("links => links.map(a => a.href)")
    assert links == [web(unit) for unit in UNITS]
    page.close()


@pytest.mark.parametrize("where", ["web", "lab"])
def test_sixty_presses_queue_nothing(chromium, web, laboratory, where):
    """Keys faster than figures: after the last press one or two are drawn, the last is right."""
    unit = UNITS[3]
    demos = demos_of(unit)
    opened = (open_web, web) if where == "web" else (open_lab, laboratory)
    page = opened[0](chromium, opened[1](unit), len(demos)).page
    playing = Playing(page, 0, demos[0])
    playing.slider("n").focus()
    page.evaluate(COUNT_FIGURES, playing.box.element_handle())
    for _ in range(60):
        page.keyboard.down("ArrowRight")  # as a key that is held down
    before = page.evaluate("window.figures")
    page.keyboard.up("ArrowRight")
    playing.settings["n"] += 60 * playing.demo.controls["n"].step
    playing.wait_for(playing.expected())
    assert playing.text == playing.expected()
    page.wait_for_timeout(1000)
    after = page.evaluate("window.figures") - before
    assert after <= 2, f"{after} figures were drawn after the last press"
    page.close()

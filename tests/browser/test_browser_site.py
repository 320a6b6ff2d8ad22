"""The site that `make docs` builds: whole, alone, and open to everyone."""

import re
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from test_browser_report import WIDTHS, axe  # noqa: F401  a fixture

from alliance_helpers.paths import ROOT

SITE = ROOT / "build" / "site"
PAGES = sorted(p for p in SITE.rglob("*.html") if p.name != "404.html")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PAGES, reason="make docs has not been run"),
]


def test_no_link_is_broken():
    ids = {p: set(re.findall(r'\bid="?([^"\s>]+)', p.read_text("utf-8"))) for p in PAGES}
    broken, outside = [], re.compile(r"^(https?:|mailto:|data:|javascript:)")
    for page in PAGES:
        for to in re.findall(r'\b(?:href|src)="([^"]*)"', page.read_text("utf-8")):
            place, part = urldefrag(to)
            if not to or outside.match(to):
                continue
            target = Path(page.parent / unquote(place)).resolve() if place else page
            if not target.exists() or (part and target in ids and unquote(part) not in ids[target]):
                broken.append((page.relative_to(SITE).as_posix(), to))
    assert len(PAGES) > 35 and not broken


def test_no_other_host_is_asked_when_a_page_is_opened():
    asked = (
        r"""<(?:script|img|link rel="(?:stylesheet|preconnect|icon)")[^>]*(?:src|href)="https?:"""
    )
    assert [p.name for p in PAGES if re.search(asked, p.read_text("utf-8"))] == []


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_bars_anyone_and_nothing_is_asked(width, axe, chromium):  # noqa: F811
    page, asked, found = chromium.new_page(viewport={"width": WIDTHS[width], "height": 800}), [], {}
    page.on("request", lambda r: asked.append(r.url))
    for path in PAGES:
        page.goto(path.as_uri())
        page.evaluate(axe)
        wrong = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        if page.evaluate("document.documentElement.scrollWidth") > WIDTHS[width]:
            wrong.append({"id": "scrolls sideways", "nodes": []})
        for v in wrong:
            first = v["nodes"][0] if v["nodes"] else {"html": "", "failureSummary": ""}
            told = first["html"][:150], first["failureSummary"][:200]
            found.setdefault(v["id"], []).append((path.name, len(v["nodes"]), *told))
    page.close()
    assert [r for r in asked if not r.startswith(("file:", "data:", "blob:"))] == []
    assert not found, found


@pytest.mark.browser
def test_a_word_is_found_though_the_pages_are_opened_from_the_disk(chromium):
    page = chromium.new_page()
    page.goto((SITE / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").fill("tolerance")
    page.locator(".md-search-result__item", has_text="Glossary").wait_for()
    page.close()

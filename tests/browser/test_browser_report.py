"""The report in a real browser: nothing asked of the network, no error, fits a phone."""

import pytest

pytestmark = pytest.mark.browser
WIDTHS = {"laptop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def pages(chromium, shipped_run):
    """The report opened at each width: page, console errors, requests."""
    opened = {}
    for name, width in WIDTHS.items():
        page = chromium.new_page(viewport={"width": width, "height": 900})
        errors, requests = [], []
        page.on("console", lambda m, e=errors: e.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error, e=errors: e.append(str(error)))
        page.on("request", lambda r, q=requests: q.append(r.url))
        page.goto((shipped_run.out / "report.html").as_uri())
        opened[name] = page, errors, requests
    return opened


@pytest.mark.parametrize("name", WIDTHS)
def test_quiet_and_alone(pages, name):
    _, errors, requests = pages[name]
    assert not errors
    assert [r for r in requests if not r.startswith(("file:", "data:"))] == []


@pytest.mark.parametrize("name", WIDTHS)
def test_the_page_does_not_scroll_sideways(pages, name):
    page = pages[name][0]
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[name]


def test_every_picture_is_drawn_and_described(pages):
    page = pages["laptop"][0]
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.alt.length, i.complete])"
    )
    assert len(pictures) >= 10
    assert all(width > 300 and alt > 40 and complete for width, alt, complete in pictures)


def test_navigation_leads_somewhere(pages):
    page = pages["laptop"][0]
    targets = page.evaluate("[...document.querySelectorAll('nav a')].map(a => a.hash.slice(1))")
    assert len(targets) > 9
    assert all(page.evaluate("id => !!document.getElementById(id)", t) for t in targets)


def test_a_table_is_copied(pages):
    page = pages["laptop"][0]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("button.copy").first.click()
    page.wait_for_function("document.querySelector('button.copy').textContent == 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    rows = page.locator("table").first.locator("tr").all_inner_texts()
    assert [line.split() for line in copied.splitlines()] == [row.split() for row in rows]

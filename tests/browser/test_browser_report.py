"""The report and a batch's page in a real browser: quiet, whole on a phone and on paper, open."""

import io
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import one_at_a_time

from alliance_helpers.claims.assess import assess
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import ParameterError
from alliance_helpers.pages import report
from alliance_helpers.running.batch_page import BatchSummary, write_page, write_tables
from alliance_helpers.running.cli import main
from alliance_helpers.running.compare import Comparison

pytestmark = pytest.mark.browser
WIDTHS = {"laptop": 1280, "phone": 390}


@pytest.fixture(scope="module")
def pages(chromium, shipped_run):
    """The report opened at each width: page, console errors, requests."""
    opened = {}
    for name, width in WIDTHS.items():
        page = chromium.new_page(viewport={"width": width, "height": 800})
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


@pytest.mark.parametrize("name", WIDTHS)
def test_captions_and_sentences_are_read_without_scrolling(pages, name):
    """A wide table scrolls, its caption does not; Table 1 has a sentence for each claim."""
    ends = """[...document.querySelectorAll("caption, figcaption, .scorecard small")].map(e => {
        const text = document.createRange();
        text.selectNodeContents(e);
        return [e.innerText, ...[...text.getClientRects()].map(box => box.right)]; })"""
    told = pages[name][0].evaluate(ends)
    assert len(told) > 50
    assert [text for text, *right in told if not right or max(right) > WIDTHS[name]] == []


def test_every_picture_is_drawn_and_described(pages):
    page = pages["laptop"][0]
    pictures = page.evaluate(
        "[...document.images].map(i => [i.naturalWidth, i.alt.length, i.complete])"
    )
    assert len(pictures) >= 10
    assert all(width > 300 and alt > 40 and complete for width, alt, complete in pictures)


def test_the_answer_is_on_the_first_screen(pages):
    page = pages["laptop"][0]
    page.evaluate("scrollTo(0, 0)")
    boxes = [item.bounding_box() for item in page.locator("ol.told > li").all()]
    assert len(boxes) == 5 and max(box["height"] for box in boxes) < 32  # a line each
    assert max(box["y"] + box["height"] for box in boxes) <= 350
    figure = page.locator(".answer figure").bounding_box()
    assert figure["y"] + figure["height"] <= 800 and figure["x"] + figure["width"] <= 1280


def test_the_first_column_and_the_header_stay(pages):
    page = pages["phone"][0]
    table = page.locator(".sticky")
    table.evaluate("e => { e.scrollTop = 300; e.scrollLeft = 250; }")
    frame = table.bounding_box()
    head = table.locator("thead th[scope=col]").first.bounding_box()
    row = table.locator("tbody th[scope=row]").nth(8).bounding_box()
    assert 0 <= head["y"] - frame["y"] < 60
    assert abs(row["x"] - frame["x"]) < 2


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
    rows = page.locator("main table:not(.drawn)").first.locator("tr").all_inner_texts()
    assert [line.split() for line in copied.splitlines()] == [row.split() for row in rows]


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """The page of a batch over two scenarios and two sizes."""
    out, records, rows = tmp_path_factory.mktemp("batch"), [], []
    for scenario in ("published", "no_association"):
        for seed, n_clients in ((1, 40), (2, 40), (1, 60), (2, 60)):
            text = io.StringIO()
            assess(simulate_dyads(scenario, n_clients, seed), finding="1").to_csv(text, index=False)
            done = {"notebook": "09_summary", "status": "done", "seconds": 1.0}
            records.append({"status": "done", "records": [done], "findings": text.getvalue()})
            rows.append({"scenario": scenario, "seed": seed, "n_clients": n_clients})
    given = pd.DataFrame(rows, index=pd.RangeIndex(1, len(rows) + 1, name="run"))
    runs = write_tables(out, records, given, given["seed"])
    write_page(BatchSummary(out, len(rows), len(rows), 0, 0, 0, 1.0), runs, list(given))
    return out / "batch.html"


def test_a_batch_never_takes_scenarios_together(batch):
    findings = pd.read_csv(batch.with_name("findings.csv"))
    seen = findings.query("claim == 'modest' and analysis == 'as_published'")
    shares = seen.groupby("scenario", sort=False)["verdict"].agg(
        lambda v: (v == "supported").mean()
    )
    page = batch.read_text("utf-8")
    tables = re.findall(r"<caption>Table \d+\. Verdicts: Scenario (\w+)<.*?</table>", page, re.S)
    assert tables == list(shares.index)
    for scenario, share in shares.items():
        table = page.split(f"Verdicts: Scenario {scenario}</caption>")[1].split("</table>")[0]
        assert re.search(rf"\b{share:.0%} ± \d+, n 4\b", table.split("</tr>")[1])
    assert "Synthetic data. No person stands behind these rows" in page
    assert all(name in page for name in ("statsmodels", "Copy table"))


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """axe-core, as locked beside this file."""
    place, npm = Path(__file__).with_name("axe"), shutil.which("npm")
    script = place / "node_modules" / "axe-core" / "axe.min.js"
    with one_at_a_time(tmp_path_factory, "axe"):
        if npm and not script.is_file():
            subprocess.run([npm, "ci"], cwd=place, capture_output=True)
    if not script.is_file():
        pytest.skip("axe-core is not there, and npm cannot bring it")
    return script.read_text("utf-8")


@pytest.fixture(scope="module")
def further(tmp_path_factory, batch, shipped_run):
    """Every kind of page that the kit writes, by its name."""
    folder = tmp_path_factory.mktemp("further")
    cause = {"place": "claims > bounds > correlation > value", "one": "0.2", "other": "0.1"}
    verdict = {"finding": "2", "claim": "age", "informant": "case_manager", "analysis": "nested",
               "one": "supported", "other": "", "cause": cause["place"]}  # fmt: skip
    alone = "1 verdicts, 0 estimates or n"
    found = Comparison("one", "other", [cause | {"alone": alone}], [verdict], 3, ["dyads"])
    (folder / "compared.html").write_text(found.html(), "utf-8")
    asked = ["plan", "symptoms", "--cohorts", "20", "--jobs", "1", "--out", str(folder / "plan")]
    assert CliRunner().invoke(main, asked).exit_code == 0
    written = {"report": shipped_run.out / "report.html", "batch": batch}
    return written | {"compared": folder / "compared.html", "plan": folder / "plan" / "plan.html"}


@pytest.mark.parametrize("width", WIDTHS.values())
@pytest.mark.parametrize("what", ["report", "batch", "compared", "plan"])
def test_nothing_bars_anyone(what, width, axe, further, chromium):
    page = chromium.new_page()
    page.goto(further[what].as_uri())
    page.evaluate("document.querySelector('nav details').open = true")
    assert barred(page, axe, width) == []
    page.close()


def barred(page, axe, width):
    """What keeps somebody from a page of this width: axe's violations, each with its elements."""
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(axe)
    only = "{resultTypes: ['violations'], selectors: false}"  # no list of what passes
    found = page.evaluate(f"axe.run({only})")["violations"]
    return [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found]


def together(text):
    """Without spaces, ligatures and hyphens at the end of a line."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text))


def test_paper_holds_every_column_and_caption(shipped_run, chromium, tmp_path):
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (Debian: poppler-utils) is not there")
    shutil.copy(shipped_run.out / "report.html", tmp_path)
    pdf = report.print_report(tmp_path)
    told = subprocess.run(["pdftotext", "-raw", pdf, "-"], capture_output=True, text=True).stdout
    page = chromium.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    asked = "[...document.querySelectorAll('{}')].map(e => e.textContent.trim())"
    heads, rows, tables, captions = (
        page.evaluate(asked.format(q))
        for q in ("thead th", "thead tr:last-child", "caption", "caption, figcaption")
    )
    page.close()
    assert len(heads) > 200 and len(captions) > 50
    printed = together(told)
    lost = {t for t in [*heads, *captions] if together(t) not in printed}
    assert lost == set()
    for caption in captions:
        assert printed.count(together(caption)) == 1, f"{caption}: not once"
    said = [re.sub(r"(?<=Table|igure) \d+", "", caption) for caption in captions]
    assert len(set(said)) == len(said)
    ends = [together(side.splitlines()[-1]) for side in told.split("\f") if side.strip()]
    assert [
        e for e in ends if len(e) > 8 and any(together(c).endswith(e) for c in [*tables, *rows])
    ] == []


def test_without_a_browser_nothing_is_printed(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ParameterError, match="neither Chromium nor Chrome"):
        report.print_report(tmp_path)

"""The seminar's server holds a class: its own names, its limits, and no path that trips it."""

import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from types import SimpleNamespace

import ipywidgets as ipw
import pytest
from seminar_pages import UNITS, free_port, server

from alliance_helpers.teaching.demos import Demo, Slide
from tools.seminar.server import KERNEL

LOST = (
    "/voila/render/%00", "/voila/templates/", "/voila/templates/a",
    "/voila/templates/lab/static/../../x", "/voila/templates/%00/x", "/logout", "/login",
    "/voila/static/", "/voila/tree/%00", "/voila/api/contents/%00", "/voila/api/themes/x",
)  # fmt: skip


@contextmanager
def seminar(folder, most):
    """The address of a server with so many places."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "tools.seminar.web", "--units", "1", "--ready", "0",
               "--most", str(most), "--allow-host", "class.example", f"--port={port}"]  # fmt: skip
    with server(command, f"{url}/", folder / "log.txt"):
        yield url


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A server whose places are all taken: it has none."""
    with seminar(tmp_path_factory.mktemp("server"), 0) as url:
        yield url


def answer(url, host=None):
    asked = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(asked, timeout=60) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("path", LOST)
def test_what_is_not_there_is_not_found(full, path):
    assert answer(full + path)[0] in (403, 404)


@pytest.mark.parametrize(
    ("host", "code"),
    [("evil.example", 403), ("class.example", 200), ("CLASS.example:80", 200),
     ("192.168.1.5:8866", 200), ("[::1]", 200), ("1.2.3.4.evil.example", 403)],
)  # fmt: skip
def test_only_its_own_names_are_answered_to(full, host, code):
    assert answer(f"{full}/", host)[0] == code


def test_a_visitor_too_many_is_told(full):
    code, page = answer(f"{full}/voila/render/unit_1_two_views_of_one_relationship.ipynb")
    assert code == 503
    assert "Every place is taken" in page


def test_a_page_loaded_again_has_the_place_of_the_one_before(tmp_path):
    with seminar(tmp_path, 1) as url:
        page = f"{url}/voila/render/{UNITS[0]}.ipynb"
        visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        kernels = set()
        for _ in range(3):
            with visitor.open(page, timeout=60) as reply:
                kernels.add(KERNEL.search(reply.read().decode())[1])
        assert len(kernels) == 3
        assert answer(page)[0] == 503  # somebody else has no place


def test_a_slider_that_was_moved_past_its_end_stands_at_its_end():
    """A page can be made to send other bounds than it was given."""
    asked = []

    def compute(n):
        asked.append(n)
        return SimpleNamespace(n=n)

    demo = Demo({"n": Slide("n", 1, 10, 1, 5)}, compute, "{n}", lambda result, ax: None)
    slider = next(w for w in demo.explore().children if isinstance(w, ipw.IntSlider))
    slider.set_state({"max": 20_000_000, "value": 20_000_000})
    assert slider.value == 20_000_000
    assert asked == [5, 10]

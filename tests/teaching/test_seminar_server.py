"""The seminar's server holds a class: its own names, its limits, and no path that trips it."""

import urllib.error
import urllib.request

import ipywidgets as ipw
import pytest
from seminar_pages import free_port, server

from alliance_helpers.teaching.demos import Slide, demonstration

LOST = (
    "/voila/render/%00", "/voila/templates/", "/voila/templates/a",
    "/voila/templates/lab/static/../../x", "/voila/templates/%00/x", "/logout", "/login",
    "/voila/static/", "/voila/tree/%00", "/voila/api/contents/%00", "/voila/api/themes/x",
)  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The address of a server whose places are all taken: it has none."""
    import sys

    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "tools.seminar.web", "--units", "1", "--ready", "0",
               "--most", "0", "--allow-host", "class.example", f"--port={port}"]  # fmt: skip
    with server(command, f"{url}/", tmp_path_factory.mktemp("server") / "log.txt"):
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


def test_a_slider_that_was_moved_past_its_end_stands_at_its_end():
    """A page can be made to send other bounds than it was given."""
    asked = []

    @demonstration("{n}", lambda result, ax: None, n=Slide("n", 1, 10, 1, 5))
    def demo(n):
        asked.append(n)
        return {}

    slider = next(w for w in demo().explore().children if isinstance(w, ipw.IntSlider))
    slider.set_state({"max": 20_000_000, "value": 20_000_000})
    assert slider.value == 20_000_000
    assert asked == [5, 10]

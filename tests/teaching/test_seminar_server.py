"""The seminar's server holds a class: its own names, its limits, and no path that trips it."""

import asyncio
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import ipywidgets as ipw
import pytest
from seminar_pages import UNITS, free_port, server
from tornado.websocket import websocket_connect

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


def teacher(folder):
    """The address of the page with the counts, as the server said it."""
    return re.search(r"for the teacher: (\S+)", (folder / "log.txt").read_text())[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the server without places may write."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def full(folder):
    """A server whose places are all taken: it has none."""
    with seminar(folder, 0) as url:
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


def test_a_kernel_runs_nothing_that_a_visitor_sends(tmp_path):
    """It answers a question about itself that was sent after the code, so it had the time."""
    mark, session = tmp_path / "mark", "s"

    async def talk(url):
        channel = await websocket_connect(f"{url}/channels?session_id={session}")
        for kind, content in (
            ("execute_request", {"code": f"open({str(mark)!r}, 'w')", "silent": False}),
            ("kernel_info_request", {}),
        ):
            header = {"msg_id": kind, "msg_type": kind, "session": session, "username": "",
                      "version": "5.3", "date": "2026-01-01T00:00:00Z"}  # fmt: skip
            message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
            await channel.write_message(json.dumps(message | {"channel": "shell", "buffers": []}))
        while heard := await asyncio.wait_for(channel.read_message(), 60):
            told = json.loads(heard)
            if told["msg_type"] == "kernel_info_reply":
                return told["parent_header"]["msg_id"]

    with seminar(tmp_path, 1) as url:
        _, page = answer(f"{url}/voila/render/{UNITS[0]}.ipynb")
        kernel = f"{url}/api/kernels/{KERNEL.search(page)[1]}".replace("http", "ws")
        with ThreadPoolExecutor(1) as thread:  # this one has a loop once a browser has run in it
            assert thread.submit(asyncio.run, talk(kernel)).result() == "kernel_info_request"
    assert not mark.exists()


def test_answers_are_counted_for_the_teacher_alone(full, folder):
    """Of exercises that there are, from a page of this server; nothing on the disk."""
    address = teacher(folder)
    before = sorted(folder.rglob("*"))
    cookies = urllib.request.HTTPCookieProcessor()
    page = urllib.request.build_opener(cookies)
    page.open(f"{full}/", timeout=60).close()
    token = next(c.value for c in cookies.cookiejar if c.name == "_xsrf")

    def told(exercise, said, unit=UNITS[0], _xsrf=token):
        form = urllib.parse.urlencode(locals()).encode()
        try:
            return page.open(f"{full}/voila/api/answers", form, timeout=60).status
        except urllib.error.HTTPError as error:
            return error.code

    assert "No answer yet" in answer(address)[1]
    given = ("Not yet", "Right", "Right", "right by now")
    assert [told("1.1", said) for said in given] == [204] * 4
    assert told("2.3", "noise") == 204
    wrong = [("9.9", "Right"), ("1.1", "noise"), ("1.1", "<b>"), ("2.3", "Right"),
             ("1.1", "Right", "../x"), ("9.9", "right by now")]  # fmt: skip
    assert [told(*given) for given in wrong] == [400] * 6
    assert told("1.1", "Right", _xsrf="x") == 403
    text = " ".join(re.sub("<[^>]+>", " ", answer(address)[1]).split())
    assert "1.1 Right 2 Close 0 Not yet 1 1 of 3" in text
    assert "2.3 same 0 unchanged 0 noise ✓ 1 0 of 1" in text
    assert answer(address[:-1])[0] == 404
    assert answer(address, "evil.example")[0] == 403
    assert sorted(folder.rglob("*")) == before
    assert "Not yet" not in (folder / "log.txt").read_text()


def test_a_slider_that_was_moved_past_its_end_is_told_where_that_is():
    """A page can be made to send other bounds than it was given."""
    asked = []

    def compute(n):
        asked.append(n)
        return SimpleNamespace(n=n)

    demo = Demo({"n": Slide("n", 1, 10, 1, 5)}, compute, "{n}", lambda result, ax: None)
    box = demo.explore()
    slider = next(w for w in box.children if isinstance(w, ipw.IntSlider))
    slider.set_state({"max": 20_000_000, "value": 20_000_000})
    assert slider.value == 20_000_000
    assert asked == [5] and "n is 20000000; give 1 to 10" in box.children[-2].value

"""Voila for a class: it answers to its own names only, and is full rather than slow.

How a class answers is counted: numbers in this server's memory, of nobody, for the teacher's page.
"""

from __future__ import annotations

import ast
import re
import time
from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from typing import ClassVar
from urllib.parse import unquote

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado.web import HTTPError, authenticated
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

FULL = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Full</title>
<script>setTimeout(() => location.reload(), 30000)</script>
<body style="font:18px/1.5 sans-serif;margin:3em">
<h1>Every place is taken</h1>
<p>This page tries again every half minute; pages that were left make room after minutes.</p>
</body></html>"""

# Paths that Voila trips over: templates' files elsewhere, ways out of a folder, a login, a NUL.
LOST = re.compile(r"/voila/templates/(?![\w-]+/static/.)|/\.\.(/|$)|/log(in|out)$|\0")


PAUSE = 2  # seconds between two pieces of a page: each is laid out and painted anew
KERNEL = re.compile(r'KERNEL = "([0-9a-f-]{36})"')  # in a page


def is_address(host: str) -> bool:
    """Whether a name is an address in numbers, which nobody's name server can bend."""
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


class OwnNames:
    """Part of a handler: requests under other names, as of a page that rebinds its own, end."""

    async def prepare(self) -> None:
        host = self.request.host_name.lower()
        if host not in Seminar.names and not is_address(host):
            raise HTTPError(403, "This server does not answer to that name (see --allow-host).")
        if LOST.search(unquote(self.request.path)):
            raise HTTPError(404)
        waits = super().prepare()  # of some of Voila's handlers it is plain
        if waits is not None:
            await waits


class Page(TornadoVoilaHandler):
    """A visitor's page; each has a kernel, and one loaded again the place that it had before."""

    kernels: ClassVar[dict[tuple[str, str | None], str]] = {}  # of a visitor, for a unit
    gone = False

    def on_connection_close(self) -> None:
        self.gone = True
        super().on_connection_close()

    @authenticated
    async def get(self, path: str | None = None) -> None:
        visitor = self.get_cookie("visitor") or token_hex()
        await self.leave(self.kernels.pop((visitor, path), ""))
        if len(self.kernel_manager.list_kernel_ids()) >= Seminar.most:
            self.set_status(503)
            self.set_header("Retry-After", "30")
            self.finish(FULL)
            return
        self.set_cookie("visitor", visitor, httponly=True, samesite="Strict")
        _sent = self.xsrf_token  # the cookie without which a page could tell the server nothing
        begun, sent = "", 0.0
        async for html in self.get_generator(path=path):
            begun += html  # in pieces of any length
            if told := KERNEL.search(begun):
                self.kernels[visitor, path] = told[1]
            if self.gone:  # before there was a page that could say so
                await self.leave(self.kernels.pop((visitor, path), ""))
                return
            self.write(html)
            if time.monotonic() > sent + PAUSE:
                self.flush()
                sent = time.monotonic()

    async def leave(self, kernel: str) -> None:
        """Give a place back, unless its page did so itself."""
        if kernel in self.kernel_manager:
            await ensure_async(self.kernel_manager.shutdown_kernel(kernel, now=True))


SAID = ("Right", "Close", "Not yet")  # of a number; of a choice its words
BY_NOW = "right by now"


class Counts:
    """What a page may tell, how often it was told, and the secret end of the teacher's address."""

    words: ClassVar[dict[tuple[str, str], dict[str, bool]]] = {}  # and whether they are right
    told: ClassVar[Counter[tuple[str, str, str]]] = Counter()
    secret = token_hex(8)


def exercises(pages: Iterable[Path]) -> dict[tuple[str, str], dict[str, bool]]:
    """The answers that count for each exercise, by its unit and number."""
    found = {}
    for page in pages:
        for cell in nbformat.read(page, as_version=4).cells:
            if cell.cell_type == "code" and "exercises.ask(" in cell.source:
                call = ast.parse(cell.source).body[-1].value
                how = {part.arg: part.value for part in call.keywords}
                words, right = SAID, SAID[0]
                if "choices" in how:
                    words = ast.literal_eval(how["choices"])
                    right = getattr(how["expected"], "value", None)  # unless it is computed
                found[page.stem, call.args[0].value] = {word: word == right for word in words}
    return found


class Answer(APIHandler):
    """Takes one number: an exercise and how it was answered; who asks is not looked at."""

    @authenticated
    def post(self) -> None:
        key = self.get_body_argument("unit"), self.get_body_argument("exercise")
        said = self.get_body_argument("said")
        if said not in (*Counts.words.get(key, ()), BY_NOW) or key not in Counts.words:
            raise HTTPError(400, "There is no such exercise, or no such answer to it.")
        Counts.told[*key, said] += 1
        self.set_status(204)


class Teacher(JupyterHandler):
    """The page with the counts; its address is not told to students."""

    @authenticated
    def get(self, secret: str) -> None:
        if secret != Counts.secret:
            raise HTTPError(404)
        rows: dict[str, list] = {}
        for (unit, exercise), words in Counts.words.items():
            first = [(w, right, Counts.told[unit, exercise, w]) for w, right in words.items()]
            if total := sum(n for *_, n in first):
                row = (exercise, first, total, Counts.told[unit, exercise, BY_NOW])
                rows.setdefault(unit.replace("_", " ").capitalize(), []).append(row)
        template = self.settings["voila_jinja2_env"].get_template("counts.html")
        self.finish(template.render(units=rows, base_url=self.base_url))


class Seminar(Voila):
    """Voila with these; `names` it answers to, and `most` kernels at a time."""

    names = frozenset(["localhost"])
    most = 60

    def init_handlers(self) -> list:
        """Every path of Voila's and of the counts, checked first."""
        ours = (("/voila/api/answers", Answer), (r"/voila/counts/(\w+)", Teacher))
        handlers = [(url_path_join(self.server_url, path), handler) for path, handler in ours]
        return [
            (path, type(h.__name__, (OwnNames, Page if h is TornadoVoilaHandler else h), {}), *more)
            for path, h, *more in [*handlers, *super().init_handlers()]
        ]

    def listen(self) -> None:
        """Say where the teacher's page is, then serve."""
        self.log.info("How the class answers, for the teacher: %svoila/counts/%s",
                      self.display_url.split()[0], Counts.secret)  # fmt: skip
        super().listen()

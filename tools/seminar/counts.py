"""How a class answers: numbers in this server's memory, of nobody, for the teacher's page."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from secrets import token_hex
from typing import ClassVar

import nbformat
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.web import HTTPError, authenticated

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

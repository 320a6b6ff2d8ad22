"""The files of a study as their tools wrote them: headers, events, previews, what is nobody's data.

Every source is what the codebook's `header` and `where` will make of a file, and says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import DataError, Problem, show
from ..study.cells import as_text, as_written, plain
from ..study.codebook import Table
from ..study.codebook import say as problem
from ..study.load import ENDINGS, EXCEL, read_file
from ..study.raw_tables import RawTable, blank_cells, reachable, refuse, repeated_names, sheet_names
from .answers import WORDS, as_typed, both, is_just, no_answer, say, says, shown, typed
from .guesses import NAMELESS, as_number, plain_name

TOOLS = {tool: {*names} for tool, names in WORDS["metadata"].items()}
LIKE = {kind: re.compile(pattern) for kind, pattern in WORDS["metadata_like"].items()}
SPLIT = ("redcap_event_name", "Event Name"), ("redcap_repeat_instrument", "Repeat Instrument")
FINISHED = WORDS["finished"]
SENT = FINISHED["sent"]  # which of two responses is later
IMPORT_ID = re.compile(r'\{"ImportId":')
FIELDS = "Variable / Field Name"  # the first column of REDCap's data dictionary
BOX = re.compile(r"___.*| \(choice=.*")  # one of several choices, in raw and in labelled exports
MOST_TITLES = 10
ALIKE = 0.8  # so many ids of one column must be among another's to join the two
ARM = re.compile(r"(?i)_arm_\d+\w*$| \(arm \d+.*\)$")
SAME = 0.5  # so many ids of one arm stand in another, too, if the two are one dyad's


@dataclass(frozen=True)
class Source:
    """A table to draft: one file or sheet, or those of its rows that `settings` keep.

    Attributes
    ----------
    settings : dict
        `header` and `where`, as in the codebook.
    why : tuple of str
        What was seen, in words.
    left_out : tuple of str
        Columns of the tool, and columns that can identify a person.
    part : bool
        Whether other tables hold the file's other rows and columns.
    who : str, optional
        Whose ratings all of its rows are.
    asked : tuple of str
        What was found beside the study's files.
    """

    name: str
    file: str
    sheet: str | None
    raw: RawTable
    settings: dict[str, object] = field(default_factory=dict)
    why: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    part: bool = False
    who: str | None = None
    asked: tuple[str, ...] = ()

    def changed(self, why: str = "", settings: Mapping | None = None, **raw: object) -> Source:
        """The source with other contents; why, and what the codebook's settings add."""
        settings, said = {**self.settings, **(settings or {})}, (*self.why, *filter(None, [why]))
        return replace(self, raw=replace(self.raw, **raw), settings=settings, why=said)

    def without(self, columns: list[str]) -> Source:
        """The source without columns that nobody needs or may see."""
        frame = self.raw.frame.drop(columns=columns)
        return replace(self.changed(frame=frame), left_out=(*self.left_out, *columns))

    def rows(self, column: str, values: list, name: str, why: str, blank: bool = False) -> Source:
        """Those rows of the source in which the column holds one of the values.

        With `blank` the others are rows that nobody needs, and `why` says what they are.
        """
        cells = self.raw.frame[column].map(as_text, na_action="ignore").fillna("")
        frame = self.raw.frame[cells.isin([*map(as_text, values)])]
        if blank and why:
            why = say("out", n=len(self.raw.frame) - len(frame), what=why)
        elif not blank:
            frame = frame.loc[:, ~frame.apply(lambda cells: blank_cells(cells).all())]
        kept = values if values[1:] or values[0] == "" else values[0]
        where = {**self.settings.get("where", {}), column: kept}
        made = self.changed(why, {"where": where}, frame=frame)
        return replace(made, name=name, part=self.part or not blank)


def read_sources(path: Path) -> dict[str, Source]:
    """Every table of a folder, a workbook or a file, by the name that the draft gives it."""
    reachable(path)
    files = [path]
    if path.is_dir():
        files = (p for p in sorted(path.iterdir()) if p.suffix.lower() in ENDINGS and p.is_file())
        files = [p for p in files if not p.name.startswith("~$")]  # a lock of Excel
        if not files:
            raise refuse(path.name, "no_tables", known=", ".join(ENDINGS))
    places = []
    for file in files:
        sheets = sheet_names(file) if file.suffix.lower() in EXCEL else []
        places += [(file, sheet) for sheet in (sheets if len(sheets) > 1 else [None])]
    tables = [p for p in places if not is_just("legend", plain(p[1] or p[0].stem))] or places
    legends = [place for place in places if place not in tables]
    others = [say("legend", name=sheet or file.name) for file, sheet in legends]
    read, found = [], {}
    for file, sheet in tables:
        raw, settings, why = _below_titles(file, sheet)
        why = (*why, *others)
        read.append(Source(sheet or file.stem, file.name, sheet, raw, settings, why))
    dictionaries = [s.raw for s in read if FIELDS in s.raw.frame]
    read, asked = [s for s in read if FIELDS not in s.raw.frame] or read, []
    for fields in dictionaries:
        told = [_told_by(source.raw.frame, fields.frame) for source in read]
        if not any(told):
            names = fields.frame[FIELDS]
            seen = {"file": fields.file, "row": names.index[0], "found": shown(names)}
            asked.append(say("other_dictionary", column=FIELDS, **seen))
        read = [_described(*both) if both[1] else both[0] for both in zip(read, told, strict=True)]
    explained = [_with_header(file, sheet, 1, 1) for file, sheet in legends]
    explained = [raw.frame for raw in explained if isinstance(raw, RawTable)]
    for source in read:
        for legend in explained:
            source = _explained(source, legend)
        for part in _of_tool(_three_headers(source)):
            if twice := repeated_names(part.raw.frame):
                raise refuse(part.raw.file, "names_apart", twice=twice)
            name = plain_name(part.name, found)
            found[name], asked = replace(part, name=name, asked=(*part.asked, *asked)), []
    return found


def _below_titles(file: Path, sheet: str | None) -> tuple[RawTable, dict, tuple[str, ...]]:
    """The table, and the rows of its header where titles or other names stand above it."""
    first = last = None
    for row in range(1, MOST_TITLES + 1):
        raw = _with_header(file, sheet, row, row)
        first, names = first or raw, [*raw.frame] if isinstance(raw, RawTable) else []
        if isinstance(first, DataError) and any(map(IMPORT_ID.match, names)):
            break  # the rows below a title are one export's headers, and one of them is uneven
        most = sum(not NAMELESS.fullmatch(n) for n in names) > len(names) / 2 and len(raw.frame)
        if row > 1 and (most or (not names and isinstance(last, RawTable))):
            above = _with_header(file, sheet, row - 1, row)
            if isinstance(above, RawTable) and _spanned(names, above):
                said = say("two_headers", first=row - 1, row=row)
                return replace(above, labels={}), {"header": [row - 1, row]}, (said,)
        if most and row == 1:
            return raw, {}, ()
        if most and not repeated_names(raw.frame):
            return raw, {"header": row}, (say("title", row=row),)
        last = raw
    if isinstance(first, DataError):
        raise first
    return first, {}, ()


def _with_header(file: Path, sheet: str | None, *header: int) -> RawTable | DataError:
    try:
        return read_file(file, Table("", file.name, (), {}, header=header), sheet)
    except DataError as error:
        return error


def _spanned(names: list[str], above: RawTable) -> bool:
    """Whether the names with those above them say more than a title does, and are all unlike."""
    changed = [own for own, both in zip(names, above.frame, strict=False) if own != both]
    told = len({*names}) < len(names) or any(map(re.compile(r"\d").search, changed))
    told = told if names else not any(map(NAMELESS.fullmatch, above.frame))
    return told and not repeated_names(above.frame)


def _three_headers(source: Source) -> Source:
    """Without the second and third header of a Qualtrics export; their texts become labels."""
    frame = source.raw.frame
    if len(frame) < 2:
        return source
    second, third = frame.iloc[0].astype("str"), frame.iloc[1].astype("str")
    early, ids = second.str.match(IMPORT_ID), third.str.match(IMPORT_ID)
    told = second.str.fullmatch("Start Date|Response Type")
    if not (early | ids | told).any():
        return _labels_below(source)
    if wrong := [
        Problem(source.raw.file, *problem("stray_import_id", found=show(cells[c])), row, c)
        for row, cells, odd in ((2, second, early), (3, third, ids.any() & ~ids))
        for c in cells.index[odd]
    ]:
        raise DataError(wrong)
    rows = 2 + bool(ids.any())
    raw = {"frame": frame.iloc[rows - 1 :], "labels": {**second}}
    return source.changed(say("three_headers", n=rows), {"header": [1, rows]}, **raw)


def _labels_below(source: Source) -> Source:
    """Without a second header of labels, as SoSci Survey writes it: words above numbers."""
    frame = source.raw.frame
    told = frame.iloc[0] if len(frame) > 1 else pd.Series(dtype="str")
    if any(NAMELESS.fullmatch(name) and plain(cell) for name, cell in told.dropna().items()):
        return source  # a second row of names, were it read as part of the header
    texts = ["" if pd.isna(cell) else as_text(cell) for cell in told]
    words = [bool(t) and as_number(t) is None and not no_answer(t) for t in texts]
    told, rest = told[words], frame.iloc[1:, np.flatnonzero(words)]
    numbers = rest.apply(pd.to_numeric, errors="coerce").notna().mean()
    over = told[(numbers > 0.5).to_numpy(bool)]
    units = over.nunique() > 1 or over.astype("str").str.contains(r"\d").all()
    units = units and all(as_number(t) is None for t in texts)  # as none of the records would be
    if len(over) < 3 or not (over.is_unique or units):
        return source
    raw = {"frame": frame.iloc[1:], "labels": {**told}}
    return source.changed(say("labels_below"), {"header": [1, 2]}, **raw)


def _told_by(frame: pd.DataFrame, fields: pd.DataFrame) -> dict[str, pd.Series]:
    """What REDCap's data dictionary says of each column, by its name or label; nothing if it is
    another project's, which shares a few names at most.
    """
    rows = {str(row[key]).strip(): row for key in ("Field Label", FIELDS) if key in fields
            for _, row in fields.iterrows()}  # fmt: skip
    called = {column: BOX.sub("", column) for column in frame}
    found = {column: rows[name] for column, name in called.items() if name in rows}
    own = [c for c in frame if c not in TOOLS["redcap"] and not LIKE["redcap"].search(c)]
    known = {row[FIELDS] for row in found.values()}
    return found if 2 * len(found) > len(own) or 2 * len(known) > len(fields) else {}


def _described(source: Source, told: Mapping[str, pd.Series]) -> Source:
    """With labels and choices from REDCap's data dictionary; its identifiers are left out."""
    labels, levels, secret = dict(source.raw.labels), dict(source.raw.levels), []
    for name, row in told.items():
        column = next((c for c in row.index if c.startswith("Choices")), None)
        labels[name] = str(row.get("Field Label", "") or "")
        pairs = [c.split(",", 1) for c in str(row.get(column, "") or "").split("|") if "," in c]
        choices = {code.strip(): text.strip() for code, text in pairs}
        levels |= {name: choices} if choices and not BOX.search(name) else {}
        secret += [name] if str(row.get("Identifier?", "")).strip().lower() == "y" else []
    raw = {"labels": labels, "levels": levels}
    return source.without(secret).changed(say("dictionary"), **raw)


def _explained(source: Source, legend: pd.DataFrame) -> Source:
    """With labels from a table that names most of its columns, and what each is beside them."""
    names, own = {*source.raw.frame}, source.raw.labels
    for column in legend:
        told = legend[legend[column].isin(names)].drop(columns=column).dropna(axis=1, how="all")
        if 2 * len(told) > len(names) and told.shape[1]:
            texts = told.fillna("").map(as_text)
            best = max(texts, key=lambda c: (texts[c].nunique(), texts[c].str.len().sum()))
            labels = dict(zip(legend.loc[told.index, column], texts[best], strict=True))
            return source.changed(labels={**labels, **own})
    return source


def _of_tool(source: Source) -> Iterator[Source]:
    """Without previews and what the tool adds by itself; an event or instrument of REDCap each."""
    columns = {*map(_code, source.raw.frame)}
    tool = max(TOOLS, key=lambda t: (len(TOOLS[t] & columns), t == "redcap"))
    seen = len(TOOLS[tool] & columns)
    tool = tool if seen > 2 or (tool == "redcap" and seen) else None
    if tool:
        source = _finished(source.changed(say("export", tool=WORDS["tools"][tool])), tool)
    parts = [*_events(source)] if tool == "redcap" else [source]
    for part in parts:
        there, like = [*part.raw.frame], LIKE.get(tool, LIKE["personal"])
        added = TOOLS.get(tool, set()).difference(SENT)
        out = [c for c in there if _code(c) in added or any(
            words.search(_code(c)) for words in (like, LIKE["personal"]))]  # fmt: skip
        out += [c for c in there if tool and _code(c) in SENT][:-1]
        yield part.without([*dict.fromkeys(out)])


def _code(column: str) -> str:
    """A column's name without the question's text behind it: `lastpage. Letzte Seite`."""
    return column.partition(". ")[0]


def _finished(source: Source, tool: str) -> Source:
    """Those responses that a person gave, and finished."""
    frame, levels = source.raw.frame, source.raw.levels
    for column in FINISHED["columns"].get(tool, ()):
        held = [*frame[column].dropna().map(as_text).unique()] if column in frame else []
        said = {cell: levels.get(column, {}).get(cell, cell) for cell in held}
        fit = FINISHED["kept"].get(column, FINISHED["yes"])
        kept = [c for c, t in said.items()
                if (plain(t) in fit if column != "Status" else not says("preview", t))]  # fmt: skip
        if 0 < len(kept) < len(held):
            word = "of previews or tests" if column in ("Status", "tester") else "unfinished"
            source = source.rows(column, sorted(kept), source.name, word, blank=True)
    when, page = (next((c for c in frame if _code(c) in FINISHED[w]), None)
                  for w in ("sent", "page"))  # fmt: skip
    if tool == "limesurvey" and when and page:
        sent = ~blank_cells(frame[when])
        pages = [*frame[page][sent].unique()]
        if not sent.all() and not frame[page][~sent].isin(pages).any():
            source = source.rows(page, pages, source.name, "never submitted", blank=True)
    return source


def _events(source: Source) -> Iterator[Source]:
    """A table for each event, and for each repeating instrument, where REDCap has them."""
    frame = source.raw.frame
    event, repeat = (next((c for c in names if c in frame), None) for names in SPLIT)
    split = [c for c in (event, repeat) if c]
    if not split:
        yield source
        return
    cells = frame[split].map(as_text, na_action="ignore").fillna("")
    alike: dict[tuple, list[tuple]] = {}
    for values in cells.drop_duplicates().itertuples(index=False, name=None):
        alike.setdefault((ARM.sub("", values[0]), *values[1:]), []).append(values)
    for of, arms in alike.items():
        record, *others = [c for c in frame if c not in split]
        first, *rest = [frame[(cells == [*arm]).all(axis=1)] for arm in arms]
        tied = (c for c in others if rest and all(_pairs(first[c], arm[c]) for arm in rest))
        tie = next(tied, None)
        apart = tie or any(first[record].isin(arm[record]).any() for arm in rest)
        for several in [[arm] for arm in arms] if apart else [arms]:
            here, told = source, [[*dict.fromkeys(v)] for v in zip(*several, strict=True)]
            repeated = repeat and told[-1][0]
            name = repeated or (several[0][0] if apart else of[0] or source.name)
            if tie:  # each arm has records of its own
                here = here.without([record])
            if several[1:]:
                asked = say("arms", file=source.raw.file, arms=shown(told[0]))
                here = replace(here, asked=(asked,))
            for column, values in zip(split[:-1], told, strict=False):
                here = here.rows(column, values, here.name, "", blank=True)
            kind = "repeating instrument" if repeated else "event" if event else "file"
            yield here.rows(split[-1], told[-1], name, say("part", kind=kind, name=name))


def _pairs(one: pd.Series, other: pd.Series) -> bool:
    """Whether two arms hold the same ids in a column, each once: a dyad's two informants."""
    same = one.dropna().isin(other).mean() > SAME
    return bool(same and one.dropna().is_unique and other.dropna().is_unique)


def join_by_values(tables: list, others: list, name: str | None, role: str) -> list[str]:
    """Give a table the id that others join it by, where it has the same values by another name."""
    known, joined = sorted({v for t in others if name in t.guesses for v in t.held(name)}), []
    first = next((table for table in others if name in table.guesses), None)
    for table in (t for t in tables if t is not first):
        ids = [n for n, g in table.guesses.items() if g.type == "id" and g.role != "case_manager"]
        ids, there = ([name], sorted(first.held(name))) if name in table.guesses else (ids, known)
        told = {n: sorted(table.held(n)) for n in ids}
        same = {n: len({*map(typed, there)} & {*map(typed, here)}) or len(as_written(here, there))
                for n, here in told.items()}  # fmt: skip
        shares = {n: same[n] / len(here) for n, here in told.items() if here}
        best = max(shares, key=shares.get, default=None)
        if not best or shares[best] < ALIKE:
            continue
        found = table.guesses[best].as_id(role=role, values=as_typed(told[best], there) or ())
        shown = {"table": table.name, "column": found.column, "name": name}
        said = [say("joined", **shown, share=shares[best])] if best != name else []
        if found.values and (said or found.values.keys() - as_written(told[best], there).keys()):
            said.append(say("typed", **shown, n=len(found.values)))
        if said:
            table.guesses = {name if n == best else n: found if n == best else g
                             for n, g in table.guesses.items()}  # fmt: skip
            joined.append(both(*said))
    return joined

"""The same small study in sessions told in other ways, and in sheets as people lay them out."""

import numpy as np
import openpyxl
import pandas as pd
from exports_made import C, T, ids, named

ROWS = [named(pd.DataFrame(columns=C), C, "wai_c{}"), named(pd.DataFrame(columns=T), T, "wai_t{}")]
CLIENT, THERAPIST = ([*part] for part in ROWS)


def at_sessions(data, names=(1, 2, 3), seed=2):
    """A row a client and session, both forms; the last holds the truth."""
    rng, parts = np.random.default_rng(seed), []
    for name in names:
        told = data[C + T].set_axis(CLIENT + THERAPIST, axis=1)
        if name != names[-1]:
            told[CLIENT] = rng.integers(1, 6, (len(data), 12))
            told[THERAPIST] = rng.integers(1, 8, (len(data), 12))
        parts.append(pd.concat([ids(data, patient_id="id", therapist="who"), told], axis=1))
        parts[-1].insert(2, "session", name)
    return pd.concat(parts).sort_values("patient_id", kind="stable", ignore_index=True)


def later(rows, some, session):
    """The rows, and one of a further session for some of the clients."""
    rng, last = np.random.default_rng(5), rows.groupby("patient_id").tail(1).iloc[some]
    more = last.assign(session=session)
    more[CLIENT] = rng.integers(1, 6, (len(more), 12))
    more[THERAPIST] = rng.integers(1, 8, (len(more), 12))
    return more


def last_unrated(folder, data):
    """A third of the clients came once more, and their therapists rated no more."""
    rows = at_sessions(data)
    more = later(rows, slice(None, None, 3), 4)
    more[THERAPIST] = np.nan
    pd.concat([rows, more]).to_csv(folder / "s.csv", index=False)


def last_of_each_differs(folder, data):
    """Some clients rated a session that their therapists did not, and the other way round."""
    rows = at_sessions(data)
    one, two = later(rows, slice(None, None, 3), 4), later(rows, slice(1, None, 3), 4)
    one[THERAPIST], two[CLIENT] = np.nan, np.nan
    pd.concat([rows, one, two]).to_csv(folder / "s.csv", index=False)


def a_file_of_each(folder, data):
    """As before, but each informant's ratings are a file."""
    rows = at_sessions(data)
    one, two = later(rows, slice(None, None, 3), 4), later(rows, slice(1, None, 3), 4)
    pd.concat([rows, one]).drop(columns=THERAPIST).to_csv(folder / "clients.csv", index=False)
    pd.concat([rows, two]).drop(columns=CLIENT).to_csv(folder / "therapists.csv", index=False)


def roles_of_unlike_sessions(folder, data):
    """Two rows a session, one for each informant; the last of one is not the other's."""
    rows = at_sessions(data)
    one, two = later(rows, slice(None, None, 3), 4), later(rows, slice(1, None, 3), 4)
    parts = []
    for role, own, other, more in (("client", CLIENT, THERAPIST, one),
                                   ("therapist", THERAPIST, CLIENT, two)):  # fmt: skip
        part = pd.concat([rows, more]).drop(columns=other)
        part = part.rename(columns=dict(zip(own, [f"wai{i}" for i in range(1, 13)], strict=True)))
        parts.append(part.assign(role=role))
    pd.concat(parts).to_csv(folder / "s.csv", index=False)


def session_words(folder, data, words=("Session 1", "Session 2", "Session 10"), name="session"):
    rows = at_sessions(data, words).rename(columns={"session": name})
    rows.sample(frac=1, random_state=1).to_csv(folder / "s.csv", index=False)


def many_session_words(folder, data):
    session_words(folder, data, [f"Sitzung {i}" for i in range(1, 16)], "Sitzung")


def ordinal_words(folder, data):
    session_words(folder, data, ["erste Sitzung", "zweite Sitzung", "dritte Sitzung"], "Sitzung")


def events_in_words(folder, data):
    session_words(folder, data, ["intake", "week 4", "week 12", "post"], "time point")


def weeks_in_words(folder, data):
    session_words(folder, data, ["week 4", "week 8", "week 12"], "week")


def timestamps(folder, data):
    """Two of the three on one day."""
    stamps = ["2024-03-05 09:22:10", "2024-03-12 09:00:00", "2024-03-12 16:30:05"]
    session_words(folder, data, stamps, "completed")


def german_timestamps(folder, data):
    session_words(
        folder, data, ["05.03.2024 09:22", "12.03.2024 09:00", "12.03.2024 16:30"], "Zeit"
    )


def ambiguous_dates(folder, data):
    session_words(folder, data, ["05/03/2024", "03/04/2024", "01/06/2024"], "date")


def american_stamps(folder, data):
    stamps = ["3/5/2024 9:22:10 AM", "3/25/2024 11:00:00 AM", "3/25/2024 2:30:05 PM"]
    session_words(folder, data, stamps, "date")


def short_years(folder, data):
    session_words(folder, data, ["05.03.24", "03.04.24", "21.06.24"], "Datum")


def sheet(folder, frame, top=(), merged=(), at=1, beside=(), left=1, name="Sheet1", file="m.xlsx"):
    """A frame written from a row on, below what stands in cells (`top`) that are merged."""
    path = folder / file
    book = openpyxl.load_workbook(path) if path.exists() else openpyxl.Workbook()
    page = book.create_sheet(name) if path.exists() else book.active
    page.title = name
    for i, row in enumerate([[*frame], *frame.astype(object).where(frame.notna(), None).values]):
        for j, cell in enumerate(row):
            page.cell(at + i, left + j, cell)
    for place, text in (*dict(top).items(), *dict(beside).items()):
        page[place] = text
    for span in merged:
        page.merge_cells(span)
    book.save(path)


def forms(data, **more):
    """Ids and both forms, the items of both called 1 to 12; then what else is asked for."""
    frame = pd.concat([ids(data, id="id", therapist="who"), data[C + T], ids(data, **more)], axis=1)
    return frame


def bare(frame):
    """Items called by their number alone."""
    return frame.set_axis([str(c)[1:] if c in C + T else c for c in frame], axis=1)


def a_lone_block(folder, data):
    """One of the merged names stands above a single column."""
    top = {"C1": "WAI client", "O1": "WAI therapist", "AA1": "Outcome"}
    sheet(folder, bare(forms(data, phq="phq")), top, ["C1:N1", "O1:Z1"], 2)


def nothing_above_a_column(folder, data):
    """The column after the last block has no name above its own."""
    top = {"C1": "WAI client", "O1": "WAI therapist"}
    sheet(folder, bare(forms(data, phq="phq")), top, ["C1:N1", "O1:Z1"], 2)


def title_and_blocks(folder, data):
    top = {"A1": "Outcome study, May 2024", "C3": "WAI client", "O3": "WAI therapist", "AA3": "PHQ"}
    sheet(folder, bare(forms(data, sum="phq")), top, ["A1:F1", "C3:N3", "O3:Z3"], 4)


def ids_named_above(folder, data):
    """The names of single columns stand in the upper row, merged with the cell below."""
    frame = bare(forms(data, phq="phq")).rename(
        columns={"id": None, "therapist": None, "phq": None}
    )
    top = {"A1": "id", "B1": "therapist", "C1": "WAI client", "O1": "WAI therapist", "AA1": "phq"}
    sheet(folder, frame, top, ["A1:A2", "B1:B2", "C1:N1", "O1:Z1", "AA1:AA2"], 2)


def notes_beside(folder, data):
    beside = {"AD3": "checked by Ann", "AD9": "see protocol"}
    sheet(folder, forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1),
          beside=beside)  # fmt: skip


def notes_below(folder, data):
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1)
    end = len(frame) + 3
    sheet(folder, frame, beside={f"A{end}": "Source: clinic files", f"A{end + 1}": "-9 = none"})


def notes_and_blocks(folder, data):
    top = {"C1": "WAI client", "O1": "WAI therapist", "AA1": "Outcome"}
    end = len(data) + 4
    beside = {"AD4": "checked by Ann", f"A{end}": "Source: clinic files"}
    sheet(folder, bare(forms(data, phq="phq")), top, ["C1:N1", "O1:Z1"], 2, beside)


def one_merged_name(folder, data):
    """Above one form only."""
    frame = bare(forms(data)).set_axis(
        ["id", "therapist", *map(str, range(1, 13)), *THERAPIST], axis=1
    )
    sheet(folder, frame, {"C1": "WAI client"}, ["C1:N1"], 2)


def one_merged_name_text(folder, data):
    one_merged_name(folder, data)
    frame = pd.read_excel(folder / "m.xlsx", header=None, dtype=object)
    frame.to_csv(folder / "m.csv", index=False, header=False)
    (folder / "m.xlsx").unlink()


def three_headers(folder, data):
    """Names, questions and import ids, and nothing of what the tool adds by itself."""
    names = ["id", "therapist", *CLIENT, *THERAPIST]
    frame = forms(data).set_axis(names, axis=1).astype(object)
    questions = ["Your code", "Your therapist's number"]
    questions += [f"How often? - Statement {i}" for i in range(1, 13)] * 2
    third = [f'{{"ImportId":"QID{i}"}}' for i in range(len(names))]
    rows = [pd.DataFrame([questions, third], columns=names), frame]
    pd.concat(rows).to_csv(folder / "q.csv", index=False)


def a_legend(folder, data, name="Legend"):
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1)
    sheet(folder, frame, name="Data")
    told = pd.DataFrame({"Variable": ["id", *CLIENT], "Meaning": ["patient", *("1-5",) * 12]})
    sheet(folder, told, name=name)


def lies_mich(folder, data):
    a_legend(folder, data, "Lies mich")


def blank_edges(folder, data):
    """The first row and the first column are empty."""
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1)
    sheet(folder, frame, at=2, left=2)


def a_total_row(folder, data):
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1)
    total = frame.mean().round(2).to_frame().T.astype(object).assign(id="Total", therapist=None)
    sheet(folder, pd.concat([frame.astype(object), total]))


def a_sheet_for_each_site(folder, data):
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1)
    for site, rows in (("Berlin", slice(0, 36)), ("Hamburg", slice(36, None))):
        sheet(folder, frame.iloc[rows], name=site)


SESSIONS = (
    last_unrated, last_of_each_differs, a_file_of_each, roles_of_unlike_sessions,
    session_words, many_session_words, ordinal_words, events_in_words, weeks_in_words,
    timestamps, german_timestamps, ambiguous_dates, american_stamps, short_years,
)  # fmt: skip
SHEETS = (
    a_lone_block, nothing_above_a_column, title_and_blocks, ids_named_above,
    notes_beside, notes_below, notes_and_blocks, one_merged_name, one_merged_name_text,
    three_headers, a_legend, lies_mich, blank_edges, a_total_row, a_sheet_for_each_site,
)  # fmt: skip

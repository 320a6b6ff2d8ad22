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


def rated_once(folder, data, files=False):
    """Clients rated every session, and one more; their therapists the third."""
    rows = at_sessions(data)
    one = pd.concat([rows, later(rows, slice(None), 4)]).drop(columns=THERAPIST)
    two = rows[rows["session"] == 3].drop(columns=CLIENT)
    if files:
        one.to_csv(folder / "clients.csv", index=False)
        two.to_csv(folder / "therapists.csv", index=False)
        return
    items = [f"wai{i}" for i in range(1, 13)]
    one = one.rename(columns=dict(zip(CLIENT, items, strict=True))).assign(role="client")
    two = two.rename(columns=dict(zip(THERAPIST, items, strict=True))).assign(role="therapist")
    pd.concat([one, two]).to_csv(folder / "s.csv", index=False)


def rated_once_in_two_files(folder, data):
    rated_once(folder, data, files=True)


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


def two_spellings(folder, data):
    session_words(folder, data, ["Session 1", "Session 2", "Session 3"])
    rows = pd.read_csv(folder / "s.csv")
    odd = rows.index % 5 == 0
    rows.loc[odd, "session"] = rows.loc[odd, "session"].str.lower().str.replace(" ", "")
    rows.to_csv(folder / "s.csv", index=False)


def spreadsheet_stamps(folder, data):
    """A workbook's own dates, two of one day."""
    stamps = [pd.Timestamp(f"2024-03-{moment}") for moment in ("05 09:22", "12 09:00", "12 16:30")]
    at_sessions(data, stamps).sample(frac=1, random_state=2).to_excel(
        folder / "s.xlsx", index=False
    )


def dates_beside_texts(folder, data):
    rows = at_sessions(data, ["5/3/2024", "25/3/2024", "12/4/2024"]).astype({"session": object})
    rows.loc[::3, "session"] = pd.Timestamp("2024-03-05")
    rows.to_excel(folder / "s.xlsx", index=False)


def numbers_for_days(folder, data):
    session_words(folder, data, [20240305, 20240312, 20240401], "date")


def month_names(folder, data):
    session_words(folder, data, ["5 Mar 2024", "25 Mar 2024", "12 Apr 2024"], "date")


def no_show(folder, data):
    """Nobody came to the last session."""
    rows = at_sessions(data)
    more = later(rows, slice(None), 4).assign(status="no show")
    more[CLIENT + THERAPIST] = np.nan
    pd.concat([rows, more]).to_csv(folder / "s.csv", index=False)


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


def units(folder, data):
    """A row below the names says what each column is measured in."""
    frame = forms(data, age="age").set_axis(["id", "therapist", *CLIENT, *THERAPIST, "age"], axis=1)
    row = pd.DataFrame([["", "no.", *["1-5"] * 12, *["1-7"] * 12, "years"]], columns=frame.columns)
    pd.concat([row, frame.astype(object)]).to_csv(folder / "u.csv", sep=";", index=False)


def names_again(folder, data):
    """Pasted together, with the names among the records."""
    frame = forms(data).set_axis(["id", "therapist", *CLIENT, *THERAPIST], axis=1).astype(object)
    again = pd.DataFrame([[*frame]], columns=frame.columns)
    pd.concat([frame.iloc[:36], again, frame.iloc[36:]]).to_csv(folder / "h.csv", index=False)


def a_column_between(folder, data):
    """A column between two merged names, called in the upper row alone."""
    frame = bare(forms(data))
    frame.insert(14, "age", data["age"])
    frame.columns = [None, None, *map(str, range(1, 13)), None, *map(str, range(1, 13))]
    top = {"A1": "id", "B1": "therapist", "C1": "WAI client", "O1": "age", "P1": "WAI therapist"}
    sheet(folder, frame, top, ["A1:A2", "B1:B2", "C1:N1", "O1:O2", "P1:AA1"], 2)


def german_text_with_titles(folder, data):
    """Semicolons all along, titles, merged names and a note below, in Windows-1252."""
    frame = bare(forms(data)).astype(object)
    cells = frame.where(frame.notna(), "").map(lambda x: str(x).removesuffix(".0"))
    blank = [""] * 26
    rows = [["Bündnis-Studie 2024", *blank[1:]], blank,
            ["", "", "WAI Klient", *blank[:11], "WAI Therapeut", *blank[:11]],
            ["Patientennr", "Behandler", *cells.columns[2:]], *cells.to_numpy().tolist(), blank,
            ["Quelle: Akten", *blank[1:]]]  # fmt: skip
    (folder / "m.csv").write_bytes("\n".join(map(";".join, rows)).encode("cp1252"))


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


def at_sites(data, sites=("North", "South", "East")):
    """The truth with a site for each therapist; numbers of these and of clients in each site."""
    n = len(sites)
    site = ((data["who"] - 1) * n // data["who"].max()).map(dict(enumerate(sites)))
    data = data.assign(site=site)
    data["own"] = data.groupby("site")["who"].transform(lambda x: pd.factorize(x)[0] + 1)
    data["here"] = data.groupby("site").cumcount() + 1
    return data.assign(his=data.groupby("who").cumcount() + 1)


def both(data, **columns):
    return forms(data, phq_post="phq").drop(columns=["id", "therapist"]).set_axis(
        [*CLIENT, *THERAPIST, "phq_post"], axis=1).join(ids(data, **columns))  # fmt: skip


def numbered_therapists(folder, data):
    frame = both(at_sites(data), id="id", clinic="site", therapist="own")
    frame.to_csv(folder / "s.csv", index=False)


def lettered_therapists(folder, data):
    data = at_sites(data)
    data["own"] = data["own"].map(lambda i: "ABCDEFGH"[i - 1])
    frame = both(data, id="id", Klinik="site", Therapeut="own")
    frame.to_csv(folder / "s.csv", sep=";", index=False)


def sites_of_unlike_size(folder, data):
    small = data["who"] < 4
    data = data.assign(site=small.map({True: "A", False: "B"}),
                       own=data["who"].where(small, data["who"] - 3))  # fmt: skip
    both(data, id="id", clinic="site", therapist="own").to_csv(folder / "s.csv", index=False)


def numbered_sites(folder, data):
    both(at_sites(data, (1, 2, 3)), Patient="here", site="site", Therapeut="own").to_csv(
        folder / "s.csv", sep=";", index=False
    )


def clients_of_each_therapist(folder, data):
    both(data.assign(his=data.groupby("who").cumcount() + 1), client="his", therapist="who").to_csv(
        folder / "s.csv", index=False
    )


def clients_of_each_site_s_therapist(folder, data):
    both(at_sites(data), client="his", therapist="own", clinic="site").to_csv(
        folder / "s.csv", index=False
    )


def a_table_of_therapists(folder, data):
    data = at_sites(data)
    both(data, id="id", clinic="site", therapist="own").to_csv(folder / "clients.csv", index=False)
    once = data.drop_duplicates("who")
    told = ids(once, clinic="site", therapist="own").assign(experience=range(len(once)))
    told.to_csv(folder / "therapists.csv", index=False)


def a_file_without_sites(folder, data):
    frame = both(at_sites(data), id="id", clinic="site", therapist="own")
    frame.drop(columns=THERAPIST).to_csv(folder / "clients.csv", index=False)
    frame[["id", "therapist", *THERAPIST]].to_csv(folder / "therapists.csv", index=False)


def sessions_at_sites(folder, data):
    rows = at_sessions(data).merge(ids(at_sites(data), patient_id="id", clinic="site", own="own"))
    rows.assign(therapist=rows.pop("own")).to_csv(folder / "s.csv", index=False)


def therapists_at_two_sites(folder, data):
    """A few of them; their numbers are everywhere their own."""
    data = at_sites(data)
    data.loc[data["who"].isin([3, 9, 17]) & (data.index % 2 == 0), "site"] = "West"
    both(data, id="id", clinic="site", therapist="who").to_csv(folder / "s.csv", index=False)


def a_file_for_each_site(folder, data):
    """Clients and therapists numbered from 1 in each."""
    for site, rows in at_sites(data).groupby("site"):
        both(rows, id="here", therapist="own").to_csv(folder / f"{site}.csv", index=False)


ANEW = (
    numbered_therapists, lettered_therapists, sites_of_unlike_size, numbered_sites,
    clients_of_each_therapist, clients_of_each_site_s_therapist, a_table_of_therapists,
    a_file_without_sites, sessions_at_sites,
)  # fmt: skip
SESSIONS = (
    last_unrated, last_of_each_differs, a_file_of_each, roles_of_unlike_sessions, rated_once,
    rated_once_in_two_files, no_show, session_words, many_session_words, ordinal_words,
    two_spellings, events_in_words, weeks_in_words, timestamps, german_timestamps,
    spreadsheet_stamps, ambiguous_dates, american_stamps, short_years, dates_beside_texts,
    numbers_for_days, month_names,
)  # fmt: skip
SHEETS = (
    a_lone_block, nothing_above_a_column, title_and_blocks, ids_named_above, a_column_between,
    notes_beside, notes_below, notes_and_blocks, one_merged_name, one_merged_name_text,
    german_text_with_titles, three_headers, units, names_again, a_legend, lies_mich, blank_edges,
    a_total_row, a_sheet_for_each_site,
)  # fmt: skip

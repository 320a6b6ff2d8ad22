"""The same small study in shapes that a newcomer had at hand; every file is made here."""

import numpy as np
import pandas as pd
import pyreadstat
from exports_made import SR, C, S, T, ids, named, numbered, qualtrics, words
from further_exports import side_by_side


def rows_by_id(data, one, other, **columns):
    """Two rows a dyad, of which only the id says who answered."""
    parts = []
    for columns_of, form in ((C, one), (T, other)):
        part = ids(data, therapist="who").assign(id=data["id"].map(form.format), **columns)
        parts.append(pd.concat([part, named(data[columns_of], C, "wai{}")], axis=1))
    return parts


def ids_begin(folder, data, one="C{}", other="T{}"):
    frame = pd.concat(rows_by_id(data, one, other))
    frame.to_csv(folder / "ratings.csv", index=False)


def ids_begin_with_words(folder, data):
    ids_begin(folder, data, "Client-{}", "Therapist-{}")


def ids_end_in_numbers(folder, data):
    ids_begin(folder, data, "{}-1", "{}-2")


def ids_end_in_letters(folder, data):
    ids_begin(folder, data, "{}_c", "{}_t")


def ids_end_in_words(folder, data):
    ids_begin(folder, data, "{}_client", "{}_therapist")


def ids_begin_in_two_files(folder, data):
    """The client's file has C2001, the therapist's T2001."""
    for name, frame in zip(("client", "therapist"), rows_by_id(data, "C{}", "T{}"), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False)


def ids_end_in_two_files(folder, data):
    for name, frame in zip(("client", "therapist"), rows_by_id(data, "{}-1", "{}-2"), strict=True):
        frame.to_csv(folder / f"{name}.csv", index=False)


def zeros_in_one_file(folder, data):
    """Ids 001 to 072 in one file, 1 to 72 in the other, as Excel keeps them."""
    data = data.assign(id=range(1, len(data) + 1))
    client = pd.concat([ids(data, id="id", phq="phq"), named(data[C], C, "wai_c{}")], axis=1)
    client["id"] = client["id"].map("{:03d}".format)
    client.to_csv(folder / "clients.csv", index=False)
    other = [ids(data, id="id", therapist="who"), named(data[T], T, "wai_t{}")]
    pd.concat(other, axis=1).to_csv(folder / "therapists.csv", index=False)


def client_from_zero(folder, data):
    frame = side_by_side(data.assign(**(data[C] - 1)), "wai_c{}", "wai_t{}", id="id", ther="who")
    frame.to_csv(folder / "d.csv", index=False)


def both_of_five(data):
    """Both informants on a form from 1 to 5."""
    told = data.copy()
    told[T] = told[T].sub(1).clip(1, 5)
    return told


def two_arms(folder, data):
    """REDCap: the event says whose form it is."""
    parts = []
    for arm, columns in enumerate((C, T), 1):
        part = ids(data, record_id="id", therapist_id="who")
        part = part.assign(redcap_event_name=f"baseline_arm_{arm}")
        parts.append(pd.concat([part, named(data[columns], C, "wai_{}")], axis=1))
    frame = pd.concat(parts).assign(wai_complete=2).sort_values("record_id", kind="stable")
    frame.to_csv(folder / "P_DATA.csv", index=False)


def two_arms_of_treatment(folder, data):
    frame = side_by_side(data, "wai_c_{}", "wai_t_{}", record_id="id", therapist_id="who")
    arm = np.where(np.arange(len(data)) % 2, 1, 2)
    frame.insert(1, "redcap_event_name", [f"baseline_arm_{i}" for i in arm])
    frame.assign(wai_complete=2).to_csv(folder / "P_DATA.csv", index=False)


def roles_of_both_sexes(folder, data, one=("Patient", "Patientin"), two=("Therapeut", "Therapeutin")):
    parts = []
    for columns, role in ((C, one), (T, two)):
        part = ids(data, dyade="id", therapeut="who")
        part = part.assign(rolle=np.where(data["age"] % 2, *role))
        parts.append(pd.concat([part, named(data[columns], C, "wai{}")], axis=1))
    pd.concat(parts).to_csv(folder / "lang.csv", sep=";", index=False)


def roles_in_spanish(folder, data):
    roles_of_both_sexes(folder, data, ("Usuario", "usuaria"), ("Psicólogo", "PSICÓLOGA"))


def anchors_at_ends(folder, data):
    """Labels on 1 and 5, and on 8 and 9, which stand for no answer."""
    told = data.copy()
    told[C] = told[C].fillna(9)
    told.loc[:6, "c3"], told.loc[7:11, "c4"] = 8, 9
    data.loc[:6, "c3"], data.loc[7:11, "c4"] = np.nan, np.nan
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who").astype(float)
    ends = {1.0: "Seldom", 5.0: "Always", 8.0: "Don't know", 9.0: "Refused"}
    levels = {c: ends for c in frame if "wai_c" in c}
    pyreadstat.write_sav(frame, folder / "a.sav", variable_value_labels=levels)


def one_item_runs_down(folder, data):
    """Item 4 of the client is labelled 1 = Always to 5 = Seldom."""
    told = data.assign(c4=6 - data["c4"])
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who").astype(float)
    levels = {c: numbered(SR) for c in frame if "wai_c" in c} | {"wai_c4": numbered(SR[::-1])}
    pyreadstat.write_sav(frame, folder / "d.sav", variable_value_labels=levels)


def labels_by_item(folder, data):
    """Each item words its answers in its own way."""
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who").astype(float)
    levels = {}
    for i in range(1, 13):
        told = [w if i % 2 else f"{w.lower()} true for me" for w in SR]
        levels[f"wai_c{i}"] = numbered(told)
    pyreadstat.write_sav(frame, folder / "d.sav", variable_value_labels=levels)


def reversed_of_five(folder, data):
    """A form from 1 to 5; two items stand there reversed, too, as `_r`."""
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame = frame.assign(wai_c4_r=6 - frame["wai_c4"], wai_c10_r=6 - frame["wai_c10"])
    frame.to_csv(folder / "r.csv", index=False)


def gaps(folder, data, n=None):
    told = data.assign(**data[C].replace({3: 4, 4: 6, 5: 7}))
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame.to_csv(folder / "g.csv", index=False)


def scores_beside(folder, data):
    """A PHQ in the therapist's file, `PHQPRE` among the client's, and a sheet of legends."""
    client = pd.concat([ids(data, id="id", PHQPRE="phq"), named(data[C], C, "wai_c{}")], axis=1)
    other = pd.concat([ids(data, id="id", therapist="who"), named(data[T], T, "wai_t{}")], axis=1)
    other["phq"] = data["phq"].iloc[::-1].to_numpy()
    legend = pd.DataFrame({"Variable": ["PHQPRE", "wai_c1"], "Meaning": ["before", "item 1"]})
    with pd.ExcelWriter(folder / "s.xlsx") as book:
        client.to_excel(book, sheet_name="Clients", index=False)
        other.to_excel(book, sheet_name="Therapists", index=False)
        legend.to_excel(book, sheet_name="Legend", index=False)

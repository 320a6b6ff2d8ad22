"""One small study, written to disk as survey tools and people write it; every file is made here."""

import json

import numpy as np
import pandas as pd
import pyreadstat

SR = ["Seldom", "Sometimes", "Fairly Often", "Very Often", "Always"]
S = ["Never", "Rarely", "Occasionally", "Sometimes", "Often", "Very Often", "Always"]
GERMAN_SR = ["selten", "manchmal", "öfter", "sehr oft", "immer"]
GERMAN_S = ["nie", "selten", "gelegentlich", "manchmal", "oft", "sehr oft", "immer"]
SPANISH_SR = ["rara vez", "a veces", "con bastante frecuencia", "muy a menudo", "siempre"]
SPANISH_S = [
    "nunca",
    "rara vez",
    "ocasionalmente",
    "a veces",
    "a menudo",
    "muy a menudo",
    "siempre",
]
C, T = ([f"{who}{i}" for i in range(1, 13)] for who in "ct")
SUBSCALES = {  # item numbers of both short forms, as printed in the papers
    "c": [(1, 2, 10, 12), (3, 5, 7, 9), (4, 6, 8, 11)],
    "t": [(1, 2, 8, 12), (3, 5, 7, 9), (4, 6, 10, 11)],
}


def truth(seed=18, n=72):
    """A row a dyad: ids, the client's twelve answers 1 to 5, the therapist's 1 to 7, the PHQ."""
    rng = np.random.default_rng(seed)
    both = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], n)
    data = pd.DataFrame({"id": np.arange(2001, 2001 + n), "who": np.arange(n) // 4 + 1})
    noise = rng.normal(0, 0.8, (n, 24))
    data[C] = np.clip(np.rint(3.4 + both[:, :1] + noise[:, :12]), 1, 5)
    data[T] = np.clip(np.rint(4.7 + 1.2 * both[:, 1:] + noise[:, 12:]), 1, 7)
    data[["t4", "t10"]] = 8 - data[["t4", "t10"]]
    data["age"] = rng.integers(18, 70, n)
    data["phq"] = np.clip(np.rint(10 - 2 * both[:, 0] + rng.normal(0, 3, n)), 0, 27).astype(int)
    for column in ("c6", "c11", "t2"):
        data.loc[rng.integers(0, n, 2), column] = np.nan
    return data


def totals(data):
    """Both totals by plain pandas: subscale means times items, in ids' order."""
    right = data.assign(t4=8 - data["t4"], t10=8 - data["t10"])
    found = {}
    for who, parts in SUBSCALES.items():
        sums = []
        for numbers in parts:
            items = right[[f"{who}{i}" for i in numbers]]
            known = items.notna().mean(axis=1) >= 0.8
            sums.append((items.mean(axis=1) * len(numbers)).where(known))
        found[who] = sum(sums)
    return pd.DataFrame(found).set_axis(data["id"].astype(str), axis=0)


def words(data, columns, answers):
    return data[columns].map(lambda x: answers[int(x) - 1], na_action="ignore")


def numbered(answers):
    return {float(i): word for i, word in enumerate(answers, 1)}


def named(frame, columns, pattern):
    return frame.set_axis([pattern.format(i) for i in range(1, len(columns) + 1)], axis=1)


def ids(data, **columns):
    return pd.DataFrame({name: data[column] for name, column in columns.items()})


def qualtrics(folder, data, file, body, labels):
    """Three headers, metadata, a preview, an unfinished and a repeated response."""
    meta = pd.DataFrame(
        {
            "StartDate": "2024-03-04 09:12:00",
            "Status": "IP Address",
            "IPAddress": "192.0.2.7",
            "Progress": "100",
            "Finished": "True",
            "RecordedDate": "2024-03-04 09:19:01",
            "RecipientEmail": "",
            "ResponseId": [f"R_{i:04d}" for i in range(len(data))],
            "LocationLatitude": "52.5",
        },
        index=data.index,
    )
    frame = pd.concat([meta, body], axis=1).astype(object)
    preview, unfinished, again = frame.iloc[3].copy(), frame.iloc[5].copy(), frame.iloc[9].copy()
    preview["Status"], unfinished["Finished"] = "Survey Preview", "False"
    again[body.columns[-1]] = frame.iloc[10, -1]
    frame.iloc[9, frame.columns.get_loc("RecordedDate")] = "2024-03-05 10:00:00"
    rows = [frame, pd.DataFrame([preview, unfinished, again])]
    heads = [{c: labels.get(c, c) for c in frame}, {c: json.dumps({"ImportId": c}) for c in frame}]
    pd.concat([pd.DataFrame(heads), *rows]).to_csv(folder / file, index=False)


def qualtrics_text(folder, data):
    for who, name, answers in (("c", "client", SR), ("t", "therapist", S)):
        items = named(words(data, [f"{who}{i}" for i in range(1, 13)], answers), C, "Q5_{}")
        body = ids(
            data, dyad="id", **({"phq_total": "phq"} if who == "c" else {"therapist": "who"})
        )
        body = pd.concat([body, items], axis=1)
        qualtrics(folder, data, f"{name}.csv", body, {"phq_total": "PHQ after"})


def qualtrics_recoded(folder, data):
    items = named(data[C].replace({3: 4, 4: 6, 5: 7}), C, "wai_c_{}")
    body = pd.concat(
        [ids(data, dyad="id", therapist="who"), items, named(data[T], T, "wai_t_{}")], axis=1
    )
    qualtrics(folder, data, "all.csv", body, {})


def qualtrics_spss(folder, data):
    frame = pd.concat([ids(data, dyad="id", Therapist="who").astype(float), data[C + T]], axis=1)
    names = [f"Q1_{i}" for i in range(1, 13)] + [f"Q2_{i}" for i in range(1, 13)]
    frame.columns = ["dyad", "Therapist", *names]
    frame = frame.assign(StartDate="2024-03-04", Status=0.0, Finished=1.0, Progress=100.0)
    frame = pd.concat([frame, frame.iloc[[2]].assign(Status=1.0)])
    levels = {n: numbered(a) for a, part in ((SR, names[:12]), (S, names[12:])) for n in part}
    levels["Status"] = {0.0: "IP Address", 1.0: "Survey Preview"}
    labels = [
        ("Client form: " if c[:3] == "Q1_" else "Therapist form: " if c[:3] == "Q2_" else "") + c
        for c in frame
    ]
    pyreadstat.write_sav(
        frame, folder / "q.sav", column_labels=labels, variable_value_labels=levels
    )


def redcap(folder, data):
    base = {"redcap_repeat_instrument": "", "redcap_repeat_instance": ""}
    intake = ids(data, record_id="id", therapist_id="who", age="age").assign(
        redcap_event_name="intake_arm_1", dx___1=1, dx___2=0, intake_complete=2, **base
    )
    after = pd.concat(
        [
            ids(data, record_id="id", phq="phq"),
            named(data[C], C, "waisr_c_{}"),
            named(data[T], T, "wais_t_{}"),
        ],
        axis=1,
    )
    after = after.assign(redcap_event_name="followup_arm_1", wai_complete=2, **base)
    visit = ids(data, record_id="id").assign(
        redcap_event_name="followup_arm_1",
        redcap_repeat_instrument="session",
        redcap_repeat_instance="1",
        sess_min=50,
        sess_date="2024-01-02",
    )
    frame = pd.concat([intake, after, visit]).sort_values("record_id", kind="stable")
    frame.to_csv(folder / "Study_DATA_2024-05-02_1104.csv", index=False)


def redcap_described(folder, data):
    redcap(folder, data)
    choices = {
        "c": " | ".join(f"{i}, {w}" for i, w in enumerate(SR, 1)),
        "t": " | ".join(f"{i}, {w}" for i, w in enumerate(S, 1)),
    }
    rows = [
        (f"wai{'sr_c' if who == 'c' else 's_t'}_{i}", f"Item {i}", choices[who])
        for who in "ct"
        for i in range(1, 13)
    ]
    head = ["Variable / Field Name", "Field Label", "Choices, Calculations, OR Slider Labels"]
    pd.DataFrame(rows, columns=head).to_csv(folder / "Study_DataDictionary.csv", index=False)


def limesurvey(folder, data):
    code = data[C + T].map(lambda x: f"A{int(x)}", na_action="ignore").fillna("N/A")
    frame = pd.concat(
        [
            ids(data, CODE="id", THER="who", PHQ="phq"),
            named(code[C], C, "WAIP[SQ{:03d}]"),
            named(code[T], T, "WAIT[SQ{:03d}]"),
        ],
        axis=1,
    )
    frame["THER"] = "A" + frame["THER"].astype(str)
    meta = {
        "id": range(1, len(data) + 1),
        "submitdate": "2024-03-04 09:12:00",
        "lastpage": 4,
        "startlanguage": "de",
        "seed": 1_000_000 + data["id"] * 7,
    }
    pd.concat([pd.DataFrame(meta), frame], axis=1).to_csv(
        folder / "results-survey1.csv", index=False
    )


def german_text(folder, data):
    frame = pd.concat(
        [
            ids(data, id="id", Therapeut_Nr="who", phq_post="phq"),
            named(words(data, C, GERMAN_SR), C, "wai_k_{:02d}"),
            named(words(data, T, GERMAN_S), T, "wai_t_{:02d}"),
        ],
        axis=1,
    )
    frame.to_csv(folder / "daten.csv", sep=";", index=False, encoding="cp1252")


def spanish_text(folder, data):
    frame = pd.concat(
        [
            ids(data, id="id", terapeuta="who", phq_post="phq"),
            named(words(data, C, SPANISH_SR), C, "wai_cliente_{}"),
            named(words(data, T, SPANISH_S), T, "wai_terapeuta_{}"),
        ],
        axis=1,
    )
    frame.to_csv(folder / "datos.csv", index=False)


def spss_german(folder, data):
    """Upper-case names of eight letters; two of the client's twelve items carry value labels."""
    frame = pd.concat(
        [
            ids(data, FALLNR="id", THERAPEU="who", PHQ9POST="phq").astype(float),
            named(data[C], C, "WAIK{:02d}"),
            named(data[T], T, "WAIT{:02d}"),
        ],
        axis=1,
    )
    levels = numbered(GERMAN_SR)
    pyreadstat.write_sav(
        frame, folder / "daten.sav", variable_value_labels={"WAIK04": levels, "WAIK08": levels}
    )


def spss_labelled(folder, data):
    frame = pd.concat(
        [
            ids(data, id="id", therapist="who").astype(float),
            named(data[C], C, "wai_c{}"),
            named(data[T], T, "wai_t{}"),
        ],
        axis=1,
    )
    levels = {c: numbered(SR if "_c" in c else S) for c in frame.columns[2:]}
    pyreadstat.write_sav(frame, folder / "s.sav", variable_value_labels=levels)


def stata(folder, data):
    frame = pd.concat(
        [
            ids(data, patient="id", provider="who"),
            named(data[C], C, "wai_pat_{}"),
            named(data[T], T, "wai_prov_{}"),
        ],
        axis=1,
    )
    frame = frame.rename(columns=lambda c: c.replace("prov_", "provider_"))
    levels = {c: numbered(SR) for c in frame if "_pat_" in c}
    pyreadstat.write_dta(frame.astype(float), folder / "s.dta", variable_value_labels=levels)


def excel_titles(folder, data):
    frame = pd.concat(
        [
            ids(data, **{"Pat. no.": "id", "Therapist": "who", "PHQ": "phq"}),
            named(data[C], C, "WAI client {}"),
            named(data[T], T, "WAI therapist {}"),
        ],
        axis=1,
    )
    with pd.ExcelWriter(folder / "study.xlsx") as book:
        frame.to_excel(book, index=False, startrow=3)
        book.sheets["Sheet1"]["A1"] = "Outcome study 2023, as of May"


def excel_sheets(folder, data):
    """Clients and their therapists' forms in two sheets; the id has another name in each."""
    client = pd.concat(
        [ids(data, patient_id="id", phq_post="phq"), named(data[C], C, "wai_c_{}")], axis=1
    )
    other = pd.concat(
        [ids(data, Case="id", Counsellor="who"), named(data[T], T, "wai_t_{}")], axis=1
    )
    with pd.ExcelWriter(folder / "study.xlsx") as book:
        client.to_excel(book, sheet_name="clients", index=False)
        other.sample(frac=1, random_state=1).to_excel(book, sheet_name="therapists", index=False)


def long_roles(folder, data, roles=("patient", "doctor"), names="wai{}"):
    parts = []
    for who, role in zip("ct", roles, strict=True):
        items = named(data[[f"{who}{i}" for i in range(1, 13)]], C, names)
        part = ids(data, dyad="id", therapist_id="who").assign(role=role, age=data["age"])
        parts.append(pd.concat([part, items], axis=1))
    pd.concat(parts).sort_values("dyad", kind="stable").to_csv(folder / "long.csv", index=False)


def long_coded(folder, data):
    long_roles(folder, data, (1, 2))


def long_words(folder, data):
    """Each informant's own words in one set of columns."""
    told = data.assign(**words(data, C, SR), **words(data, T, S))
    long_roles(folder, told)


def sessions(folder, data):
    """Three sessions a client; the last is the one of the truth."""
    rng = np.random.default_rng(2)
    parts = []
    for session in (1, 2, 3):
        items = data[C] if session == 3 else data[C].map(lambda x: rng.integers(1, 6))
        part = ids(data, patient_id="id", therapist="who").assign(session=session)
        parts.append(
            pd.concat([part, named(items, C, "wai_c{}"), named(data[T], T, "wai_t{}")], axis=1)
        )
    pd.concat(parts).sort_values("patient_id", kind="stable").to_csv(folder / "s.csv", index=False)


def waves_wide(folder, data):
    """The client's form at two times, side by side; the truth is the first."""
    frame = pd.concat(
        [
            ids(data, id="id", therapist="who"),
            named(data[C], C, "wai_c{}_t1"),
            named(data[C].iloc[::-1].reset_index(drop=True), C, "wai_c{}_t2"),
            named(data[T], T, "wai_t{}_t1"),
        ],
        axis=1,
    )
    frame.to_csv(folder / "w.csv", index=False)


def zero_based(folder, data):
    frame = pd.concat(
        [
            ids(data, id="id", therapist="who"),
            named(data[C] - 1, C, "wai_c{}"),
            named(data[T] - 1, T, "wai_t{}"),
        ],
        axis=1,
    )
    frame.to_csv(folder / "z.csv", index=False)


def reversed_too(folder, data):
    """Both reversed items stand there raw, and reversed as `_r`."""
    frame = pd.concat(
        [
            ids(data, id="id", therapist="who"),
            named(data[C], C, "wai_c{}"),
            named(data[T], T, "wai_t{}"),
        ],
        axis=1,
    )
    frame = frame.assign(wai_t4_r=8 - frame["wai_t4"], wai_t10_r=8 - frame["wai_t10"])
    frame.to_csv(folder / "r.csv", index=False)


def reversed_only(folder, data):
    """Both reversed items stand there as `_r` alone."""
    reversed_too(folder, data)
    frame = pd.read_csv(folder / "r.csv").drop(columns=["wai_t4", "wai_t10"])
    frame.to_csv(folder / "r.csv", index=False)


def long_sessions(folder, data):
    """Two rows a dyad in each of three sessions; the last is the one of the truth."""
    rng, parts = np.random.default_rng(3), []
    for session in (1, 2, 3):
        for who, role, columns in (("c", "client", C), ("t", "therapist", T)):
            high = 6 if who == "c" else 8
            told = data[columns]
            if session < 3:
                told = told.map(lambda x, high=high: rng.integers(1, high))
            part = ids(data, dyad="id", therapist_id="who").assign(role=role, session=session)
            parts.append(pd.concat([part, named(told, C, "wai{}")], axis=1))
    pd.concat(parts).sort_values("dyad", kind="stable").to_csv(folder / "l.csv", index=False)


def names_of_columns_only(folder, data):
    """Columns V1 to V27 whose labels alone say what they are."""
    frame = pd.concat([ids(data, id="id", who="who", age="age"), data[C + T]], axis=1)
    labels = ["Client ID", "Therapist ID", "Age"]
    labels += [f"WAI {who} item {i}" for who in ("client", "therapist") for i in range(1, 13)]
    frame.columns = [f"V{i}" for i in range(1, 28)]
    pyreadstat.write_sav(frame.astype(float), folder / "v.sav", column_labels=labels)


def codes_for_missing(folder, data):
    """9 is no answer to an item, and a therapist's number."""
    frame = pd.concat(
        [ids(data, id="id", therapist="who"), named(data[C], C, "wai_c{}"),
         named(data[T], T, "wai_t{}")], axis=1,
    )  # fmt: skip
    frame.fillna(9).to_csv(folder / "m.csv", index=False)


def labels_run_down(folder, data):
    """1 is Always and 5 is Seldom, as the value labels say."""
    frame = pd.concat(
        [ids(data, id="id", therapist="who"), named(6 - data[C], C, "wai_c{}"),
         named(data[T], T, "wai_t{}")], axis=1,
    )  # fmt: skip
    levels = {c: numbered(SR[::-1]) for c in frame if "wai_c" in c}
    pyreadstat.write_sav(frame.astype(float), folder / "r.sav", variable_value_labels=levels)


def two_languages(folder, data):
    """Half of the clients answered in German."""
    told = words(data, C, SR)
    told.iloc[::2] = words(data, C, GERMAN_SR).iloc[::2]
    frame = pd.concat(
        [ids(data, id="id", therapist="who"), named(told, C, "wai_c{}"),
         named(data[T], T, "wai_t{}")], axis=1,
    )  # fmt: skip
    frame.to_csv(folder / "two.csv", index=False)


def redcap_labelled(folder, data):
    """Labels instead of names and codes."""
    base = {"Repeat Instrument": "", "Repeat Instance": ""}
    intake = ids(data, **{"Record ID": "id", "Therapist": "who"})
    intake = intake.assign(**{"Event Name": "Intake"}, **base)
    items = [
        named(words(data, C, SR), C, "WAI client item {}"),
        named(words(data, T, S), T, "WAI therapist item {}"),
    ]
    after = pd.concat([ids(data, **{"Record ID": "id", "PHQ total": "phq"}), *items], axis=1)
    after = after.assign(**{"Event Name": "Follow-up", "Complete?": "Complete"}, **base)
    pd.concat([intake, after]).to_csv(folder / "labels.csv", index=False)


def limesurvey_spss(folder, data):
    frame = pd.concat(
        [ids(data, id="id", CODE="id", THER="who"), named(data[C], C, "WAIP_SQ{:03d}"),
         named(data[T], T, "WAIT_SQ{:03d}")], axis=1,
    ).astype(float)  # fmt: skip
    frame = frame.assign(submitdate="2024-01-01", lastpage=4.0, startlanguage="de", seed=1.0)
    levels = {c: numbered(SR if "WAIP" in c else S) for c in frame if "_SQ" in c}
    pyreadstat.write_sav(frame, folder / "l.sav", variable_value_labels=levels)


def limesurvey_unfinished(folder, data):
    """Two responses that were broken off, of clients who answered again."""
    limesurvey(folder, data)
    frame = pd.read_csv(folder / "results-survey1.csv", keep_default_na=False)
    again = frame.iloc[[4, 9]].assign(submitdate="", lastpage=2)
    pd.concat([again, frame]).to_csv(folder / "results-survey1.csv", index=False)


def merged_headers(folder, data):
    """A row above the names says over twelve columns each whose form it is."""
    frame = pd.concat([ids(data, id="id", therapist="who"), data[C + T]], axis=1)
    with pd.ExcelWriter(folder / "m.xlsx") as book:
        frame.to_excel(book, index=False, startrow=1)
        sheet = book.sheets["Sheet1"]
        sheet["C1"], sheet["O1"] = "Client form", "Therapist form"
        sheet.merge_cells("C1:N1")
        sheet.merge_cells("O1:Z1")


def ends_in_words(folder, data):
    """Only the ends of a scale carry words, in the cells themselves."""
    frame = pd.concat(
        [ids(data, id="id", TCODE="who"), named(data[C], C, "wai_c{}"),
         named(data[T], T, "wai_t{}")], axis=1,
    )  # fmt: skip
    ends = {"c": {1: "Seldom", 5: "Always"}, "t": {1: "1 (never)", 7: "7 (always)"}}
    for who, told in ends.items():
        columns = [c for c in frame if f"wai_{who}" in c]
        frame[columns] = frame[columns].astype(object).map(lambda x, told=told: told.get(x, x))
    frame.to_csv(folder / "e.csv", index=False)


def half_empty(folder, data):
    """Two rows a dyad, each informant's form in columns of its own."""
    parts = []
    for who, rater, columns in (("c", "client", C), ("t", "therapist", T)):
        part = ids(data, dyad="id", therapist="who").assign(rater=rater)
        parts.append(pd.concat([part, named(data[columns], C, f"wai{who}{{}}")], axis=1))
    pd.concat(parts).sort_values("dyad", kind="stable").to_csv(folder / "h.csv", index=False)


def files_say_who(folder, data):
    """One name for both forms; whose they are is the name of the file."""
    parts = {
        "clinicians": ids(data, patient="id", clinician="who"),
        "patients": ids(data, patient="id"),
    }
    for columns, (name, part) in zip((T, C), parts.items(), strict=True):
        frame = pd.concat([part, named(data[columns], C, "wai_{}")], axis=1)
        frame.to_csv(folder / f"{name}.csv", index=False)


def one_says_who(folder, data):
    """The therapist's form comes first, and only the client's name says whose it is."""
    frame = pd.concat(
        [ids(data, id="id", therapist="who"), named(data[T], T, "WAI_{}"),
         named(data[C], C, "WAI_{}_pat")], axis=1,
    )  # fmt: skip
    frame.to_csv(folder / "o.csv", index=False)


def long_german(folder, data):
    """Items that are only numbered, in two rows a dyad."""
    long_roles(folder, data, ("Klient", "Therapeut"), "item_{}")
    frame = pd.read_csv(folder / "long.csv")
    frame.rename(columns={"role": "Rolle"}).to_csv(folder / "long.csv", sep=";", index=False)


def qualtrics_german_codes(folder, data):
    """Numbered questions; the labels say whose they are; the client's answers are 1, 2, 4, 6, 7."""
    items = [named(data[C].replace({3: 4, 4: 6, 5: 7}), C, "Q12_{}"), named(data[T], T, "Q14_{}")]
    body = pd.concat([ids(data, Q1="id", Q2="who"), *items], axis=1)
    labels = {"Q1": "Dyaden-Code", "Q2": "Nummer der Therapeutin"}
    for question, who in (("Q12", "Klient"), ("Q14", "Therapeut")):
        said = f"Fragebogen {who} - Wie oft trifft das zu? - Aussage"
        labels |= {f"{question}_{i}": f"{said} {i}" for i in range(1, 13)}
    qualtrics(folder, data, "Umfrage.csv", body, labels)


def redcap_repeating(folder, data):
    """The client's form is a repeating instrument, answered three times; the last is the truth."""
    base = pd.concat(
        [ids(data, record_id="id", ther_id="who"), named(data[T], T, "wait_{}")], axis=1
    )
    rows, rng = (
        [base.assign(redcap_repeat_instrument="", form_complete=2)],
        np.random.default_rng(4),
    )
    for instance in (1, 2, 3):
        items = data[C] if instance == 3 else data[C].map(lambda x: rng.integers(1, 6))
        row = pd.concat([ids(data, record_id="id"), named(items, C, "waic_{}")], axis=1)
        rows.append(row.assign(redcap_repeat_instrument="wai", redcap_repeat_instance=instance))
    frame = pd.concat(rows).sort_values("record_id", kind="stable")
    frame.astype({"redcap_repeat_instance": "Int64"}).to_csv(folder / "S_DATA.csv", index=False)


EXACT = (
    qualtrics_text,
    qualtrics_spss,
    redcap,
    redcap_described,
    redcap_labelled,
    limesurvey,
    limesurvey_spss,
    limesurvey_unfinished,
    german_text,
    spanish_text,
    spss_german,
    spss_labelled,
    stata,
    excel_titles,
    excel_sheets,
    long_roles,
    long_words,
    names_of_columns_only,
    codes_for_missing,
    reversed_too,
    ends_in_words,
    half_empty,
    files_say_who,
)
ASKED = (
    redcap_repeating,
    one_says_who,
    long_german,
    qualtrics_german_codes,
    merged_headers,
    qualtrics_recoded,
    long_coded,
    long_sessions,
    sessions,
    waves_wide,
    zero_based,
    reversed_only,
    labels_run_down,
    two_languages,
)

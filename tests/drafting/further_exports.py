"""The same small study as other tools, languages and people write it; every file is made here."""

import io

import numpy as np
import pandas as pd
import pyreadstat
from exports_made import (
    GERMAN_S,
    GERMAN_SR,
    SPANISH_S,
    SPANISH_SR,
    SR,
    SUBSCALES,
    C,
    S,
    T,
    ids,
    named,
    numbered,
    qualtrics,
    words,
)

FRENCH_SR = ["Rarement", "Parfois", "Assez souvent", "Très souvent", "Toujours"]
FRENCH_S = ["Jamais", "Rarement", "Occasionnellement", "Parfois", "Souvent", "Très souvent",
            "Toujours"]  # fmt: skip
DUTCH_SR = ["zelden of nooit", "soms", "vaak", "zeer vaak", "altijd"]
PARTS = "task", "bond", "goal"  # in the order of `SUBSCALES`
FIRST = ["Anna", "Bernd", "Clara", "David", "Elena", "Felix", "Gerda", "Hugo", "Ines", "Jonas"]
LAST = ["Schmidt", "Castillo", "Okafor", "Lindqvist", "Brunner", "Dubois", "Iglesias", "Moreno"]


def by_name(data):
    """A name for each therapist; no two are alike."""
    return data["who"].map(lambda i: f"{FIRST[i % 10]} {LAST[(3 * i + i // 10) % 8]}")


def side_by_side(data, one, other, told=None, **columns):
    """A row a dyad: ids, then both forms under the names given, as numbers or as told."""
    told = data if told is None else told
    forms = [named(told[C], C, one), named(told[T], T, other)]
    return pd.concat([ids(data, **columns), *forms], axis=1)


def told_in(data, one, two):
    return data.assign(**words(data, C, one), **words(data, T, two))


def qualtrics_in(folder, data, anchors, names, interface):
    told = told_in(data, *anchors)
    body = side_by_side(data, *names, told, Code="id", Terapeuta="who", PHQ="phq")
    qualtrics(folder, data, "export.csv", body, {})
    frame = pd.read_csv(folder / "export.csv", dtype=str, keep_default_na=False)
    frame.replace(interface).to_csv(folder / "export.csv", index=False, encoding="utf-8-sig")


def qualtrics_spanish(folder, data):
    """The tool's own words are Spanish, too: previews and unfinished responses are told by them."""
    interface = {
        "Status": {"Response Type": "Tipo de respuesta", "IP Address": "Dirección IP",
                   "Survey Preview": "Vista previa de la encuesta"},
        "Finished": {"True": "Verdadero", "False": "Falso"},
    }  # fmt: skip
    names = "paciente_{}", "terapeuta_{}"
    qualtrics_in(folder, data, (SPANISH_SR, SPANISH_S), names, interface)


def qualtrics_german(folder, data):
    interface = {
        "Status": {"IP Address": "IP-Adresse", "Survey Preview": "Umfragevorschau"},
        "Finished": {"True": "Wahr", "False": "Falsch"},
    }
    qualtrics_in(folder, data, (GERMAN_SR, GERMAN_S), ("WAI_K_{}", "WAI_T_{}"), interface)


def redcap_dictionary(folder, data):
    """A repeating instrument, choices and an identifier from the dictionary, `2.0` for a code."""
    base = ids(data, record_id="id", phq_post="phq").assign(ther_name=by_name(data), mrn=data["id"])
    base = pd.concat([base.assign(sex=data["age"] % 2 + 1), named(data[T], T, "wais_t{}")], axis=1)
    parts, rng = [base.assign(redcap_repeat_instrument="")], np.random.default_rng(4)
    for instance in ("1", "2"):
        told = data[C] if instance == "2" else data[C].map(lambda x: rng.integers(1, 6))
        part = pd.concat([ids(data, record_id="id"), named(told, C, "sr{}")], axis=1)
        part = part.assign(redcap_repeat_instrument="visit", redcap_repeat_instance=instance)
        parts.append(part)
    frame = pd.concat(parts).sort_values("record_id", kind="stable")
    frame.to_csv(folder / "Proj_DATA.csv", index=False)
    rows = [("ther_name", "Therapist's name", "", ""), ("mrn", "Hospital number", "", "y"),
            ("sex", "Sex", "1, male | 2, female", "")]  # fmt: skip
    for name, who, anchors in (("wais_t", "therapist", S), ("sr", "client", SR)):
        choices = " | ".join(f"{i}, {word}" for i, word in enumerate(anchors, 1))
        label = f"Working alliance, {who} form, item"
        rows += [(f"{name}{i}", f"{label} {i}", choices, "") for i in range(1, 13)]
    head = ["Variable / Field Name", "Field Label", "Choices, Calculations, OR Slider Labels",
            "Identifier?"]  # fmt: skip
    pd.DataFrame(rows, columns=head).to_csv(folder / "Proj_DataDictionary.csv", index=False)


def limesurvey_spanish(folder, data):
    told = told_in(data, SPANISH_SR, SPANISH_S)
    names = "WAIPAC[SQ{:03d}]", "WAITER[SQ{:03d}]"
    frame = side_by_side(data, *names, told, CODIGO="id", TERAP="who", EDAD="age", PHQ="phq")
    meta = {"id": range(1, len(data) + 1), "submitdate": "2024-03-04 09:12:00", "lastpage": 5,
            "startlanguage": "es", "seed": 1_000_000 + data["id"]}  # fmt: skip
    frame = pd.concat([pd.DataFrame(meta), frame.fillna("N/A")], axis=1)
    frame.to_csv(folder / "results-survey9.csv", index=False)


def limesurvey_full_text(folder, data):
    """Whole questions as names; the tool's own columns are named in German."""
    told = told_in(data, GERMAN_SR, GERMAN_S)
    names = ("Fragebogen für Patienten: Wie oft? [Aussage {}]",
             "Fragebogen für Therapeuten: Wie oft? [Aussage {}]")  # fmt: skip
    columns = {"Code der Dyade": "id", "Nummer der Therapeutin": "who", "PHQ-9 Summe": "phq"}
    frame = side_by_side(data, *names, told, **columns)
    meta = {"Antwort ID": range(1, len(data) + 1), "Datum Abgeschickt": "2024-03-04 09:12:00",
            "Letzte Seite": 5, "Zufallsstartwert": 1_000_000 + data["id"]}  # fmt: skip
    pd.concat([pd.DataFrame(meta), frame], axis=1).to_csv(folder / "results.csv", index=False)


def spss_cut_off(folder, data):
    """Eight letters, upper case; labels on two items; whose a form is only where names differ."""
    names = "AKPAT{}", "AKBEH{}"
    frame = side_by_side(data, *names, LFDNR="id", BEHANDLR="who", PHQ9="phq").astype(float)
    levels = dict.fromkeys(("AKBEH4", "AKBEH10"), numbered(GERMAN_S))
    pyreadstat.write_sav(frame, folder / "DATEN.sav", variable_value_labels=levels)


def spss_dutch(folder, data):
    names = "wav_c{}", "wav_t{}"
    frame = side_by_side(data, *names, clientnr="id", behandelaar="who", phq="phq").astype(float)
    levels = {c: numbered(DUTCH_SR) for c in frame if "wav_c" in c}
    labels = ["Werkalliantie" if "wav" in c else c for c in frame]
    pyreadstat.write_sav(
        frame, folder / "nl.sav", column_labels=labels, variable_value_labels=levels
    )


def spss_from_zero(folder, data):
    names = "wai_c{}", "wai_t{}"
    told = data.assign(**{c: data[c] - 1 for c in C + T})
    frame = side_by_side(data, *names, told, id="id", therapist="who", phq="phq").astype(float)
    levels = {c: dict(enumerate(SR if "_c" in c else S)) for c in frame if "wai" in c}
    levels = {c: {float(i): word for i, word in told.items()} for c, told in levels.items()}
    pyreadstat.write_sav(frame, folder / "z.sav", variable_value_labels=levels)


def spss_roles(folder, data):
    """Two rows a dyad; who rated is a number that the value labels explain."""
    parts = [pd.concat([ids(data, dyad="id", thid="who").assign(quelle=k),
                        named(data[columns], C, "wai{:02d}")], axis=1)
             for k, columns in ((1.0, C), (2.0, T))]  # fmt: skip
    frame = pd.concat(parts).sort_values("dyad", kind="stable").reset_index(drop=True)
    levels = {"quelle": {1.0: "Patient", 2.0: "Therapeut"}}
    pyreadstat.write_sav(frame.astype(float), folder / "l.sav", variable_value_labels=levels)


def excel_merged(folder, data):
    """`WAI paciente` stands above twelve columns that are called 1 to 12, and again."""
    frame = side_by_side(data, "c{}", "t{}", Paciente="id", Terapeuta="who")
    with pd.ExcelWriter(folder / "estudio.xlsx") as book:
        frame.to_excel(book, index=False, startrow=2)
        sheet = book.sheets["Sheet1"]
        for i in range(24):
            sheet.cell(3, 3 + i).value = i % 12 + 1
        sheet["A1"], sheet["C2"], sheet["O2"] = "Estudio 2023", "WAI paciente", "WAI terapeuta"
        for span in ("A1:F1", "C2:N2", "O2:Z2"):
            sheet.merge_cells(span)


def two_headers(folder, data):
    """As SurveyMonkey writes it: a question once, above what each of its columns asks."""
    told = told_in(data, SR, S)
    frame = side_by_side(data, "c{}", "t{}", told, id="id", who="who").astype(object).fillna("")
    above = ["Respondent ID", "What is your therapist's code?", "Client form: how often?",
             *[""] * 11, "Therapist form: how often?", *[""] * 11]  # fmt: skip
    below = ["", "Open-Ended Response", *[f"Statement {i}" for i in range(1, 13)] * 2]
    rows = pd.DataFrame([below, *frame.to_numpy().tolist()], columns=above)
    rows.to_csv(folder / "sheet.csv", index=False)


def long_endings(folder, data, ends=("K", "T"), names="wai_{}"):
    """Two rows a dyad; the id ends in who rated."""
    parts = []
    for columns, end in zip((C, T), ends, strict=True):
        part = ids(data, id="id", therapeut="who").assign(id=data["id"].astype(str) + end)
        parts.append(pd.concat([part, named(data[columns], C, names)], axis=1))
    pd.concat(parts).sort_values("id").to_csv(folder / "lang.csv", sep=";", index=False)


def long_letters(folder, data):
    long_endings(folder, data, ("-A", "-B"))


def long_spanish(folder, data):
    """Two rows a dyad, each in the words of a form of its own."""
    parts, told = [], told_in(data, SPANISH_SR, SPANISH_S)
    for columns, who in ((C, "paciente"), (T, "terapeuta")):
        part = ids(data, diada="id", id_terapeuta="who").assign(informante=who)
        parts.append(pd.concat([part, named(told[columns], C, "item{}")], axis=1))
    frame = pd.concat(parts).sort_values("diada", kind="stable")
    frame.to_csv(folder / "largo.csv", index=False, encoding="latin-1")


def events(folder, data):
    """Three events a client; the alliance was asked at the last."""
    parts = []
    for event in ("baseline", "midpoint", "end"):
        part = ids(data, case_id="id", counselor="who").assign(event=event, phq=data["phq"])
        forms = [named(data[C], C, "wai_c{}"), named(data[T], T, "wai_t{}")]
        parts.append(pd.concat([part, *forms], axis=1) if event == "end" else part)
    pd.concat(parts).sort_values("case_id", kind="stable").to_csv(folder / "e.csv", index=False)


def french(folder, data):
    names = "wai_patient_{}", "wai_therapeute_{}"
    told = told_in(data, FRENCH_SR, FRENCH_S)
    frame = side_by_side(data, *names, told, dossier="id", thérapeute="who", phq="phq")
    frame.to_csv(folder / "fr.csv", sep=";", index=False)


def written_with_numbers(folder, data):
    told = data[C].map(lambda x: f"{int(x)} - {SR[int(x) - 1]}", na_action="ignore")
    other = data[T].map(lambda x: f"{int(x)} = {GERMAN_S[int(x) - 1]}", na_action="ignore")
    told = data.assign(**told, **other)
    frame = side_by_side(data, "wai_c{}", "wai_t{}", told, id="id", therapist="who")
    frame.to_csv(folder / "s.csv", index=False)


def raw_and_reversed(folder, data):
    frame = side_by_side(data, "wai_pat_{:02d}", "wai_beh_{:02d}", code="id", behandler="who")
    frame = frame.assign(**{f"wai_beh_{i}_um": 8 - frame[f"wai_beh_{i}"] for i in ("04", "10")})
    frame.to_csv(folder / "r.csv", sep=";", index=False)


def names_with_variants(folder, data):
    """A third of the rows spells the therapist's name in another way."""
    frame = side_by_side(data, "wai_c{}", "wai_t{}", client="id").assign(therapist=by_name(data))
    upper, turned = frame["therapist"].str.upper(), frame["therapist"].str.split().str[::-1]
    frame.loc[1::6, "therapist"], frame.loc[4::6, "therapist"] = upper, turned.str.join(", ")
    frame.to_csv(folder / "n.csv", index=False)


def google_forms(folder, data):
    names = "Client form: how often? [{}.]", "Therapist form: how often? [{}.]"
    columns = {"Participant code": "id", "PHQ-9 total": "phq"}
    frame = side_by_side(data, *names, told_in(data, SR, S), **columns)
    frame.insert(0, "Your therapist", by_name(data))
    frame.insert(0, "Email Address", [f"p{i}@example.org" for i in data["id"]])
    frame.to_csv(folder / "Form responses 1.csv", index=False)


def one_numbering(folder, data):
    """Items 1 to 24; the labels say that the second twelve are the therapist's."""
    frame = pd.concat([ids(data, ID="id", TH="who"), data[C + T]], axis=1).astype(float)
    frame.columns = ["ID", "TH", *[f"WAI{i:02d}" for i in range(1, 25)]]
    labels = [f"WAI {who} Item {i}" for who in ("Patient", "Therapeut") for i in range(1, 13)]
    pyreadstat.write_sav(frame, folder / "n.sav", column_labels=["", "", *labels])


def codes_from_zero(folder, data):
    """Answers `AO00` to `AO06`."""
    told = data[C + T].map(lambda x: f"AO{int(x) - 1:02d}", na_action="ignore")
    names = "WAIP[SQ{:03d}]", "WAIT[SQ{:03d}]"
    frame = side_by_side(data, *names, data.assign(**told), id="id", terapeuta="who")
    frame.to_csv(folder / "k.csv", index=False)


def rare_word(folder, data):
    """Whoever did not answer an item wrote so, in a word that is not known."""
    data.loc[:4, ["c6", "c11", "t2", "t7"]] = np.nan
    told = told_in(data, GERMAN_SR, GERMAN_S)
    told[C + T] = told[C + T].fillna("entfällt")
    frame = side_by_side(data, "WAI_{}_K", "WAI_{}_T", told, Chiffre="id", Behandler="who")
    frame.to_csv(folder / "k.csv", sep=";", index=False)


def german_dates(folder, data):
    """Three sessions a client, told apart by day.month.year; the last is the one of the truth."""
    parts, rng = [], np.random.default_rng(2)
    for session in (1, 2, 3):
        told = data[C] if session == 3 else data[C].map(lambda x: rng.integers(1, 6))
        days = pd.to_timedelta(rng.integers(0, 300, len(data)) + 400 * session, unit="D")
        day = (pd.Timestamp("2020-01-03") + days).strftime("%d.%m.%Y")
        part = ids(data, Fallnummer="id", Therapeut="who").assign(Datum=day)
        forms = [named(told, C, "WAI_P{}"), named(data[T], T, "WAI_T{}")]
        parts.append(pd.concat([part, *forms], axis=1))
    frame = pd.concat(parts).sort_values("Fallnummer", kind="stable")
    frame.to_csv(folder / "sitzungen.csv", sep=";", index=False)


def qualtrics_tsv(folder, data):
    """As Qualtrics writes it for Excel: UTF-16, cells separated by tabs."""
    told = told_in(data, SR, S)
    body = side_by_side(data, "wai_client_{}", "wai_therapist_{}", told, dyad="id", Therapist="who")
    qualtrics(folder, data, "export.csv", body, {})
    text = (folder / "export.csv").read_text("utf-8")
    (folder / "export.csv").unlink()
    frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    frame.to_csv(folder / "export.tsv", sep="\t", index=False, encoding="utf-16")


def sosci(folder, data):
    """SoSci Survey: a second row of labels; -9 for no answer."""
    frame = side_by_side(data, "WA01_{:02d}", "WA02_{:02d}", SD01="id", SD02="who", PH01="phq")
    meta = {"CASE": "Interview", "QUESTNNR": "Fragebogen", "FINISHED": "Beendet", "TIME001": "Zeit"}
    labels = meta | {"SD01": "Code der Dyade", "SD02": "Nummer des Therapeuten"}
    labels |= {c: f"WAI Patient: Aussage {c[-2:]}" for c in frame if c.startswith("WA01")}
    labels |= {c: f"WAI Therapeut: Aussage {c[-2:]}" for c in frame if c.startswith("WA02")}
    frame = frame.fillna(-9).astype(object)
    own = {"CASE": range(7, len(frame) + 7), "QUESTNNR": "base", "FINISHED": 1, "TIME001": 30}
    frame = frame.assign(**own)
    frame = pd.concat([pd.DataFrame([{"PH01": "PHQ Summe"} | labels]), frame])
    frame.to_csv(folder / "data.csv", sep=";", index=False, encoding="utf-8-sig")


def missing_data_codes(folder, data):
    """REDCap's: -999 where the client, -888 where the therapist did not answer."""
    frame = side_by_side(data, "waisr_c_{}", "wais_t_{}", record_id="id", therapist_id="who")
    frame = frame.fillna(dict.fromkeys(frame.filter(like="_c_"), -999)).fillna(-888)
    frame = frame.assign(redcap_event_name="end_arm_1", wai_complete=2)
    frame.to_csv(folder / "data.csv", index=False)


def zero_based_without_a_name(folder, data):
    """Numbered questions; the labels say whose they are; the client's answers go from 0 to 4."""
    told = data.assign(**{c: data[c] - 1 for c in C})
    body = side_by_side(told, "Q7_{}", "Q9_{}", code="id", Counsellor="who")
    labels = {c: f"{'Client' if c < 'Q9' else 'Counsellor'} form {c}" for c in body if "Q" in c}
    qualtrics(folder, data, "all.csv", body, labels)


def sessions_spanish(folder, data):
    """Two rows a dyad in each of three sessions, in Spanish; the last is the one of the truth."""
    rng, parts = np.random.default_rng(2), []
    for session in (1, 2, 3):
        for who, role, most in (("c", "Paciente", 5), ("t", "Terapeuta", 7)):
            told = data[[f"{who}{i}" for i in range(1, 13)]]
            if session < 3:
                told = told.map(lambda x, most=most: rng.integers(1, most + 1))
            part = ids(data, Caso="id", cod_terapeuta="who").assign(Sesion=session, Informante=role)
            parts.append(pd.concat([part, named(told, C, "item_{}")], axis=1))
    frame = pd.concat(parts).sort_values(["Caso", "Sesion"], kind="stable")
    frame.to_csv(folder / "datos.csv", sep=";", index=False, encoding="cp1252")


def subscales_in_names(folder, data, pattern="wai_{who}_{part}_{i}"):
    """Each item's name says its subscale, and its number in the whole form."""
    frame = ids(data, id="id", therapist="who")
    for who, parts in SUBSCALES.items():
        told = {i: part for part, numbers in zip(PARTS, parts, strict=True) for i in numbers}
        for i in range(1, 13):
            frame[pattern.format(who=who, part=told[i], letter=told[i][0], i=i)] = data[f"{who}{i}"]
    frame.to_csv(folder / "data.csv", index=False)


def subscales_as_letters(folder, data):
    subscales_in_names(folder, data, "WAI_{who}{i}{letter}")


def one_letter_in_two_files(folder, data):
    """Items `w1` to `w12` in both files; whose they are is the name of the file alone."""
    client = pd.concat([ids(data, id="id", phq="phq"), named(data[C], C, "w{}")], axis=1)
    other = pd.concat([ids(data, id="id", therapist="who"), named(data[T], T, "w{}")], axis=1)
    client.to_csv(folder / "client.csv", index=False)
    other.to_csv(folder / "therapist.csv", index=False)


def qualtrics_codes_that_came_later(folder, data):
    """Answers 21 to 25: choices that were taken out and put in again."""
    body = side_by_side(data.assign(**(data[C] + 20)), "Q3_{}", "Q4_{}", code="id", Therapist="who")
    who = {"Q3": "Patient", "Q4": "Therapist"}
    labels = {c: f"{who[c[:2]]} version: {c}" for c in body if c[:2] in who}
    qualtrics(folder, data, "q.csv", body, labels)


def surveys_of_each(folder, data):
    """Numbered questions in two exports; whose they are is in the names of the files."""
    codes = data[C].replace({3: 4, 4: 6, 5: 7})
    client = pd.concat([ids(data, Dyad="id"), named(codes, C, "Q8_{}")], axis=1)
    other = [ids(data, dyad_code="id", Q2="who"), named(words(data, T, S), C, "Q8_{}")]
    qualtrics(folder, data, "Client Survey.csv", client, {})
    labels = {"Q2": "Your therapist ID"}
    qualtrics(folder, data, "Therapist Survey.csv", pd.concat(other, axis=1), labels)


def redcap_labels_described(folder, data):
    """Labels instead of names and codes; the dictionary knows the order of the answers."""
    told = told_in(data, SR, S)
    names = "Client WAI: statement {}", "Therapist WAI: statement {}"
    frame = side_by_side(data, *names, told, **{"Record ID": "id", "Assigned clinician": "who"})
    frame.assign(**{"Complete?": "Complete"}).to_csv(folder / "P_DATA_LABELS.csv", index=False)
    rows = [("record_id", "Record ID", "")]
    for name, anchors in zip(names, (SR, S), strict=True):
        choices = " | ".join(f"{i}, {word}" for i, word in enumerate(anchors, 1))
        rows += [(f"{name[:3].lower()}_{i}", name.format(i), choices) for i in range(1, 13)]
    head = ["Variable / Field Name", "Field Label", "Choices, Calculations, OR Slider Labels"]
    pd.DataFrame(rows, columns=head).to_csv(folder / "P_DataDictionary.csv", index=False)


FOUND = (
    redcap_labels_described,
    missing_data_codes,
    sosci,
    qualtrics_tsv,
    subscales_in_names,
    subscales_as_letters,
    one_numbering,
    qualtrics_german,
    limesurvey_spanish,
    spss_dutch,
    spss_roles,
    excel_merged,
    events,
    french,
    written_with_numbers,
    raw_and_reversed,
)
QUESTIONED = (
    qualtrics_codes_that_came_later,
    surveys_of_each,
    sessions_spanish,
    zero_based_without_a_name,
    one_letter_in_two_files,
    codes_from_zero,
    rare_word,
    german_dates,
    qualtrics_spanish,
    redcap_dictionary,
    limesurvey_full_text,
    spss_cut_off,
    spss_from_zero,
    two_headers,
    long_endings,
    long_letters,
    long_spanish,
    names_with_variants,
    google_forms,
)

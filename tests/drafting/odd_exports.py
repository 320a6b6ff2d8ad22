"""The same small study in shapes that a newcomer had at hand; every file is made here."""

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
)
from further_exports import side_by_side, told_in


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


def roles_of_both_sexes(
    folder, data, one=("Patient", "Patientin"), two=("Therapeut", "Therapeutin")
):
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


def long_from_zero(folder, data):
    """Two rows a dyad; the client's answers go from 0, the therapist's from 1."""
    told = data.assign(**(data[C] - 1))
    parts = [pd.concat([ids(told, dyad="id", th="who").assign(role=who),
                        named(told[columns], C, "wai{}")], axis=1)
             for who, columns in (("client", C), ("therapist", T))]  # fmt: skip
    pd.concat(parts).to_csv(folder / "l.csv", index=False)


def five_of_the_s(folder, data):
    """The WAI-S on five steps, its items 4 and 10 raw and, as `_r`, reversed."""
    told = data.assign(**{c: 6 - data[c] for c in ("c4", "c10")})
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame = frame.assign(wai_c4_r=data["c4"], wai_c10_r=data["c10"])
    frame.to_csv(folder / "r.csv", index=False)


def two_arms_two_ids(folder, data):
    """Arms with records of their own; a dyad code ties them."""
    two_arms(folder, data.rename(columns={"id": "x"}).assign(id=data["id"]))
    frame = pd.read_csv(folder / "P_DATA.csv")
    frame.insert(1, "dyad", frame["record_id"])
    frame["record_id"] = range(1, len(frame) + 1)
    frame.to_csv(folder / "P_DATA.csv", index=False)


def ids_end_behind_a_slash(folder, data):
    ids_begin(folder, data, "{}/A", "{}/B")


def ids_end_in_a_digit(folder, data):
    ids_begin(folder, data, "{}1", "{}2")


def codes_above(folder, data, codes=(7, 7)):
    """No answer is a number above the form's highest."""
    told = data.fillna(dict.fromkeys(C, codes[0]))
    told.loc[:6, "c3"], data.loc[:6, "c3"] = codes[1], np.nan
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame.to_csv(folder / "d.csv", index=False)


def codes_far_above(folder, data):
    codes_above(folder, data, (9, 8))


def ends_of_one_run_down(folder, data):
    """Only the ends are labelled, in words of no known set, and of one item the other way."""
    told = data.assign(c4=6 - data["c4"])
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who").astype(float)
    low, high = "not true of me", "wholly true of me"
    levels = {c: {1.0: low, 5.0: high} for c in frame if "wai_c" in c}
    levels["wai_c4"] = {1.0: high, 5.0: low}
    pyreadstat.write_sav(frame, folder / "d.sav", variable_value_labels=levels)


def long_gaps(folder, data):
    """Two rows a dyad; the client's answers alone are 1, 2, 4, 6, 7."""
    long_from_zero(folder, data.assign(**data[C].replace({3: 4, 4: 6, 5: 7}) + 1))


def wide(folder, data, told, one="wai_c{}", other="wai_t{}"):
    side_by_side(data, one, other, told, id="id", therapist="who").to_csv(
        folder / "d.csv", index=False
    )


def spelled_unlike(folder, data):
    """A word that no set has, but for how it is spelled."""
    wide(folder, data, told_in(data, [*GERMAN_SR[:2], "öfters", *GERMAN_SR[3:]], GERMAN_S))


def slips_of_the_pen(folder, data):
    told = told_in(data, SR, S)
    for column in C[:8]:
        told.loc[told.index[told[column] == "Sometimes"][0], column] = "somtimes"
    wide(folder, data, told)


def signs_around_words(folder, data):
    told, rng = told_in(data, SR, S), np.random.default_rng(1)
    told[C + T] = told[C + T].map(lambda w: rng.choice([w, w.upper(), f"{w}."]), "ignore")
    wide(folder, data, told)


def words_at_the_ends(folder, data):
    """Numbers, but for the lowest and the highest answer."""
    told = data.astype(object)
    for columns, ends in ((C, {1: "Seldom", 5: "Always"}), (T, {1: "Never", 7: "Always"})):
        told[columns] = data[columns].map(lambda x, e=ends: e.get(x, f"{x:g}"), "ignore")
    wide(folder, data, told)


def nobody_above_five(folder, data):
    """A WAI-S as answered, and none of its answers 6 or 7."""
    data[T] = data[T].where(~data[T].gt(5), 5)
    wide(folder, data, data)


def subscales_alone(folder, data, names=("task", "bond", "goal")):
    right, made = data.assign(t4=8 - data["t4"], t10=8 - data["t10"]), ids(data, id="id", th="who")
    for who, parts in SUBSCALES.items():
        for name, numbers in zip(names, parts, strict=True):
            items = right[[f"{who}{i}" for i in numbers]]
            score = 4 * items.mean(axis=1).where(items.notna().mean(axis=1) >= 0.8)
            made[f"{name}_{who}"] = score.round(4)
    made.to_csv(folder / "d.csv", index=False)


def subscales_in_spanish(folder, data):
    subscales_alone(folder, data, ("Tareas", "Vínculo", "Metas"))


def numbered_as_one(folder, data, told=None, name="wai_{}"):
    items = (data if told is None else told)[C + T]
    items = items.set_axis([name.format(i) for i in range(1, 25)], axis=1)
    pd.concat([ids(data, id="id", th="who"), items], axis=1).to_csv(folder / "d.csv", index=False)


def questions_numbered_as_one(folder, data):
    numbered_as_one(folder, data, name="q{}")


def words_numbered_as_one(folder, data):
    numbered_as_one(folder, data, told_in(data, SR, S))


def around_zero(folder, data):
    """Answers from -2 to 2, and from -3 to 3; -9 for none."""
    wide(folder, data, data.assign(**(data[C] - 3), **(data[T] - 4)).fillna(-9))


def none_below(folder, data, code=-1):
    data.loc[:20, "c3"] = np.nan
    wide(folder, data, data.fillna(code))


def none_is_zero(folder, data):
    none_below(folder, data, 0)


def statements(folder, data):
    """Items called by what they say, alike in two files."""
    told = told_in(data, SR, S)
    names = [f"{i}. I feel that {'abcdefghijkl'[i - 1] * 4} is so" for i in range(1, 13)]
    for columns, file in ((C, "Client form"), (T, "Therapist form")):
        code = {"Dyad code": "id"} | ({"Your therapist code": "who"} if columns is T else {})
        frame = pd.concat([ids(data, **code), told[columns].set_axis(names, axis=1)], axis=1)
        frame.to_csv(folder / f"{file} (Responses).csv", index=False)


def codes_and_texts(folder, data):
    """LimeSurvey's names with the code of a question and its text."""
    names = (f"WAI{w}[SQ{{0:03d}}]. ¿Con qué frecuencia? [Frase {{0}}]" for w in "PT")
    frame = side_by_side(data, *names, told_in(data, SPANISH_SR, SPANISH_S), id="id", TERAP="who")
    frame.to_csv(folder / "results.csv", index=False)


def roles(folder, data, one="Usager", other="Intervenant", **more):
    parts = [pd.concat([ids(data, dossier="id", th_id="who").assign(role=who),
                        named(data[columns], C, "item {}")], axis=1)
             for columns, who in ((C, one), (T, other))]  # fmt: skip
    frame = pd.concat(parts).assign(**more)
    frame.iloc[:, [*range(3, len(frame.columns)), 0, 1, 2]].to_csv(folder / "l.csv", index=False)


def roles_in_names_of_forms(folder, data):
    roles(folder, data, "WAI Klient/in", "WAI Behandler/in")


def an_id_of_each_person(folder, data):
    roles(folder, data, person=[f"X{i}" for i in range(2 * len(data))])


def ids_set_off_in_one_file(folder, data):
    one = pd.concat([ids(data, pid="id"), named(data[C], C, "wai_c{}")], axis=1)
    other = pd.concat([ids(data, id="id", therapist="who"), named(data[T], T, "wai_t{}")], axis=1)
    one.assign(pid="P-" + one["pid"].astype(str)).to_csv(folder / "a.csv", index=False)
    other.to_csv(folder / "b.csv", index=False)


SCORED = "sums of task, bond and goal, up to 20: the WAI-SR"
ODD = (
    (spelled_unlike, "'öfters': read as the words of WAI-SR, German"),
    (slips_of_the_pen, "'somtimes': read as the words of WAI-SR, English"),
    (signs_around_words, '"Always.": 5'),
    (words_at_the_ends, "Never: 1, rarely: 2"),
    (nobody_above_five, "wai_t4, wai_t10 are those that a WAI-S (1 to 7) reverses"),
    (subscales_alone, SCORED),
    (subscales_in_spanish, SCORED),
    (numbered_as_one, "whose rating this is was not to be seen"),
    (questions_numbered_as_one, "number of items and answers of the WAI-S"),
    (words_numbered_as_one, "whose rating this is was not to be seen"),
    (around_zero, "answers begin at -2, those of the WAI-SR at 1"),
    (none_below, "-1 lie below all other answers"),
    (none_is_zero, "0 lie below all other answers"),
    (statements, "it has the words of the WAI-SR"),
    (codes_and_texts, "WAIP[SQ001]. ¿Con qué frecuencia? [Frase 1]"),
    (roles, "'role' holds 'Usager' and 'Intervenant' for each id"),
    (roles_in_names_of_forms, "for each id"),
    (an_id_of_each_person, "for each id"),
    (ids_set_off_in_one_file, "'id' was taken for 'pid'"),
    (ids_end_behind_a_slash, "which of 'A' and 'B' is the client?"),
    (ids_end_in_a_digit, "which of '1' and '2' is the client?"),
    (codes_above, "7 lie above all other answers"),
    (codes_far_above, "8, 9 lie above all other answers"),
    (ends_of_one_run_down, "wai_c4: labelled the other way round"),
    (long_gaps, "only 1, 2, 4, 6, 7 occur"),
    (ids_begin, "'id' begins or ends in C and T"),
    (ids_begin_with_words, "'id' begins or ends in Client and Therapist"),
    (ids_end_in_numbers, "which of '-1' and '-2' is the client?"),
    (ids_end_in_letters, "'id' begins or ends in c and t"),
    (ids_end_in_words, "'id' begins or ends in client and therapist"),
    (ids_begin_in_two_files, "72 ids are read as another table writes them: T2001 = C2001"),
    (ids_end_in_two_files, "the ids of client.csv, but for what all of them begin or end with"),
    (zeros_in_one_file, "72 ids are read as another table writes them: 1 = 001"),
    (client_from_zero, "answers begin at 0, those of the WAI-SR at 1"),
    (long_from_zero, "answers begin at 0, those of the WAI-SR at 1"),
    (two_arms, "whose rating this is was not to be seen"),
    (two_arms_two_ids, "whose rating this is was not to be seen"),
    (two_arms_of_treatment, "hold other clients, and are put in one table"),
    (roles_of_both_sexes, "Patientin: Patient"),
    (roles_in_spanish, "usuaria: Usuario"),
    (anchors_at_ends, "missing: [8, 9]"),
    (one_item_runs_down, "wai_c4: labelled the other way round"),
    (labels_by_item, "labels in the order of: WAI-SR, English"),
    (reversed_of_five, "wai_c4_r   # wai_c4 reversed"),
    (five_of_the_s, "wai_c10   # wai_c10_r reversed"),
    (gaps, "only 1, 2, 4, 6, 7 occur"),
    (scores_beside, "pretreatment: [phqpre]"),
)

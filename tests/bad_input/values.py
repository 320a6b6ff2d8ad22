"""Bad values: cells, ids, dates, and records against one another."""

import re

from .make import case, swap

C = "clients.csv"
ADD = "Correct the value, or list it as a missing code."
ISO = "Write it as year-month-day, for example 1991-03-27."
FIRST = "C1,T1,North,1990-01-15,31,female,2,3"

swap(
    "text_for_number",
    C,
    ",31,",
    ",thirty,",
    "clients.csv, row 2, column age: found 'thirty'; a number was expected. " + ADD,
)
swap(
    "item_out_of_range",
    C,
    "female,2,3",
    "female,9,3",
    "clients.csv, row 2, column wai_1: found '9'; expected 1 to 7. " + ADD,
)
swap(
    "item_with_fraction",
    C,
    "female,2,3",
    "female,2.5,3",
    "clients.csv, row 2, column wai_1: found '2.5'; a whole number was expected. "
    "Correct the value.",
)
swap(
    "infinite",
    C,
    ",31,",
    ",inf,",
    "clients.csv, row 2, column age: found 'inf'; a number was expected. " + ADD,
)
swap(
    "huge_number",
    C,
    ",31,",
    "," + "9" * 400 + ",",
    f"clients.csv, row 2, column age: found '{'9' * 37}...'; a number was expected. " + ADD,
)
swap(
    "hexadecimal",
    C,
    ",31,",
    ",0x1F,",
    "clients.csv, row 2, column age: found '0x1F'; a number was expected. " + ADD,
)
swap(
    "not_a_number_in_words",
    C,
    ",31,",
    ",nan,",
    "clients.csv, row 2, column age: found 'nan'; a number was expected. " + ADD,
)
swap(
    "thousands_separator",
    C,
    ",31,",
    ',"1,031",',
    "clients.csv, row 2, column age: found '1,031'; a number was expected. " + ADD,
)
swap(
    "formula_in_number",
    C,
    ",31,",
    ",=1+30,",
    "clients.csv, row 2, column age: found '=1+30'; a number was expected. " + ADD,
)
swap(
    "unlisted_missing_code",
    C,
    ",31,",
    ",-8,",
    "clients.csv, row 2, column age: found '-8'; expected 18 to 99. " + ADD,
)
swap(
    "unknown_category",
    C,
    "North",
    "West",
    "clients.csv, row 2, column site: found 'West'; expected one of North, South. "
    "Correct the spelling, or add the value to the codebook.",
)
swap(
    "missing_client_id",
    C,
    "C1,",
    ",",
    "clients.csv, row 2, column client_id: the client is missing. Fill it in.\n"
    "stays.csv, row 2, column client_id: found 'C1'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)
swap(
    "client_without_case_manager",
    C,
    "C1,T1",
    "C1,",
    "clients.csv, row 2, column therapist_id: the therapist is missing. Fill it in, or write "
    "`optional: true` where nobody knows.",
)
swap(
    "duplicated_client",
    C,
    "C2,",
    "C1,",
    "clients.csv, row 3, column client_id: found 'C1'; it is there already, and may stand once. "
    "Remove one of the records, or correct the id.\n"
    "stays.csv, row 3, column client_id: found 'C2'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)
swap(
    "unknown_case_manager",
    C,
    "C1,T1",
    "C1,T7",
    "clients.csv, row 2, column therapist_id: found 'T7'; therapists.csv does not have it. "
    "Correct the id, or add the record there.",
)
swap(
    "case_manager_spelled_otherwise",
    C,
    "C1,T1",
    "C1,t-01",
    "clients.csv, row 2, column therapist_id: found 't-01'; therapists.csv does not have it. "
    "There it is written 'T1': write it alike.",
)
swap(
    "stay_of_unknown_client",
    "stays.csv",
    "C2,",
    "C9,",
    "stays.csv, row 3, column client_id: found 'C9'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)
swap(
    "tables_disagree",
    C,
    "C1,T1,North",
    "C1,T1,South",
    "clients.csv, row 2, column site: found 'South'; but therapists.csv says 'North'. "
    "Correct one of the two.",
)
swap(
    "discharge_before_admission",
    "stays.csv",
    "1990-02-10",
    "1990-01-10",
    "stays.csv, row 2, column discharge: found '1990-01-10'; it lies before the admission on "
    "1990-02-01. Correct one of the two dates.",
)
swap(
    "stay_without_admission",
    "stays.csv",
    "1990-02-01",
    "",
    "stays.csv, row 2, column admission: the admission is missing. Fill it in.",
)
swap(
    "date_of_another_form",
    C,
    "1990-01-15",
    "15.01.1990",
    "clients.csv, row 2, column intake: found '15.01.1990'; a date was expected. " + ISO,
)
swap(
    "date_that_is_none",
    C,
    "1990-02-15",
    "1990-02-30",
    "clients.csv, row 3, column intake: found '1990-02-30'; a date was expected. " + ISO,
)
swap(
    "date_too_far",
    C,
    "1990-01-15",
    "9999-12-31",
    "clients.csv, row 2, column intake: found '9999-12-31'; a date from 1850 to 2199 was "
    "expected. " + ADD,
)
swap(
    "id_too_long",
    C,
    "C1,",
    "C" * 300 + ",",
    f"clients.csv, row 2, column client_id: found '{'C' * 37}...'; an id of at most 200 "
    "characters was expected. Shorten it.\n"
    "stays.csv, row 2, column client_id: found 'C1'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)


@case(
    "same_problem_in_many_rows",
    "clients.csv, rows 2, 3, 4 and 3 more, column age: found '531', '532', '533'; expected 18 "
    "to 99. " + ADD,
)
def _(files):
    for i in range(1, 7):
        files[C] = files[C].replace(f",{30 + i},", f",{530 + i},")


@case(
    "several_problems_at_once",
    "clients.csv, row 2, column age: found 'x'; a number was expected. " + ADD + "\n"
    "clients.csv, row 7, column wai_1: found '0'; expected 1 to 7. " + ADD + "\n"
    "stays.csv, row 3, column client_id: found 'C9'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)
def _(files):
    files[C] = files[C].replace(",31,", ",x,").replace("male,7", "male,0")
    files["stays.csv"] = files["stays.csv"].replace("C2,", "C9,")


@case(
    "mixed_decimal_signs",
    "clients.csv, row 2, column age: found '31,500'; a number was expected. " + ADD,
)
def _(files):
    text = files[C].replace(",", ";").replace(";31;", ";31,500;").replace(";32;", ";32.5;")
    files[C] = text


@case(
    "date_not_as_declared",
    "clients.csv, rows 2, 3, 4 and 3 more, column intake: found '15/01/1990', '15/02/1990', "
    "'15/03/1990'; a date was expected. Write it as the codebook says (%d.%m.%Y).",
)
def _(files):
    files["clients.csv"] = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", files["clients.csv"])
    files["codebook.yml"] = files["codebook.yml"].replace(
        "intake: {type: date}", 'intake: {type: date, format: "%d.%m.%Y"}'
    )


@case(
    "ids_with_other_signs_in_one_table",
    "stays.csv, rows 2, 3, column client_id: found 'c-01', 'c-02'; clients.csv does not have it. "
    "There it is written 'C1': write it alike.",
)
def _(files):
    files["stays.csv"] = files["stays.csv"].replace("\nC", "\nc-0")


@case(
    "ids_of_another_kind_of_number",
    "stays.csv, row 3, column client_id: found '2.5'; clients.csv does not have it. "
    "Correct the id, or add the record there.",
)
def _(files):
    files[C] = files[C].replace("\nC", "\n")
    files["stays.csv"] = files["stays.csv"].replace("\nC1", "\n1").replace("\nC2", "\n2.5")

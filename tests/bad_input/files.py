"""Bad files: missing, empty, of another kind than their names say, or too large."""

from pathlib import Path

import numpy as np

from .make import bomb, case, parquet, spss, swap, swollen, workbook

C = "clients.csv"
UNEVEN = "Give each row as many cells as the header; put text that holds a separator in quotes."
CLOSE = "Close it in its cell, or leave it out; put what it rightly holds on one line."
UNKNOWN = "List it in the codebook, put it under the table's `ignore`, or leave it out."
XLSX_AGAIN = "Save it again as .xlsx, or export it as CSV."


def instead(files, name: str, content) -> None:
    """Put another file in the place of the clients' table."""
    del files[C]
    files[name] = content


def rows(text: str) -> list[list]:
    """CSV text as a workbook's rows."""
    return [[int(c) if c.isdigit() else c for c in line.split(",")] for line in text.splitlines()]


swap(
    "column_missing",
    C,
    "age",
    "years",
    "clients.csv, column age: the column is missing. Add it, or drop it from the codebook.\n"
    f"clients.csv, column years: the codebook does not know this column. {UNKNOWN}",
)
swap(
    "column_misspelled",
    C,
    "intake",
    "Intake",
    "clients.csv, column intake: the column is missing. The file has 'Intake': rename one. "
    "Add it, or drop it from the codebook.\n"
    f"clients.csv, column Intake: the codebook does not know this column. {UNKNOWN}",
)
swap(
    "column_unknown",
    "therapists.csv",
    "experience\n",
    "experience,=cmd|x\n",
    "therapists.csv, row 2: has 3 cells where the header has 4. " + UNEVEN + "\n"
    "therapists.csv, row 3: has 3 cells where the header has 4. " + UNEVEN,
)
swap(
    "column_twice",
    C,
    "age,sex",
    "sex,sex",
    "clients.csv: the header has 'sex' more than once. "
    "Give each column a name of its own; two tables side by side go to a sheet or a file each.\n"
    "clients.csv, column age: the column is missing. Add it, or drop it from the codebook.\n"
    "clients.csv, rows 2, 3, 4 and 3 more, column sex: found '31', '32', '33'; expected one of "
    "female, male. Correct the spelling, or add the value to the codebook.",
)
swap(
    "row_too_short",
    C,
    "1990-02-15,32,",
    "1990-02-15,",
    "clients.csv, row 3: has 17 cells where the header has 18. " + UNEVEN,
)
swap(
    "row_too_long",
    C,
    "1990-02-15,32,",
    "1990-02-15,32,5,",
    "clients.csv, row 3: has 19 cells where the header has 18. " + UNEVEN,
)
swap(
    "quote_left_open",
    C,
    "C6,",
    '"C6,',
    "clients.csv, row 7: opens a quotation mark that is never closed; with it, the file's 7 lines "
    "hold 6 records. " + CLOSE,
)


@case(
    "columns_missing_many",
    "clients.csv, column wai_1: 12 columns are missing: wai_1, wai_2, wai_3, wai_4, wai_5, "
    "wai_6, wai_7, wai_8 and 4 more. Add them, or drop them from the codebook.",
)
def _(files):
    files[C] = "\n".join(",".join(line.split(",")[:6]) for line in files[C].splitlines()) + "\n"


@case(
    "columns_unknown_many",
    "stays.csv, column a: the codebook does not know 5 columns: a, b, c, d, e. List them in the "
    "codebook, put them under the table's `ignore`, or leave them out.",
)
def _(files):
    head, *rest = files["stays.csv"].splitlines()
    files["stays.csv"] = "\n".join([head + ",a,b,c,d,e", *(r + ",1,2,3,4,5" for r in rest)])


@case(
    "table_missing",
    "therapists.csv: is missing from table_missing (found: clients.csv, codebook.yml, "
    "stays.csv). Add the table, or drop it from the codebook.",
)
def _(files):
    del files["therapists.csv"]


@case("file_empty", "clients.csv: is empty. Put a header and the records in it.")
def _(files):
    files[C] = ""


@case("file_blank", "clients.csv: is empty. Put a header and the records in it.")
def _(files):
    files[C] = "\n\n  \n"


@case(
    "header_blank",
    "clients.csv, row 1: has no header: its first row is blank. "
    "Put the columns' names in the first row.",
)
def _(files):
    files[C] = "\n" + files[C]


@case("header_only", "stays.csv: has no rows. Put the records under the header.")
def _(files):
    files["stays.csv"] = files["stays.csv"].splitlines()[0] + "\n"


@case("encoding_utf16", "clients.csv: is UTF-16 text that is cut off. Export it again.")
def _(files):
    files[C] = files[C].encode("utf-16")[:-1]


@case(
    "encoding_unknown",
    "clients.csv, row 3: holds a byte that is neither UTF-8 nor Windows-1252 (0x81). "
    "Save it as UTF-8.",
)
def _(files):
    files[C] = files[C].encode().replace(b"C2", b"C\x812")


@case(
    "binary_called_csv",
    "clients.csv: holds bytes of zero, so it is not text. "
    "Export it as CSV, or name it by its real format.",
)
def _(files):
    files[C] = b"PK\x03\x04" + bytes(100)


@case(
    "pickle",
    "clients.csv: is missing from pickle (found: clients.pkl, codebook.yml, stays.csv, "
    "therapists.csv). Add the table, or drop it from the codebook.",
)
def _(files):
    instead(files, "clients.pkl", b"cos\nsystem\n(S'true'\ntR.")


@case(
    "pickle_given",
    "clients.pkl: ends in '.pkl', which cannot be read. Give one of .csv, .tsv, "
    ".txt, .tab, .xlsx, .xlsm, .sav, .zsav, .dta, .parquet.",
    data="clients.pkl",
)
def _(files):
    instead(files, "clients.pkl", b"cos\nsystem\n(S'true'\ntR.")


@case(
    "two_files_of_one_name",
    "clients.csv: is missing from two_files_of_one_name, but clients.parquet, clients.txt are "
    "there. Name one of them in the codebook.",
)
def _(files):
    files["clients.txt"] = files[C]
    instead(files, "clients.parquet", b"PAR1")


@case(
    "workbook_is_text",
    "clients.xlsx: is not an .xlsx workbook. Save it as .xlsx (not .xls), or as CSV.",
)
def _(files):
    instead(files, "clients.xlsx", files[C])


@case(
    "workbook_bomb",
    "clients.xlsx: would unpack to 60 MB from 0.1 MB (3 parts); that is refused. "
    "Export the sheet as CSV or Parquet.",
)
def _(files):
    instead(files, "clients.xlsx", bomb(60))


@case(
    "workbook_broken", f"clients.xlsx: cannot be read as an Excel workbook (OSError). {XLSX_AGAIN}"
)
def _(files):
    instead(files, "clients.xlsx", bomb(1))


@case(
    "workbook_lacks_sheet",
    "clients.xlsx: has several sheets (found: one, two). "
    "Name one as the table's `sheet` in the codebook.",
)
def _(files):
    instead(files, "clients.xlsx", workbook({"one": rows(files[C]), "two": [["x"]]}))


@case(
    "workbook_sheet_unknown",
    "clients.xlsx: has no sheet 'first' (found: one, two). "
    "Name one as the table's `sheet` in the codebook.",
)
def _(files):
    files["codebook.yml"] = files["codebook.yml"].replace(
        "file: clients.csv", "file: clients.xlsx\n    sheet: first"
    )
    instead(files, "clients.xlsx", workbook({"one": rows(files[C]), "two": [["x"]]}))


@case(
    "workbook_error_cell",
    "clients.xlsx, row 2: found '#REF!', an Excel error. "
    "Correct the formula, or leave the cell blank.",
)
def _(files):
    instead(files, "clients.xlsx", workbook({"one": rows(files[C].replace(",31,", ",#REF!,"))}))


@case(
    "workbook_cells_beyond_header",
    "clients.xlsx, row 3: has 19 cells where the header has 18. "
    "Give every column a name in the first row.",
)
def _(files):
    made = rows(files[C])
    made[2].append("a remark")
    instead(files, "clients.xlsx", workbook({"one": made}))


@case("workbook_empty", "clients.xlsx: is empty. Put a header in the first row, the records below.")
def _(files):
    instead(files, "clients.xlsx", workbook({"one": []}))


@case(
    "workbook_date_for_number",
    "clients.xlsx, row 2, column age: found '1990-01-01 00:00:00'; a number was expected. "
    "Correct the value, or list it as a missing code.",
)
def _(files):
    from datetime import datetime

    made = rows(files[C])
    made[1][4] = datetime(1990, 1, 1)
    instead(files, "clients.xlsx", workbook({"one": made}))


@case(
    "spss_garbage",
    "clients.sav: cannot be read as an SPSS file (Invalid file, or file has unsupported "
    "features). Save it again, or export it as CSV.",
)
def _(files):
    instead(files, "clients.sav", b"$FL9" + b"garbage" * 100)


@case(
    "stata_garbage",
    "clients.dta: cannot be read as a Stata file (This version of the file format is not "
    "supported). Save it again, or export it as CSV.",
)
def _(files):
    instead(files, "clients.dta", b"\x01garbage" * 100)


@case(
    "parquet_garbage",
    "clients.parquet: cannot be read as Parquet (ArrowInvalid). "
    "Write it again, or export it as CSV.",
)
def _(files):
    instead(files, "clients.parquet", b"PAR1" + b"garbage" * 100)


@case(
    "parquet_nested",
    "clients.parquet, column wai: holds lists or records in its cells. Give each value a column.",
)
def _(files):
    instead(files, "clients.parquet", parquet({"client_id": ["C1"], "wai": [[1, 2, 3]]}))


@case(
    "data_folder_missing",
    "data_folder_missing/nowhere: does not exist. "
    "Name the folder or the file that holds the tables.",
    data="nowhere",
)
def _(files):
    Path()


@case(
    "lookup_table_missing",
    "therapists.csv: is missing from lookup_table_missing (found: clients.csv, codebook.yml, "
    "stays.csv). Add the table, or drop it from the codebook.",
    data=C,
)
def _(files):
    del files["therapists.csv"]


@case(
    "table_is_a_folder_name",
    "codebook.yml, row 5: at tables > clients > file: found 'sub/clients.csv'; a file is named "
    "without its folder. See data/CODEBOOK.md.",
)
def _(files):
    files["codebook.yml"] = files["codebook.yml"].replace("clients.csv", "sub/clients.csv")


@case(
    "data_is_a_circle_of_links",
    "loop: cannot be read (Too many levels of symbolic links). "
    "Ask for the right to read it, or name another.",
    data="loop",
)
def _(files):
    files["loop"] = Path("loop")


@case(
    "table_is_a_broken_link",
    "clients.csv: is missing from table_is_a_broken_link (found: codebook.yml, stays.csv, "
    "therapists.csv). Add the table, or drop it from the codebook.",
)
def _(files):
    files[C] = Path("moved.csv")


@case(
    "codebook_missing", "codebook.yml: is missing from codebook_missing. "
    "Draft it with `alliance describe`.",
)  # fmt: skip
def _(files):
    del files["codebook.yml"]


@case(
    "encoding_changes_halfway",
    "clients.csv, row 5: is UTF-8 up to here, and goes on in another encoding. Save it as UTF-8.",
)
def _(files):
    text = files[C].replace("C1,", "Cé,").replace("C4,", "C@,")
    files[C] = text.encode().replace(b"@", "ä".encode("cp1252"))


@case(
    "file_cut_off_inside_a_letter",
    "clients.csv, row 7: ends inside a letter: part of it is lost. Export it again.",
)
def _(files):
    text = files[C].replace("C1,", "Cé,").splitlines()[:6]
    files[C] = "\n".join([*text, "Cé"]).encode()[:-1]


@case(
    "line_ends_of_three_kinds",
    "clients.csv, row 7, column age: found 'x'; a number was expected. "
    "Correct the value, or list it as a missing code.",
)
def _(files):
    lines = files[C].replace(",36,", ",x,").splitlines()
    files[C] = "".join(line + ("\r\n", "\n", "\r")[i % 3] for i, line in enumerate(lines)).encode()


@case(
    "line_break_in_a_name",
    "clients.csv, row 3, column age in years: found 'x'; a number was expected. "
    "Correct the value, or list it as a missing code.",
)
def _(files):
    files[C] = files[C].replace("age", '"age\nin years"').replace(",32,", ",x,")
    given = 'age: {column: "age\\nin years", '
    files["codebook.yml"] = files["codebook.yml"].replace("age: {", given)


@case(
    "very_long_cell",
    f"clients.csv, row 2, column sex: found '{'x' * 37}...'; expected one of female, male. "
    "Correct the spelling, or add the value to the codebook.",
)
def _(files):
    files[C] = files[C].replace("female", "x" * 5_000_000, 1)


@case(
    "two_header_rows",
    "clients.csv, column client_id: 18 columns are missing: client_id, therapist_id, site, "
    "intake, age, sex, wai_1, wai_2 and 10 more. Add them, or drop them from the codebook.\n"
    "clients.csv, column person: the codebook does not know 18 columns: person, unnamed 2, "
    "unnamed 3, unnamed 4, unnamed 5, unnamed 6, client's form, unnamed 8 and 10 more. List them "
    "in the codebook, put them under the table's `ignore`, or leave them out.",
)
def _(files):
    files[C] = "person,,,,,,client's form" + "," * 11 + "\n" + files[C]


@case(
    "workbook_dates_as_numbers",
    "clients.xlsx, rows 2, 3, 4 and 3 more, column intake: found '32888'; a date was expected. "
    "Write it as year-month-day, for example 1991-03-27.",
)
def _(files):
    made = rows(files[C])
    for row in made[1:]:
        row[3] = 32888
    instead(files, "clients.xlsx", workbook({"one": made}))


@case(
    "control_signs_in_a_name",
    "therapists.csv, column  [2Jexperience: the codebook does not know this column. " + UNKNOWN,
)
def _(files):
    head, *lines = files["therapists.csv"].splitlines()
    made = [f"{head},\x1b[2Jexperience", *(f"{line},1" for line in lines)]
    files["therapists.csv"] = "\n".join(made)


@case(
    "parquet_of_bytes",
    "clients.parquet, column age: holds bytes, not text or numbers. Write its values as text.",
)
def _bytes(files):
    instead(files, "clients.parquet", parquet({"client_id": ["C1"], "age": [b"31"]}))


@case(
    "parquet_that_unpacks_to_much_more",
    "clients.parquet: would unpack to 0.6 GB from 0.3 MB. Leave out columns that the codebook does "
    "not need.",
)
def _dense_parquet(files):
    same = np.zeros(8_000_000)
    instead(files, "clients.parquet", parquet({f"a{i}": same for i in range(9)}))


@case(
    "workbook_that_unpacks_to_many_megabytes",
    "clients.xlsx: would unpack to 20 MB from 0.1 MB (9 parts); that is refused. Export the sheet "
    "as CSV or Parquet.",
)
def _dense_workbook(files):
    plain = workbook({"clients": [["client_id"], ["C1"]]})
    row = b'<row><c t="inlineStr"><is><t>C1</t></is></c></row>'
    instead(files, "clients.xlsx", swollen(plain, "xl/worksheets/sheet1.xml", row, 400_000))


@case(
    "labels_with_a_gap",
    "clients.sav, row 5, column sex: found '3'; expected one of female, male. "
    "Correct the spelling, or add the value to the codebook.",
)
def _(files):
    names, *records = (line.split(",") for line in files[C].splitlines())
    columns = dict(zip(names, zip(*records, strict=True), strict=True))
    columns = {n: [float(x) if x.isdigit() else x for x in cells] for n, cells in columns.items()}
    columns["sex"] = [1.0, 1.0, 2.0, 2.0, 3.0, -8.0]
    levels = {1.0: "female", 2.0: "male", -8.0: "not asked", -9.0: "no answer"}
    instead(files, "clients.sav", spss(columns, {"sex": levels}))
    files["codebook.yml"] = files["codebook.yml"].replace(
        "category, values: [female, male]", "category, missing: [-8]"
    )

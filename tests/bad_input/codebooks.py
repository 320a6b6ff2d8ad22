"""Bad codebooks: not safe YAML, not of the schema's form, or at odds with themselves."""

from .make import CODEBOOK, book, case

SEE = "See data/CODEBOOK.md."
COMPARE = "Compare it with the shipped file of that name under data/."


def whole(name: str, content: "str | bytes", message: str) -> None:
    """Add a case whose codebook is this text."""

    @case(name, message)
    def _(files):
        files["codebook.yml"] = content


whole("codebook_empty", "", f"codebook.yml: is not a mapping of names to entries. {COMPARE}")
whole(
    "codebook_a_list",
    "- a\n- b\n",
    f"codebook.yml: is not a mapping of names to entries. {COMPARE}",
)
whole(
    "codebook_not_yaml",
    "study: {title: x\ntables: [\n",
    "codebook.yml, row 2: is not valid YAML (did not find expected ',' or '}'). " + COMPARE,
)
whole(
    "codebook_tabs",
    "study:\n\ttitle: x\n",
    "codebook.yml, row 2: is not valid YAML (found character that cannot start any token). "
    + COMPARE,
)
whole(
    "codebook_aliases",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "codebook.yml, row 1: uses a YAML anchor or alias (&name, *name). Write it out.",
)
whole(
    "codebook_python_tag",
    "study: !!python/object/apply:os.system [ls]\n",
    "codebook.yml, row 1: uses the YAML tag 'tag:yaml.org,2002:python/object/apply:os'. "
    "Leave the tag out.",
)
whole(
    "codebook_too_deep",
    "a: " + "[" * 5000 + "]" * 5000,
    "codebook.yml, row 1: is nested deeper than 20 levels, or has over 100,000 entries. "
    "Simplify it.",
)
whole(
    "codebook_too_large",
    "# " + "x" * 1_000_001,
    "codebook.yml: is larger than 1,000,000 bytes. Trim it, or split it.",
)
whole(
    "codebook_many_entries",
    "a: [" + "1," * 200_000 + "]",
    "codebook.yml, row 1: is nested deeper than 20 levels, or has over 100,000 entries. "
    "Simplify it.",
)
whole(
    "codebook_not_utf8",
    CODEBOOK.replace("small", "sm\xe5ll").encode("latin-1"),
    "codebook.yml, row 1: holds bytes that are not UTF-8. Save it as UTF-8.",
)
whole(
    "codebook_huge_number",
    "study: {title: " + "9" * 5000 + "}\n",
    "codebook.yml, row 1: is not valid YAML ('" + "9" * 40 + "' is no number that can be used; put "
    "text in quotes). " + COMPARE,
)

book(
    "codebook_name_twice",
    "  therapists:\n    file",
    "  clients:\n    file",
    "codebook.yml, row 16: is not valid YAML ('clients' stands there twice). " + COMPARE,
)
book(
    "codebook_without_study",
    "study:",
    "studies:",
    "codebook.yml: at the top level: 'study' must be given. " + SEE + "\n"
    "codebook.yml, row 1: at studies: there is no such setting here; did you mean 'study'? " + SEE,
)
book(
    "codebook_without_title",
    "title: A small study, ",
    "",
    f"codebook.yml, row 1: at study: 'title' must be given. {SEE}",
)
book(
    "codebook_setting_misspelled",
    "range: [18, 99]",
    "rang: [18, 99]",
    "codebook.yml, row 13: at tables > clients > variables > age > rang: there is no such setting "
    f"here; did you mean 'range'? {SEE}",
)
book(
    "codebook_type_unknown",
    "{type: number, range: [18",
    "{type: float, range: [18",
    "codebook.yml, row 13: at tables > clients > variables > age > type: found 'float'; expected "
    f"one of id, number, integer, category, date. {SEE}",
)
book(
    "codebook_range_of_three",
    "[18, 99]",
    "[18, 50, 99]",
    "codebook.yml, row 13: at tables > clients > variables > age > range: found '[18, 50, 99]'; "
    f"it has too many entries. {SEE}",
)
book(
    "codebook_range_in_words",
    "[18, 99]",
    "adult",
    "codebook.yml, row 13: at tables > clients > variables > age > range: found 'adult'; expected "
    f"a list [ ... ]. {SEE}",
)
book(
    "codebook_range_reversed",
    "[18, 99]",
    "[99, 18]",
    "codebook.yml, row 13: at tables > clients > variables > age: the range 99 to 18 is "
    "empty. Write [lowest, highest].\n"
    "clients.csv, rows 2, 3, 4 and 3 more, column age: found '31', '32', '33'; expected 99 "
    "to 18. Correct the value, or list it as a missing code.",
)
book(
    "codebook_yes_and_no",
    "values: [female, male]",
    "values: [yes, no]",
    "codebook.yml, row 14: at tables > clients > variables > sex > values > 0: found True; "
    "write yes, no, true and false in quotes. See data/CODEBOOK.md.\n"
    "codebook.yml, row 14: at tables > clients > variables > sex > values > 1: found "
    "False; write yes, no, true and false in quotes. See data/CODEBOOK.md.",
)
book(
    "codebook_name_is_formula",
    "woman: {",
    "'C(x) + 1': {",
    "codebook.yml, row 40: at derived > C(x) + 1: found 'C(x) + 1'; a name has letters, digits "
    f"and _ and begins with a letter. {SEE}",
)
book(
    "codebook_variable_is_formula",
    "      age: {",
    "      'I(age**2)': {column: age, ",
    "codebook.yml, row 13: at tables > clients > variables > I(age**2): 'I(age**2)' is not "
    "a name of letters, digits and _ (64 at most). Choose a plain name, and give the "
    "file's name as `column`.\n"
    "codebook.yml, row 44: at blocks > pretreatment: there is no variable 'age'. Check the "
    "spelling.",
)
book(
    "codebook_variable_twice",
    "      age: {",
    "      sex: {type: category}\n      age: {",
    "codebook.yml, row 15: is not valid YAML ('sex' stands there twice). " + COMPARE,
)
book(
    "codebook_column_twice",
    "age: {",
    "age: {column: sex, ",
    "codebook.yml, row 14: at tables > clients > variables > sex: column 'sex' is listed twice. "
    "Remove one of the two.\n"
    "clients.csv, column age: the codebook does not know this column. List it in the codebook, "
    "put it under the table's `ignore`, or leave it out.",
)
book(
    "codebook_items_count_down",
    '"wai_{1..12}": {',
    '"wai_{12..1}": {',
    "codebook.yml, row 15: at tables > clients > variables > wai_{12..1}: the numbers in "
    "{..} do not count up, or span over 1,000. Write {first..last}.\n"
    "codebook.yml, row 34: at scales > client_alliance > items: there is no variable "
    "'wai_1', 'wai_2', 'wai_3' and 9 more. Check the spelling.\n"
    "clients.csv, column wai_1: the codebook does not know 12 columns: wai_1, wai_2, "
    "wai_3, wai_4, wai_5, wai_6, wai_7, wai_8 and 4 more. List them in the codebook, put "
    "them under the table's `ignore`, or leave them out.",
)
book(
    "codebook_items_do_not_match",
    '"wai_{1..12}": {',
    '"wai_{1..12}": {column: "w{1..10}", ',
    "codebook.yml, row 15: at tables > clients > variables > wai_{1..12}: it names 12 "
    "variables, but its column 10. Let both count over the same numbers.\n"
    "codebook.yml, row 34: at scales > client_alliance > items: there is no variable "
    "'wai_11', 'wai_12'. Did you mean 'wai_1'?\n"
    "clients.csv, column w1: 10 columns are missing: w1, w2, w3, w4, w5, w6, w7, w8 and 2 "
    "more. Add them, or drop them from the codebook.\n"
    "clients.csv, column wai_1: the codebook does not know 12 columns: wai_1, wai_2, "
    "wai_3, wai_4, wai_5, wai_6, wai_7, wai_8 and 4 more. List them in the codebook, put "
    "them under the table's `ignore`, or leave them out.",
)
book(
    "codebook_wrong_number_of_items",
    "form: WAI-S,",
    "form: WAI-36,",
    "codebook.yml, row 34: at scales > client_alliance: WAI-36 has 36 items, 12 are listed. "
    "List one column per item, in item order.",
)
book(
    "codebook_form_unknown",
    "form: WAI-S,",
    "form: WAI-T,",
    "codebook.yml, row 34: at scales > client_alliance > form: found 'WAI-T'; expected one of "
    f"WAI-36, WAI-S, WAI-SR. {SEE}",
)
book(
    "codebook_key_outside",
    "form: WAI-S,",
    "keys: {total: [1, 2, 13]},",
    "codebook.yml, row 34: at scales > client_alliance: an item number is outside 1 to 12. "
    "Number the items from 1.",
)
book(
    "codebook_key_twice",
    "form: WAI-S,",
    "keys: {total: [1, 2, -2]},",
    "codebook.yml, row 34: at scales > client_alliance: a key lists an item twice. "
    "List each item once.",
)
book(
    "codebook_scale_of_a_category",
    'form: WAI-S, items: "wai_{1..12}"',
    "items: [age, sex]",
    "codebook.yml, row 34: at scales > client_alliance > items: item 'sex' is of type category. "
    "Items are of type integer or number.",
)
book(
    "codebook_block_unknown_variable",
    "[age, woman]",
    "[age, womann]",
    "codebook.yml, row 44: at blocks > pretreatment: there is no variable 'womann'. "
    "Did you mean 'woman'?",
)
book(
    "codebook_informant_unknown",
    "  client: {alliance",
    "  patient: {alliance",
    "codebook.yml, row 42: at informants > patient: found 'patient'; expected one of "
    "client, case_manager. See data/CODEBOOK.md.",
)
book(
    "codebook_informant_without_scale",
    "{alliance: client_alliance}",
    "{alliance: alliance}",
    "codebook.yml, row 42: at informants > client > alliance: there is no variable "
    "'alliance'. Did you mean 'client_alliance'?",
)
book(
    "codebook_key_is_not_the_client",
    "key: [client_id]",
    "key: [client_id, intake]",
    "codebook.yml, row 4: at tables > clients: rows of clients must be told apart by 'client_id'. "
    "Make the key [client_id].",
)
book(
    "codebook_key_unknown",
    "key: [therapist_id]",
    "key: [therapist]",
    "codebook.yml, row 16: at tables > therapists: there is no variable 'therapist' in "
    "this table. List it under variables.\n"
    "codebook.yml, row 16: at tables > therapists: rows of case_managers must be told "
    "apart by 'therapist_id'. Make the key [therapist_id].",
)
book(
    "codebook_client_unknown",
    "client: client_id,",
    "client: client,",
    "codebook.yml, row 1: at study > client: there is no variable 'client'. Did you mean "
    "'client_id'?\n"
    "codebook.yml, row 4: at tables > clients: its rows are clients, but 'client' is not "
    "among its variables. List it, or correct `row`.\n"
    "codebook.yml, row 24: at tables > stays: its rows are episodes, but 'client' is not "
    "among its variables. List it, or correct `row`.",
)
book(
    "codebook_no_case_manager_named",
    "case_manager: therapist_id, ",
    "",
    "codebook.yml, row 16: at tables > therapists: its rows are case_managers, but study > "
    "case_manager is not named. Name the variable that tells case_managers apart under study.",
)
book(
    "codebook_lookup_of_nobody",
    "      therapist_id: {type: id, label: Therapist}\n",
    "",
    "codebook.yml, row 15: at tables > therapists: no table of clients has 'therapist_id', so its "
    "rows belong to nobody. List it in a table of clients, or drop this table.\n"
    "clients.csv, column therapist_id: the codebook does not know this column. List it in the "
    "codebook, put it under the table's `ignore`, or leave it out.",
)
book(
    "codebook_no_client_table",
    "    row: client\n    key",
    "    row: site\n    key",
    "codebook.yml, row 4: at tables > clients: rows of sites must be told apart by 'site'. "
    "Make the key [site].\n"
    "codebook.yml, row 3: at tables: there is no table whose rows are clients. Give one "
    "table `row: client`.",
)
book(
    "codebook_keep_latest_without_date",
    "    row: case_manager\n",
    "    row: case_manager\n    duplicates: keep_latest\n",
    "codebook.yml, row 16: at tables > therapists: keep_latest needs `latest`, a variable of type "
    "date. Name it.",
)
book(
    "codebook_duplicates_of_clients",
    "    row: client\n",
    "    row: client\n    duplicates: allow\n",
    "codebook.yml, row 4: at tables > clients: duplicates can be allowed for episodes only. "
    "Use error or keep_latest.",
)
book(
    "codebook_days_without_table",
    "episodes: stays",
    "episodes: stay",
    "codebook.yml, row 36: at days > days_in_hospital: there is no table 'stay'. "
    "Name one of the tables.",
)
book(
    "codebook_days_of_clients",
    "episodes: stays",
    "episodes: clients",
    "codebook.yml, row 36: at days > days_in_hospital: the rows of clients are not episodes. "
    "Set its `row: episode`.",
)
book(
    "codebook_days_window_empty",
    "to_years: 1",
    "to_years: 0",
    "codebook.yml, row 36: at days > days_in_hospital: the window is empty. "
    "Let from_years lie before to_years.",
)
book(
    "codebook_anchor_no_date",
    "anchor: intake",
    "anchor: age",
    "codebook.yml, row 37: at days > days_in_hospital > anchor: the anchor 'age' is not a date. "
    "Name a date of the client.",
)
book(
    "codebook_derived_two_ways",
    "is: female}",
    "is: female, log: true}",
    "codebook.yml, row 40: at derived > woman: give exactly one of 'is' and 'log'. " + SEE,
)
book(
    "codebook_log_of_category",
    "is: female}",
    "log: true}",
    "codebook.yml, row 40: at derived > woman: 'sex' has no logarithm: it is of type category. "
    "Take a number.",
)
book(
    "codebook_name_clash",
    "  woman: {",
    "  age: {",
    "codebook.yml, row 44: at blocks > pretreatment: there is no variable 'woman'. Check "
    "the spelling.\n"
    "codebook.yml, row 40: at derived > age: 'age' is a column already. Give one of the "
    "two another name.",
)
book(
    "codebook_variables_without_end",
    '"wai_{1..12}": {',
    '"x_{1..9999}": {',
    "codebook.yml, row 15: at tables > clients > variables > x_{1..9999}: the numbers in "
    "{..} do not count up, or span over 1,000. Write {first..last}.\n"
    "codebook.yml, row 34: at scales > client_alliance > items: there is no variable "
    "'wai_1', 'wai_2', 'wai_3' and 9 more. Check the spelling.\n"
    "clients.csv, column wai_1: the codebook does not know 12 columns: wai_1, wai_2, "
    "wai_3, wai_4, wai_5, wai_6, wai_7, wai_8 and 4 more. List them in the codebook, put "
    "them under the table's `ignore`, or leave them out.",
)
book(
    "codebook_date_format",
    "intake: {type: date}",
    "intake: {type: date, format: '%d{0.x}'}",
    "codebook.yml, row 12: at tables > clients > variables > intake > format: found "
    "'%d{0.x}'; write for example %d.%m.%Y. See data/CODEBOOK.md.",
)
book(
    "codebook_label_too_long",
    "label: Client}",
    f"label: {'x' * 400}}}",
    "codebook.yml, row 9: at tables > clients > variables > client_id > label: found "
    "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'; it is too long. See data/CODEBOOK.md.",
)
book(
    "codebook_and_data",
    "[age, woman]",
    "[age, boy]",
    "codebook.yml, row 44: at blocks > pretreatment: there is no variable 'boy'. Check the "
    "spelling.",
)
book(
    "codebook_name_is_a_number",
    "      age: {",
    "      12: {",
    "codebook.yml, row 8: at tables > clients > variables: found '12'; expected text (put "
    f"numbers and dates in quotes). {SEE}",
)
book(
    "codebook_name_is_a_list",
    "      age: {",
    "      [1, 2]: {",
    "codebook.yml, row 13: is not valid YAML (a list or mapping stands where a name belongs). "
    + COMPARE,
)
book(
    "codebook_range_of_nothing",
    "[18, 99]",
    "[.nan, 99]",
    "codebook.yml, row 13: at tables > clients > variables > age: the range nan to 99 is empty. "
    "Write [lowest, highest].",
)
book(
    "codebook_derived_value_unknown",
    "is: female}",
    "is: femal}",
    "codebook.yml, row 40: at derived > woman: 'sex' is never 'femal'. Give one of female, male.",
)
book(
    "codebook_derived_word_of_number",
    "{from: sex, is: female}",
    "{from: age, is: old}",
    "codebook.yml, row 40: at derived > woman: 'age' is a number, and never 'old'. Give a number.",
)
book(
    "codebook_derived_from_itself",
    "{from: sex, is: female}",
    "{from: woman, is: female}",
    "codebook.yml, row 40: at derived > woman: nothing can be made from 'woman'. Take a number, a "
    "category, or what is derived further up.",
)
book(
    "codebook_derived_from_an_id",
    "{from: sex, is: female}",
    "{from: client_id, is: C1}",
    "codebook.yml, row 40: at derived > woman: nothing can be made from 'client_id'. Take a "
    "number, a category, or what is derived further up.",
)
book(
    "codebook_block_of_a_category",
    "[age, woman]",
    "[age, sex]",
    "codebook.yml, row 44: at blocks > pretreatment: 'sex' is of type category. Take numbers; of a "
    "category, what `derived` makes.",
)
book(
    "codebook_scale_of_a_score",
    'form: WAI-S, items: "wai_{1..12}"',
    "items: [age, woman, days_in_hospital]",
    "codebook.yml, row 34: at scales > client_alliance > items: there is no variable 'woman', "
    "'days_in_hospital'. Check the spelling.",
)
book(
    "codebook_scales_share_items",
    "  client: {alliance: client_alliance}",
    "  client: {alliance: client_alliance}\n  case_manager: {alliance: wai_3}",
    "codebook.yml, row 41: at informants: both ratings are made of wai_3. Give each informant "
    "items of their own.",
)
book(
    "codebook_rating_among_outcomes",
    "[age, woman]",
    "[age, client_alliance]",
    "codebook.yml, row 44: at blocks > pretreatment: 'client_alliance' is an alliance rating "
    "(informants). Take it out of this block.",
)
book(
    "codebook_same_name_in_two_tables",
    "      experience: {type: number",
    "      age: {type: number, column: experience",
    "codebook.yml, row 23: at tables > therapists > variables > age: 'age' would stand for column "
    "'experience' of table 'therapists' and for column 'age' of table 'clients'; only one of them "
    "would be used. Give one of the two another name and say which column it is, here for example "
    "`therapists_age: {column: experience}`; or put it under `ignore`, if both are the same.",
)

book(
    "codebook_number_base_60",
    "[18, 99]",
    "[18:00, 99]",
    "codebook.yml, row 13: is not valid YAML ('18:00' is no number that can be used; "
    "put text in quotes). " + COMPARE,
)

book(
    "codebook_number_hex",
    "[18, 99]",
    "[0x" + "f" * 5000 + "]",
    "codebook.yml, row 13: is not valid YAML ('0x" + "f" * 38 + "' is no number that can be used; "
    "put text in quotes). " + COMPARE,
)

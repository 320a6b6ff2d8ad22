"""Units as single files: what is drawn beforehand, and a page that asks nobody for anything."""

import json
import re

from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.teaching import widgets
from tools.seminar import lite
from tools.seminar.editions import units


def test_every_setting_is_drawn_or_one_control_moves_at_a_time():
    few = widgets.study_pairs(open_cohort().dyads)
    assert len(lite.settings(few)) == 4 * 11
    many = widgets.two_informants()
    drawn = lite.settings(many)
    assert len(drawn) == 1 + (41 - 1) + (13 - 1) + (10 - 1)
    start = [lite.values(c).index(c.value) for c in many.controls.values()]
    assert all(sum(a != b for a, b in zip(places, start, strict=True)) <= 1 for places in drawn)


def test_a_unit_is_one_file_with_the_demonstrations_own_words():
    """Of unit 6: its sentences are the demonstration's, its boxes expect what the tests expect."""
    html = lite.page(units([6])[0], slides=True)
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    blocks = re.findall(r'<script type="application/json">(.*?)</script>', html)
    moving, *asked = map(json.loads, blocks)
    held = widgets.own_view_held()
    assert len(moving["states"]) == len(lite.settings(held)) and moving["alone"]
    first = next(iter(moving["states"]))
    chosen = {
        name: lite.values(control)[int(at)]
        for (name, control), at in zip(held.controls.items(), first.split(","), strict=True)
    }
    assert moving["states"][first]["text"] == held.text(**chosen)
    assert [how["replies"][0][1] for how in asked][::2] == [0.1, "weaken"]
    assert [how["share"] for how in asked] == [True, True, False]
    # slides: before the first heading there is none; one for each heading and figure
    assert html.count("<article>") == 1 + 9 and "scroll-snap" in html

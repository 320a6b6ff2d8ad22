"""Figures with controls: right numbers, a sentence and an alt text for each, readable colours."""

import io
import re
from itertools import permutations

import matplotlib.image
import nbformat
import numpy as np
import pytest
import statsmodels.api as sm
from colours import contrast, lab
from matplotlib.colors import to_hex
from matplotlib.text import Text
from scipy import stats

from alliance_helpers.claims.associations import halo
from alliance_helpers.claims.views import days_data
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.agreement import agreement
from alliance_helpers.models.counts import count_regression
from alliance_helpers.models.nesting import icc
from alliance_helpers.models.stepwise import Rule, correlate, run
from alliance_helpers.pages.style import INFORMANTS, OTHER, PAPER, SHADE, STEPS
from alliance_helpers.teaching import caseloads, demos, nothing, raters, widgets
from tools.seminar.editions import units

COHORT = open_cohort(scenario="published")  # as the units open it
DYADS, BOOK = COHORT.dyads, COHORT.codebook
MADE = {
    "two_informants": widgets.two_informants(),
    "study_pairs": widgets.study_pairs(DYADS),
    "study_pairs_hidden": widgets.study_pairs(DYADS, show_rows=False),
    "how_sure": widgets.how_sure(),
    "one_sample": widgets.one_sample(),
    "many_samples": widgets.many_samples(),
    "freedman": widgets.freedman(),
    "study_selection": widgets.study_selection(DYADS, BOOK, n_boot=20),
    "favour_and_link": widgets.favour_and_link(),
    "own_view_held": widgets.own_view_held(),
    "study_contrast": widgets.study_contrast(DYADS, BOOK),
    "leaks": widgets.leaks(),
    "power_of": widgets.power_of(),
    "equivalent": widgets.equivalent(),
    "bayes_of": widgets.bayes_of(),
    "hospital": widgets.hospital(DYADS, BOOK),
    "worth": widgets.worth(),
    "false_alarms": widgets.false_alarms(),
    "study_nested": widgets.study_nested(DYADS, BOOK),
    "which_first": widgets.which_first(),
    "how_often_first": widgets.how_often_first(),
    "associations_of": widgets.associations_of(DYADS, BOOK),
    "regression_of": widgets.regression_of(DYADS, BOOK),
}
EVERY = pytest.mark.parametrize("demo", MADE.values(), ids=MADE.keys())


def ends(control):
    """Values at both ends of a control, and every choice."""
    if isinstance(control, demos.Choose):
        return list(control.options.values())
    return [control.low, control.high]


@EVERY
def test_every_end_of_every_control_can_be_reached(demo):
    """Each end gives a figure and a sentence of finite numbers; both ends differ."""
    for name, control in demo.controls.items():
        stills = [demo.picture(**{name: value}) for value in ends(control)]
        for still in stills:
            assert "nan" not in still.text.lower()
            assert still.text in still.alt
            assert len(still.alt) > len(still.text) + 20
        assert len({s.text for s in stills}) == len(stills), name


@EVERY
def test_a_step_changes_the_sentence(demo):
    for name, control in demo.controls.items():
        if isinstance(control, demos.Slide):
            up = 1 if control.value < control.high else -1
            stepped = type(control.value)(control.value + up * control.step)
            assert demo.text(**{name: stepped}) != demo.text(), name


@EVERY
def test_the_widget_shows_what_the_picture_shows(demo):
    box = demo.explore()
    numbers, figure = box.children[-2:]
    still = demo.picture()
    assert demos.numbers_html(still.text) == numbers.value
    assert demos.figure_html(still.png, still.alt, still.width) == figure.value


@EVERY
def test_a_reused_figure_is_drawn_as_a_new_one(demo):
    """What was drawn before leaves nothing behind."""
    name, control = next(iter(demo.controls.items()))
    first = demo.picture().png
    demo.picture(**{name: ends(control)[-1]})
    demo.still.cache_clear()
    again = demo.picture().png
    assert np.abs(pixels(again) - pixels(first)).max() <= 1 / 255


def pixels(png: bytes) -> np.ndarray:
    return matplotlib.image.imread(io.BytesIO(png))


def test_moving_a_control_and_going_back():
    demo = widgets.equivalent()
    box = demo.explore()
    r, n, bound = box.children[1:4]
    numbers = box.children[-2]
    r.value, n.value, bound.value = 0.30, 400, 0.10
    assert numbers.value == demos.numbers_html(demo.text(r=0.30, n=400, bound=0.10))
    box.children[4].click()
    assert (r.value, n.value, bound.value) == (0.06, 200, 0.20)
    assert numbers.value == demos.numbers_html(demo.text())


@pytest.mark.parametrize(
    ("error", "said"),
    [(NotEstimableError("too few dyads"), "too few dyads"),
     (MemoryError(), "There is no room left for this figure: choose a smaller setting")],
)  # fmt: skip
def test_a_setting_without_a_figure_says_so(error, said):
    def fail(x: int):
        raise error

    demo = demos.Demo({"x": demos.Slide("x", 0, 2, 1, 1)}, fail, "", lambda *_: None)
    assert said in demo.explore().children[-2].value


def test_settings_are_checked():
    demo = widgets.equivalent()
    with pytest.raises(ParameterError, match="'x' is no control here; use r, n, bound"):
        demo.picture(x=1)
    with pytest.raises(ParameterError, match=r"n is 5; give 20 to 600"):
        demo.picture(n=5)
    with pytest.raises(ParameterError, match="'cat'; choose one of 'published', 'halo'"):
        widgets.study_contrast(DYADS, BOOK).picture(scenario="cat")


# What the units claim.


@pytest.mark.parametrize("bias", [-30, 12, 30])
def test_bias_moves_agreement_only(bias):
    plain, biased = (raters.made_pairs(b, 1.0, 20)["e"] for b in (0, bias))
    same = ["pearson_r", "icc_c1"]
    assert biased[same].to_numpy() == pytest.approx(plain[same].to_numpy(), abs=1e-12)
    assert (biased[["icc_a1", "ccc"]] < plain[["icc_a1", "ccc"]] - 0.01).all()
    assert biased["bias"] == pytest.approx(bias, abs=1e-9)


def test_study_pairs_are_the_studys():
    said = MADE["study_pairs"].text()
    expected = agreement(DYADS["client_alliance"], DYADS["case_manager_alliance"])["estimate"]
    assert f"Pearson r {expected['pearson_r']:.2f}".replace("0.", ".") in said
    assert f"Clients rate {expected['bias']:.1f} points higher" in said


def test_samples_scatter_around_their_truth():
    """50 studies of 200 dyads: SE of the mean bias .54, SD of a bias 3.8; not the truth itself."""
    demo = widgets.how_sure()
    tables = [demo.compute(200, 0.30, 12, sample).table["estimate"] for sample in range(1, 51)]
    bias, r, ccc = (np.array([t[s] for t in tables]) for s in ("bias", "pearson_r", "ccc"))
    assert bias.mean() == pytest.approx(12, abs=3.3 * 0.54)
    assert bias.std() == pytest.approx(3.8, rel=0.4)
    assert r.mean() == pytest.approx(0.30, abs=3.3 * 0.065 / np.sqrt(50))
    truth = demo.compute(200, 0.30, 12, 1).truth["ccc"]
    assert ccc.mean() == pytest.approx(truth, abs=3.3 * 0.065 / np.sqrt(50))


def test_agreement_in_truth_is_that_of_a_very_large_study():
    """20,000 dyads: SE .003."""
    shown = widgets.how_sure().compute(20_000, 0.80, 20, 1)
    for name, true in shown.truth.items():
        assert shown.table.loc[name, "estimate"] == pytest.approx(true, abs=0.01)
    assert shown.truth["ccc"] < 0.70


def test_new_clients_do_not_confirm_noise():
    """What was not used correlates 0 with the prediction, SE .01; the printed R is far from it."""
    studies = [widgets.one_sample().compute(40, 200, 0.05, sample) for sample in range(1, 51)]
    entered = [s for s in studies if len(s.chosen)]
    assert len(entered) > 30
    assert max(abs(s.prediction) for s in entered) < 0.04
    assert min(np.sqrt(s.r_squared) for s in entered) > 0.13


@pytest.mark.parametrize("candidates", [10, 20, 30])
def test_noise_is_found_as_often_as_elsewhere(candidates):
    """.40 .65 .79 of runs with 10, 20, 30 candidates at n 201; 300 studies have SE .03."""
    reference = {10: 0.40, 20: 0.65, 30: 0.79}[candidates]
    found = widgets.many_samples().compute(candidates, 201, 0.05).found
    assert found == pytest.approx(reference, abs=3.3 * 0.029)


@pytest.mark.parametrize("p_enter", [0.05, 0.15])
def test_one_noise_variable_in_twenty_enters_more_often_than_the_band(p_enter):
    """600 noise variables of 60 studies: SE .009; none competes, so each is a block of its own."""
    rng, n, samples, found = np.random.default_rng(20), 201, 200, []
    for _ in range(60):
        z = rng.standard_normal((n, 11))
        weights = rng.multinomial(n, np.full(n, 1 / n), samples)
        sums = weights @ z
        squares = np.einsum("bn,ni,nj->ijb", weights, z, z, optimize=True)
        squares -= np.einsum("bi,bj->ijb", sums, sums) / n
        for j in range(10):
            pair = correlate(np.ascontiguousarray(squares[np.ix_([j, 10], [j, 10])]))
            rule = Rule("stepwise", p_enter, p_enter + 0.05)
            path = run(pair, np.full(samples, n), [np.arange(1)], rule)
            found.append(path.selected[0].mean())
    share = np.mean(np.array(found) > nothing.noise_edge(p_enter))
    assert share == pytest.approx(0.05, abs=3.3 * 0.009)


def test_screened_noise_is_the_regression_of_the_kept():
    shown = widgets.freedman().compute(50, 200, 0.25, 1)
    z = np.random.default_rng([1, 50]).standard_normal((200, 51))
    design = np.column_stack([np.ones(200), z[:, :-1]])
    kept = _p_values(design, z[:, -1])[1:] < 0.25
    again = _p_values(design[:, np.append(True, kept)], z[:, -1])[1:]
    assert shown.kept == kept.sum()
    assert shown.p == pytest.approx(np.sort(again), rel=1e-9)


def _p_values(X, y):
    inverse = np.linalg.inv(X.T @ X)
    b = inverse @ X.T @ y
    residual = y - X @ b
    df = len(y) - X.shape[1]
    t = b / np.sqrt(residual @ residual / df * np.diag(inverse))
    return 2 * stats.t.sf(abs(t), df)


@pytest.mark.parametrize("favour", [0.3, 0.6])
def test_halo_alone_makes_the_same_raters_correlation(favour):
    """The favour's share, and nothing for the other rater."""
    same, cross, held = raters.correlations_expected(favour, 0.0)
    assert (same, cross) == (favour, 0)
    assert held < -0.05


@pytest.mark.parametrize(("favour", "link"), [(0.0, 0.5), (0.4, 0.2), (0.8, 0.3)])
def test_what_is_expected_of_a_favour_is_what_is_drawn(favour, link):
    """200,000 clients: SE .002; the partial correlation from residuals."""
    expected = raters.correlations_expected(favour, link)
    parts = np.random.default_rng(3).standard_normal((5, 200_000))
    drawn = raters.ratings(favour, link, 0.0, parts)
    alliance, own, other = (x.astype(float) for x in drawn)
    left, right = (y - np.polyval(np.polyfit(own, y, 1), own) for y in (alliance, other))
    found = [
        np.corrcoef(*pair)[0, 1] for pair in ((alliance, own), (alliance, other), (left, right))
    ]
    assert expected == pytest.approx(found, abs=0.008)


@pytest.mark.parametrize(("favour", "link"), [(0.6, 0.0), (0.0, 0.5), (0.4, 0.2)])
def test_in_finer_groups_of_like_view_the_correlation_nears_the_partial_one(favour, link):
    """One group is all clients, exactly as expected; from group to group it falls, never below."""
    shown = [widgets.own_view_held().compute(g, favour, link) for g in range(1, 7)]
    _, cross, held = raters.correlations_expected(favour, link)
    assert shown[0].inside == pytest.approx(cross, abs=1e-9)
    assert (np.diff([s.inside for s in shown]) < 0).all()
    assert held < shown[-1].inside < held + 0.05
    for s in shown:
        assert (np.bincount(s.group) == 600 / s.groups).all()


def test_the_points_of_the_groups_are_free_of_chance():
    alliance, own, other = raters.ratings(0.6, 0.0, 0.0, raters.without_chance())
    left, right = (y - np.polyval(np.polyfit(own, y, 1), own) for y in (alliance, other))
    held = widgets.own_view_held().compute(3, 0.6, 0.0).held
    assert np.corrcoef(left, right)[0, 1] == pytest.approx(held, abs=1e-9)
    assert held < -0.3


def test_without_a_leak_halo_is_rarely_refuted():
    """2.5 % by chance (one of two tails); 300 studies have SE .9 %."""
    assert widgets.leaks().compute(0, 0.4, 0.0, 200).share < 0.06
    assert widgets.leaks().compute(40, 0.4, 0.0, 200).share > 0.5


@pytest.mark.parametrize(
    ("r", "n", "said"),
    [
        (0.0, 300, "equivalent to zero"),
        (0.1, 1000, "different from zero, but too small to matter"),
        (0.25, 200, "different from zero"),
        (-0.1, 100, "inconclusive"),
    ],
)
def test_verdicts_in_words(r, n, said):
    assert widgets.equivalent().compute(r, n, 0.20).verdict == said


@pytest.mark.parametrize("adjust", [("hospital_days_before",), ("client_age", "symptoms_intake")])
def test_hospital_days_are_adjusted_as_the_claims_say(adjust):
    """The mean model of the ladder with the same covariates; what a study lacks is left out."""
    demo = widgets.hospital(DYADS, BOOK, adjust=(*adjust, "not_in_the_study"))
    for adjusted in (True, False):
        shown = demo.compute(**demo.settings(adjusted=adjusted))
        assert (shown.given == "nothing") is not adjusted
        for informant, row in zip(("client", "case_manager"), shown.rows.itertuples(), strict=True):
            table, predictors, cluster = days_data(DYADS, BOOK, informant, adjust=adjust)
            assert predictors == ["alliance", *adjust]
            terms = predictors if adjusted else predictors[:1]
            model = count_regression(table, "hospital_days", terms, cluster=cluster)
            expected = model.coefficients.set_index("term").loc["alliance", "rate_ratio"]
            assert row.estimate == pytest.approx(expected, rel=1e-12)
            said = f"{BOOK.informant_label(informant)}: rate ratio {expected:.2f} per SD"
            assert said in shown.said


def test_each_informant_has_a_verdict_of_its_own():
    """A bound between the two intervals: one rating's days are equivalent, the other's not yet."""
    demo = widgets.hospital(DYADS, BOOK)
    rows = demo.compute(1.25).rows
    needed = np.maximum(rows["high_90"], 1 / rows["low_90"])
    said = demo.compute(bound=float(needed.mean())).said
    assert sorted(re.findall(r"verdict: (\w+)", said)) == ["equivalent", "inconclusive"]


def test_without_covariates_there_is_no_switch_for_them():
    assert "adjusted" not in widgets.hospital(DYADS, BOOK, adjust=("not_in_the_study",)).controls


def test_another_count_can_be_asked_about():
    """Days before intake stand for a user's own count; an unknown one is named."""
    other = widgets.hospital(DYADS, BOOK, "hospital_days_before", adjust=())
    table, predictors, cluster = days_data(DYADS, BOOK, "client", "hospital_days_before", ())
    model = count_regression(table, "hospital_days_before", predictors, cluster=cluster)
    expected = model.coefficients.set_index("term").loc["alliance", "rate_ratio"]
    assert other.compute(**other.settings()).rows["estimate"][0] == pytest.approx(
        expected, rel=1e-12
    )
    assert "Hospital days in the two years before intake: rate ratio" in other.picture().alt
    with pytest.raises(ParameterError, match="no column 'nights'; name your count in `days`"):
        widgets.hospital(DYADS, BOOK, "nights")


def test_a_demonstration_is_made_once_however_it_is_asked_for():
    """So that what was rehearsed is found drawn, with defaults left out or written down."""
    asked = widgets.hospital(DYADS, BOOK, adjust=("site_type", "hospital_days_before"))
    assert asked is MADE["hospital"]
    assert widgets.hospital(DYADS.iloc[:100], BOOK) is not asked


@pytest.mark.parametrize(("share", "wrong"), [(0.0, 0.05), (0.3, 0.19)])
def test_false_alarms_of_counting_clients(share, wrong):
    """z with variance 1 + (m - 1) share exceeds 1.96 in about this share; SE of 300 is .023."""
    expected = 2 * stats.norm.sf(1.96 / np.sqrt(1 + 4 * share))
    assert expected == pytest.approx(wrong, abs=0.005)
    made = widgets.false_alarms().compute(45, 5, share)
    assert (made.naive < 0.05).mean() == pytest.approx(expected, abs=3.3 * 0.023)
    assert (made.means < 0.05).mean() == pytest.approx(0.05, abs=3.3 * 0.0126)


def test_the_sums_that_unit_5_prints_give_the_share():
    unit = nbformat.read(units([5])[0], as_version=4)
    (cell,) = [c.source for c in unit.cells if "count_squared" in c.source and c.outputs == []]
    *before, last = cell.splitlines()
    names = {"dyads": DYADS}
    exec("\n".join(before), names)
    table = eval(last, names)
    (J, *_), (n, between, within, q) = table["size"], table["sum"]
    s0 = (n - q / n) / (J - 1)
    between, within = between / (J - 1), within / (n - J)
    share = (between - within) / (between + (s0 - 1) * within)
    expected = icc(DYADS["case_manager_alliance"], DYADS["case_manager_id"])
    assert share == pytest.approx(expected, abs=0.001)  # sums are printed with one decimal


@pytest.mark.parametrize(("trend", "path"), [(0.0, 0.0), (0.3, 0.0), (0.15, -0.2)])
def test_what_comes_first_by_both_analyses(trend, path):
    """200 studies: SE of a share of .05 is .015. Errors as those of statsmodels, least squares."""
    shown = widgets.how_often_first().compute(trend, path, 50)
    assert shown.mean[1] == pytest.approx(path, abs=0.015)
    if not path:
        assert shown.found[1] < 5 + 3.3 * 1.5 and (shown.found[0] > 95) == (trend > 0)
    else:
        assert shown.mean[0] < path - 0.05
    x, y = caseloads.drawn(trend, path, 50, 200, seed=1981)[:, 7]
    centred = [v - v.mean(axis=1, keepdims=True) for v in (y[:, 1:], y[:, :-1], x[:, :-1])]
    time = np.broadcast_to(np.arange(9) - 4.0, (50, 9)).ravel()
    design = np.column_stack([*(v.ravel() for v in centred[1:]), time])
    plain = sm.OLS(centred[0].ravel(), design).fit()
    df = 50 * 8 - 3
    t = plain.tvalues[1] * np.sqrt(df / plain.df_resid)
    assert shown.p[1][7] == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-6)


def test_a_trend_makes_the_correlation_that_the_exercise_says():
    """Variance of a line, and of deviations without one: 40,000 sessions, SE .005."""
    x, y = (v - v.mean(axis=-1, keepdims=True)
            for v in caseloads.drawn(0.3, 0.0, 4000, 1, seed=2)[:, 0])  # fmt: skip
    line = 0.3**2 * 99 / 12
    assert x.var() == pytest.approx(line + 0.83, abs=0.02)
    assert np.corrcoef(x.ravel(), y.ravel())[0, 1] == pytest.approx(
        -line / (line + 0.83), abs=0.015
    )


@pytest.mark.parametrize("informant", BOOK.informants)
def test_intervals_are_compared_like_with_like(informant):
    """Both of a slope of standardised values, so that only the case managers differ."""
    demo = MADE["study_nested"]
    for term in demo.controls["term"].options.values():
        row = demo.compute(term, informant).rows.loc[term]
        x, y = stats.zscore(DYADS[[term, f"{informant}_alliance"]].dropna()).T
        slope = stats.linregress(x, y)
        reach = stats.t.ppf(0.975, len(x) - 2) * slope.stderr
        low, high = slope.slope - reach, slope.slope + reach
        independent, respected = row["independent"], row["respected"]
        assert (independent.conf_low, independent.conf_high) == pytest.approx((low, high))
        wider = (respected.conf_high - respected.conf_low) / (2 * reach)
        assert row["wider"] == pytest.approx(wider)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_belongs_to_the_case_manager_pays_for_the_case_managers(seed):
    """Where the share is 1 the interval widens as the shares say, where it is small it does not.

    The shares say it of a slope that counts dyads alike; the mixed model weighs caseloads of
    unlike size better, by 6 to 8 % of the width here.
    """
    cohort = open_cohort(scenario="published", n_clients=2000, seed=seed)
    shown = widgets.study_nested(cohort.dyads, cohort.codebook).compute("symptoms", "case_manager")
    shares, wider, expected = shown.rows[["icc_x", "wider", "expected"]].to_numpy(float).T
    assert (np.diff(shares) <= 1e-9).all()
    whole, little = shares > 0.99, shares < 0.15
    assert whole.sum() == 3
    assert little.sum() >= 4
    assert wider[whole] == pytest.approx(expected[whole], rel=0.10)
    assert (wider[whole] > 1.3).all()
    assert (wider[little] < 1).all()
    assert shown.rows["name"].iloc[shown.chosen] == "Symptom severity"


def test_a_study_without_case_managers_is_told_so():
    alone = BOOK.__class__(**{**vars(BOOK), "case_manager": None})
    with pytest.raises(NotEstimableError, match="does not say who the case managers are"):
        widgets.study_nested(DYADS, alone)


def test_one_study_gives_one_set_of_numbers():
    """The units' dyads are the main notebooks', gaps and slips included."""
    assert DYADS.equals(open_cohort().dyads)
    start = MADE["study_contrast"].compute("published", "case_manager", 1995).rows
    assert start["estimate"].abs().tolist() == halo(DYADS, BOOK, analysis="as_published").contrast[
        "estimate"].abs().tolist()  # fmt: skip


# Colours.

PAIRS = {
    "client, case manager": (INFORMANTS["client"].color, INFORMANTS["case_manager"].color),
    "counting clients, case managers": (caseloads.NAIVE, caseloads.RESPECTFUL),
    "entered, left out": (nothing.FOUND, nothing.MISSED),
    "association, agreement": (raters.ASSOCIATION, raters.AGREEMENT),
    "same rater, somebody else": (INFORMANTS["case_manager"].color, OTHER.color),
    "worst, best own view": (raters.SHADES[0], raters.SHADES[-1]),
    "worst, middle own view": (raters.SHADES[0], raters.SHADES[2]),
    "middle, best own view": (raters.SHADES[2], raters.SHADES[-1]),
    "refuted, not refuted": (raters.REFUTED, raters.NOT_REFUTED),
    "curve, chosen setting": (STEPS[-1].color, nothing.MARK["color"]),
}


@pytest.mark.parametrize("kind", ["protanopia", "deuteranopia", "tritanopia"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_colours_stay_apart_for_the_colour_blind(kind, pair):
    """Delta E of 20 and more is told apart at a glance (just noticeable: 2.3)."""
    assert np.linalg.norm(lab(pair[0], kind) - lab(pair[1], kind)) > 20


def test_text_has_contrast():
    html = demos.numbers_html("x") + demos.VISIBLE
    text, paper = re.search(r"background:(#\w+);color:(#\w+)", html).groups()[::-1]
    for ink in (text, demos.QUIET, "#1F4E8C"):
        assert contrast(ink, paper) >= 4.5


@EVERY
def test_text_in_figures_has_contrast(demo):
    """On white and on the grey of bands; and no title or name is cut off at a side."""
    demo.picture()
    texts = [t for t in demo.figure.findobj(Text) if t.get_visible() and t.get_text()]
    assert len(texts) > 5
    for text in texts:
        for paper in (PAPER, SHADE):
            assert contrast(to_hex(text.get_color()), paper) >= 4.5, text.get_text()
    page = demo.figure.bbox
    for ax in demo.figure.axes:
        named = (ax._left_title, ax.xaxis.label, ax.yaxis.label, *ax.get_yticklabels())
        for text in filter(Text.get_text, named):
            box = text.get_window_extent()
            assert page.x0 <= box.x0 and box.x1 <= page.x1, text.get_text()


@EVERY
def test_a_title_lies_over_its_own_panel(demo):
    """It does not run into the numbers or the title of the panel beside it."""
    demo.picture()
    for ax, other in permutations(demo.figure.axes, 2):
        title = ax._left_title.get_window_extent().padded(6)  # pixels
        texts = other._left_title, other.xaxis.label, other.yaxis.label, *other.get_yticklabels()
        named = filter(Text.get_text, texts)
        assert not [t for t in named if t.get_window_extent().overlaps(title)], ax.get_title()

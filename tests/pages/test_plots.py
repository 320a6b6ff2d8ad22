"""Every figure: an Axes from a result, its numbers in words, one look, nothing fitted."""

import ast
import io
import itertools
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from colours import BLIND, contrast, lab
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from alliance_helpers.errors import ParameterError
from alliance_helpers.pages import plots, style
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
HERE = Path(style.__file__).parent
MODULES = sorted(p.name for p in [*HERE.glob("*_figures.py"), HERE / "style.py"])


@pytest.fixture(autouse=True)
def batch():
    mpl.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def dyads():
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 1, 120)
    client = 195 + 25 * (0.5 * shared + rng.normal(0, 0.87, 120))
    case_manager = 183 + 25 * (0.5 * shared + rng.normal(0, 0.87, 120))
    made = pd.DataFrame({"client_alliance": client, "case_manager_alliance": case_manager})
    made.loc[[0, 1, 2], "client_alliance"] = np.nan
    return made


def intervals(terms, informants=("client", "case_manager"), **more):
    rng = np.random.default_rng(len(terms))
    rows = []
    for term, informant in itertools.product(terms, informants):
        r = rng.uniform(-0.4, 0.4)
        rows.append(
            {"term": term, "informant": informant, "estimate": r, "conf_low": r - 0.13,
             "conf_high": r + 0.13, "low_90": r - 0.11, "high_90": r + 0.11} | more
        )  # fmt: skip
    return pd.DataFrame(rows)


AGREEMENT = pd.DataFrame(
    {
        "estimate": [0.231, 0.217, 11.83, -48.2, 71.9],
        "conf_low": [0.05, 0.04, 7.1, -56.3, 63.8],
        "conf_high": [0.4, 0.38, 16.5, -40.1, 80.0],
    },
    index=pd.Index(["pearson_r", "ccc", "bias", "loa_low", "loa_high"], name="statistic"),
)
FIT = pd.DataFrame(
    {"block": ["pretreatment", "treatment", "alliance"], "n": [187, 187, 187],
     "delta_r_squared": [0.031, np.nan, 0.214], "p_change": [0.44, np.nan, 0.0001]}
)  # fmt: skip
EXPECTED = pd.DataFrame(
    {"low": [0, 1, 51, 101], "high": [0, 50, 100, np.inf], "observed": [39, 60, 40, 0],
     "poisson": [0.1, 30.2, 100.0, 8.7], "negbin": [20.9, 70.0, 40.0, 8.1]}
)  # fmt: skip
BAYES = pd.DataFrame(
    {"informant": ["client"] * 3 + ["case_manager"] * 3, "kappa": [0.2, 1 / 3, 1.0] * 2,
     "bf10": [0.5, 0.25, 0.125, 2.0, 4.0, np.nan]}
)  # fmt: skip
POWER = pd.DataFrame({"effect": [0.1, 0.2, 0.3], "power": [0.3, 0.77, 0.99]})
RATIOS = pd.DataFrame(
    {"informant": ["client"] * 3 + ["case_manager"] * 3, "effect": [0.8, 1.0, 1.25] * 2,
     "power": [0.05, 0.85, 0.05, 0.04, 0.71, 0.04], "n": 190}
)  # fmt: skip
SPECIFICATIONS = pd.DataFrame(
    {"finding": "2", "claim": "symptoms", "informant": "case_manager", "term": "symptoms",
     "estimate": [-0.2, -0.1, 0.05], "conf_low": [-0.3, -0.2, -0.1], "conf_high": [-0.1, 0.0, 0.2],
     "p_value": [0.001, 0.05, 0.4], "verdict": ["supported", "inconclusive", "not_supported"],
     "scoring": ["WAI-36", "WAI-S", "WAI-36"], "items": ["prorated", "complete", "prorated"],
     "covariates": "none", "outliers": "kept", "estimator": ["ols", "cr2", "mixed"]}
)  # fmt: skip
JOINT = pd.DataFrame(
    {"finding": "2", "claim": "symptoms", "informant": "case_manager",
     "p_value": [0.04], "p_low": 0.01, "p_high": 0.05,
     "set_apart_by": "items: median p .001 with a, .300 with b"}
)  # fmt: skip
INCLUSION = pd.DataFrame(
    {"informant": ["client", "case_manager"] * 2, "term": ["symptoms"] * 2 + ["living_skills"] * 2,
     "inclusion": [0.12, 0.6, 0.05, np.nan], "noise_inclusion": [0.17, 0.16, 0.18, np.nan],
     "beta": [np.nan, 0.2, np.nan, np.nan]}
)  # fmt: skip
SOURCES = pd.DataFrame(
    {"informant": ["client"] * 2 + ["case_manager"] * 2, "block": "outcome",
     "source": ["client", "rater"] * 2, "estimate": [0.1, 0.2, 0.05, 0.0],
     "conf_low": [0.05, 0.1, 0.0, 0.0], "conf_high": [0.2, 0.3, 0.1, 0.02], "noise": 0.01,
     "p_value": [0.01, 0.001, 0.2, 0.9], "r_squared": 0.3, "n": 190}
)  # fmt: skip

DESIGNS = pd.DataFrame(
    {"case_managers": [10, 10, 20, 20] * 2, "clients": [3, 5] * 4,
     "sessions": np.repeat([6, 12], 4), "n": [30, 50, 60, 100] * 2, "truth": "assumed",
     "supported": [0.25, 0.42, 0.5, 0.76, 0.4, 0.81, 0.8, 0.95],
     "misleading": [0.03, 0.014, np.nan, 0.005] * 2}
)  # fmt: skip


def drawings(dyads):
    pair = dyads["client_alliance"], dyads["case_manager_alliance"], AGREEMENT
    rows = intervals(["symptoms", "living_skills"])
    rates = rows.assign(
        estimate=np.exp(rows["estimate"]), conf_low=np.exp(rows["conf_low"]),
        conf_high=np.exp(rows["conf_high"]), low_90=np.nan, high_90=np.nan,
        analysis=["as_published", "as_published", "nested", "nested"],
    )  # fmt: skip
    return {
        "informants": (plots.informants, [dyads], {}),
        "paired_scatter": (plots.paired_scatter, pair, {}),
        "paired_scatter, no rows": (plots.paired_scatter, pair, {"show_rows": False}),
        "bland_altman": (plots.bland_altman, pair, {}),
        "bland_altman, no rows": (plots.bland_altman, pair, {"show_rows": False}),
        "forest": (plots.forest, [rows, 0.2, BOOK], {}),
        "equivalence": (plots.equivalence, [rows, -0.2, 0.2], {"codebook": BOOK}),
        "equivalence, log": (plots.equivalence, [rates, 0.8, 1.25], {"log": True}),
        "halo_contrast": (plots.halo_contrast, [rows.assign(rater="rater"), BOOK], {}),
        "r_squared_blocks": (plots.r_squared_blocks, [{"symptoms": FIT}, BOOK], {}),
        "days_distribution": (plots.days_distribution, [EXPECTED], {}),
        "bayes_sensitivity": (plots.bayes_sensitivity, [BAYES], {}),
        "power_curve": (plots.power_curve, [POWER], {}),
        "equivalence_power": (plots.equivalence_power, [RATIOS, 0.8, 1.25], {}),
        "specification_curve": (plots.specification_curve, [SPECIFICATIONS, JOINT], {}),
        "design_grid": (plots.design_grid, [DESIGNS[:4], "supported", 0.8], {}),
        "design_grid, sessions": (plots.design_grid, [DESIGNS, "supported", 0.8], {}),
        "inclusion": (plots.inclusion, [INCLUSION, BOOK], {}),
        "information_sources": (plots.information_sources, [SOURCES, BOOK], {}),
    }


NAMES = list(drawings(pd.DataFrame({"client_alliance": [], "case_manager_alliance": []})))


def test_every_plot_is_tried_here():
    several_axes = {"trajectories"}
    assert {n.split(",")[0] for n in NAMES} == set(plots.__all__) - several_axes


def test_trajectories_are_bands_with_who_is_still_there():
    bands = pd.DataFrame({"session": [1, 2, 3], "term": "symptoms", "n": [50, 40, 30]})
    bands = bands.assign(q10=1.0, q25=2.0, q50=[3.0, 2.5, 2.0], q75=4.0, q90=5.0)
    ax = plots.trajectories(bands, codebook=BOOK)
    assert (
        isinstance(ax, Axes)
        and "50" in ax.figure.get_label()
        and "nan" not in ax.figure.get_label()
    )
    few = bands.assign(q10=np.nan, q90=np.nan, q25=[2.0, np.nan, np.nan])  # of 10 to 49 people
    said = plots.trajectories(few, codebook=BOOK).figure.get_label()
    assert "nan" not in said
    nobody = plots.trajectories(bands.iloc[:0])
    assert "No session has enough clients" in nobody.figure.get_label()


def snapshot(args):
    return [a.copy() if isinstance(a, (pd.DataFrame, pd.Series)) else a for a in args]


@pytest.mark.parametrize("name", NAMES)
def test_a_result_goes_in_and_an_axes_comes_out(name, dyads):
    draw, args, more = drawings(dyads)[name]
    before, settings = snapshot(args), dict(mpl.rcParams)
    ax = draw(*args, **more)
    assert isinstance(ax, Axes)
    assert dict(mpl.rcParams) == settings
    for was, now in zip(before, args, strict=True):
        if isinstance(was, (pd.DataFrame, pd.Series)):
            pd.testing.assert_frame_equal(pd.DataFrame(was), pd.DataFrame(now))
    alt = ax.figure.get_label()
    assert len(alt) > 40 and "nan" not in alt and "_" not in alt
    picture = io.BytesIO()
    ax.figure.savefig(picture, format="png")
    assert picture.getvalue()[:4] == b"\x89PNG"
    mine = plt.subplots(1, 2)[1]
    assert draw(*args, **more, ax=mine[1]) is mine[1]
    assert mine[1].figure.get_label() == alt
    assert not mine[0].has_data()


@pytest.mark.parametrize("name", NAMES)
def test_all_ink_lies_inside_the_figure(name, dyads):
    draw, args, more = drawings(dyads)[name]
    figure = draw(*args, **more).figure
    figure.canvas.draw()
    box, page = figure.get_tightbbox(), figure.get_size_inches()
    assert figure.get_figwidth() == style.WIDTH  # 700 pixels: text of 10 points is legible
    assert box.x0 > -0.02 and box.y0 > -0.02
    assert box.x1 < page[0] + 0.02 and box.y1 < page[1] + 0.02


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("paired_scatter", ["117 dyads", "r = .23 [.05, .40]", "concordance = .22 [.04, .38]"]),
        ("bland_altman", ["bias 11.8 (7.1 to 16.5)", "−48.2 (−56.3 to −40.1)",
                          "71.9 (63.8 to 80.0)"]),
        ("r_squared_blocks", ["Symptom severity (n 187)", "pretreatment .031, p = .440",
                              "alliance .214, p < .001", "together .245"]),
        ("days_distribution", ["139 clients", "0 days: observed 39", "negative binomial 20.9",
                               "> 100 days: observed 0, expected Poisson 8.7"]),
        ("bayes_sensitivity", ["Client: 4 at kappa 0.33 and 8 at kappa 1",
                               "Case manager: 0.25 at kappa 0.33"]),
        ("power_curve", ["by true correlation. power 0.80 at 0.21."]),
        ("equivalence_power", ["Client: 0.85 where the ratio is 1, 0.05 where it is 1.25",
                               "Case manager: 0.71 where the ratio is 1, 0.04 where it is 1.25."]),
        ("specification_curve", ["of symptoms (case manager), 3 specifications: estimates −0.20 to "
                                 "0.05, median −0.10. Verdicts are set apart by items: median p "
                                 ".001 with a, .300 with b. Joint permutation test of the median:"
                                 " p = .040 (.010 to .050 by so many permutations)."]),
        ("design_grid", ["of each: 10 by 3: 25 %; 10 by 5: 42 %; 20 by 3: 50 %; 20 by 5: 76 %. None"
                         " reaches 80 %."]),
        ("design_grid, sessions", ["10, 12 sessions by 3: 40 %; 10, 12 sessions by 5: 81 %",
                                   "50 clients are the fewest for 80 %."]),
        ("inclusion", ["Symptom severity (client) 12 % (noise 17 %); Symptom severity (case "
                       "manager) 60 % (noise 16 %); living skills (client) 5 % (noise 18 %)"]),
        ("information_sources", ["client (together .30): outcome, client .10, p = .010; outcome, "
                                 "independent rater .20, p = .001. case manager (together .30): "
                                 "outcome, client .05, p = .200; outcome, independent rater .00, p "
                                 "= .900."]),
    ],
)  # fmt: skip
def test_the_numbers_are_in_the_alt_text(name, said, dyads):
    draw, args, more = drawings(dyads)[name]
    alt = draw(*args, **more).figure.get_label()
    for text in said:
        assert text.lower() in alt.lower()


@pytest.mark.parametrize(
    ("draw", "args", "said", "unsaid"),
    [
        (plots.specification_curve, [SPECIFICATIONS.assign(estimator="poisson")],
         "rate ratios −0.20 to 0.05", "Joint"),
        (plots.specification_curve, [SPECIFICATIONS[:1], JOINT[:0]],
         "1 specification: estimates −0.20 to −0.20, median −0.20.", "set apart"),
        (plots.r_squared_blocks, [{"x": FIT.assign(n=np.nan)}], "x: pretreatment .031", "(n"),
        (plots.r_squared_blocks, [{"x": FIT.drop(columns="p_change")}],
         "x (n 187): pretreatment .031, treatment .000, alliance .214, together .245.", ", p"),
        (plots.bayes_sensitivity, [BAYES[:3]], "no association: 4 at kappa 0.33", "Client"),
        (plots.power_curve, [POWER[:2]], "power from 0.30 to 0.77.", "0.80"),
        (plots.equivalence_power, [RATIOS[:0], 0.8, 1.25], "No rate ratio could be", "where the"),
        (plots.inclusion, [INCLUSION[:0]], "no variables that could be selected", "%"),
        (plots.information_sources, [SOURCES[:0]], "no other variables", "together"),
    ],
)  # fmt: skip
def test_what_a_figure_says_goes_with_what_it_is_given(draw, args, said, unsaid):
    alt = draw(*args).figure.get_label()
    assert said in alt and unsaid not in alt


def test_few_ratings_are_not_described_and_none_are_not_drawn(dyads):
    few = dyads.assign(client_alliance=dyads["client_alliance"].iloc[10:13])
    alt = plots.informants(few).figure.get_label()
    assert "side by side" in alt and "Client: fewer than 5 ratings; Case manager: mean" in alt
    one = plots.informants(dyads.assign(client_alliance=np.nan))
    assert "Client" not in one.figure.get_label() and "side by side" not in one.figure.get_label()
    assert one.get_xlim()[0] == 0 and "Client" not in [text.get_text() for text in one.texts]
    nobody = plots.informants(dyads.assign(client_alliance=np.nan, case_manager_alliance=np.nan))
    assert "Client: no ratings; Case manager: no ratings." in nobody.figure.get_label()


def test_informants_are_said_from_the_data(dyads):
    alt = plots.informants(dyads).figure.get_label()
    # three clients gave no rating: fewer than five, which no n may tell
    for column, n in (("client_alliance", "at least 116"), ("case_manager_alliance", 120)):
        mean, sd = dyads[column].mean(), dyads[column].std()
        assert f"mean {mean:.1f}, SD {sd:.1f}, n {n}" in alt


@pytest.mark.parametrize("name", ["forest", "equivalence", "equivalence, log", "halo_contrast"])
def test_every_interval_is_drawn_and_said(name, dyads):
    draw, args, more = drawings(dyads)[name]
    gap = args[0].copy()
    gap.loc[len(gap)] = gap.iloc[0]
    gap.loc[len(gap) - 1, ["estimate", "conf_low", "conf_high"]] = np.nan
    gap.loc[len(gap) - 1, "term"] = "hospital_days"
    ax = draw(gap, *args[1:], **more)
    drawn = {
        ends
        for line in ax.lines
        for ends in itertools.pairwise(np.round(line.get_xdata(), 9).tolist())
    }
    alt = ax.figure.get_label()
    assert "Hospital" not in alt  # nothing is known about it
    for row in args[0].itertuples():
        assert (round(row.conf_low, 9), round(row.conf_high, 9)) in drawn
        low, high = (style.figure_number(v) for v in (row.conf_low, row.conf_high))
        assert f"{style.figure_number(row.estimate)} ({low} to {high})" in alt


def test_halo_contrast_divides_by_who_rated():
    rows = intervals(["client_outcome", "symptoms", "hospital_days"])
    rows["rater"] = rows["term"].map({"client_outcome": "client"}).fillna("rater")
    same, other = plots.halo_contrast(rows, BOOK).figure.get_label().split("Somebody else")
    assert "client's view (Client)" in same and "Symptom" not in same
    assert "client's view (Case manager)" in other and "Hospital days" in other
    given = plots.halo_contrast(rows.assign(rater=rows["informant"])).figure.get_label()
    assert "The same person" in given and "Somebody else" not in given


def test_blocks_get_headings():
    rows = intervals(["client_age", "symptoms"]).assign(
        block=["pretreatment"] * 2 + ["outcome"] * 2
    )
    said = [text.get_text() for text in plots.forest(rows, codebook=BOOK).texts]
    order = [said.index(t) for t in ("Pretreatment", "Client age", "Outcome", "Symptom severity")]
    assert order == sorted(order)
    assert "Pretreatment" not in [t.get_text() for t in plots.forest(rows[:2], codebook=BOOK).texts]


def test_single_dyads_can_be_kept_out(dyads):
    pair = dyads["client_alliance"], dyads["case_manager_alliance"], AGREEMENT
    for draw in (plots.paired_scatter, plots.bland_altman):
        ax = draw(*pair, show_rows=False)
        assert not ax.collections  # no scatter
        middles = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
        assert 0 < len(middles) <= 117 // 20  # medians of 20 dyads or more


@pytest.mark.parametrize(
    ("draw", "args"),
    [
        (plots.informants, [pd.DataFrame({"a": [np.nan], "b": [5.0]}), ["a", "b"]]),
        (plots.paired_scatter, [[np.nan, 3.0], [1.0, np.nan], AGREEMENT]),
        (plots.bland_altman, [[1.0], [1.0], AGREEMENT]),
        (plots.forest, [intervals(["symptoms"]).iloc[:0]]),
        (plots.equivalence, [intervals(["symptoms"]).iloc[:0], 0.8, 1.25, True]),
        (plots.halo_contrast, [intervals(["symptoms"], rater="").iloc[:0]]),
        (plots.r_squared_blocks, [{}]),
        (plots.days_distribution, [EXPECTED.iloc[:1]]),
        (plots.bayes_sensitivity, [BAYES.assign(bf10=np.nan)]),
        (plots.power_curve, [POWER.assign(power=0.2)]),
        (plots.equivalence_power, [RATIOS.iloc[:0], 0.8, 1.25]),
    ],
)  # fmt: skip
def test_nearly_nothing_is_still_a_figure(draw, args):
    figure = draw(*args).figure
    figure.canvas.draw()
    assert figure.get_label() and "nan" not in figure.get_label()


def test_names_from_a_file_are_not_typeset():
    rows = intervals(["cost in $ or $^{", "100 % & <b>"])
    plots.forest(rows).figure.canvas.draw()  # mathtext would raise on the first


def test_pairs_must_be_pairs():
    with pytest.raises(ParameterError, match=r"\(3,\) and \(2,\)"):
        plots.paired_scatter([1, 2, 3], [1, 2], AGREEMENT)


@pytest.mark.parametrize("module", MODULES)
def test_figures_fit_nothing(module):
    """A plot may import how to draw and how to print, but nothing that estimates."""
    allowed = {"study", "errors", "paths", "claims", "cohorts", "printing", "style", "collections",
               "dataclasses", "functools", "pathlib", "textwrap", "numpy", "pandas", "matplotlib",
               "seaborn", "__future__"} | {Path(m).stem for m in MODULES}  # fmt: skip
    tree = ast.parse((HERE / module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert {(node.module or a.name).split(".")[0] for a in node.names} <= allowed
        elif isinstance(node, ast.Import):
            assert {a.name.split(".")[0] for a in node.names} <= allowed
        elif isinstance(node, ast.Attribute):
            assert node.attr not in {
                "polyfit",
                "lstsq",
                "corr",
                "corrcoef",
                "cov",
                "linalg",
                "solve",
            }


@pytest.mark.parametrize("seen", BLIND)
@pytest.mark.parametrize(
    "looks", [style.INFORMANTS, style.VERDICTS], ids=["informants", "verdicts"]
)
def test_colours_stay_apart(looks, seen):
    """A distance of 20 in CIE Lab is many times what is just noticeable (about 2.3)."""
    for a, b in itertools.combinations(looks.values(), 2):
        assert np.linalg.norm(lab(a.color, seen) - lab(b.color, seen)) > 20
        assert a.marker != b.marker


def test_models_differ_without_colour():
    looks = list(style.FAMILIES.values())
    assert len({x.marker for x in looks}) == len({str(x.dashes) for x in looks}) == len(looks)


@pytest.mark.parametrize("name", NAMES)
def test_text_contrast(name, dyads):
    """Text is dark on white or shade, or white on the darkest tile: at least 4.5 to 1."""
    draw, args, more = drawings(dyads)[name]
    for text in draw(*args, **more).figure.findobj(mpl.text.Text):
        if not text.get_text():
            continue
        grounds = (style.PAPER, style.SHADE)
        if to_rgb(text.get_color()) == to_rgb("white"):
            grounds = (style.VERDICTS["supported"].color,)
            assert text.get_text() == "✔"
        assert min(contrast(text.get_color(), g) for g in grounds) >= 4.5
        assert text.get_fontsize() >= 9
    for verdict in ("not_supported", "inconclusive"):
        assert contrast(style.INK, style.VERDICTS[verdict].color) >= 4.5
    for look in style.INFORMANTS.values():
        assert contrast(look.color, style.PAPER) >= 3  # WCAG 1.4.11, graphics

"""The defensible ways to ask the data about each claim, which of them are truly different, and the
joint permutation test of them all.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import itemgetter

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..cohorts.cohort import followed
from ..errors import NotEstimableError
from ..models.partial import CORRELATIONS, COUNT_ESTIMATORS, ESTIMATORS
from ..models.permutations import Permutations, joint_test
from ..study.clean import CleanStudy
from ..study.codebook import SHORT_OF_36, Codebook
from ..study.read_codebook import book_of
from ..study.score import score
from . import verdicts
from .rules import ABSENCES, KEY, Claim, Rules, read_rules, read_stress
from .verdicts import (
    BLOCKS,
    ClaimData,
    Effect,
    Judged,
    claim_data,
    complete_of,
    effect_of,
    verdict_of,
)
from .views import usable

FORMS = {"WAI-36": None, **SHORT_OF_36}
"""Short forms as signed numbers of the 36 items (Tracey & Kokotovic 1989; Hatcher & Gillaspy
2006), answered on the 36-item form's scale."""
Scored = dict[tuple[str, str], pd.DataFrame]
CHOICES = ["scoring", "items", "covariates", "outliers", "estimator"]


def scored_tables(clean: CleanStudy | pd.DataFrame, book: Codebook) -> Scored:
    """The dyad table by scoring rule and rule for unanswered items; first as it is.

    A dyad table alone has no items: it is taken as scored.
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    if clean is dyads or not book.scales:
        return {("as given", "as given"): dyads}
    ratings = [i["alliance"] for i in book.informants.values()]
    forms = {book.scales[r].form if r in book.scales else None for r in ratings}
    answers, tables = {name: clean.items(name) for name in book.scales}, {}
    scorings = FORMS if forms == {"WAI-36"} else ["total"]
    for scoring, items in product(scorings, ("prorated", "all answered")):
        scored = {}
        for name, scale in book.scales.items():
            keys = FORMS.get(scoring) if name in ratings else None
            if not keys and items == "prorated":
                continue
            missing = 0.0 if items == "all answered" else scale.max_missing
            with warnings.catch_warnings():
                # Cleaning has already said which items run against their scale.
                warnings.simplefilter("ignore", UserWarning)
                found = score(answers[name], keys or scale.keys, scale.limits, scale.score, missing)
            scored[name] = found["total"].to_numpy()
        tables[scoring, items] = dyads.assign(**scored)
    return tables


def covariate_sets(claim: Claim, dyads: pd.DataFrame, book: Codebook, rules: Rules) -> dict:
    """Names of the sets of covariates, and their columns; never what the claim itself is about."""
    tested = {*claim.variables(book), *(book.informants[i]["alliance"] for i in book.informants)}
    usual = [c for c in rules.days_adjusted_for if c in dyads]
    site = [c for c in usual if not pd.api.types.is_numeric_dtype(dyads[c])]
    pre, treat = (list(book.blocks.get(b, ())) for b in ("pretreatment", "treatment"))
    always = usual if claim.kind == "rate_absence" else []
    sets = {
        "none": [],
        "site type": site,
        "pretreatment": always + pre,
        "treatment": always + treat,
        "pretreatment and treatment": always + pre + treat,
        "site type and days before": always,
    }
    found: dict[str, list[str]] = {}
    for name, columns in sets.items():
        left = usable(dyads, [c for c in dict.fromkeys(columns) if c not in tested])
        if (left or name == "none") and set(left) not in map(set, found.values()):
            found[name] = left
    return found


def estimators(claim: Claim, data: ClaimData) -> list[str]:
    """Estimators that are defensible for a claim.

    Dyads are not taken as independent where every tested variable belongs to the case manager:
    such a test rejects in a fifth of all cohorts with nothing there.
    """
    if claim.kind == "rate_absence":
        return list(COUNT_ESTIMATORS) if data.groups is not None else ["poisson", "negbin"]
    if claim.kind == "modest":
        return list(CORRELATIONS) if data.groups is not None else ["pearson"]
    if data.groups is None:
        return ["ols"]
    codes = np.unique(data.groups, return_inverse=True)[1]
    first = np.unique(codes, return_index=True)[1]
    of_manager = (data.X[first][codes] == data.X).all()
    return [e for e in ESTIMATORS if e != "ols" or not of_manager]


def _fingerprint(data: ClaimData) -> str:
    """The same for data sets that no estimator here can tell apart: units do not matter."""
    whole = np.column_stack([data.y, data.X, data.Z])
    spread = whole.std(axis=0)
    scaled = (whole - whole.mean(axis=0)) / np.where(spread > 0, spread, 1)
    parts = data.rows.tobytes(), (np.round(scaled, 8) + 0.0).tobytes()
    return hashlib.blake2b(b"".join(parts), digest_size=16).hexdigest()


def _without_extremes(values: np.ndarray) -> np.ndarray:
    far = np.abs(values - values.mean(axis=0)) > 3 * values.std(axis=0, ddof=1)
    return np.where(far & _many_valued(values), np.nan, values)


def _winsorised(values: np.ndarray) -> np.ndarray:
    inside = np.clip(values, *np.quantile(values, [0.05, 0.95], axis=0))
    return np.where(_many_valued(values), inside, values)


def _many_valued(values: np.ndarray) -> np.ndarray:
    return np.array([len(np.unique(column)) > 2 for column in values.T])


OUTLIERS = {
    "kept": None,
    "beyond 3 SD out": _without_extremes,
    "winsorised 5 %": _winsorised,
    "ranks": partial(rankdata, axis=0),
}
"""What is done about extreme values; two-valued variables have none."""


JOINT = "n_specifications estimate lowest highest expected p_value p_low p_high set_apart_by n_perm"
RESULTS = ["estimate", "conf_low", "conf_high", "p_value", "n", "df", "p_equivalence", "verdict"]


@dataclass(frozen=True)
class Multiverse:
    """Every specification of each claim, and the joint tests.

    Attributes
    ----------
    specifications : DataFrame
        `finding claim informant term scoring items covariates outliers estimator estimate
        conf_low conf_high p_value n df p_equivalence verdict`; estimates as in findings.csv.
    joint : DataFrame
        The joint test of each claim: `finding claim informant n_specifications estimate lowest
        highest expected p_value p_low p_high set_apart_by n_perm`; of days the estimates are log
        rate ratios. `set_apart_by`: the choice that separates verdicts most, empty where none
        does.
    skipped : DataFrame
        Specifications that cannot be estimated, with the `reason`.
    """

    specifications: pd.DataFrame
    joint: pd.DataFrame
    skipped: pd.DataFrame

    def verdict_of(self, claim: Claim, rules: Rules, settings: dict) -> Judged:
        """The median over a claim's specifications, its joint test, and what they say together.

        `settings` are those of `multiverse` in `data/stress.yml`.
        """
        tables = (self.specifications, self.joint, self.skipped)
        key = list(claim.key)
        specs, joint, skipped = (t[(t[KEY] == key).all(axis=1)] if len(t) else t for t in tables)
        if not len(specs):
            why = skipped["reason"].mode().tolist() or ["no specification is possible"]
            raise NotEstimableError(why[0])
        alpha, row = settings["alpha"], joint.iloc[0]
        said = _possible(claim, specs, rules, row, settings)
        verdict = said.pop() if len(said) == 1 else verdicts.INCONCLUSIVE
        many = f"{len(specs)} specifications"
        rule, inside = f"joint permutation test of the median over {many}, p < {alpha:g}", np.nan
        if claim.kind in ABSENCES:
            rule = f"median p of equivalence below {alpha:g}; against it, {rule}"
            inside = _median_p(claim, specs)
        rule += " (too few permutations to tell)" * bool(said)
        median, n = float(specs["estimate"].median()), int(specs["n"].median())
        effect = Effect(median, float(row["p_value"]), n, np.nan, p_equivalence=inside)
        return effect, (verdict, rule)

    def _repr_html_(self) -> str:
        head = f"<p>{len(self.specifications):,} different specifications.</p>"
        return head + self.joint.to_html(index=False, float_format="{:.3g}".format)


def _possible(claim: Claim, specs: pd.DataFrame, rules: Rules, joint, settings: dict) -> set[str]:
    """The verdicts that a claim may get while its joint p lies between `p_low` and `p_high`."""
    median, alpha = specs["estimate"].median(), settings["alpha"]
    order = [verdicts.NOT_SUPPORTED, verdicts.INCONCLUSIVE, verdicts.SUPPORTED]
    against = specs["verdict"].map(order.index).median() < 0.5  # that of the one in the middle
    right = claim.kind == "block_difference" or (median > 0) == (claim.direction > 0)
    if claim.kind == "modest":
        right &= specs["conf_high"].median() < rules.bounds["modest_high"]
    found = set()
    for clear in {joint[p] < alpha for p in ("p_low", "p_high")}:
        holds, fails = clear and right and not against, against
        if claim.kind in ABSENCES:
            holds, fails = _median_p(claim, specs) < alpha, clear
        found.add(verdicts.verdict(holds, fails))
    return found


def _median_p(claim: Claim, specs: pd.DataFrame) -> float:
    """Of the test that a claim rests on."""
    p = specs["p_equivalence" if claim.kind in ABSENCES else "p_value"]
    return float(p.fillna(1).median())


def set_apart_by(claim: Claim, specs: pd.DataFrame) -> str:
    """The choice whose options' median p lie furthest apart, on both sides of .05; else nothing.

    Of an absence that some specification supports the p of equivalence, else that of the effect.
    """
    absent = claim.kind in ABSENCES and (specs["verdict"] == verdicts.SUPPORTED).any()
    p = specs["p_equivalence" if absent else "p_value"].fillna(1)
    medians = [(c, p.groupby(specs[c]).median()) for c in CHOICES if specs["verdict"].nunique() > 1]
    apart = [(np.ptp(m), c, m) for c, m in medians if m.min() < 0.05 <= m.max()]
    if not apart:
        return ""
    _, choice, found = max(apart, key=itemgetter(0))
    told = [f"{found[end]:.3f} with {end}" for end in (found.idxmin(), found.idxmax())]
    of = "p of equivalence" if absent else "p"
    return f"{choice}: median {of} {', '.join(text.removeprefix('0') for text in told)}"


def multiverse(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    claim: str | None = None,
    n_perm: int | None = None,
    seed: int = 1995,
    settings: dict | None = None,
) -> Multiverse:
    """Every distinct defensible specification of each claim, with a joint permutation test.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
        A cleaned study; or a dyad table, which has no items to score in other ways.
    codebook : Codebook, optional
        By default the study's own, or the shipped one.
    rules : Rules, optional
        The shipped `data/findings.yml` by default.
    finding, claim : str, optional
        Only these.
    n_perm : int, optional
        Permutations of the joint test to begin with; 0 for none, by default those of `settings`.
    seed : int
    settings : dict, optional
        By default those of `multiverse` in `data/stress.yml`.

    Returns
    -------
    Multiverse

    Raises
    ------
    ParameterError
        A finding that no claim is of.
    NotEstimableError
        No claim can be put to the study.

    Notes
    -----
    Choices: scoring of the alliance (36 items, or the short forms WAI-S and WAI-SR from the same
    answers), unanswered items (prorated, or all answered), covariates, outliers (kept, out beyond
    3 SD, winsorised, ranks) and estimator (least squares, with CR2 errors, mixed model; of the two
    ratings their correlation, dyads independent or errors by leaving out case managers; for days
    Poisson, with CR2 errors, negative binomial). Least squares with independent dyads is no choice
    for case managers' own characteristics. Subscale means lead to the same analysis as totals, and
    are not counted again.

    The joint test permutes residuals on the covariates (Freedman & Lane 1983), inside case
    managers and between case managers of like size, alike in all specifications. They are
    doubled, `doublings` times at most, until the Monte Carlo interval of the median's p leaves one
    verdict.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> dyads = simulate_dyads("published", 201, 7)
    >>> found = multiverse(dyads, finding="3", claim="own_outcome", n_perm=99)
    >>> found.joint["p_value"].round(3).tolist()
    [0.005]
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    book, rules = book_of(dyads, codebook), rules or read_rules()
    finding, settings = rules.finding(finding), settings or read_stress()["multiverse"]
    n_perm = settings["n_perm"] if n_perm is None else n_perm
    found = Collector(scored_tables(clean, book), book, rules, settings, n_perm, seed)
    for one in followed(rules.claims, "Claims"):
        asked = finding in (None, one.finding) and claim in (None, one.claim)
        if asked and one.kind != "all_of" and not one.over_time:
            found.collect(one)
    if not (found.rows or found.skipped):
        but = " but over time" * any(c.over_time for c in rules.claims)
        raise NotEstimableError(f"no claim{but} can be put to this study")
    return Multiverse(
        pd.DataFrame(found.rows, columns=[*KEY, "term", *CHOICES, *RESULTS]),
        pd.DataFrame(found.joint, columns=[*KEY, *JOINT.split()]),
        pd.DataFrame(found.skipped, columns=[*KEY, *CHOICES, "reason"]),
    )


class Collector:
    """Collects the specifications of one claim after another, fitted and permuted.

    Parameters
    ----------
    tables : dict
        From :func:`scored_tables`.
    book, rules, settings, n_perm, seed
        As in :func:`multiverse`.

    Attributes
    ----------
    rows, joint, skipped : list of dict
        As in :class:`Multiverse`.
    """

    def __init__(
        self, tables: Scored, book: Codebook, rules: Rules, settings: dict, n_perm: int, seed: int
    ) -> None:
        self.tables, self.book, self.rules, self.settings = tables, book, rules, settings
        self.rows, self.joint, self.skipped = [], [], []
        dyads = next(iter(tables.values()))
        groups = dyads[book.case_manager] if book.case_manager else None
        self.shuffles = partial(Permutations, groups, len(dyads), n_perm)
        self.first, self.seed = self.shuffles(seed) if n_perm else None, seed

    @contextmanager
    def _skipping(self, choice: dict) -> Iterator[None]:
        """Note the reason why a choice cannot be estimated."""
        try:
            yield
        except NotEstimableError as error:
            self.skipped.append(choice | {"reason": str(error)})

    def collect(self, claim: Claim) -> None:
        """Fit every specification of a claim, and test them all at once."""
        head = dict(zip(KEY, claim.key, strict=True))
        seen, rows, fits = set(), [], []
        sets = covariate_sets(claim, next(iter(self.tables.values())), self.book, self.rules)
        for (rule, dyads), (covariates, held) in product(self.tables.items(), sets.items()):
            choice = head | dict(zip(CHOICES, (*rule, covariates), strict=False))
            with self._skipping(choice):
                found = complete_of(claim, dyads, self.book, held)
                for outliers, transform in OUTLIERS.items():
                    this = choice | {"outliers": outliers}
                    with self._skipping(this):
                        data = claim_data(claim, found, transform)
                        if (mark := _fingerprint(data)) not in seen:
                            seen.add(mark)
                            rows += self._fitted(data, this, fits)
        self.rows += rows
        if rows and self.first is not None:
            self.joint.append(head | self._tested(claim, pd.DataFrame(rows), fits))

    def _fitted(self, data: ClaimData, choice: dict, fits: list) -> Iterator[dict]:
        """A row for each estimator; `fits` get it, to be permuted."""
        claim = data.claim
        term = claim.name or claim.block or claim.term
        for estimator in estimators(claim, data):
            entry = choice | {"estimator": estimator, "term": term}
            with self._skipping(entry):
                effect = effect_of(data.model.observed(estimator), claim, self.rules)
                fits.append((data.model, estimator, data.rows))
                verdict, _ = verdict_of(effect, claim, self.rules)
                yield entry | vars(effect) | {"verdict": verdict}

    def _tested(self, claim: Claim, specs: pd.DataFrame, fits: list) -> dict:
        """The joint test of the median, by so many permutations as leave one verdict."""
        directed, looks = claim.kind not in BLOCKS, self.settings["doublings"] + 1
        medians = [_medians(fits, self.first)]
        while True:
            row = joint_test(np.concatenate(medians), directed, looks)
            settled = len(_possible(claim, specs, self.rules, row, self.settings)) == 1
            if settled or len(medians) >= 2 ** (looks - 1):
                told = specs["estimate"].agg(["median", "min", "max"])  # of the full fits
                told = np.log(told) if claim.kind == "rate_absence" else told
                row |= zip(("estimate", "lowest", "highest"), told, strict=True)
                row["set_apart_by"] = set_apart_by(claim, specs)
                return row | {"n_specifications": len(fits)}
            parts = range(len(medians), 2 * len(medians))
            medians += [_medians(fits, self.shuffles([self.seed, part]))[1:] for part in parts]


def _medians(fits: list, permutations: Permutations) -> np.ndarray:
    """The median estimate, observed and under each permutation."""
    last, found = None, []
    for model, estimator, rows in fits:
        if model is not last:
            shuffled, last = model.shuffle(permutations.among(rows)), model
        found.append(model.estimates(estimator, shuffled))
    return np.median(found, axis=0)

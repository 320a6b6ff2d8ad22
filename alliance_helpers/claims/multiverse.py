"""The defensible ways to ask the data about each claim, which of them are truly different, and the
joint permutation test of them all.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..errors import NotEstimableError
from ..models.partial import COUNT_ESTIMATORS, ESTIMATORS, Partial
from ..models.permutations import Permutations, joint_test
from ..study.clean import CleanStudy
from ..study.codebook import Codebook, Scale
from ..study.read_codebook import book_of
from ..study.score import score
from . import verdicts
from .evidence import BLOCKS, ClaimData, complete_of, effect_of, made, verdict_of
from .rules import Claim, Rules, read_rules
from .verdicts import Effect
from .views import as_numbers

FORMS = {
    "WAI-36": None,
    "WAI-S": {"task": [2, 4, 24, 35], "bond": [8, 21, 23, 26], "goal": [-12, 22, -27, 32]},
    "WAI-SR": {"task": [25, 4, 16, 35], "bond": [8, 19, 23, 36], "goal": [30, 22, 24, 32]},
}
"""Short forms as signed numbers of the 36 items (Tracey & Kokotovic 1989; Hatcher & Gillaspy
2006), answered on the 36-item form's scale."""
CHOICES = ["scoring", "items", "covariates", "outliers", "estimator"]


class Tables:
    """Dyad tables by scoring rule and rule for unanswered items, made when first asked for.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
        A dyad table alone has no items: it is taken as scored.
    book : Codebook
    """

    def __init__(self, clean: CleanStudy | pd.DataFrame, book: Codebook) -> None:
        self.clean, self.book = clean, book
        self.dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
        self.scales = {} if clean is self.dyads else dict(book.scales)
        for slow in ("table", "covariates", "_items"):
            setattr(self, slow, cache(getattr(self, slow)))

    @property
    def rules(self) -> list[tuple[str, str]]:
        """Scoring rules and item rules that these data allow."""
        if not self.scales:
            return [("as given", "as given")]
        ratings = [i["alliance"] for i in self.book.informants.values()]
        forms = [self.scales[r].form if r in self.scales else None for r in ratings]
        scorings = list(FORMS) if set(forms) == {"WAI-36"} else ["total"]
        return list(product(scorings, ("prorated", "all answered")))

    def table(self, scoring: str, items: str) -> pd.DataFrame:
        """The dyad table under one pair of rules."""
        ratings = [i["alliance"] for i in self.book.informants.values()]
        made = {}
        for name, scale in self.scales.items():
            keys = FORMS.get(scoring) if name in ratings else None
            if keys or items == "all answered":
                made[name] = self._scored(scale, keys, items)
        return self.dyads.assign(**made)

    def covariates(self, scoring: str, items: str, names: tuple[str, ...]) -> np.ndarray:
        """Columns of that table as numbers."""
        return as_numbers(self.table(scoring, items), list(names)).to_numpy(float)

    def _items(self, scale: str) -> pd.DataFrame:
        return self.clean.items(scale)

    def _scored(self, scale: Scale, keys, items: str) -> np.ndarray:
        found = self._items(scale.name)
        max_missing = 0.0 if items == "all answered" else scale.max_missing
        if keys:
            used = sorted(abs(i) for part in keys.values() for i in part)
            found = found.iloc[:, [i - 1 for i in used]]
            place = {number: at + 1 for at, number in enumerate(used)}
            keys = {p: [int(np.sign(i)) * place[abs(i)] for i in part] for p, part in keys.items()}
        keys = keys or dict(scale.keys)
        with warnings.catch_warnings():
            # Cleaning has already said which items run against their scale.
            warnings.simplefilter("ignore", UserWarning)
            plain = found.reset_index(drop=True)
            return score(plain, keys, scale.limits, scale.score, max_missing)["total"].to_numpy()


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
    }
    if claim.kind == "rate_absence":
        sets["site type and days before"] = usual
    found: dict[str, list[str]] = {}
    for name, columns in sets.items():
        left = [c for c in dict.fromkeys(columns) if c in dyads and c not in tested]
        left = [c for c in left if dyads[c].nunique() > 1]
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
    if data.groups is None:
        return ["ols"]
    codes = np.unique(data.groups, return_inverse=True)[1]
    first = np.unique(codes, return_index=True)[1]
    of_manager = (data.X[first][codes] == data.X).all()
    return [e for e in ESTIMATORS if e != "ols" or not of_manager]


def _fingerprint(data: ClaimData) -> str:
    """The same for data sets that no estimator here can tell apart: units do not matter."""
    parts = [data.rows]
    for block in (data.y[:, None], data.X, data.Z):
        spread = block.std(axis=0)
        scaled = (block - block.mean(axis=0)) / np.where(spread > 0, spread, 1)
        parts.append(np.round(scaled, 8) + 0.0)
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _without_extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    spread = values.std(axis=0, ddof=1)
    far = np.abs(values - values.mean(axis=0)) > 3 * spread
    far &= np.array([len(np.unique(c)) > 2 for c in values.T])
    return values, ~far.any(axis=1)


def _winsorised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    many = np.array([len(np.unique(c)) > 2 for c in values.T])
    return np.where(many, np.clip(values, low, high), values), np.ones(len(values), bool)


def _ranks(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rankdata(values, axis=0), np.ones(len(values), bool)


OUTLIERS = {
    "kept": None,
    "beyond 3 SD out": _without_extremes,
    "winsorised 5 %": _winsorised,
    "ranks": _ranks,
}
"""What is done about extreme values; two-valued variables have none."""


KEY = ["finding", "claim", "informant"]
RESULTS = [
    "estimate", "conf_low", "conf_high", "p_value", "n", "df", "p_equivalence", "verdict",
]  # fmt: skip


@dataclass(frozen=True)
class Multiverse:
    """Every specification of each claim, and the joint tests.

    Attributes
    ----------
    specifications : DataFrame
        `finding claim informant term scoring items covariates outliers estimator estimate
        conf_low conf_high p_value n df p_equivalence verdict`; estimates as in findings.csv.
    joint : DataFrame
        `finding claim informant statistic estimate expected p_value n_specifications n_perm`; of
        days the estimates are log rate ratios.
    skipped : DataFrame
        Specifications that cannot be estimated, with the `reason`.
    n_same : int
        Data sets left out because they are the very same as one before.
    """

    specifications: pd.DataFrame
    joint: pd.DataFrame
    skipped: pd.DataFrame
    n_same: int

    def verdict_of(
        self, claim: Claim, rules: Rules, settings: dict
    ) -> tuple[Effect, tuple[str, str]]:
        """The median over a claim's specifications, its joint test, and what they say together.

        `settings` are those of `multiverse` in `data/stress.yml`.
        """
        tables = (self.specifications, self.joint, self.skipped)
        key = list(claim.key)
        specs, joint, skipped = (t[(t[KEY] == key).all(axis=1)] if len(t) else t for t in tables)
        if not len(specs):
            why = skipped["reason"].mode().tolist() or ["no specification is possible"]
            raise NotEstimableError(why[0])
        statistic, alpha, most = (settings[s] for s in ("statistic", "alpha", "majority"))
        p = float(joint.set_index("statistic").loc[statistic, "p_value"])
        median, clear = float(specs["estimate"].median()), p < alpha
        share = specs["verdict"].value_counts(normalize=True)
        against = share.get(verdicts.NOT_SUPPORTED, 0.0)
        if claim.kind in ("block_absence", "rate_absence"):
            holds, fails = share.get(verdicts.SUPPORTED, 0.0) > most, clear
            rule = f"more than {most:.0%} of {len(specs)} specifications inside the bound"
        else:
            right = claim.kind == "block_difference" or (median > 0) == (claim.sign == "positive")
            holds, fails = clear and right and against <= most, against > most
            if claim.kind == "modest":
                holds &= (specs["conf_high"] < rules.bounds["modest_high"]).mean() > most
            rule = (
                f"joint permutation test of the {statistic} over {len(specs)} specifications, "
                f"p < {alpha:g}"
            )
        verdict = verdicts.NOT_SUPPORTED if fails else verdicts.INCONCLUSIVE
        verdict = verdicts.SUPPORTED if holds else verdict
        low, high = specs["estimate"].min(), specs["estimate"].max()
        criterion = f"{rule} (estimates {low:.2f} to {high:.2f})"
        return Effect(median, p, int(specs["n"].median()), np.nan), (verdict, criterion)

    def _repr_html_(self) -> str:
        head = f"<p>{len(self.specifications):,} different specifications.</p>"
        return head + self.joint.to_html(index=False, float_format="{:.3g}".format)


def multiverse(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    claim: str | None = None,
    n_perm: int = 500,
    seed: int = 1995,
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
    n_perm : int
        Permutations of the joint test; 0 for none.
    seed : int

    Returns
    -------
    Multiverse

    Raises
    ------
    ParameterError
        A finding that no claim is of.

    Notes
    -----
    Choices: scoring of the alliance (36 items, or the short forms WAI-S and WAI-SR from the same
    answers), unanswered items (prorated, or all answered), covariates, outliers (kept, out beyond
    3 SD, winsorised, ranks) and estimator (least squares, with CR2 errors, mixed model; for days
    Poisson, with CR2 errors, negative binomial). Least squares with independent dyads is no choice
    for case managers' own characteristics. Subscale means lead to the same analysis as totals, and
    are not counted again.

    The joint test permutes residuals on the covariates (Freedman & Lane 1983), inside case
    managers and between case managers of like size, alike in all specifications.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> dyads = simulate_dyads("published", 201, 7)
    >>> found = multiverse(dyads, finding="3", claim="own_outcome", n_perm=99)
    >>> found.joint["p_value"].tolist()
    [0.01, 0.03, 0.01]
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    tables = Tables(clean, book_of(dyads, codebook))
    rules = rules or read_rules()
    finding = rules.finding(finding)
    groups = tables.dyads[tables.book.case_manager] if tables.book.case_manager else None
    shuffles = Permutations(groups, len(tables.dyads), n_perm, seed) if n_perm else None
    found = [
        Specifications(c, tables, rules, shuffles)
        for c in rules.claims
        if c.kind != "all_of" and finding in (None, c.finding) and claim in (None, c.claim)
    ]
    rows, skipped = ([row for c in found for row in getattr(c, p)] for p in ("rows", "skipped"))
    joint = [table for table in (c.joint() for c in found) if len(table)]
    return Multiverse(
        pd.DataFrame(rows, columns=[*KEY, "term", *CHOICES, *RESULTS]),
        pd.concat(joint, ignore_index=True) if joint else pd.DataFrame(),
        pd.DataFrame(skipped, columns=[*KEY, *CHOICES, "reason"]),
        sum(c.n_same for c in found),
    )


class Specifications:
    """The specifications of one claim, fitted and permuted.

    Parameters
    ----------
    claim : Claim
    tables : Tables
    rules : Rules
    shuffles : Permutations or None

    Attributes
    ----------
    rows, skipped : list of dict
        As in :class:`Multiverse`.
    by_chance : list of (estimates, p_values)
        Of each specification under every permutation, the observed first.
    n_same : int
    """

    def __init__(
        self, claim: Claim, tables: Tables, rules: Rules, shuffles: Permutations | None
    ) -> None:
        self.claim, self.tables, self.rules, self.shuffles = claim, tables, rules, shuffles
        self.key = dict(zip(KEY, claim.key, strict=True))
        self.rows: list[dict] = []
        self.skipped: list[dict] = []
        self.by_chance: list[tuple[np.ndarray, np.ndarray]] = []
        self.n_same = 0
        self._share: float | None = None
        seen: set[str] = set()
        for choice, data in self._data_sets():
            if (mark := _fingerprint(data)) in seen:
                self.n_same += 1
            else:
                self._fit(choice, data)
            seen.add(mark)

    def _data_sets(self) -> Iterator[tuple[dict, ClaimData]]:
        """Every choice but the estimator, and its data."""
        tables, claim = self.tables, self.claim
        sets = covariate_sets(claim, tables.dyads, tables.book, self.rules)
        for (scoring, items), covariates in product(tables.rules, sets):
            choice = self.key | {"scoring": scoring, "items": items, "covariates": covariates}
            table = tables.table(scoring, items)
            Z = tables.covariates(scoring, items, tuple(sets[covariates]))
            try:
                found = complete_of(claim, table, tables.book, Z)
            except NotEstimableError as error:
                self._skip(choice, error)
                continue
            for outliers, rule in OUTLIERS.items():
                this = choice | {"outliers": outliers}
                try:
                    data = made(claim, found, rule)
                except NotEstimableError as error:
                    self._skip(this, error)
                    continue
                yield this, data

    def _skip(self, choice: dict, error: NotEstimableError) -> None:
        self.skipped.append(choice | {"reason": str(error)})

    def _fit(self, choice: dict, data: ClaimData) -> None:
        claim, order = self.claim, None
        try:
            model = data.model
            if self.shuffles is not None:
                order = self.shuffles.among(data.rows)
                order = model.shuffle(order) if isinstance(model, Partial) else order
        except NotEstimableError as error:
            self._skip(choice, error)
            return
        for estimator in estimators(claim, data):
            entry = choice | {"estimator": estimator}
            try:
                worth = self._worth(data, estimator)
                effect = effect_of(model.observed(estimator), claim, self.rules, worth)
                if order is not None:
                    self.by_chance.append(model.permuted(estimator, order))
            except NotEstimableError as error:
                self._skip(entry, error)
                continue
            verdict, _ = verdict_of(effect, claim, self.rules)
            term = claim.name or claim.block or claim.term
            self.rows.append(entry | {"term": term} | vars(effect) | {"verdict": verdict})

    def _worth(self, data: ClaimData, estimator: str) -> float | None:
        """What the dyads are worth to the bound of a block: their number if independent.

        The share that they are worth hardly depends on the specification; it is that of the first.
        """
        if self.claim.kind not in BLOCKS or estimator == "ols":
            return None
        if self._share is None:
            self._share = data.worth / len(data.y)
        return self._share * len(data.y)

    def joint(self) -> pd.DataFrame:
        """The joint tests of the claim; no rows without permutations."""
        if not self.by_chance:
            return pd.DataFrame()
        estimates, p_values = (np.stack(part) for part in zip(*self.by_chance, strict=True))
        table = joint_test(estimates, p_values, self.claim.kind not in BLOCKS)
        for place, (name, value) in enumerate(self.key.items()):
            table.insert(place, name, value)
        return table

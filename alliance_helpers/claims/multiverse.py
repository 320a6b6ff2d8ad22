"""Every defensible specification of each claim, and the joint permutation test."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from ..errors import NotEstimableError
from ..models.nesting import effective_n
from ..models.partial import ESTIMATORS, Partial, Permutations, joint_test
from ..models.partial_counts import COUNT_ESTIMATORS, PartialCounts
from ..study.clean import CleanStudy
from ..study.codebook import Codebook, Scale
from ..study.read_codebook import book_of
from ..study.score import score
from .evidence import (
    BLOCKS,
    ClaimData,
    case_managers,
    complete_beside,
    covariate_columns,
    effect_of,
    verdict_of,
)
from .rules import Claim, Rules, read_rules

FORMS = {
    "WAI-36": None,
    "WAI-S": {"task": [2, 4, 24, 35], "bond": [8, 21, 23, 26], "goal": [-12, 22, -27, 32]},
    "WAI-SR": {"task": [25, 4, 16, 35], "bond": [8, 19, 23, 36], "goal": [30, 22, 24, 32]},
}
"""Short forms as signed numbers of the 36 items (Tracey & Kokotovic 1989; Hatcher & Gillaspy
2006), answered on the 36-item form's scale."""
CHOICES = ["scoring", "items", "covariates", "outliers", "estimator"]


@dataclass(frozen=True)
class Design:
    """One data set for a claim: all choices but the estimator."""

    scoring: str
    items: str
    covariates: str
    outliers: str
    data: ClaimData


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
        self._made: dict[tuple[str, str], pd.DataFrame] = {}
        self._items: dict[str, pd.DataFrame] = {}
        self._covariates: dict[tuple, np.ndarray] = {}
        self.managers = case_managers(self.dyads, book)

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
        if (scoring, items) not in self._made:
            made = {}
            for name, scale in self.scales.items():
                is_rating = any(i["alliance"] == name for i in self.book.informants.values())
                keys = FORMS.get(scoring) if is_rating else None
                if keys or items == "all answered":
                    made[name] = self._scored(scale, keys, items)
            self._made[scoring, items] = self.dyads.assign(**made)
        return self._made[scoring, items]

    def covariates(self, scoring: str, items: str, names: tuple[str, ...]) -> np.ndarray:
        """Columns of that table as numbers, made when first asked for."""
        key = scoring, items, names
        if key not in self._covariates:
            self._covariates[key] = covariate_columns(self.table(scoring, items), names)
        return self._covariates[key]

    def _scored(self, scale: Scale, keys, items: str) -> np.ndarray:
        if scale.name not in self._items:
            self._items[scale.name] = self.clean.items(scale.name)
        found = self._items[scale.name]
        max_missing = 0.0 if items == "all answered" else scale.max_missing
        if keys:
            used = sorted(abs(i) for part in keys.values() for i in part)
            found = found.iloc[:, [i - 1 for i in used]]
            place = {number: at + 1 for at, number in enumerate(used)}
            keys = {p: [int(np.sign(i)) * place[abs(i)] for i in part] for p, part in keys.items()}
        with warnings.catch_warnings():
            # Cleaning has already said which items run against their scale.
            warnings.simplefilter("ignore", UserWarning)
            scores = score(
                found.reset_index(drop=True),
                keys or dict(scale.keys),
                scale.limits,
                scale.score,
                max_missing,
            )
        return scores["total"].to_numpy()


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


def designs(
    claim: Claim, tables: Tables, rules: Rules, skipped: list[dict]
) -> Iterator[Design | None]:
    """Every distinct data set for a claim; None for one that is the same as one before.

    Data sets that cannot be used are added to `skipped`, with the reason.
    """
    seen = set()
    sets = covariate_sets(claim, tables.dyads, tables.book, rules)
    for (scoring, items), covariates in product(tables.rules, sets):
        choice = {"scoring": scoring, "items": items, "covariates": covariates}
        try:
            Z = tables.covariates(scoring, items, tuple(sets[covariates]))
            table = tables.table(scoring, items)
            raw = complete_beside(claim, table, tables.book, Z, tables.managers)
        except NotEstimableError as error:
            skipped.append(choice | {"reason": str(error)})
            continue
        for outliers, rule in OUTLIERS.items():
            try:
                data = raw.made(rule)
            except NotEstimableError as error:
                skipped.append(choice | {"outliers": outliers, "reason": str(error)})
                continue
            mark = _fingerprint(data)
            yield None if mark in seen else Design(scoring, items, covariates, outliers, data)
            seen.add(mark)


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
    rows, joint, skipped, n_same = [], [], [], 0
    for c in rules.claims:
        if c.kind == "all_of" or finding not in (None, c.finding) or claim not in (None, c.claim):
            continue
        found = _Claim(c, tables, rules, shuffles)
        found.run()
        rows += found.rows
        skipped += found.skipped
        n_same += found.n_same
        if found.rows and shuffles is not None:
            joint.append(found.joint())
    return Multiverse(
        pd.DataFrame(rows, columns=[*KEY, "term", *CHOICES, *RESULTS]),
        pd.concat(joint, ignore_index=True) if joint else pd.DataFrame(),
        pd.DataFrame(skipped, columns=[*KEY, *CHOICES, "reason"]),
        n_same,
    )


def model_of(
    claim: Claim, data: ClaimData, shuffles: Permutations | None = None
) -> tuple[Partial | PartialCounts, np.ndarray | None]:
    """The model of one data set, and what its `permuted` takes, the observed first."""
    order = None if shuffles is None else shuffles.among(data.rows)
    if claim.kind == "rate_absence":
        return PartialCounts(data.y, data.X[:, 0], data.Z, data.groups), order
    model = Partial(data.y, data.X, data.Z, data.groups, block=claim.kind in BLOCKS)
    return model, None if order is None else model.shuffle(order)


class _Claim:
    """The specifications of one claim."""

    def __init__(self, claim: Claim, tables: Tables, rules: Rules, shuffles) -> None:
        self.claim, self.tables, self.rules, self.shuffles = claim, tables, rules, shuffles
        self.rows: list[dict] = []
        self.skipped: list[dict] = []
        self.n_same = 0
        self._share: float | None = None
        self.by_chance: list[tuple[np.ndarray, np.ndarray]] = []
        self.key = dict(zip(KEY, claim.key, strict=True))

    def run(self) -> None:
        """Fit every specification, observed and permuted."""
        skipped: list[dict] = []
        for design in designs(self.claim, self.tables, self.rules, skipped):
            if design is None:
                self.n_same += 1
            else:
                self._fit(design)
        self.skipped += [self.key | entry for entry in skipped]

    def _fit(self, design: Design) -> None:
        choice = {c: getattr(design, c) for c in CHOICES[:-1]}
        data = design.data
        try:
            model, shuffled = model_of(self.claim, data, self.shuffles)
        except NotEstimableError as error:
            self.skipped.append(self.key | choice | {"reason": str(error)})
            return
        for estimator in estimators(self.claim, data):
            entry = self.key | choice | {"estimator": estimator}
            try:
                effect = effect_of(
                    model.observed(estimator), self.claim, self.rules, self._worth(data, estimator)
                )
                if shuffled is not None:
                    self.by_chance.append(model.permuted(estimator, shuffled))
            except NotEstimableError as error:
                self.skipped.append(entry | {"reason": str(error)})
                continue
            verdict, _ = verdict_of(effect, self.claim, self.rules)
            found = {c: getattr(effect, c) for c in RESULTS[:-1]}
            term = self.claim.name or self.claim.block or self.claim.term
            self.rows.append(entry | {"term": term} | found | {"verdict": verdict})

    def _worth(self, data: ClaimData, estimator: str) -> float | None:
        """What the dyads are worth to the bound of a block: their number if independent.

        The share that they are worth hardly depends on the specification; it is that of the first.
        """
        if not self.claim.kind.startswith("block") or estimator == "ols":
            return None
        if self._share is None:
            worth = [effective_n(x, data.y, data.groups)["n_effective"].iloc[0] for x in data.X.T]
            self._share = float(np.mean(worth)) / len(data.y)
        return self._share * len(data.y)

    def joint(self) -> pd.DataFrame:
        """The joint tests of the claim."""
        estimates, p_values = (np.stack(part) for part in zip(*self.by_chance, strict=True))
        directed = not self.claim.kind.startswith("block")
        table = joint_test(estimates, p_values, directed)
        for place, (name, value) in enumerate(self.key.items()):
            table.insert(place, name, value)
        return table

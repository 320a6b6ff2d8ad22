"""Each claim under every defensible specification, and one test of all of them together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .claims import Claim, Rules, read_rules
from .cleaning import CleanStudy
from .codebook import Codebook, read_codebook
from .errors import NotEstimableError
from .estimation.joint_test import Permutations, joint_test
from .estimation.partial import Partial
from .estimation.partial_counts import PartialCounts
from .judging.claim_data import BLOCKS, ClaimData, effect_of, verdict_of
from .nesting import effective_n
from .robustness.specifications import CHOICES, Design, Tables, designs, estimators

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
    >>> from alliance_helpers.simulate import simulate_dyads
    >>> dyads = simulate_dyads("published", 201, 7)
    >>> found = multiverse(dyads, finding="3", claim="own_outcome", n_perm=99)
    >>> found.joint["p_value"].tolist()
    [0.01, 0.01, 0.01]
    """
    own = read_codebook() if isinstance(clean, pd.DataFrame) else clean.codebook
    tables = Tables(clean, codebook or own)
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

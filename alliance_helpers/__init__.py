"""From raw questionnaires to a verdict on each published claim about the working alliance.

Everything that people and notebooks call is named here and loaded when first used.
"""

from importlib import import_module

_HOME = {
    "load_study": "study.load",
    "clean": "study.clean",
    "score_wai": "study.score",
    "hospital_days": "study.days",
    "open_cohort": "cohorts.open",
    "open_study": "cohorts.open",
    "simulate_study": "cohorts.simulate",
    "simulate_dyads": "cohorts.simulate",
    "agreement": "models.agreement",
    "truth_and_bias": "models.agreement",
    "response_surface": "models.agreement",
    "reliability": "models.reliability",
    "hierarchical_regression": "models.regression",
    "bootstrap_selection": "models.selection",
    "count_regression": "models.counts",
    "count_ladder": "models.counts",
    "expected_counts": "models.counts",
    "equivalence": "models.inference",
    "equivalence_correlation": "models.inference",
    "bayes_factor_correlation": "models.inference",
    "pool": "models.missing",
    "effective_n": "models.nesting",
    "icc": "models.nesting",
    "power_correlation": "models.inference",
    "read_rules": "claims.rules",
    "assess": "claims.assess",
    "unavailable": "claims.assess",
    "agreement_by_subscale": "claims.views",
    "both_ratings": "claims.views",
    "choose": "claims.views",
    "correlation_matrix": "claims.views",
    "days_data": "claims.views",
    "overview": "claims.views",
    "ratings": "claims.views",
    "regression_blocks": "claims.views",
    "recovery": "claims.views",
    "whose_rating": "claims.views",
    "two_informants": "claims.two_informants",
    "stepwise_links": "claims.as_1995",
    "associations": "claims.associations",
    "bayes_factors": "claims.views",
    "power_table": "claims.views",
    "halo": "claims.associations",
    "information_sources": "claims.associations",
    "multiverse": "claims.multiverse",
    "reselection": "claims.reselection",
    "all_rows": "claims.stress",
    "save_figure": "pages.outputs",
    "save_table": "pages.outputs",
    "bullets": "pages.outputs",
    "note": "pages.outputs",
    "save_dyads": "pages.outputs",
    "save_findings": "pages.outputs",
    "save_log": "pages.outputs",
    "joint_tests": "pages.tables",
    "missingness": "pages.tables",
    "reliabilities": "pages.tables",
    "scorecard": "pages.tables",
    "table_one": "pages.tables",
    "verdict_sentences": "pages.tables",
    "then_and_now": "pages.tables",
}
_MODULES = {"exercises": "teaching", "plots": "pages", "widgets": "teaching"}

__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str):
    if name in _HOME:
        found = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in _MODULES:
        found = import_module(f".{_MODULES[name]}.{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

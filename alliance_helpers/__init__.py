"""From raw questionnaires to a verdict on each claim about the working alliance.

All that people and notebooks call, by the room it lives in, in the order in which data pass through
them: the name, its file (itself, if it is one), and what it answers; help(alliance_helpers.NAME)
says more. A name stands here and nowhere else, and is loaded when it is first used. Examples begin
with import numpy as np, import pandas as pd, from alliance_helpers import *.

study: From files to checked tables to one row per client, every change logged
  load_study               load         the raw tables of a study, with its codebook
  clean                    clean        tables cleaned, one row per client, and the log of changes
  score_wai                score        alliance scores from the answers to a form
  hospital_days            days         days in hospital inside a window, overlaps counted once

cohorts: The cohort that a notebook works on: shipped, your own, or simulated
  open_cohort              cohort       the cohort that a notebook's parameters ask for, cleaned
  simulate_study           simulate     the raw tables of a study whose truth is stated

models: From columns of numbers to tidy tables; no codebook, no claim
  agreement                agreement    do two raters agree: correlation, ICC, CCC, limits
  truth_and_bias           agreement    what pulls a judgment away from its reference
  response_surface         agreement    does an outcome go with level or disagreement
  reliability              reliability  how consistently items measure: alpha, omega
  hierarchical_regression  regression   what each block of variables adds
  bootstrap_selection      selection    how often stepwise regression chooses a term
  count_regression         counts       rate ratios of a count: Poisson to zero-inflated
  count_ladder             counts       the same rows under four count models
  expected_counts          counts       how many zeros, ones, ... each count model expects
  equivalence              inference    is an estimate inside bounds: two one-sided tests
  equivalence_correlation  inference    the same for a correlation
  bayes_factor_correlation inference    evidence for a correlation, or for none
  pool                     missing      one estimate from several imputed data sets
  icc                      nesting      how alike ratings are that share a group
  effective_n              nesting      how many independent rows grouped rows are worth
  power_correlation        inference    how often a study of n finds a correlation

claims: From a claim and a cohort to an estimate and a verdict
  read_rules               rules        the claims, and the bounds of their verdicts
  assess                   assess       each claim's estimate and verdict, as in findings.csv
  unavailable              assess       the claims that the study has no data for
  overview                 views        what came, what cleaning changed, and what it ends with
  agreement_by_subscale    views        agreement on task, bond, goal and total
  both_ratings             views        the two ratings side by side, for a figure
  choose                   rules        what parameters ask for, if the study has it
  correlation_matrix       views        how ratings and outcomes hang together
  days_data                views        the rows for a count regression of hospital days
  ratings                  views        the client's and the case manager's rating, and the groups
  regression_blocks        views        the blocks of a hierarchical regression
  recovery                 assess       how often simulated cohorts support each claim
  whose_rating             views        how much of a rating belongs to the case manager
  two_informants           associations what goes with one rating and not the other
  stepwise_links           as_1995      what stepwise regression enters, as in 1995
  associations             associations every variable with each rating, one at a time
  bayes_factors            views        evidence for no correlation, over its prior
  planning                 itself       how large a study must be, what this one could have seen
  halo                     associations a rater's own ratings against those of others
  information_sources      associations what each rating draws on
  over_time                itself       sessions: courses, levels, and what comes before what
  multiverse               multiverse   each claim in every defensible specification
  reselection              as_1995      stepwise regressions on resamples and on noise
  all_rows                 stress       the rows of findings.csv, and of the stress tests

pages: From results to tables, figures and files
  save_table               outputs      a table shown, and kept where the run writes
  save_figure              outputs      a figure shown, and kept where the run writes
  save_record              outputs      the files for machines: log and dyads, or findings
  note                     outputs      where the data come from; synthetic data are called so
  bullets                  outputs      sentences as a list
  table_one                table_one    who took part, by site or another column
  reliabilities            tables       the reliability of every score
  verdict_sentences        tables       each claim and its verdicts as a sentence
  joint_tests              tables       could all specifications together be chance
  then_and_now             tables       the same as a page, with what they say together
  plots                    itself       every figure: a result goes in, an Axes comes out

teaching: Demonstrations to play with, and exercises that check themselves
  widgets                  itself       explorers for the notebooks, demonstrations for the seminar
  exercises                itself       the seminar's exercises
"""

import re
from importlib import import_module

if __doc__ is None:
    raise ImportError("alliance_helpers finds its names in its docstring: run python without -OO.")
_DOOR, _HOME = {}, {}
for _room, _about, _names in re.findall(r"^(\w+): (.+)\n((?:  .+\n)+)", __doc__, re.M):
    _told = [line.split(maxsplit=2) for line in _names.splitlines()]
    _DOOR[_room] = _about, {n: (file.replace("itself", ""), what) for n, file, what in _told}
    _HOME |= {name: (_room, file) for name, (file, _) in _DOOR[_room][1].items()}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room, file = _HOME[name]
    module = import_module(f".{room}.{file or name}", __name__)
    globals()[name] = getattr(module, name) if file else module
    return globals()[name]


def __dir__() -> list[str]:
    return [*__all__, *(name for name in globals() if name.startswith("__"))]

"""Draws of one cohort: people, items, ratings, days and stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from . import population

# The parts of a study that are drawn, each from its own stream. Append only: a part's place is its
# stream, so that a new one never changes what the others draw.
PARTS = ("caseloads", "between", "within", "dates", "background", "contacts", *population.SCALES)
PARTS += ("episodes", "missing", "dirt")
TABLES = ("client_interviews", "case_manager_forms", "case_managers", "clinical_ratings")
TABLES += ("hospital_episodes",)
CHUNK = 50_000
LEAST_CONCENTRATION = 0.2  # where a study of a few case managers cannot have the wanted spread


def stream(seed: int, part: str, table: str | None = None) -> np.random.Generator:
    """The random numbers of one part of the study with this seed, or of a table's share in it."""
    key = (PARTS.index(part),) if table is None else (PARTS.index(part), TABLES.index(table))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@dataclass(frozen=True, eq=False)
class Draws:
    """What was drawn, without error or gap; clients are rows, case managers are numbers from 0.

    Attributes
    ----------
    manager : ndarray of int, shape (n,)
        Each client's case manager.
    site, neuropsychiatric : ndarray, shape (n_managers,)
        Each case manager's site (from 0), and whether it is a neuropsychiatric one.
    managers : dict of ndarray, shape (n_managers,)
    scores : dict of ndarray, shape (n,)
        Totals, subscales and single measures.
    items : dict of int8 ndarray, shape (n, k)
        Raw answers by scale, as the form has them (1 byte each, 124 a client).
    intake : datetime64[D], shape (n,)
    window, window_before : ndarray of int, shape (n,)
        Days in the two years after and before intake (730 or 731).
    diagnosis : ndarray of int
        Place in the scenario's list of diagnoses.
    """

    population: population.Population
    seed: int
    manager: np.ndarray
    site: np.ndarray
    neuropsychiatric: np.ndarray
    managers: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    items: dict[str, np.ndarray]
    intake: np.ndarray
    window: np.ndarray
    window_before: np.ndarray
    diagnosis: np.ndarray

    def people(self) -> dict[str, pd.api.extensions.ExtensionArray]:
        """Who each client is: `client_id case_manager_id site site_type`."""
        n_sites = self.population.settings["study"]["n_sites"]
        types = np.where(self.neuropsychiatric[self.manager], 0, 1)
        return {
            "client_id": labels("C", 3, len(self.manager)).copy(),
            "case_manager_id": labels("M", 2, len(self.site)).take(self.manager),
            "site": labels("Site ", 2, n_sites).take(self.site[self.manager]),
            "site_type": pd.array(population.SITE_TYPES, dtype="str").take(types),
        }


@lru_cache(maxsize=8)
def labels(prefix: str, width: int, n: int) -> pd.api.extensions.ExtensionArray:
    """Ids with a prefix, counted from 1; kept for the next cohort of this size: copy them."""
    width = max(width, len(str(n)))
    return pd.array([f"{prefix}{i:0{width}d}" for i in range(1, n + 1)], dtype="str")


def draw(made: population.Population, n: int, seed: int) -> Draws:
    """Draw n clients and their case managers.

    Parameters
    ----------
    made : population.Population
    n : int
        Clients; the case managers scale with them, at the scenario's mean caseload.
    seed : int
    """
    study, other = made.settings["study"], made.settings["other"]
    manager, site, neuropsychiatric = _caseloads(study, n, stream(seed, "caseloads"))
    between = _latent(made, "between", len(site), seed)
    latent = _latent(made, "within", n, seed)
    for name, share in made.shares.items():
        apart, inside = between[name][manager], latent[name]
        latent[name] = np.sqrt(share) * apart + np.sqrt(1 - share) * inside
    intake, window, before = _windows(study, n, stream(seed, "dates"))
    scores, items = {}, {}
    for name in population.SCALES:
        scored, items[name] = _answers(made, name, latent[name], stream(seed, name))
        scores |= scored
    scores |= {name: s.draw(latent[name]) for name, s in made.steps.items() if name in latent}
    for name, length in zip(population.DAYS, (window, before), strict=True):
        by_type = [steps.draw(latent[name]) for steps in made.days[name]]
        scores[name] = np.minimum(np.where(neuropsychiatric[manager], *by_type), length)
    background = stream(seed, "background")
    scores["client_female"] = (background.random(n) < other["female_share"]).astype(float)
    shares = np.array(list(other["diagnoses"].values()))
    diagnosis = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], background.random(n))
    scores["schizophrenia"] = (diagnosis == 0).astype(float)
    contacts, rng = other["contacts"], stream(seed, "contacts")
    rate = rng.gamma(contacts["shape"], contacts["mean"] / contacts["shape"], size=n)
    scores["contacts"] = np.minimum(rng.poisson(rate), 99).astype(float)
    managers = {name: made.steps[name].draw(between[name]) for name in population.MANAGER}
    years = np.exp(managers["case_manager_experience_log"])
    managers["case_manager_experience"] = np.round(years, 1)
    people = manager, site, neuropsychiatric, managers
    return Draws(made, seed, *people, scores, items, intake, window, before, diagnosis)


def _latent(made: population.Population, level: str, n: int, seed: int) -> dict[str, np.ndarray]:
    names, root = made.levels[level]
    normal = stream(seed, level).standard_normal((n, len(root)))
    return dict(zip(names, (normal @ root.T).T, strict=True))


def _caseloads(study: Mapping, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Each client's case manager; each case manager's site and site type."""
    n_managers = population.case_managers(study, n)
    chance = np.full(n_managers, 1 / n_managers)
    concentration = population.caseload_concentration(study, n, n_managers)
    if np.isfinite(concentration):
        weight = rng.gamma(max(concentration, LEAST_CONCENTRATION), size=n_managers)
        chance = weight / weight.sum()
    loads = 1 + rng.multinomial(n - n_managers, chance)
    manager = rng.permutation(np.repeat(np.arange(n_managers), loads))
    n_sites = study["n_sites"]
    site = np.sort(np.arange(n_managers) % n_sites)
    # Site types alternate in proportion: sites 3, 5, 8 and 10 of ten are neuropsychiatric.
    step = np.floor(np.arange(n_sites + 1) * study["n_neuropsychiatric"] / n_sites + 1e-9)
    return manager, site, np.diff(step)[site] > 0


def _windows(study: Mapping, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Intake dates, and the days of the two years after and before each."""
    first = np.datetime64(study["first_intake"], "s")
    days = pd.DatetimeIndex(first + 86_400 * rng.integers(study["intake_days"], size=n))
    leap_day = (days.month == 2) & (days.day == 29)  # 29 February has no second year
    days += pd.to_timedelta(leap_day.astype(int), unit="D")
    after, before = days + pd.DateOffset(years=2), days - pd.DateOffset(years=2)
    intake = days.to_numpy().astype("datetime64[D]")
    return intake, (after - days).days.to_numpy(), (days - before).days.to_numpy()


def _answers(made, name, latent, rng) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """A scale's and its subscales' scores, and the answers; in chunks to bound memory."""
    model, scale = made.scales[name], made.codebook.scales[name]
    parts = {name: slice(None)}
    parts |= {f"{name}_{p}": np.abs(k) - 1 for p, k in scale.keys.items() if p != "total"}
    backward = np.zeros(len(scale.items), bool)
    backward[[-i - 1 for numbers in scale.keys.values() for i in numbers if i < 0]] = True
    ends = np.int8(sum(scale.limits))
    scores = {part: np.empty(len(latent)) for part in parts}
    raw = np.empty((len(latent), len(scale.items)), np.int8)
    for start in range(0, len(latent), CHUNK):
        rows = slice(start, start + CHUNK)
        answers = _ordinal(model, latent[rows], rng)
        for part, columns in parts.items():
            chosen = answers[:, columns]
            total = chosen.sum(axis=1, dtype=np.int16)
            scores[part][rows] = total / chosen.shape[1] if scale.score == "mean" else total
        raw[rows] = np.where(backward, ends - answers, answers)
    return scores, raw


def _ordinal(model: population.ItemScale, latent, rng: np.random.Generator) -> np.ndarray:
    """Answers to a scale's items, all keyed in one direction, given its latent score."""
    general, specific = model.general, model.specific
    cuts = np.ascontiguousarray(model.cuts.T, dtype=np.float32)
    common = np.float32(np.sqrt(general) * latent)[:, None]
    x = rng.standard_normal((len(latent), cuts.shape[1]), dtype=np.float32)
    x *= np.float32(np.sqrt(1 - general - specific))
    if specific:
        factor = rng.standard_normal((len(latent), model.groups.max() + 1), dtype=np.float32)
        common = (common + np.float32(np.sqrt(specific)) * factor)[:, model.groups]
    x += common
    answers = np.full(x.shape, np.int8(model.low))
    for cut in cuts:
        answers += x > cut
    return answers


def draw_stays(drawn: Draws) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Client, admission and discharge of every stay, sorted; days relative to intake.

    The window after intake is [0, window), the one before [-window_before, 0). A stay is half-open:
    the day of discharge is not a day in hospital.
    Merged and cut at the windows' ends, the stays of a client last exactly the `hospital_days`
    and `hospital_days_before` drawn. Some go on beyond a window's end, or run across intake. Then
    a few are recorded twice over: in two overlapping or adjoining parts, or with another inside.
    """
    rng = stream(drawn.seed, "episodes")
    stay = drawn.population.settings["other"]["stays"]
    after = drawn.scores["hospital_days"].astype(int)
    before = drawn.scores["hospital_days_before"].astype(int)
    across = (rng.random(len(after)) < stay["across_intake"]) & (after > 0) & (before > 0)
    stays_on = rng.random(len(after)) < after / drawn.window
    there_already = rng.random(len(after)) < before / drawn.window_before
    first = _Window(before, drawn.window_before, there_already, across, stay["days"], rng)
    second = _Window(after, drawn.window, across, stays_on, stay["days"], rng)
    beyond = rng.geometric(1 / stay["beyond"], size=(2, len(after)))
    first.start[first.first[first.touches_start]] -= beyond[0, first.touches_start]
    second.end[second.last[second.touches_end]] += beyond[1, second.touches_end]
    start = first.start - drawn.window_before[first.client]
    end = first.end - drawn.window_before[first.client]
    merged = first.touches_end & second.touches_start
    end[first.last[merged]] = second.end[second.first[merged]]
    keep = np.ones(len(second.client), bool)
    keep[second.first[merged]] = False
    later = np.array([second.client, second.start, second.end])[:, keep]
    stays = np.concatenate([[first.client, start, end], later], axis=1)
    stays = _recorded_twice(stays, drawn)
    return tuple(stays[:, np.lexsort((stays[2], stays[1], stays[0]))])


class _Window:
    """Stays inside [0, length) of every client, in order; they neither overlap nor adjoin."""

    def __init__(self, days, length, touches_start, touches_end, per_stay, rng) -> None:
        full = days == length
        free = length - days
        touches_end = full | (touches_end & (days > 0) & ~(touches_start & (days < 2)))
        touches_start = full | (touches_start & (days > 0))
        touches_start |= (free == 1) & ~touches_end
        most = np.minimum(days, free - 1 + touches_start + touches_end)
        least = 1 + (touches_start & touches_end & ~full)
        number = np.clip(1 + rng.poisson(days / per_stay), least, most)
        number = np.where(days > 0, number, 0)
        self.touches_start = touches_start & (days > 0)
        self.touches_end = touches_end & (days > 0)
        self.client = np.repeat(np.arange(len(days)), number)
        lengths = 1 + _split(days - number, number, rng.exponential(size=number.sum()))
        ends = np.cumsum(self._gaps(free, number, rng) + lengths)
        self.end = ends - np.repeat(np.concatenate([[0], ends])[np.cumsum(number) - number], number)
        self.start = self.end - lengths
        self.first = np.cumsum(number) - number
        self.last = np.cumsum(number) - 1

    def _gaps(self, free, number, rng) -> np.ndarray:
        """Days out of hospital before each stay; at least one between two stays."""
        size = np.where(number > 0, number + 1, 0)
        stop = np.cumsum(size)
        inside = np.ones(stop[-1], int)
        inside[(stop - size)[self.touches_start]] = 0
        inside[stop[self.touches_end] - 1] = 0
        needed = np.bincount(np.repeat(np.arange(len(number)), size), inside, len(number))
        spare = np.where(number > 0, free - needed.astype(int), 0)
        gaps = inside + _split(spare, size, rng.exponential(size=len(inside)) * inside)
        return np.delete(gaps, stop[number > 0] - 1)


def _split(total: np.ndarray, parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each total in so many whole parts, roughly in proportion to the weights."""
    if not len(weights):
        return np.zeros(0, int)
    stop = np.cumsum(parts)
    some = parts > 0
    sums = np.cumsum(weights)
    running = sums - np.repeat(np.where(stop > parts, sums[stop - parts - 1], 0), parts)
    whole = running[stop[some] - 1]
    share = running / np.repeat(np.where(whole > 0, whole, 1), parts[some])
    reached = np.floor(np.repeat(total, parts) * share).astype(int)
    first = np.zeros(len(weights), bool)
    first[(stop - parts)[some]] = True
    return reached - np.where(first, 0, np.concatenate([[0], reached[:-1]]))


def _recorded_twice(stays: np.ndarray, drawn: Draws) -> np.ndarray:
    """Some stays in two overlapping or adjoining records, some with another record inside."""
    rng = stream(drawn.seed, "dirt", "hospital_episodes")
    rates = drawn.population.settings["dirt"]
    kinds = ("stay_overlapping", "stay_adjoining", "stay_nested")
    wanted = [max(1, round(rates[kind] * len(drawn.manager))) for kind in kinds]
    long = rng.permutation(np.flatnonzero(stays[2] - stays[1] >= 6))
    overlapping, adjoining, nested, _ = np.split(long, np.cumsum(wanted))
    stays, records = stays.copy(), [stays]
    for rows, overlap in ((overlapping, 2), (adjoining, 0)):
        middle = (stays[1, rows] + stays[2, rows]) // 2
        later = np.array([stays[0, rows], middle, stays[2, rows]])
        stays[2, rows] = middle + overlap
        records.append(later)
    inside = np.array([stays[0, nested], stays[1, nested] + 1, stays[2, nested] - 2])
    return np.concatenate([stays, *records[1:], inside], axis=1)

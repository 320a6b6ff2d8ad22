"""Hospital stays whose days inside two windows around a date add up to given numbers.

Days are counted from intake: the window after it is [0, window), the one before [-window, 0).
A stay is half-open: the day of discharge is not a day in hospital.
"""

from __future__ import annotations

import numpy as np

from .draws import Draws, stream


def draw_stays(drawn: Draws) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Client, admission and discharge of every stay, sorted; days relative to intake.

    Merged and cut at the windows' ends, the stays of a client last exactly the `hospital_days`
    and `hospital_days_before` drawn. Some go on beyond a window's end, or run across intake. Then
    a few are recorded twice over: in two overlapping or adjoining parts, or with another inside.
    """
    rng = stream(drawn.seed, "episodes")
    stay = drawn.population.scenario.value("other", "stays")
    after = drawn.scores["hospital_days"].astype(int)
    before = drawn.scores["hospital_days_before"].astype(int)
    across = (rng.random(len(after)) < stay["across_intake"]) & (after > 0) & (before > 0)
    stays_on = rng.random(len(after)) < after / drawn.window
    there_already = rng.random(len(after)) < before / drawn.window_before
    first = _Window(before, drawn.window_before, there_already, across, stay["days"], rng)
    second = _Window(after, drawn.window, across, stays_on, stay["days"], rng)
    beyond = rng.geometric(1 / stay["beyond"], size=(2, len(after)))
    first.start[first.opening] -= beyond[0, first.touches_start]
    second.end[second.closing] += beyond[1, second.touches_end]
    start = first.start - drawn.window_before[first.client]
    end = first.end - drawn.window_before[first.client]
    merged = first.touches_end & second.touches_start
    end[first.last[merged]] = second.end[second.first[merged]]
    keep = np.ones(len(second.client), bool)
    keep[second.first[merged]] = False
    stays = np.array(
        [
            np.concatenate([first.client, second.client[keep]]),
            np.concatenate([start, second.start[keep]]),
            np.concatenate([end, second.end[keep]]),
        ]
    )
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
        gaps = self._gaps(free, number, rng)
        ends = np.cumsum(gaps + lengths)
        base = np.concatenate([[0], ends])[np.cumsum(number) - number]
        self.end = ends - np.repeat(base, number)
        self.start = self.end - lengths
        self.first = np.cumsum(number) - number
        self.last = np.cumsum(number) - 1
        self.opening = self.first[self.touches_start]
        self.closing = self.last[self.touches_end]

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
    base = np.where(stop > parts, sums[stop - parts - 1], 0)
    running = sums - np.repeat(base, parts)
    whole = running[stop[some] - 1]
    share = running / np.repeat(np.where(whole > 0, whole, 1), parts[some])
    reached = np.floor(np.repeat(total, parts) * share).astype(int)
    first = np.zeros(len(weights), bool)
    first[(stop - parts)[some]] = True
    previous = np.where(first, 0, np.concatenate([[0], reached[:-1]]))
    return reached - previous


def _recorded_twice(stays: np.ndarray, drawn: Draws) -> np.ndarray:
    """Some stays in two overlapping or adjoining records, some with another record inside."""
    rng = stream(drawn.seed, "dirt", "hospital_episodes")
    rates = [
        drawn.population.scenario.value("dirt", f"stay_{kind}")
        for kind in ("overlapping", "adjoining", "nested")
    ]
    wanted = [max(1, round(rate * len(drawn.manager))) for rate in rates]
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

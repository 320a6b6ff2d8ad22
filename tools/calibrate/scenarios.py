"""Scenarios as `data/scenarios.yml` writes them: checked, and completed by what they extend."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any

from alliance_helpers.cohorts.population import ancestors
from alliance_helpers.errors import ScenarioError

TAGS = ("published", "literature", "assumed")
KINDS = ("r", "latent_r", "rate_ratio")
ENTRY = {"title", "extends", "untrue", "without", "links", "set"}


@dataclass(frozen=True)
class Link:
    """An association between two variables that the generator has to produce.

    `kind` says on which scale `value` is: `r` of the observed scores, `latent_r`, or the
    `rate_ratio` of days per SD. `within`: only between clients of one case manager.
    """

    of: frozenset[str]
    kind: str
    value: float
    within: bool
    tag: str

    def __str__(self) -> str:
        return f"{' with '.join(sorted(self.of))} ({self.kind} {self.value:g})"


@dataclass(frozen=True, eq=False)
class Scenario:
    """One scenario, complete: its numbers, and the links that hold in it."""

    name: str
    title: str
    settings: Mapping[str, Any]
    links: tuple[Link, ...]

    def leaf(self, *path: str) -> dict:
        """The entry (`value`, `tag`, `source`) at a path of keys."""
        node = self.settings
        for i, key in enumerate(path):
            if not isinstance(node, Mapping) or key not in node:
                place = " > ".join(path[: i + 1])
                raise ScenarioError(f"Scenario {self.name!r} has no entry {place}; add it.")
            node = node[key]
        return node

    def value(self, *path: str) -> Any:
        """The number (or list, or mapping) at a path of keys."""
        return self.leaf(*path, "value")

    def get(self, *path: str, default: Any) -> Any:
        """The same, or `default` where the scenario leaves it out."""
        try:
            return self.value(*path)
        except ScenarioError:
            return default

    def tag(self, *path: str) -> str:
        """Where the number at a path comes from: published, literature or assumed."""
        return self.leaf(*path, "tag")


def resolve(raw: Mapping[str, Any], name: str) -> Scenario:
    """One scenario out of the file's contents, with all that it extends.

    A scenario takes over the links of the one it `extends`, drops those of the variables listed
    under `without`, and adds or replaces its own; `set` overwrites any of the numbers.

    Raises
    ------
    ScenarioError
        Unknown name, an entry that cannot be used, or a number without its tag.

    Examples
    --------
    >>> from alliance_helpers.cohorts.population import read_scenarios
    >>> resolve(read_scenarios(), "halo").links[-1].kind
    'r'
    """
    offered, chain = raw["scenarios"], ancestors(raw, name)
    settings = {key: deepcopy(value) for key, value in raw.items() if key != "scenarios"}
    links: dict[frozenset[str], Link] = {}
    for step in reversed(chain):
        entry = offered[step]
        if unknown := set(entry) - ENTRY:
            raise ScenarioError(f"Scenario {step!r}: unknown entry {sorted(unknown)[0]!r}.")
        _merge(settings, entry.get("set", {}))
        dropped = set(entry.get("without", ()))
        links = {pair: link for pair, link in links.items() if not pair & dropped}
        links |= {link.of: link for link in (_link(e, step) for e in entry.get("links", ()))}
    _check_tags(settings, name)
    return Scenario(name, offered[name].get("title", name), settings, tuple(links.values()))


def _merge(into: dict, changes: Mapping) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and "value" not in value and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = deepcopy(value)


def _link(entry: Mapping, scenario: str) -> Link:
    kinds = [kind for kind in KINDS if kind in entry]
    of = frozenset(entry.get("of", ()))
    usable = len(kinds) == 1 and len(of) == 2 and entry.get("tag") in TAGS
    if not usable or entry.get("level", "both") not in ("both", "within"):
        raise ScenarioError(
            f"Scenario {scenario!r}: cannot use the link {dict(entry)}; give `of` two variables, "
            f"one of {', '.join(KINDS)}, a `tag`, and `level: within` or none."
        )
    value = entry[kinds[0]]
    good = isinstance(value, (int, float)) and (value > 0 if kinds == ["rate_ratio"] else True)
    if not good or (kinds != ["rate_ratio"] and not -1 < value < 1):
        raise ScenarioError(
            f"Scenario {scenario!r}: {kinds[0]} {value!r} of {sorted(of)} is no "
            f"{'positive number' if kinds == ['rate_ratio'] else 'correlation'}."
        )
    return Link(of, kinds[0], float(value), entry.get("level") == "within", entry["tag"])


def _check_tags(node: Mapping, scenario: str, path: tuple[str, ...] = ()) -> None:
    for key, child in node.items():
        place = (*path, str(key))
        if not isinstance(child, Mapping):
            raise ScenarioError(
                f"Scenario {scenario!r}: {' > '.join(place)} is a bare {child!r}; "
                "write it as {value: ..., tag: ..., source: ...}."
            )
        if "value" not in child:
            _check_tags(child, scenario, place)
        elif child.get("tag") not in TAGS or (
            child["tag"] != "assumed" and not child.get("source")
        ):
            raise ScenarioError(
                f"Scenario {scenario!r}: {' > '.join(place)} needs a tag ({', '.join(TAGS)}), and "
                "a source unless it is assumed."
            )
        elif not _is_numbers(child["value"]):
            raise ScenarioError(
                f"Scenario {scenario!r}: {' > '.join(place)} is {child['value']!r}; "
                "write a number, or numbers as the shipped file has them."
            )


def _is_numbers(value: Any) -> bool:
    """A number or a date, or a list or mapping of numbers (`scale` names one)."""
    if isinstance(value, Mapping):
        return all(key == "scale" or _is_numbers(part) for key, part in value.items())
    if isinstance(value, list):
        return all(_is_numbers(part) for part in value)
    return isinstance(value, (int, float, date)) and not isinstance(value, bool)

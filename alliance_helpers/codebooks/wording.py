"""How messages quote values and list names: short, on one line."""

from __future__ import annotations


def show(value: object) -> str:
    """A value as a message quotes it: short, on one line."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def listed(names, most: int = 8) -> str:
    """Names one after another, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    names = [str(name)[:64] for name in names]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")

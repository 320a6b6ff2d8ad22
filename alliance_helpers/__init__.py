"""Helpers behind the alliance-kit notebooks; each module answers one question."""

__version__ = "0.1.0"

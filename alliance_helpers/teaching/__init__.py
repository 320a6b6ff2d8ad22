"""Demonstrations, explorers and exercises; they draw with `pages`."""

from .. import pages  # noqa: F401  loads matplotlib with its own settings

"""The seminar's figures with controls, its editions and its cohorts."""

from .. import figures  # noqa: F401  loads matplotlib with its own settings

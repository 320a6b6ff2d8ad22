"""The seminar: its editions built from the notebooks and checked, its units served as pages."""

import sys
from collections.abc import Callable
from functools import wraps

from alliance_helpers.errors import AllianceError


def command(work: Callable[[], int | None]) -> Callable[[], int]:
    """A command's `main`: an error meant for its user ends in a message and an exit code."""

    @wraps(work)
    def main() -> int:
        try:
            return work() or 0
        except AllianceError as error:
            print(error, file=sys.stderr)
            return error.exit_code
        except OSError as error:
            print(f"{error.filename}: {error.strerror}", file=sys.stderr)
            return 2

    return main

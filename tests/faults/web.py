"""A web process with the suite's kinds of work beside the app's: `python -m tests.faults.web`."""

import wsgi  # first: it patches the standard library
from tests.faults import kinds, stories

__all__ = ["kinds", "stories"]

if __name__ == "__main__":
    wsgi.main()

"""`python -m headway`: the command line, where no script `headway` is installed."""

from __future__ import annotations

from headway.cli.groups import main

if __name__ == "__main__":
    main()

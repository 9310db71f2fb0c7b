"""`python -m headway.patched MODE ...`: patches the standard library, then runs `headway ...`."""

import sys

from headway.patching import patch_for

if __name__ == "__main__":
    patch_for(sys.argv.pop(1))

    from headway.cli.groups import main

    main()

"""`python -m isoflop`: the command line, where the `isoflop` script is not on the path."""

from __future__ import annotations

from isoflop.cli.main import main

if __name__ == "__main__":
    main()

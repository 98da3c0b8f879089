"""``skpc``, also as ``python -m skpc``: see `skpc._cli.commands`."""

from __future__ import annotations

import sys

from skpc._cli.commands import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())

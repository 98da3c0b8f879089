"""Command line: ``python -m skpc demo``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m skpc", description="Tractable densities.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="learn the digits that scikit-learn ships, compare, and draw a picture"
    )
    demo.add_argument("-o", "--output", type=Path, default=Path("skpc-demo.png"))
    demo.add_argument("--smoke", action="store_true", help="a small run that only shows it works")
    options = parser.parse_args(arguments)

    from skpc._demo import run

    return run(options.output, smoke=options.smoke)


if __name__ == "__main__":
    sys.exit(main())

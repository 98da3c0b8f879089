"""The form of the values that options have."""

from __future__ import annotations

import argparse
import csv

import numpy as np

_ESCAPES = {"\\t": "\t", "tab": "\t", "space": " "}


def mu(text: str) -> float | str:
    """A strength of the penalty, or 'auto'."""
    if text == "auto":
        return text
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not 0 <= number < np.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, or auto; got {text!r}")
    return number


def n_rows(text: str) -> int:
    """A number of rows, 0 among them."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of rows; got {text!r}")
    return int(text)


def n_folds(text: str) -> int:
    """A number of folds."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 2; got {text!r}")
    return int(text)


def n_latents(text: str) -> int | str:
    """A number of states, whose size is for `fit` to judge, or 'auto'."""
    return text if text == "auto" else int(text)


def share(text: str) -> float:
    """A share between 0 and 1."""
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1; got {text!r}")
    return number


def separator(text: str) -> str:
    """What separates cells."""
    text = _ESCAPES.get(text, text)
    if not text:
        raise argparse.ArgumentTypeError("must be a character, such as ';', or tab")
    return text


def character(text: str) -> str:
    """A single character."""
    if len(text) != 1:
        raise argparse.ArgumentTypeError(f"must be one character; got {text!r}")
    return text


def values(text: str) -> list[str]:
    """Values separated by commas; one with a comma is in double quotes."""
    return next(csv.reader([text], skipinitialspace=True), [])

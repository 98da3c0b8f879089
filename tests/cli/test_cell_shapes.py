"""What the text of a cell looks like."""

import pytest

from skpc._cli.cell_shapes import (
    DATE,
    LABEL,
    MARKER,
    MARKERS,
    NUMBER,
    OTHER_DECIMAL,
    THOUSANDS,
    WITH_UNIT,
    number_of,
    shape_of,
)


@pytest.mark.parametrize(
    ("shape", "cells"),
    [
        (NUMBER, ["1", "-2.5", "+.5", "1e-3", "007", " 3 ", "1."]),
        (MARKER, ["?", "-", ".", "unknown", "N/A", "n/a", "None", "#DIV/0!"]),
        (DATE, ["2024-01-31", "31.1.2024", "1/31/24", "2024-01-31T10:00:00Z", "10:30", "3 Jan 2024",
                "January 3, 2024", "2024-01-31 10:30:00.5", "9:05 pm"]),
        (THOUSANDS, ["1,234", "1,234,567.5", "1.234,5", "1 234", "-12'345"]),
        (OTHER_DECIMAL, ["3,14", "-0,5", ",5", "1234,567"]),
        (WITH_UNIT, ["12%", "12 kg", "$5", "€ 3.50", "<5%", "30°", "17,50 €", "$15,900.00"]),
        (LABEL, ["red", "A2", "1-2", "", "e5", "1,2,3", "2024-01/31", "12 apples", "--1"]),
    ],
)  # fmt: skip
def test_cells_have_the_shape_that_they_look_like(shape, cells):
    assert {cell: shape_of(cell) for cell in cells} == dict.fromkeys(cells, shape)


def test_a_decimal_comma_makes_other_numbers():
    assert number_of("3,5", ",") == 3.5
    assert number_of("3.5", ",") is None
    assert shape_of("3,5", ",") == NUMBER
    assert shape_of("3.5", ",") == OTHER_DECIMAL


def test_no_marker_is_a_number_or_a_date():
    assert {shape_of(marker) for marker in MARKERS} == {MARKER}

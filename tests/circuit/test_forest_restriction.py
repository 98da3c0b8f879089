"""Forests of categorical columns given evidence, against sums over all rows."""

import numpy as np
import pytest
from enumerated import check_against_enumeration, random_sets
from helpers import positive
from test_forest import SHAPES, forest

from skpc._circuit.circuit import Circuit
from skpc._circuit.inputs.inputs import Inputs
from skpc._data.column_sets import ValueSet

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_forest_given_evidence_is_a_forest(shape, seed):
    rng = np.random.default_rng(seed)
    parents, sizes = SHAPES[shape]
    m = len(parents)
    one = forest(rng, parents, sizes, n_latents=2)
    columns = rng.permutation(m)
    inputs = Inputs.of([columns], [one], 2)
    circuit = Circuit(np.array([-1]), (columns,), positive(rng, 2), np.eye(2)[None], inputs)
    categories = [None] * m
    for entry, column in enumerate(columns.tolist()):
        categories[column] = one.categories_of(entry)
    found = check_against_enumeration(circuit, categories, random_sets(rng, categories))
    found.circuit.check()


def test_hidden_columns_of_a_forest_stay_summed_out():
    rng = np.random.default_rng(3)
    parents, sizes = SHAPES["chain"]
    one = forest(rng, parents, sizes, shown=np.array([3, 0]), n_latents=2)
    inputs = Inputs.of([np.arange(2)], [one], 2)
    circuit = Circuit(np.array([-1]), (np.arange(2),), positive(rng, 2), np.eye(2)[None], inputs)
    categories = [one.categories_of(0), one.categories_of(1)]
    check_against_enumeration(circuit, categories, {0: ValueSet(categories[0][1:3])})

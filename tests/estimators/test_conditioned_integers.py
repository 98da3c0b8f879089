"""Columns of integers under evidence: names that are integers, many levels, narrow dtypes."""

import warnings

import numpy as np
import pandas
import pytest
from scipy.sparse import csr_array

from skpc import SharpPCDensity

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_cells_of_an_array_are_of_the_columns_in_their_order_whatever_their_names():
    z = np.arange(60) % 3
    table = pandas.DataFrame({2: z + np.arange(60) / 60, 0: z, 5: z[::-1]})
    model = SharpPCDensity(n_latents=2, max_iter=5, random_state=0).fit(table)
    assert model.condition([1.0, np.nan, np.nan]).evidence == {2: 1.0}
    assert model.condition(np.array([[np.nan, 1, 2]])).evidence == {0: 1, 5: 2}
    assert model.condition(pandas.Series({0: 1})).evidence == {0: 1}


def test_the_mode_of_many_levels_is_not_the_end_that_draws_are_brought_to():
    x = np.random.default_rng(0).normal(1000, 150, (400, 1)).round().astype(int)
    found = SharpPCDensity(1, random_state=0).fit(x).condition()
    levels = np.arange(x.min(), x.max() + 1)
    assert found.pdf(found.mode(0), 0) == found.pdf(levels, 0).max()


@pytest.fixture(scope="module")
def of_integers():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 250, 300)
    table = {"u": small.astype(np.uint8), "big": 1_000 * small + rng.integers(0, 1_000, 300)}
    types = ["numeric", "numeric"]
    model = SharpPCDensity(n_latents=2, max_iter=5, random_state=0, feature_types=types)
    return model.fit(pandas.DataFrame(table))


def test_levels_too_many_to_list_are_left_out_unless_evidence_leaves_few(of_integers):
    assert list(of_integers.condition().probabilities()) == ["u"]
    with pytest.raises(ValueError, match="column 'big' may have more than 10,000 values"):
        of_integers.condition().probabilities("big")
    few = of_integers.condition(big=(5_000, 5_009)).probabilities("big")
    assert list(few) == list(range(5_000, 5_010))
    assert np.isclose(sum(few.values()), 1.0)


def test_evidence_is_what_the_dtype_can_hold_and_is_shown_as_it_was_given(of_integers):
    for value in 300, -5, {3, 300}, (300, None), (255.5, None), (None, -1):
        with pytest.raises(ValueError, match="column 'u', whose dtype holds 0 to 255"):
            of_integers.condition(u=value)
    given = of_integers.condition(u=(200, 300))
    assert given.evidence == {"u": (200, 300)}
    assert given.sample(50, random_state=0)["u"].min() >= 200


def test_the_outermost_quantile_without_an_end_is_near_the_evidence(of_integers):
    found = of_integers.condition(big=(None, -3))
    assert -1e12 < found.quantile(0.0, "big") < found.quantile(0.5, "big") <= -3


def test_a_sparse_row_is_evidence(of_integers):
    row = csr_array([[3.0, 0.0]])
    assert of_integers.condition(row).evidence == {"u": 3, "big": 0}


@pytest.mark.parametrize("groups", [None, [["pay", "also"]]], ids=["alone", "group"])
@pytest.mark.parametrize("evidence", [None, (39_000.5, 45_000.5), (200_000, None)])
def test_quantiles_of_floats_that_are_whole_numbers_of_a_wide_range_are_whole(groups, evidence):
    """The least level at which the distribution function reaches each probability."""
    rng = np.random.default_rng(0)
    pay = np.rint(rng.normal(40_000, 9_000, 400))
    table = pandas.DataFrame({"pay": pay, "also": pay + rng.normal(size=400)})
    settings = {"n_latents": 2, "max_iter": 5, "random_state": 0, "n_jobs": 1}
    model = SharpPCDensity(**settings, feature_groups=groups).fit(table)
    with warnings.catch_warnings(action="ignore"):  # of what is far outside
        given = model.condition({"pay": evidence} if evidence else None)
    q = np.array([0.02, 0.3, 0.5, 0.77, 0.98])
    values = given.quantile(q, "pay")
    assert (values == np.rint(values)).all()
    assert (given.cdf(values, "pay") >= q - 1e-12).all()
    assert (given.cdf(values - 1.0, "pay") < q).all()
    for value in (*given.interval(0.9, "pay"), given.median("pay"), given.mode("pay")):
        assert value == np.rint(value)
    if not evidence:
        assert given.quantile([0.0, 1.0], "pay").tolist() == [pay.min(), pay.max()]


def test_a_level_that_evidence_leaves_out_is_no_quantile():
    steps = np.rint(np.random.default_rng(0).normal(40_000, 9_000, 300))
    model = SharpPCDensity(1, max_iter=3, random_state=0, n_jobs=1).fit(steps[:, None])
    for closed, first in (("neither", 30_001.0), ("left", 30_000.0)):
        given = model.condition({0: pandas.Interval(30_000, 50_000, closed=closed)})
        assert given.quantile([0.0, 1.0], 0).tolist() == [first, 49_999.0]

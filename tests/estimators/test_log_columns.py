"""Columns of positive numbers over several magnitudes in an outlier detector."""

import pickle

import numpy as np
import pandas
import pytest
from scipy.sparse import csr_array

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc._queries.surprises import surprises


def shop(n_rows=240, seed=0):
    """Wares whose prices go from cents to thousands."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 5, n_rows)
    cost = np.exp(np.array([-1.0, 1.5, 4.0, 6.5, 9.0])[place] + 0.3 * rng.normal(size=n_rows))
    return pandas.DataFrame(
        {
            "ware": np.array(["sticker", "cable", "chair", "laptop", "server"])[place],
            "price": np.round(cost * np.exp(0.2 + 0.05 * rng.normal(size=n_rows)), 2),
            "cost": np.round(cost, 2),
            "stock": np.rint(30 + 8 * rng.normal(size=n_rows)),
        }
    )


@pytest.fixture(scope="module")
def table():
    frame = shop()
    frame.loc[frame.index[frame.ware == "sticker"][0], "price"] = 65.01
    frame.loc[frame.index[frame.ware == "server"][0], "price"] = 24.01
    return frame


@pytest.fixture(scope="module")
def detector(table):
    return SharpPCOutlierDetector(random_state=0).fit(table)


def test_prices_of_other_wares_are_found(table, detector):
    assert detector.feature_types_ == ["categorical", "numeric", "numeric", "gaussian"]
    wrong = table.index[(table.price == 65.01) | (table.price == 24.01)]
    ranks = detector.score_samples(table).argsort().argsort()
    assert set(ranks[wrong]) == {0, 1}
    for i in wrong:
        first = detector.explain(table.iloc[i]).values[0]
        assert first.feature in ("price", "cost")
    servers = (detector.predict(table[table.ware == "server"]) == -1).mean()
    assert servers < 0.15


def test_what_is_expected_is_on_the_levels_of_the_column(table, detector):
    odd = detector.explain({**table.iloc[0], "price": 0.0}).values[0]
    told = np.array([odd.median, *odd.interval])
    assert odd.feature == "price"
    np.testing.assert_array_equal(told, np.round(told, 2))
    assert ((told >= table.price.min()) & (told <= table.price.max())).all()


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_neither_units_nor_powers_matter(power):
    """On the scale of logarithms both are linear; the spline is exact to some thousandths."""
    frame = shop(120)[["price", "cost"]]
    scaled = frame**power * 2.0**30
    model, other = (SharpPCOutlierDetector(random_state=0).fit(X) for X in (frame, scaled))
    assert model.feature_types_ == other.feature_types_ == ["numeric"] * 2
    scores = model.score_samples(frame)
    np.testing.assert_allclose(other.score_samples(scaled), scores, atol=0.1)
    assert np.ptp(scores) > 2.0
    some = model.feature_contributions(frame)
    np.testing.assert_allclose(other.feature_contributions(scaled), some, atol=0.1)


def test_a_contribution_is_what_the_score_would_gain(detector, table):
    """Before what is usual goes from it: of any column, with units or without."""
    rows = detector.estimator_._validate(table)
    for expert in detector._experts[:2]:
        plain = type(expert)(expert.circuit, 0.0, expert.typical, expert.logs)
        found = surprises(expert.circuit, rows)
        for j in range(4):
            without = rows.copy()
            without[:, j] = np.nan
            gain = plain.scores(without) - plain.scores(rows)
            np.testing.assert_allclose(found[:, j], gain, rtol=1e-6, atol=1e-6)


def test_zero_negative_and_huge_numbers_have_a_score(table, detector):
    rows = pandas.DataFrame([table.iloc[5]] * 7)
    rows["price"] = [1e300, 1e10, 0.0, 1e-300, -1.0, -1e300, np.nan]
    scores = detector.score_samples(rows)
    assert np.isfinite(scores).all()
    assert (scores[:2] < scores[-1]).all()
    assert scores[0] < scores[1]
    assert scores[5] < scores[4] < scores[2]


def test_a_file_keeps_which_columns_they_are(table, detector):
    again = pickle.loads(pickle.dumps(detector))
    assert again._experts[0].logs == (1, 2)
    np.testing.assert_array_equal(again.score_samples(table), detector.score_samples(table))


def test_a_density_of_ones_own_reads_numbers_as_it_says(table):
    density = SharpPCDensity(2, max_iter=2, feature_types={"price": "gaussian"}, random_state=0)
    model = SharpPCOutlierDetector(density).fit(table)
    assert model.feature_types_ == ["categorical", "gaussian", "numeric", "numeric"]
    assert model._experts[0].logs == ()


def test_sparse_matrices_are_read_alike():
    X = shop(100)[["price", "cost", "stock"]].to_numpy(copy=True)
    X[:, 2] = X[:, 2] > 30
    dense, sparse = (SharpPCOutlierDetector(2, random_state=0).fit(T) for T in (X, csr_array(X)))
    assert dense._experts[0].logs == sparse._experts[0].logs == (0, 1)
    np.testing.assert_allclose(
        sparse.score_samples(csr_array(X)), dense.score_samples(X), rtol=1e-9
    )


def test_weights_are_repetitions():
    X = shop(80)[["price", "cost"]].to_numpy()
    weights = np.random.default_rng(1).integers(1, 4, 80)
    one = SharpPCOutlierDetector(2, random_state=0).fit(X, sample_weight=weights)
    other = SharpPCOutlierDetector(2, random_state=0).fit(np.repeat(X, weights, axis=0))
    np.testing.assert_array_equal(one.score_samples(X), other.score_samples(X))

"""Numbers with few decimals, most of which occur once, are drawn and filled with as many."""

import numpy as np
import pandas
import pytest

from skpc import SharpPCDensity, SharpPCImputer

pytestmark = pytest.mark.usefixtures("one_thread")


def frame(n=320, dtype=float):
    """Prices of three magnitudes in cents, weights in no unit, and labels that tell of them."""
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=n)
    price = np.exp(6.0 + kind + 0.3 * rng.normal(size=n)).round(2).astype(dtype)
    weight = np.exp(rng.normal(size=n))
    return pandas.DataFrame({"kind": [f"k{i}" for i in kind], "price": price, "weight": weight})


def density(**parameters):
    return SharpPCDensity(n_latents=4, max_iter=5, tol=0, random_state=0, **parameters)


def in_cents(values):
    values = np.asarray(values)
    return (values == np.round(values.astype(float), 2).astype(values.dtype)).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_cents_are_drawn_and_filled_into_cents(dtype):
    table = frame(dtype=dtype)
    model = density().fit(table)
    margin = model._columns.columns[1].margin
    assert (margin.step, margin.digits) == (0.0, 2) or dtype == np.float32
    drawn = model.sample(200, random_state=0)
    assert in_cents(drawn["price"])
    assert not in_cents(drawn["weight"])
    holes = table.copy()
    holes.loc[::3, ["price", "weight"]] = np.nan
    for strategy in ("median_mode", "mean_mode", "sample", "max_product"):
        filled = SharpPCImputer(density(), strategy=strategy, random_state=0).fit_transform(holes)
        assert in_cents(filled["price"])
        assert not in_cents(filled["weight"])


def test_arrays_have_cents_too():
    X = frame()[["price", "weight"]].to_numpy()
    drawn = density().fit(X).sample(100, random_state=0)
    assert in_cents(drawn[:, 0])
    assert not in_cents(drawn[:, 1])


def test_what_decimals_there_are_leaves_likelihoods_as_they_are():
    """Of the same numbers in a unit of which nothing shows that they were rounded."""
    table = frame()
    finer = table.assign(price=table["price"] / 7.0)
    models = density().fit(table), density().fit(finer)
    margins = [model._columns.columns[1].margin for model in models]
    assert [margin.digits for margin in margins] == [2, -1]
    scores = [m.score_samples(t) for m, t in zip(models, (table, finer), strict=True)]
    np.testing.assert_allclose(scores[1] - scores[0], np.log(7.0), rtol=1e-6)


def test_what_is_given_stays_to_the_last_digit():
    model = density().fit(frame()[["price", "weight"]].to_numpy())
    given = np.array([[1234.5678, np.nan], [1e6, np.nan], [np.nan, 0.12345678]])
    drawn = model.sample(2, random_state=0, given=given)
    shown = np.repeat(given, 2, axis=0)
    assert np.array_equal(drawn[~np.isnan(shown)], shown[~np.isnan(shown)])
    assert in_cents(drawn[4:, 0])


def test_evidence_is_kept_where_it_leaves_no_cents():
    model = density().fit(frame())
    wide = model.condition({"price": (900.0, 1000.0)})
    drawn = wide.sample(100, random_state=0)["price"]
    assert in_cents(drawn)
    assert drawn.between(900.0, 1000.0).all()
    narrow = model.condition({"price": (900.001, 900.009)})
    drawn = narrow.sample(100, random_state=0)["price"]
    assert drawn.between(900.001, 900.009).all()
    assert drawn.nunique() > 50
    assert 900.001 <= narrow.median("price") <= 900.009


def test_quantiles_and_modes_are_told_in_cents():
    given = density().fit(frame()).condition({"kind": "k1"})
    found = given.quantile([0.1, 0.5, 0.9], "price")
    assert in_cents(found)
    np.testing.assert_allclose(given.cdf(found, "price"), [0.1, 0.5, 0.9], atol=1e-3)
    assert in_cents(given.mode("price"))
    assert in_cents(given.interval(0.8, "price"))
    assert not in_cents(given.median("weight"))

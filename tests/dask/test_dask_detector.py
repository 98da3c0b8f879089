"""`skpc.dask.SharpPCOutlierDetector`: drawn rows with the weight of all, and lazy answers."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pytest
from sklearn.base import clone

import skpc
from skpc.dask import SharpPCDensity, SharpPCOutlierDetector

PARAMETERS = {"n_components": 2, "contamination": 0.1, "random_state": 0}


@pytest.fixture(scope="module")
def here(frame):
    return skpc.SharpPCOutlierDetector(2, **PARAMETERS).fit(frame)


@pytest.fixture(scope="module")
def there(client, frame):
    table = dd.from_pandas(frame.reset_index(drop=True), npartitions=3)
    return SharpPCOutlierDetector(2, **PARAMETERS, client=client).fit(table)


def test_a_table_that_is_drawn_whole_is_judged_as_in_memory(here, there, frame):
    assert there.offset_ == here.offset_
    assert np.array_equal(there.score_samples(frame), here.score_samples(frame))
    assert there.feature_types_ == here.feature_types_ == ["categorical"] * 3 + ["gaussian"]
    assert np.array_equal(there.to_plain().predict(frame), here.predict(frame))


def test_the_density_may_be_one_of_dask(client, frame):
    density = SharpPCDensity(2, max_iter=5, client=client)
    detector = SharpPCOutlierDetector(density, **PARAMETERS, client=client)
    detector.fit(dd.from_pandas(frame.reset_index(drop=True), npartitions=3))
    plain = skpc.SharpPCOutlierDetector(skpc.SharpPCDensity(2, max_iter=5), **PARAMETERS)
    assert detector.offset_ == plain.fit(frame).offset_
    assert clone(detector).estimator.client is client


def test_about_the_wanted_share_of_all_rows_is_flagged_by_rows_that_are_drawn(client, monkeypatch):
    """Within four standard errors of a share of the rows drawn; the others are new to it."""
    monkeypatch.setattr("skpc._data.row_sample.MOST_ROWS", 1000)
    monkeypatch.setattr("skpc._data.row_sample._LEAST_ROWS", 1000)
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    cut = da.from_array(X, chunks=(3000, 2))
    detector = SharpPCOutlierDetector(2, **PARAMETERS, client=client).fit(cut)
    share = (detector.predict(cut) < 0).mean().compute(scheduler=client)
    assert abs(share - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 1000)
    assert len(detector._known_rows.scores) <= 1000


def test_answers_for_rows_are_lazy(there, frame, client):
    table = dd.from_pandas(frame.reset_index(drop=True), npartitions=4)
    for name in "score_samples", "decision_function", "p_values", "predict":
        lazy = getattr(there, name)(table)
        assert isinstance(lazy, dd.Series)
        expected = getattr(there, name)(frame)
        assert lazy.dtype == expected.dtype
        assert np.array_equal(lazy.compute(scheduler=client), expected)
    contributions = there.feature_contributions(table)
    assert contributions.columns.tolist() == frame.columns.tolist()
    assert np.array_equal(
        contributions.compute(scheduler=client), there.feature_contributions(frame)
    )
    weights = np.arange(len(frame)) % 3
    mean = there.score(table, sample_weight=weights)
    assert np.isclose(mean, there.score(frame, sample_weight=weights), rtol=1e-12)


def test_what_needs_all_rows_at_once_is_refused(client, frame):
    table = dd.from_pandas(frame.reset_index(drop=True), npartitions=2)
    detector = SharpPCOutlierDetector(2, n_components=2, false_discovery_rate=0.1, client=client)
    detector.fit(table)
    with pytest.raises(ValueError, match=r"false_discovery_rate=0\.1 judges a table as a whole"):
        detector.predict(table)
    with pytest.raises(ValueError, match="X_val must be in memory"):
        detector.fit(table, X_val=table)
    with pytest.raises(ValueError, match=r"contamination=0\.1 cannot act"):
        detector.set_params(contamination=0.1).fit(table)

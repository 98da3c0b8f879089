"""`skpc.dask.SharpPCDensity`: what it learns is what is learnt in memory, wherever rows are."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
from distributed import Client
from helpers import same_bits
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import skpc
from skpc import SharpPCDensityCV
from skpc.dask import SharpPCDensity

SETTINGS = {"n_latents": 2, "max_iter": 6, "batch_size": None, "random_state": 0}


def split(frame, *lengths):
    """A dask frame with partitions of these lengths; the last one has the rest."""
    bounds = [0, *np.cumsum(lengths), len(frame)]
    parts = [frame.iloc[first:last] for first, last in pairwise(bounds)]
    return dd.from_map(lambda part: part, parts, meta=frame.iloc[:0])


def numbers(frame):
    """The columns of numbers, as an array."""
    return frame[["code", "tied", "free"]].to_numpy()


def in_chunks(frame, size=90, **settings):
    """The fit on this machine that reads the table part by part."""
    parts = [frame.iloc[i : i + size] for i in range(0, len(frame), size)]
    return skpc.SharpPCDensity(**{**SETTINGS, **settings}).fit(lambda: iter(parts))


def test_a_table_that_is_drawn_whole_gives_the_bits_of_the_fit_in_memory(client, frame):
    """Whatever the partitions: none, one row, columns apart, lengths that are not known."""
    X = numbers(frame)
    whole = skpc.SharpPCDensity(**SETTINGS).fit(X)
    cut = da.from_array(X, chunks=((0, 1, 300, 399), (1, 2)))
    assert same_bits(SharpPCDensity(**SETTINGS, client=client).fit(cut).circuit_, whole.circuit_)
    unknown = da.concatenate([cut[cut[:, 0] >= 2], cut[cut[:, 0] < 2]])
    model = SharpPCDensity(**SETTINGS, client=client).fit(unknown)
    assert same_bits(model.circuit_, whole.circuit_)
    of_frame = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 0, 1, 400))
    assert same_bits(of_frame.circuit_, skpc.SharpPCDensity(**SETTINGS).fit(frame).circuit_)
    assert of_frame.feature_names_in_.tolist() == list(frame.columns)
    assert of_frame.n_features_in_ == 4


def test_em_goes_on_with_all_rows_as_it_does_on_one_machine(client, frame, few_drawn):
    expected = in_chunks(frame)
    for lengths in [(350,), (0, 1, 200, 5, 0, 150)]:
        model = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, *lengths))
        assert model.n_iter_ == expected.n_iter_
        assert np.allclose(model.log_likelihoods_, expected.log_likelihoods_, rtol=0, atol=1e-9)
        difference = model.score_samples(frame) - expected.score_samples(frame)
        assert np.abs(difference).max() < 1e-9


def test_of_many_numbers_those_that_are_drawn_make_the_margin(client, few_drawn):
    rng = np.random.default_rng(0)
    state = rng.integers(0, 2, (5000, 1))
    X = np.hstack([state, 3 * state + rng.normal(size=(5000, 1))])
    expected = in_chunks(pd.DataFrame(X, columns=["state", "number"]))
    model = SharpPCDensity(**SETTINGS, client=client).fit(da.from_array(X, chunks=(1300, 1)))
    assert model.feature_types_ == ["categorical", "numeric"]
    assert np.allclose(model.score_samples(X), expected.score_samples(
        pd.DataFrame(X, columns=["state", "number"])), rtol=0, atol=1e-9)  # fmt: skip


@pytest.mark.slow
def test_batches_are_those_of_the_fit_on_one_machine(client, frame, few_drawn):
    """The hash of a row decides which, not the partition that it is in."""
    settings = {**SETTINGS, "batch_size": "auto", "max_iter": 2}
    expected = in_chunks(frame, **settings)
    model = SharpPCDensity(**settings, client=client).fit(split(frame, 350))
    difference = model.score_samples(frame) - expected.score_samples(frame)
    assert np.abs(difference).max() < 1e-9
    assert model.n_iter_ == 2
    whole = SharpPCDensity(**{**settings, "batch_size": None}, client=client)
    assert not np.allclose(whole.fit(split(frame, 350)).score(frame), model.score(frame))


def test_workers_and_threads_do_not_change_a_bit(client, frame, few_drawn):
    table = split(frame, *[40] * 12)
    one = SharpPCDensity(**SETTINGS, client=client).fit(table)
    with Client(
        processes=False, n_workers=1, threads_per_worker=4, dashboard_address=":0",
        set_as_default=False,
    ) as other:  # fmt: skip
        two = SharpPCDensity(**SETTINGS, client=other).fit(table)
    assert same_bits(one.circuit_, two.circuit_)
    assert one.log_likelihoods_.tolist() == two.log_likelihoods_.tolist()


def test_two_fits_at_once_do_not_disturb_each_other(client, cluster, frame, few_drawn):
    table = split(frame, 200, 200)
    alone = [SharpPCDensity(**{**SETTINGS, "n_latents": k}, client=client) for k in (2, 3)]
    expected = [one.fit(table).circuit_ for one in alone]
    with Client(cluster, set_as_default=False) as second, ThreadPoolExecutor(2) as pool:
        models = [clone(alone[0]), clone(alone[1]).set_params(client=second)]
        found = list(pool.map(lambda model: model.fit(table).circuit_, models))
    assert all(map(same_bits, found, expected))


def test_partitions_may_lack_categories_and_call_them_differently(client, frame, few_drawn):
    """Of one dtype without known categories each partition has those that it shows."""
    ordered = frame.sort_values("label", kind="stable")
    parts = [ordered[ordered["label"] == label] for label in ("blue", "green", "red")]
    expected = in_chunks(ordered)
    strings = dd.from_map(lambda part: part, parts, meta=frame.iloc[:0])
    model = SharpPCDensity(**SETTINGS, client=client).fit(strings)
    assert model.categories_[0].tolist() == ["blue", "green", "red"]
    assert np.allclose(model.score_samples(frame), expected.score_samples(frame), atol=1e-9)
    categories = strings.astype({"label": "category"})
    assert not categories["label"].cat.known
    model = SharpPCDensity(**SETTINGS, client=client).fit(categories)
    assert model.categories_[0].tolist() == ["blue", "green", "red"]
    arrow = strings.astype({"label": "string[pyarrow]"})
    model = SharpPCDensity(**SETTINGS, client=client).fit(arrow)
    again = frame.astype({"label": "string[pyarrow]"})
    assert np.allclose(model.score_samples(again), expected.score_samples(frame), atol=1e-9)


def test_weights_are_repetitions_in_whatever_form_they_come(client, frame, few_drawn):
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 3, len(frame))
    weights[:50] = 0  # all of a partition
    repeated = frame.iloc[np.repeat(np.arange(len(frame)), weights)]
    expected = in_chunks(repeated)
    table = split(frame, 50, 300)
    series = split(pd.DataFrame({"w": weights}, index=frame.index), 50, 300)["w"]
    X = da.from_array(numbers(frame), chunks=(300, 3))
    of_array = in_chunks(pd.DataFrame(numbers(repeated)))
    for data, given, one in [
        (table, series, expected),
        (table, weights, expected),
        (table, da.from_array(weights, chunks=((50, 300, 350),)), expected),
        (X, da.from_array(weights, chunks=100), of_array),
        (X[X[:, 0] >= 0], weights, of_array),
    ]:
        model = SharpPCDensity(**SETTINGS, client=client).fit(data, sample_weight=given)
        assert np.allclose(model.log_likelihoods_, one.log_likelihoods_, rtol=0, atol=1e-9)


def test_validation_rows_may_be_a_collection(client, frame, few_drawn):
    """Then all of them decide which circuit is the best, wherever they are."""
    learnt, held_out = frame.iloc[:500], frame.iloc[500:]
    weights = np.arange(len(held_out)) % 3
    settings = {**SETTINGS, "max_iter": 25, "n_iter_no_change": 3}
    there = SharpPCDensity(**settings, client=client).fit(
        split(learnt, 300), X_val=split(held_out, 0, 90), sample_weight_val=weights
    )
    here = SharpPCDensity(**settings, client=client).fit(
        split(learnt, 300), X_val=held_out, sample_weight_val=weights
    )
    expected = here.validation_log_likelihoods_
    assert np.allclose(there.validation_log_likelihoods_, expected, rtol=0, atol=1e-3)
    assert there.best_iteration_ == np.argmax(there.validation_log_likelihoods_)
    best = there.validation_log_likelihoods_.max()
    assert np.isclose(there.score(held_out, sample_weight=weights), best, rtol=0, atol=1e-9)


def test_queries_of_rows_are_lazy_and_give_what_they_give_in_memory(client, frame):
    model = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 350))
    table = split(frame, 0, 20)
    scores = model.score_samples(table)
    assert isinstance(scores, dd.Series)
    assert scores.dtype == np.float64
    computed = scores.compute(scheduler=client)
    assert computed.index.equals(frame.index)
    assert np.array_equal(computed, model.score_samples(frame))
    for lazy, now, names in [
        (
            model.feature_contributions(table, kind="surprise"),
            model.feature_contributions(frame, None, "surprise"),
            frame.columns,
        ),
        (model.feature_contributions(table), model.feature_contributions(frame), frame.columns),
        (model.latent_posterior(table, "code"), model.latent_posterior(frame, "code"), [0, 1]),
        (
            model.feature_contributions(table, groups={"both": ["code", "free"]}),
            model.feature_contributions(frame, {"both": ["code", "free"]}),
            ["both"],
        ),
    ]:
        assert isinstance(lazy, dd.DataFrame)
        assert lazy.columns.tolist() == list(names)
        assert np.array_equal(lazy.compute(scheduler=client), now)
    X = numbers(frame)
    of_array = SharpPCDensity(**SETTINGS, client=client).fit(da.from_array(X, chunks=(400, 2)))
    cut = da.from_array(X, chunks=(90, 1))
    traces = of_array.hessian_trace(cut)
    assert isinstance(traces, da.Array)
    assert traces.shape == (700,)
    assert np.array_equal(traces.compute(scheduler=client), of_array.hessian_trace(X))
    contributions = of_array.feature_contributions(cut)
    assert contributions.shape == (700, 3)
    assert np.array_equal(
        contributions.compute(scheduler=client), of_array.feature_contributions(X)
    )


def test_means_and_criteria_are_computed_at_once(client, frame):
    model = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 350))
    weights = np.arange(len(frame)) % 4
    for query in model.score, model.sharpness, model.aic, model.bic:
        there = query(split(frame, 10, 0, 300), sample_weight=weights)
        assert isinstance(there, float)
        assert np.isclose(there, query(frame, sample_weight=weights), rtol=1e-12)


def test_models_go_where_there_is_no_cluster(client, frame):
    model = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 350))
    assert clone(model).client is client
    assert clone(model).get_params() == model.get_params()
    stored = pickle.loads(pickle.dumps(model))
    assert stored.client is None
    plain = model.to_plain()
    assert type(plain) is skpc.SharpPCDensity
    for other in stored, plain, pickle.loads(pickle.dumps(plain)):
        assert np.array_equal(other.score_samples(frame), model.score_samples(frame))
    drawn = model.sample(5, random_state=0)
    assert drawn.equals(plain.sample(5, random_state=0))
    assert drawn.columns.equals(frame.columns)


def test_nothing_stays_with_the_cluster(client, frame, few_drawn):
    SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 300))
    with pytest.raises(ValueError, match="partition 1 of X"):
        SharpPCDensity(**SETTINGS, client=client).fit(split(frame.assign(free=np.inf), 0))

    def left(dask_scheduler=None):
        return [key for key in map(str, dask_scheduler.tasks) if key.startswith("skpc")]

    while client.run_on_scheduler(left):  # which hears of it a moment later
        pass


def test_a_fit_that_fails_names_the_partition_and_leaves_the_estimator_as_it_was(client, frame):
    model = SharpPCDensity(**SETTINGS, client=client).fit(split(frame, 350))
    before = model.circuit_
    table = split(frame, 300)
    weights = np.ones(len(frame))
    weights[310] = -1.0
    mixed = dd.from_map(lambda part: part, [frame, frame[["code"]]], meta=frame.iloc[:0])
    dated = frame.assign(day=pd.Timestamp(0))
    for X, options, message in [
        (table, {"sample_weight": weights}, "sample_weight of partition 1 of X.*row 10"),
        (table, {"sample_weight": np.ones(5)}, r"700 rows of X; got the shape \(5,\)"),
        (table, {"sample_weight": np.zeros(len(frame))}, "no row of positive weight"),
        (
            table,
            {"sample_weight": da.ones(len(frame), chunks=((299, 401),))},
            r"entries for partition \d of X, which has \d00 rows",
        ),
        (
            da.ones((10, 2), chunks=5)[da.ones(10, chunks=5) > 0],
            {"sample_weight": da.ones(10, chunks=2)},
            "5 partitions and X 2, whose",
        ),
        (mixed, {}, "4 columns in some chunks and 1 in"),
        (split(dated, 300), {}, "day"),
        (table["code"], {}, "one column"),
        (da.ones(5), {}, "X must have two dimensions; got 1"),
        (table, {"X_val": table[["code"]]}, "X_val has 1 columns, and X 4"),
        (frame, {"sample_weight": da.ones(len(frame))}, "sample_weight must be in memory"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.fit(X, **options)
        assert model.circuit_ is before
    with pytest.raises(ValueError, match="warm_start=True cannot act"):
        clone(model).set_params(warm_start=True).fit(table)
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(ValueError, match="3 features, but SharpPCDensity is expecting 4"),
    ):
        model.score_samples(da.ones((4, 3)))
    with pytest.raises(ValueError, match="names should match those that were passed during fit"):
        model.score_samples(table[list(table.columns)[::-1]])
    with pytest.raises(NotFittedError):
        SharpPCDensity().score_samples(table)


def test_a_client_is_needed_that_can_be_used(client, frame):
    with pytest.raises(ValueError, match="client=None takes the current client"):
        SharpPCDensity().fit(split(frame, 300))
    with pytest.raises(ValueError, match=r"client must be a dask\.distributed\.Client or None"):
        SharpPCDensity(client="tcp://127.0.0.1:1").fit(split(frame, 300))
    with Client(client.cluster, set_as_default=False) as closed:
        pass
    with pytest.raises(ConnectionError, match="status is 'closed'"):
        SharpPCDensity(client=closed).fit(split(frame, 300))
    with client.as_current():
        SharpPCDensity(**SETTINGS).fit(split(frame, 300))


def test_tables_in_memory_need_no_cluster(frame):
    model = SharpPCDensity(**SETTINGS).fit(frame)
    assert same_bits(model.circuit_, skpc.SharpPCDensity(**SETTINGS).fit(frame).circuit_)


def test_searches_over_mu_run_on_the_cluster(client, frame):
    grid = {"mu": [0.0, 0.3]}
    X = numbers(frame)[:200]
    serial = GridSearchCV(skpc.SharpPCDensity(**SETTINGS), grid, cv=2).fit(X)
    with client.as_current(), joblib.parallel_config(backend="dask"):
        spread = GridSearchCV(skpc.SharpPCDensity(**SETTINGS), grid, cv=2).fit(X)
        folds = SharpPCDensityCV(skpc.SharpPCDensity(**SETTINGS), mus=[0.0, 0.3], cv=2).fit(X)
    for number in range(2):
        name = f"split{number}_test_score"
        assert np.array_equal(spread.cv_results_[name], serial.cv_results_[name])
    one = SharpPCDensityCV(skpc.SharpPCDensity(**SETTINGS), mus=[0.0, 0.3], cv=2).fit(X)
    for name in "cv_log_likelihoods_", "cv_sharpness_", "cv_overfitting_":
        assert np.array_equal(getattr(folds, name), getattr(one, name))
    assert same_bits(folds.circuit_, one.circuit_)

"""Fits of tables in chunks: those of the whole, or what EM on all rows makes of some."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skpc import SharpPCDensity, SharpPCDensityCV, SharpPCOutlierDetector
from skpc._data import row_sample
from skpc._data.rows import Rows
from skpc._estimators import parts
from skpc._learning.em import EMUpdates, EStep
from skpc._learning.parts import BatchesOfParts


def mixed(n=600, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    table = pd.DataFrame(
        {
            "number": rng.normal(z, 0.5),
            "label": np.array(["x", "y", "z"])[(z + rng.integers(0, 2, n)) % 3],
            "count": rng.integers(0, 40, n) + 5 * z,
            "flag": rng.random(n) < 0.2 + 0.3 * (z == 1),
        }
    )
    table.loc[rng.random(n) < 0.1, "number"] = np.nan
    return table


def in_chunks(table, n_rows):
    return lambda: (table[i : i + n_rows] for i in range(0, len(table), n_rows))


@pytest.fixture
def draw_few(monkeypatch):
    """Let a table of hundreds of rows be one of which nobody holds all."""
    monkeypatch.setattr(row_sample, "MOST_ROWS", 150)


def density(**parameters):
    return SharpPCDensity(**{"n_latents": 2, "random_state": 0, **parameters})


def assert_same_bits(one, other, table):
    np.testing.assert_array_equal(one.score_samples(table), other.score_samples(table))
    np.testing.assert_array_equal(one.log_likelihoods_, other.log_likelihoods_)
    assert one.feature_types_ == other.feature_types_


@pytest.mark.parametrize("n_rows", [1, 97, 600])
@pytest.mark.parametrize("make", [lambda t: t, pl.from_pandas], ids=["pandas", "polars"])
def test_few_rows_are_learnt_as_from_the_whole(n_rows, make):
    if n_rows == 1 and make is not pl.from_pandas:
        n_rows = 20
    table = make(mixed())
    weights = np.random.default_rng(0).integers(0, 3, 600)
    whole = density().fit(table, sample_weight=weights)
    own = density().fit(in_chunks(table, n_rows), sample_weight=weights)
    assert_same_bits(own, whole, table)
    assert type(own.sample(3)) is type(table)
    assert own.feature_names_in_.tolist() == list(table.columns)


def test_default_parameters(tmp_path):
    table = mixed(150)
    table.to_parquet(tmp_path / "t.parquet")
    whole = SharpPCDensity(random_state=0, max_iter=5).fit(table)
    assert_same_bits(clone(whole).fit(tmp_path / "t.parquet"), whole, table)


def test_memory_maps_and_arrays(tmp_path):
    X = mixed()[["number", "count"]].to_numpy(float)
    np.save(tmp_path / "x.npy", X)
    whole = density().fit(X)
    with sklearn.config_context(working_memory=0.005):
        own = density().fit(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert own.score(X) == pytest.approx(whole.score(X), abs=1e-9)


@pytest.mark.parametrize("batch_size", ["auto", None])
@pytest.mark.usefixtures("draw_few")
def test_many_rows_give_the_same_bits_for_any_chunks(batch_size):
    table = mixed()
    models = [
        density(batch_size=batch_size, max_iter=4).fit(in_chunks(table, n_rows))
        for n_rows in (600, 61, 13)
    ]
    for model in models[1:]:
        assert_same_bits(model, models[0], table)
    shuffled = table.sample(frac=1.0, random_state=0)
    other = density(batch_size=batch_size, max_iter=4).fit(in_chunks(shuffled, 50))
    assert other.score(table) == pytest.approx(models[0].score(table), abs=1e-9)
    assert models[0].n_iter_ == len(models[0].log_likelihoods_) <= 4


@pytest.mark.usefixtures("draw_few")
def test_all_rows_are_learnt_from_by_em(monkeypatch):
    """From the circuit of the rows that were drawn, as EM in memory goes on from it."""
    table = mixed()
    weights = np.random.default_rng(0).integers(1, 3, 600).astype(float)
    settings = {"batch_size": None, "max_iter": 3, "tol": 0.0}
    own = density(**settings).fit(in_chunks(table, 100), sample_weight=weights)
    monkeypatch.setattr(parts, "_learn_from_all", lambda *_: None)
    first = density(**settings).fit(in_chunks(table, 100), sample_weight=weights)
    columns, circuit = first._columns, first.circuit_
    rows = Rows.encode(columns.to_matrix(table), columns.scopes, weights).distinct()
    rows = rows.grouped(circuit.features)
    m_step = replace(first._solver().m_step, mu=first.mu_)
    updates = EMUpdates(circuit, EStep(circuit, rows.evidence, rows.weights), m_step)
    expected = []
    for _ in range(3):
        circuit, log_likelihood = next(updates)
        expected.append(log_likelihood)
    np.testing.assert_allclose(own.log_likelihoods_, expected, rtol=0, atol=1e-10)
    first.circuit_ = circuit
    np.testing.assert_allclose(
        own.score_samples(table), first.score_samples(table), rtol=0, atol=1e-9
    )


@pytest.mark.usefixtures("draw_few")
def test_all_rows_are_better_than_those_that_were_drawn(monkeypatch):
    table, others = mixed(2_000), mixed(2_000, seed=1)
    own = density(n_latents=4).fit(in_chunks(table, 300))
    monkeypatch.setattr(parts, "_learn_from_all", lambda *_: None)
    drawn = density(n_latents=4).fit(in_chunks(table, 300))
    assert own.score(others) > drawn.score(others) + 0.02


@pytest.mark.usefixtures("draw_few")
@pytest.mark.parametrize("working_memory", [0.1, 1])
def test_memory_changes_nothing_but_rounding(working_memory):
    """Rows wait, are kept in files and are looked at in blocks; categories alone are merged."""
    for table in (mixed(), mixed()[["label", "flag"]].assign(code=np.arange(600) % 150)):
        expected = density(max_iter=3, n_latents=3).fit(in_chunks(table, 100))
        with sklearn.config_context(working_memory=working_memory):
            own = density(max_iter=3, n_latents=3).fit(in_chunks(table, 100))
        np.testing.assert_allclose(
            own.score_samples(table), expected.score_samples(table), rtol=0, atol=1e-9
        )


@pytest.mark.usefixtures("draw_few")
def test_rows_that_judge():
    table, others = mixed(), mixed(200, seed=1)
    weights = np.arange(200)
    model = density().fit(in_chunks(table, 100), X_val=others, sample_weight_val=weights)
    history = model.validation_log_likelihoods_
    assert len(history) == model.n_iter_ + 1
    assert model.score(others, sample_weight=weights) == pytest.approx(history.max(), abs=1e-12)
    assert model.best_iteration_ == history.argmax()


def test_weights_that_are_shares():
    table = mixed(200)
    for X in (table, in_chunks(table, 50)):
        with pytest.warns(UserWarning, match="sums to 1 over 200 rows") as record:
            density(max_iter=2).fit(X, sample_weight=np.full(200, 1 / 200))
        assert record[0].filename == __file__


@pytest.mark.usefixtures("draw_few")
def test_no_half_fitted_model_remains():
    table = mixed()
    model = density().fit(table)
    before = model.score_samples(table)
    wrong = table.assign(number=table["number"].where(table.index < 500, np.inf))
    with pytest.raises(
        ValueError,
        match=r"X, rows 500 to 599, .*infinity .* column 'number'",
    ):
        model.fit(in_chunks(wrong, 100))
    with pytest.raises(ValueError, match="solver='adam' cannot learn from more than 150 distinct"):
        model.set_params(solver="adam").fit(in_chunks(table, 100))
    np.testing.assert_array_equal(model.score_samples(table), before)


@pytest.mark.usefixtures("draw_few")
def test_ctrl_c_keeps_what_was_learnt_by_then(monkeypatch):
    """Of all rows, or, before the first pass is done, of those that were drawn."""
    table = mixed()
    settings = {"max_iter": 4, "tol": 0.0}
    circuits = []
    for n_batches in (30, 100):
        left = [n_batches]

        def interrupted(self, batch, circuit, *, with_gate=False, left=left):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return self._e_steps[batch](circuit)

        with monkeypatch.context() as patch:
            patch.setattr(BatchesOfParts, "expected_counts", interrupted)
            with pytest.raises(KeyboardInterrupt):
                density(**settings).fit(in_chunks(table, 100))
            left[0] = n_batches
            model = density(**settings)
            with pytest.warns(ConvergenceWarning, match="Learning was interrupted after"):
                model.fit(in_chunks(table, 100), on_interrupt="keep")
        assert not model.converged_
        circuits.append(model)
    one = density(max_iter=1, tol=0.0).fit(in_chunks(table, 100))
    assert circuits[1].n_iter_ == 1
    monkeypatch.setattr(parts, "_learn_from_all", lambda *_: None)
    drawn = density(**settings).fit(in_chunks(table, 100))
    np.testing.assert_array_equal(circuits[0].score_samples(table), drawn.score_samples(table))
    assert (one.score_samples(table) != drawn.score_samples(table)).any()


@pytest.mark.usefixtures("draw_few")
def test_a_fit_goes_on_from_a_checkpoint(monkeypatch, tmp_path):
    table = mixed()
    settings = {"max_iter": 4, "tol": 0.0}
    whole = density(**settings).fit(in_chunks(table, 100))
    left = [3 * 64 + 20]
    count = BatchesOfParts.expected_counts

    def crash(self, batch, circuit, *, with_gate=False):
        left[0] -= 1
        if not left[0]:
            raise MemoryError
        return count(self, batch, circuit, with_gate=with_gate)

    path = tmp_path / "fit.npz"
    monkeypatch.setattr("skpc._learning.journal._SECONDS", 0.0)
    monkeypatch.setattr("skpc._learning.journal._SHARE", 1e9)
    with monkeypatch.context() as patch:
        patch.setattr(BatchesOfParts, "expected_counts", crash)
        with pytest.raises(MemoryError):
            density(**settings).fit(in_chunks(table, 100), checkpoint=path)
    with pytest.raises(ValueError, match="is of another fit, whose table is of 600 rows"):
        density(**settings).fit(in_chunks(table[:599], 100), checkpoint=path)
    passes = []
    monkeypatch.setattr(
        BatchesOfParts,
        "expected_counts",
        lambda *args, **kwargs: passes.append(0) or count(*args, **kwargs),
    )
    own = density(**settings).fit(in_chunks(table, 61), checkpoint=path)
    assert_same_bits(own, whole, table)
    assert len(passes) <= 2 * 64
    assert not path.exists()


def test_scores_of_sources(tmp_path):
    table = mixed()
    model = density().fit(table)
    weights = np.arange(600.0)
    np.testing.assert_array_equal(
        model.score_samples(in_chunks(table, 97)), model.score_samples(table)
    )
    table.to_parquet(tmp_path / "t.parquet")
    assert model.score(tmp_path / "t.parquet") == model.score(table)
    assert model.score(in_chunks(table, 97), sample_weight=weights) == pytest.approx(
        model.score(table, sample_weight=weights), abs=1e-12
    )


def test_a_search_and_a_detector_on_few_rows_in_chunks():
    table = mixed(200)
    source = in_chunks(table, 60)
    search = SharpPCDensityCV(density(max_iter=5), mus=[0.0, 1.0], cv=2)
    whole = clone(search).fit(table)
    search.fit(source)
    np.testing.assert_array_equal(search.cv_log_likelihoods_, whole.cv_log_likelihoods_)
    np.testing.assert_array_equal(search.score_samples(table), whole.score_samples(table))
    detector = SharpPCOutlierDetector(random_state=0, contamination=0.1)
    whole = clone(detector).fit(table)
    detector.fit(source)
    assert detector.offset_ == whole.offset_
    np.testing.assert_array_equal(detector.score_samples(table), whole.score_samples(table))


@pytest.mark.usefixtures("draw_few")
def test_a_search_and_a_detector_on_many_rows_in_chunks():
    table = mixed()
    search = SharpPCDensityCV(density(max_iter=2), mus=[0.0, 1.0], cv=2).fit(in_chunks(table, 60))
    alone = density(max_iter=2, mu=search.mu_).fit(in_chunks(table, 200))
    np.testing.assert_array_equal(search.score_samples(table), alone.score_samples(table))
    detector = SharpPCOutlierDetector(random_state=0, contamination=0.1)
    detector.fit(in_chunks(table, 60))
    assert 0.03 < (detector.predict(mixed(seed=1)) < 0).mean() < 0.2

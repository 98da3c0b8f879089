"""A kind of distribution that the package does not have, registered and used everywhere."""

import pickle

import numpy as np
import pandas
import pytest
from exponential import Exponential
from scipy.integrate import quad
from scipy.stats import kstest

from skpc import SharpPCClassifier, SharpPCDensity, SharpPCImputer
from skpc._circuit.inputs.kinds import KINDS, register
from skpc.circuit import from_dict, log_likelihood, to_dict


@pytest.fixture(autouse=True)
def _registered():
    register(Exponential)
    yield
    del KINDS["exponential"]


def frame(n=300, seed=0, missing=0.0):
    """Waiting times that a group explains, two of them, and another label."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n)
    table = pandas.DataFrame(
        {
            "wait": rng.exponential(np.array([0.5, 3.0, 20.0])[group]),
            "group": pandas.Categorical.from_codes(group, ["a", "b", "c"]),
            "call": rng.exponential(np.array([4.0, 1.0, 0.2])[group]),
            "flag": (rng.random(n) < np.array([0.1, 0.5, 0.9])[group]).astype(float),
        }
    )
    holes = rng.random(table.shape) < missing
    return table.mask(holes)


TYPES = {"wait": "exponential", "call": "exponential"}


def fitted(table, weights=None, **parameters):
    parameters = {"n_latents": 4, "max_iter": 15, "random_state": 0, **parameters}
    types = {name: kind for name, kind in TYPES.items() if name in table}
    return SharpPCDensity(feature_types=types, **parameters).fit(table, sample_weight=weights)


def test_one_state_has_the_inverse_of_the_weighted_mean():
    x = np.random.default_rng(0).exponential(7.0, (50, 1))
    x[::6] = np.nan
    weights = np.random.default_rng(1).uniform(0.1, 3.0, 50)
    model = SharpPCDensity(
        n_latents=1, feature_types="exponential", early_stopping=False, random_state=0
    ).fit(x, sample_weight=weights)
    seen = ~np.isnan(x[:, 0])
    mean = np.average(x[seen, 0], weights=weights[seen])
    np.testing.assert_allclose(model.circuit_.inputs[0].rates, 1.0 / mean, rtol=1e-12)
    expected = -np.log(mean) - x[seen, 0] / mean
    np.testing.assert_allclose(model.score_samples(x[seen]), expected, rtol=1e-12)
    assert model.circuit_.n_parameters == 1
    assert model.feature_types_ == ["exponential"]


def test_further_rows_are_learnt_from():
    first, rest, test = frame(200), frame(2000, seed=1), frame(2000, seed=2)
    model = fitted(first)
    one = model.circuit_.inputs[0]
    same = one.updated(one.expected_statistics(np.array([1.0, 2.0, 0.5, 3.0])))
    np.testing.assert_allclose(same.rates, one.rates, rtol=1e-12)
    before = model.score(test)
    for start in range(0, 2000, 200):
        model.partial_fit(rest.iloc[start : start + 200])
    assert model.score(test) > before + 0.005


def test_the_density_integrates_to_one():
    x = np.random.default_rng(0).exponential(7.0, (80, 1)) * np.array([[1.0], [0.1]] * 40)
    model = SharpPCDensity(n_latents=3, feature_types="exponential", random_state=0).fit(x)
    total, _ = quad(lambda t: np.exp(model.score_samples([[t]])[0]), 0.0, 500.0, limit=200)
    assert total == pytest.approx(1.0, abs=1e-7)


def test_scores_are_those_of_all_joint_states():
    table = frame(missing=0.2)
    model = fitted(table[["wait", "group"]], structure=[-1, 0])
    circuit = model.circuit_
    table = table.iloc[:40]
    of_wait = np.exp(circuit.inputs[0].log_prob(table[["wait"]].to_numpy()))
    codes = np.where(table["group"].cat.codes < 0, np.nan, table["group"].cat.codes)
    of_group = np.exp(circuit.inputs[1].log_prob(codes))
    joint = circuit.root_weights[:, None] * circuit.sum_weights[1]
    expected = np.log(np.einsum("ik,kj,ij->i", of_wait, joint, of_group))
    np.testing.assert_allclose(
        model.score_samples(table[["wait", "group"]]), expected, rtol=1e-9, atol=1e-12
    )


def test_learning_never_lowers_the_likelihood():
    model = fitted(frame(missing=0.2), early_stopping=False, max_iter=40, mu=0.0, pseudocount=0.0)
    assert np.diff(model.log_likelihoods_).min() > -1e-12
    assert model.log_likelihoods_[-1] > model.log_likelihoods_[0] + 0.01


def test_integer_weights_are_repetitions_to_the_last_bit():
    table = frame(80, missing=0.1)
    counts = np.random.default_rng(1).integers(0, 4, 80)
    weighted = fitted(table, counts, early_stopping=False)
    repeated = fitted(table.loc[np.repeat(table.index, counts)], early_stopping=False)
    assert np.array_equal(weighted.score_samples(table), repeated.score_samples(table))


@pytest.mark.parametrize("parameters", [{}, {"n_components": 2}, {"batch_size": 50}])
def test_draws_have_the_margin_of_the_data(parameters):
    table = frame(1000)
    drawn = fitted(table, max_iter=30, **parameters).sample(1000, random_state=0)
    for name in TYPES:
        assert kstest(drawn[name], table[name]).pvalue > 1e-3
    assert (drawn[["wait", "call"]] >= 0).all(axis=None)


def test_given_a_group_draws_wait_as_long_as_it_does():
    model = fitted(frame(600), max_iter=30)
    given = pandas.DataFrame({"wait": np.nan, "group": ["a", "c"], "call": np.nan, "flag": np.nan})
    given["group"] = pandas.Categorical(given["group"], ["a", "b", "c"])
    drawn = model.sample(500, given=given, random_state=0)
    wait = drawn["wait"].to_numpy().reshape(2, 500).mean(axis=1)
    moments = model.conditional_moments(given, "wait")
    error = np.sqrt(moments.variance / 500)
    assert (np.abs(wait - moments.mean) < 5 * error).all()
    assert moments.mean[1] > 10 * moments.mean[0]


def test_moments_given_a_row_are_integrals_of_its_density():
    model = fitted(frame(missing=0.1))
    row = frame(1)
    at = np.linspace(0.0, 400.0, 40001)
    rows = pandas.concat([row] * len(at), ignore_index=True)
    rows["wait"] = at
    density = np.exp(model.score_samples(rows))
    density /= np.trapezoid(density, at)
    mean = np.trapezoid(at * density, at)
    variance = np.trapezoid((at - mean) ** 2 * density, at)
    moments = model.conditional_moments(row, "wait")
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-3)  # of steps and a cut tail
    np.testing.assert_allclose(moments.variance, variance, rtol=1e-2)


@pytest.mark.parametrize("strategy", ["median_mode", "mean_mode", "sample", "max_product"])
def test_imputation_fills_waiting_times(strategy):
    table = frame(missing=0.2)
    density = SharpPCDensity(n_latents=4, max_iter=15, feature_types=TYPES, random_state=0)
    imputer = SharpPCImputer(density, strategy=strategy, random_state=0).fit(table)
    filled = imputer.transform(table)
    assert not filled.isna().any(axis=None)
    holes = table["wait"].isna().to_numpy()
    assert np.array_equal(filled["wait"][~holes], table["wait"][~holes])
    if strategy == "max_product":
        assert (filled["wait"][holes] == 0.0).all()  # the mode of every state
    elif strategy != "sample":  # this kind has no normal scale: its mean stands for its median
        expected = imputer.density_.conditional_moments(table, "wait").mean[holes]
        np.testing.assert_allclose(filled["wait"][holes], expected, rtol=1e-9)
    else:
        assert (filled["wait"][holes] > 0.0).all()


def test_contributions_are_differences_of_scores():
    table = frame(60, missing=0.2)
    model = fitted(table)
    contributions = np.asarray(model.feature_contributions(table, kind="surprise"))
    scores = model.score_samples(table)
    for j, name in enumerate(table):
        others = table.copy()
        others[name] = table[name].mask(table[name].notna())
        expected = model.score_samples(others) - scores
        np.testing.assert_allclose(contributions[:, j], expected, rtol=1e-8, atol=1e-10)


def test_what_no_state_can_show_is_most_unlikely_but_a_number():
    model = fitted(frame())
    rows = frame(2)
    rows.loc[0, "wait"] = -1.0
    scores = model.score_samples(rows)
    assert np.isfinite(scores).all()
    assert scores[0] < -1e15
    assert np.isfinite(np.asarray(model.feature_contributions(rows))).all()


def test_a_stored_model_is_the_same():
    table = frame(50, missing=0.1)
    model = fitted(table)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.score_samples(table), model.score_samples(table))
    distribution = model.circuit_.inputs[0]
    copy = Exponential.from_arrays(distribution.to_arrays())
    assert np.array_equal(copy.rates, distribution.rates)
    circuit = from_dict(to_dict(model.circuit_))
    X = table.assign(group=table["group"].cat.codes.astype(float).replace(-1.0, np.nan))
    assert np.array_equal(log_likelihood(circuit, X), model.score_samples(table))
    with pytest.raises(ValueError, match="rates must be positive"):
        Exponential.from_arrays({"rates": -distribution.rates})


def test_wrong_types_and_values_are_named():
    table = frame()
    with pytest.raises(ValueError, match=r"among \('auto', .*'exponential'\); got 'poisson'"):
        SharpPCDensity(feature_types={"wait": "poisson"}).fit(table)
    with pytest.raises(ValueError, match="'exponential' to column 'group', which holds label"):
        SharpPCDensity(feature_types={"group": "exponential"}).fit(table)
    with pytest.raises(
        ValueError,
        match=r"'wait' cannot be of type 'exponential': A waiting time is not negative; got -1",
    ):
        SharpPCDensity(feature_types=TYPES).fit(table.assign(wait=-1.0))


def test_what_is_not_learnt_by_gradient_says_so():
    with pytest.raises(ValueError, match="'exponential' is not learnt by gradient"):
        fitted(frame(), solver="adam")


def test_a_name_is_of_one_kind():
    register(Exponential)  # again
    with pytest.raises(ValueError, match="a distribution of kind 'exponential' already"):
        register(type("Other", (Exponential,), {}))


@pytest.mark.parametrize("name", ["a+b", "a/b", "auto", "", "Poisson", 3])
def test_names_that_files_cannot_hold_are_refused(name):
    with pytest.raises(ValueError, match="kind must be a name of small letters"):
        register(type("Other", (Exponential,), {"kind": name}))


def test_a_class_without_a_value_has_the_scale_of_the_column():
    """Far from a start for values near one, which a class without values would keep."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    shown = (y + (rng.random(300) < 0.1)) % 2
    X = np.stack([shown, rng.exponential(1000.0, 300)], axis=1).astype(float)
    known = X.copy()
    known[y == 1, 1] = np.nan
    types = ["categorical", "exponential"]
    density = SharpPCDensity(n_latents=2, feature_types=types, random_state=0)
    assert SharpPCClassifier(density).fit(known, y).score(X, y) > 0.8


def test_validation_rows_must_be_of_the_type_too():
    X = np.random.default_rng(0).exponential(size=(60, 2))
    density = SharpPCDensity(n_latents=2, feature_types="exponential", random_state=0)
    with pytest.raises(ValueError, match="column 0 cannot be of type 'exponential'"):
        density.fit(X, X_val=np.where(X > 1.0, X, -1.0))


def test_arrays_of_another_shape_are_refused():
    X = np.random.default_rng(0).exponential(size=(60, 2))
    density = SharpPCDensity(n_latents=2, feature_types="exponential", random_state=0)
    data = to_dict(density.fit(X).circuit_)
    rates = data["regions"][0]["arrays"]["rates"]
    data["regions"][0]["arrays"]["rates"] = np.stack([rates, rates], axis=1)
    with pytest.raises(ValueError, match="arrays of region 0 are no distribution of kind"):
        from_dict(data)

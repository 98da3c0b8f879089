"""Units do not matter: tables of any scale, weights of any total, without a warning of NumPy's."""

import warnings

import numpy as np
import pytest
from helpers import composed
from sklearn.exceptions import ConvergenceWarning

from skpc import (
    SharpPCClassifier,
    SharpPCDensity,
    SharpPCDensityCV,
    SharpPCImputer,
    SharpPCOutlierDetector,
)
from skpc.curvature import gradient, node_curvature, trace_gradient

N_ROWS = 60  # more than are read as categories where floats are integers


@pytest.fixture(autouse=True)
def _strict():
    """Whatever NumPy could warn of is an error; that EM has not converged is not of interest."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def gaussian_rows(n_rows=N_ROWS):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, 3))
    X[:, 1] = X[:, 0] + 0.3 * X[:, 1]  # of one group
    return X


def with_holes(X):
    return np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)


X = gaussian_rows()
TABLES = {
    "subnormal": X * 1e-310,
    "almost nothing": with_holes(X * 1e-300),
    "squares vanish": X * 1e-170,
    "tiny": X * 1e-60,
    "ordinary": with_holes(X),
    "large": X * 1e100,
    "squares almost overflow": with_holes(X * 1e148),
    "one column each": with_holes(X * [1e148, 1e-300, 1.0]),
    "one group of all scales": X * [1e140, 1e-160, 1.0],
    "constants": np.column_stack([X[:, 0], np.full(N_ROWS, 1e148), np.full(N_ROWS, 1e-300)]),
    "two values": np.column_stack(
        [np.where(X[:, 0] > 0, 0.5, 1e140), np.where(X[:, 2] > 0, -1e-300, 0.25e-300), X[:, 1]]
    ),
    "an offset": X + 1e12,
    "a huge offset": X * 1e100 + 1e112,
    "an outlier": np.vstack([X, [1e150, 0.0, -1e150]]),
    "mixed": np.column_stack([X[:, :2] * 1e148, X[:, 2] > 0]),
}

TINY = {"n_latents": 3, "max_iter": 4, "random_state": 0}
ESTIMATORS = {
    "density": SharpPCDensity(**TINY),
    "adam": SharpPCDensity(**TINY, solver="adam"),
    "random trees": SharpPCDensity(**TINY, structure="rat", n_components=2, init="random"),
    "detector": composed(SharpPCOutlierDetector, **TINY, n_components=2, criterion="dependence"),
    "cv": composed(SharpPCDensityCV, **TINY, mus=[0.0, 1.0], cv=2),
    "classifier": SharpPCClassifier(SharpPCDensity(**TINY)),
    "imputer": SharpPCImputer(SharpPCDensity(**TINY)),
}
# The density has all tables, and of the others each some; the rest is for patient machines.
PAIRS = [
    pytest.param(
        name,
        table,
        id=f"{name}-{called}",
        marks=() if name == "density" or (i + j) % 5 == 0 else pytest.mark.slow,
    )
    for i, name in enumerate(ESTIMATORS)
    for j, (called, table) in enumerate(TABLES.items())
]


def far_rows(table):
    """Rows of values that fit would take, or that are at the end of what float64 has."""
    rows = table[:5].copy()
    rows[0], rows[1], rows[2] = 1e150, -1e150, 1e-300
    rows[3, 0] = 1e300
    return np.vstack([rows, np.where(np.arange(table.shape[1]) == 0, np.nan, rows)])


def refuses_nothing(model, table):
    """Ask a density all that it can be asked, and check that answers are numbers."""
    first = np.arange(table.shape[1]) == 0
    for rows in (table, far_rows(table)):
        answers = [
            model.score_samples(rows),
            model.aic(rows),
            model.bic(rows),
            model.hessian_trace(rows),
            model.feature_contributions(rows),
            model.feature_contributions(rows, {"first two": [0, 1]}),
            model.pointwise_total_correlation(rows),
            model.log_conditional(np.where(first, rows, np.nan), np.where(first, np.nan, rows)),
            model.sample(2, random_state=0, given=rows),
            *(np.asarray(model.conditional_moments(rows, j)) for j in range(table.shape[1])),
        ]
        for answer in answers:
            assert np.isfinite(answer).all()
    assert np.isfinite(model.sample(20, random_state=0)).all()
    for curvature in (gradient, node_curvature, trace_gradient):
        assert np.isfinite(np.concatenate([*map(np.ravel, curvature(model.circuit_, table))])).all()


@pytest.mark.parametrize(("name", "table"), PAIRS)
def test_estimators_learn_and_answer_at_any_scale(name, table):
    estimator = ESTIMATORS[name]
    if name == "classifier":
        model = estimator.fit(table, np.arange(len(table)) % 2)
        for rows in (table, far_rows(table)):
            assert np.isfinite(model.predict_joint_log_proba(rows)).all()
            np.testing.assert_allclose(model.predict_proba(rows).sum(axis=1), 1.0, rtol=1e-12)
    elif name == "imputer":
        model = estimator.fit(table)
        for strategy in ("median_mode", "mean_mode", "sample", "max_product"):
            model.set_params(strategy=strategy)
            assert np.isfinite(model.transform(far_rows(table))).all()
    else:
        refuses_nothing(estimator.fit(table), table)


@pytest.mark.parametrize("exponents", [(-990, 0, 3), (-700, -700, -700), (490, 490, 490)])
@pytest.mark.parametrize("name", ["density", "adam", "random trees", "cv", "detector"])
def test_columns_in_other_powers_of_two_have_the_jacobian_alone(name, exponents):
    table = with_holes(gaussian_rows())
    estimator = ESTIMATORS[name]
    if name == "detector":
        estimator = composed(SharpPCOutlierDetector, **TINY, n_components=2)
    model = estimator.fit(table)
    expected, weights = model.score_samples(table), model.circuit_.sum_weights
    scaled = np.ldexp(table, exponents)
    model = estimator.fit(scaled)
    # Logarithms of determinants are rounded elsewhere, in sums and differences of about 1e3.
    np.testing.assert_allclose(model.circuit_.sum_weights, weights, rtol=1e-9)
    jacobian = np.where(np.isnan(table), 0, exponents).sum(axis=1) * np.log(2.0)
    np.testing.assert_allclose(model.score_samples(scaled) + jacobian, expected, atol=1e-9)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e148])
def test_classes_do_not_depend_on_units(scale):
    labels = np.arange(N_ROWS) % 3
    table = with_holes(gaussian_rows())
    model = ESTIMATORS["classifier"].fit(table, labels)
    expected = model.predict_log_proba(table)
    found = model.fit(table * scale, labels).predict_log_proba(table * scale)
    # Multiplication by what is no power of two rounds the values.
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-300, 1e148])
def test_completions_are_in_the_units_of_the_table(scale):
    table = with_holes(gaussian_rows())
    model = SharpPCDensity(**TINY)
    mean, variance = model.fit(table).conditional_moments(table, 0)
    drawn = model.sample(1, random_state=0, given=table)
    found_mean, found_variance = model.fit(table * scale).conditional_moments(table * scale, 0)
    found = model.sample(1, random_state=0, given=table * scale)
    np.testing.assert_allclose(found_mean / scale, mean, rtol=1e-7)
    np.testing.assert_allclose(found / scale, drawn, rtol=1e-7)
    if scale > 1:  # the square of the other is zero
        np.testing.assert_allclose(found_variance / scale**2, variance, rtol=1e-7)


WEIGHTS = {
    "1e-90 each": np.full(N_ROWS, 1e-90),
    "1e39 each": np.full(N_ROWS, 1e39),
    "1e300 each": np.full(N_ROWS, 1e300),
    "of all sizes": np.logspace(-300, 300, N_ROWS),
    "some of almost nothing": np.where(np.arange(N_ROWS) % 2 > 0, 1.0, 1e-300),
}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=WEIGHTS.keys())
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["discrete", "gaussian"])
@pytest.mark.parametrize("batch_size", [None, "auto"])
def test_weights_of_any_total(kind, dtype, weights, batch_size):
    warnings.filterwarnings("ignore", "sample_weight sums to", UserWarning)
    table = gaussian_rows() * 1e100
    if kind == "discrete":
        table = np.random.default_rng(0).integers(0, 3, (N_ROWS, 3)).astype(float)
    solver = "em" if batch_size is None else "adam"
    model = SharpPCDensity(**TINY, dtype=dtype, solver=solver, batch_size=batch_size)
    model.fit(table, sample_weight=weights)
    refuses_nothing(model, table)
    assert np.isfinite(model.score(table, sample_weight=weights))
    detector = composed(SharpPCOutlierDetector, **TINY, n_components=2, dtype=dtype)
    assert np.isfinite(detector.fit(table, sample_weight=weights).offset_)
    classifier = SharpPCClassifier(SharpPCDensity(**TINY, dtype=dtype))
    classifier.fit(table, np.arange(N_ROWS) % 4 < 2, sample_weight=weights)
    assert classifier.class_prior_.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_beyond_what_a_penalty_can_be_felt_in_powers_of_two_of_weights_do_not_matter(dtype):
    table = with_holes(gaussian_rows())
    weights = np.random.default_rng(0).uniform(0.5, 2.0, N_ROWS)
    model = SharpPCDensity(**TINY, dtype=dtype)
    circuits = [model.fit(table, sample_weight=2.0**k * weights).circuit_ for k in (80, 133, 900)]
    for circuit in circuits[1:]:
        assert np.array_equal(circuit.sum_weights, circuits[0].sum_weights)


WILD = [
    {"mu": 1e300},
    {"mu": 1.7e308, "multiplier": "exact"},
    {"mu": 1.7e308, "update": "cubic"},
    {"mu": 1.7e308, "update": "cubic", "multiplier": "exact"},
    {"mu": 1e300, "regularizer": "gated"},
    {"mu": 10**400},
    {"mu": 1e300, "solver": "adam"},
    {"mu": 10**400, "solver": "adam"},
    {"mu": 1e-320},
    {"pseudocount": 1.7e308},
    {"pseudocount": 10**400, "tol": 10**400, "batch_size": 10**400},
]


@pytest.mark.parametrize("parameters", WILD, ids=lambda p: ", ".join(p))
def test_parameters_of_any_size(parameters):
    table = np.column_stack([gaussian_rows(), np.arange(N_ROWS) % 3])
    model = SharpPCDensity(**{**TINY, **parameters}).fit(table)
    model.circuit_.check()
    assert np.isfinite(model.score_samples(table)).all()
    assert np.isfinite(model.log_likelihoods_).all()
    assert model.mu_ == parameters.get("mu", model.mu_)


SHARES = {
    "density": SharpPCDensity(**TINY),
    "detector": composed(SharpPCOutlierDetector, **TINY, n_components=1),
    "cv": composed(SharpPCDensityCV, **TINY, mus=[0.0, 1.0], cv=2),
    "warm cv": composed(SharpPCDensityCV, **TINY, mus=[0.0, 1.0], cv=2, warm_path=True),
    "classifier": SharpPCClassifier(SharpPCDensity(**TINY)),
    "imputer": SharpPCImputer(SharpPCDensity(**TINY)),
}


@pytest.mark.parametrize("estimator", SHARES.values(), ids=SHARES.keys())
def test_weights_that_are_shares_are_warned_of_once(estimator):
    labels = np.arange(N_ROWS) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(gaussian_rows(), labels, sample_weight=np.full(N_ROWS, 1 / N_ROWS))
    (warning,) = caught
    assert warning.category is UserWarning
    assert "sample_weight sums to 1 over 60 rows" in str(warning.message)

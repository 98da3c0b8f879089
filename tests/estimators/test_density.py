"""SharpPCDensity: parameters, validation, errors, and what a fit leaves behind."""

import re
import warnings

import numpy as np
import pandas
import pytest
from helpers import same_bits
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skpc import SharpPCDensity


def binary_rows(n_rows=60, n_features=5, seed=0):
    generator = np.random.default_rng(seed)
    latent = generator.integers(0, 2, n_rows)
    return (generator.random((n_rows, n_features)) < 0.2 + 0.6 * latent[:, None]).astype(int)


def small(**parameters):
    return SharpPCDensity(**{"n_latents": 3, "max_iter": 5, "random_state": 0, **parameters})


def replaced(X, i, j, value, dtype=float):
    X = X.astype(dtype)
    X[i, j] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (replaced(binary_rows(), 3, 2, np.inf), r"infinity.*inf in row 3, column 2.*NaN"),
        (replaced(binary_rows(), 3, 2, "red", object), r"'red' in row 3, column 2.*OrdinalEncoder"),
        (replaced(binary_rows(), 3, 2, "red", "U5"), r"'red' in row 3, column 2.*OrdinalEncoder"),
        (replaced(binary_rows(), slice(None), 2, np.nan), r"no value in column 2.*Drop"),
        (np.empty((0, 3)), "X has 0 rows, of 3 columns"),
        (np.empty((3, 0)), "0 feature"),
        (pandas.DataFrame(index=range(3)), "0 feature"),
        (np.zeros(4), "Reshape your data"),
    ],
)
def test_fit_names_what_is_wrong_with_the_data(X, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        small().fit(X)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (replaced(np.ones((60, 1)), 7, 0, -2.0)[:, 0], r"sample_weight.*-2\.0 in row 7"),
        (np.zeros(60), "(?i)weight.*zero"),
        (np.ones(59), "sample_weight.shape"),
        (np.full(60, 1e308), r"sample_weight must have a finite sum; got.*1e\+308"),
    ],
)
def test_fit_names_what_is_wrong_with_the_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        small().fit(binary_rows(), sample_weight=weights)


def test_a_type_that_is_not_known_is_named_beside_those_that_are():
    types = "'categorical', 'binomial', 'numeric', 'gaussian'"
    message = f"feature_types must be among .*{types}.*got 'real'"
    with pytest.raises(ValueError, match=message):
        SharpPCDensity(feature_types="real").fit(np.eye(4))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_latents", 0),
        ("n_latents", 2.0),
        ("mu", -0.1),
        ("mu", "auto"),
        ("regularizer", "local"),
        ("multiplier", "newton"),
        ("update", "quartic"),
        ("max_iter", 0),
        ("tol", -1e-3),
        ("pseudocount", -1.0),
        ("init", "kmeans"),
        ("n_init", 0),
        ("n_jobs", 1.5),
        ("dtype", "float16"),
    ],
)
def test_fit_names_the_wrong_parameter_and_its_value(parameter, value):
    with pytest.raises(ValueError, match=rf"'{parameter}' parameter.*Got {value!r}"):
        small(**{parameter: value}).fit(binary_rows())


def test_a_column_observed_only_in_rows_without_weight_counts_as_missing():
    X = replaced(binary_rows(), slice(1, None), 2, np.nan)
    with pytest.raises(ValueError, match="no value in column 2"):
        small().fit(X, sample_weight=np.arange(60) > 0)


def test_wrong_number_of_features():
    model = small().fit(binary_rows())
    with pytest.raises(ValueError, match="X has 4 features, but SharpPCDensity is expecting 5"):
        model.score_samples(binary_rows()[:, :4])


def test_a_failed_fit_leaves_the_estimator_as_it_was():
    model = small().fit(binary_rows())
    before = dict(vars(model))
    with pytest.raises(ValueError, match="infinity"):
        model.fit(replaced(binary_rows()[:, :4], 0, 0, np.inf))
    assert vars(model) == before


def test_an_interrupted_first_fit_leaves_nothing(monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skpc._learning.solver.fit_em", interrupt)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(binary_rows())
    assert vars(model) == vars(small())


def test_queries_before_fit():
    for query in (
        lambda model: model.score_samples(binary_rows()),
        lambda model: model.score(binary_rows()),
        lambda model: model.sample(),
        lambda model: model.hessian_trace(binary_rows()),
        lambda model: model.sharpness(binary_rows()),
    ):
        with pytest.raises(NotFittedError):
            query(small())


def test_score_is_the_weighted_mean_of_score_samples():
    X = binary_rows()
    weights = np.linspace(0, 3, len(X))
    model = small().fit(X)
    expected = np.sum(weights * model.score_samples(X)) / weights.sum()
    assert model.score(X, sample_weight=weights) == pytest.approx(expected, rel=1e-14)
    assert model.sharpness(X, sample_weight=weights) == pytest.approx(
        np.average(model.hessian_trace(X), weights=weights), rel=1e-14
    )


def test_a_row_of_missing_values_scores_zero():
    model = small().fit(binary_rows())
    assert model.score_samples(np.full((2, 5), np.nan)).tolist() == [0.0, 0.0]


def test_an_unseen_category_has_the_mass_of_one_without_counts():
    X = np.array([[0], [0], [0], [1]])
    model = small(n_latents=1, pseudocount=0.5).fit(X)
    # One state: counts 3 and 1, one row spread evenly, half a row as all of these are.
    expected = np.log(np.array([3.5 * 1.1, 1.5 * 1.1, 0.5 * 1.1]) / 5.5)
    np.testing.assert_allclose(model.score_samples([[0], [1], [7]]), expected, rtol=1e-14)


def test_an_unseen_category_is_finite_without_pseudocount():
    model = small(pseudocount=0.0).fit(binary_rows())
    assert np.isfinite(model.score_samples(np.full((1, 5), 9))).all()


def test_a_feature_never_seen_to_vary():
    X = np.column_stack([binary_rows(), np.ones(60, int)])
    model = small().fit(X)
    marginal = X.astype(float)
    marginal[:, 5] = np.nan
    np.testing.assert_allclose(
        model.score_samples(X), model.score_samples(marginal), rtol=0, atol=1e-13
    )


@pytest.mark.parametrize("shape", [(1, 4), (10, 1), (1, 1), (5, 40)])
def test_few_rows_or_columns(shape):
    X = np.random.default_rng(0).integers(0, 3, shape)
    model = small(max_iter=50, pseudocount=0.0, mu=0.0).fit(X)
    assert (np.diff(model.log_likelihoods_) > -1e-12).all()
    assert (model.score_samples(X) <= 1e-12).all()


def test_duplicate_columns_are_learnt_as_equal():
    X = binary_rows(200, 2)
    # A tenth of a row is spread evenly; with the default it is one, as likely in 200 as 1 in 400.
    model = small(n_latents=4, max_iter=300, mu=0.0, pseudocount=1e-3)
    model.fit(np.repeat(X, 2, axis=1))
    contradiction = np.array([[0, 1, 0, 0]])
    assert model.score_samples(contradiction)[0] < -8
    assert model.score(np.repeat(X, 2, axis=1)) > -1.4  # two bits in all, not four


def test_sample_has_the_values_and_dtype_of_the_columns():
    X = np.column_stack([np.repeat([3, 7, 11], 20), np.tile([-5, 1000], 30)]).astype(np.int16)
    drawn = small().fit(X).sample(200, random_state=0)
    assert drawn.dtype == np.int16
    assert [set(column) for column in drawn.T] == [{3, 7, 11}, {-5, 1000}]


def test_sample_draws_anew_unless_seeded():
    model = small().fit(binary_rows())
    assert not np.array_equal(model.sample(40), model.sample(40))
    assert np.array_equal(model.sample(40, random_state=1), model.sample(40, random_state=1))


@pytest.mark.parametrize("n_samples", [0, -1, 2.5])
def test_sample_refuses_other_numbers_of_rows(n_samples):
    with pytest.raises(ValueError, match=f"n_samples.*got {n_samples}"):
        small().fit(binary_rows()).sample(n_samples)


def test_history_and_convergence():
    model = small(max_iter=1000, tol=1e-3, early_stopping=False).fit(binary_rows())
    changes = np.abs(np.diff(model.log_likelihoods_))
    assert model.converged_
    assert model.n_iter_ == len(model.log_likelihoods_) < 1000
    assert changes[-1] < 1e-3 <= changes[:-1].min()


def test_no_convergence_is_a_warning():
    with pytest.warns(ConvergenceWarning, match="max_iter=3.*tol=1e-09"):
        model = small(max_iter=3, tol=1e-9, early_stopping=False).fit(binary_rows())
    assert not model.converged_


def test_all_iterations_asked_for_is_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert small(max_iter=3, tol=0.0, early_stopping=False).fit(binary_rows()).n_iter_ == 3


def test_more_starts_are_never_worse_on_the_training_rows():
    X = binary_rows(200, 8)
    one, five = (
        small(n_init=n, max_iter=30, mu=0.0, tol=0.0, early_stopping=False, init="random").fit(X)
        for n in (1, 5)
    )
    assert five.log_likelihoods_[-1] >= one.log_likelihoods_[-1]
    assert not np.array_equal(five.log_likelihoods_, one.log_likelihoods_)


def test_warm_start_goes_on_where_it_stopped():
    X = binary_rows()
    whole = small(max_iter=10, tol=0.0, early_stopping=False).fit(X)
    parts = small(max_iter=6, tol=0.0, warm_start=True).fit(X)
    parts.set_params(max_iter=4).fit(X)
    assert np.array_equal(parts.circuit_.sum_weights, whole.circuit_.sum_weights)
    assert np.array_equal(parts.log_likelihoods_, whole.log_likelihoods_[6:])


@pytest.mark.parametrize(
    ("parameters", "X", "message"),
    [
        ({"n_latents": 4}, binary_rows(), "n_latents=4 differs from the 3"),
        ({}, binary_rows() + 1, "category that is not known: 2 in column 0"),
        ({}, binary_rows()[:, :4], "4 columns, the fitted circuit 5"),
    ],
)
def test_warm_start_refuses_another_problem(parameters, X, message):
    model = small(warm_start=True).fit(binary_rows())
    with pytest.raises(ValueError, match=f"{message}.*warm_start=False"):
        model.set_params(**parameters).fit(X)


def test_verbose_prints_one_line_an_iteration(capsys):
    model = small(max_iter=4, tol=0.0, early_stopping=False, verbose=1).fit(binary_rows())
    lines = capsys.readouterr().out.splitlines()
    printed = [float(re.search(r"log-likelihood (\S+)", line)[1]) for line in lines]
    np.testing.assert_allclose(printed, model.log_likelihoods_, rtol=0, atol=5e-7)
    assert re.fullmatch(
        r"iteration +3 +log-likelihood -\d+\.\d+ +change -?\d+\.\d+ +\d+\.\d\d s", lines[2]
    )


def test_n_parameters_counts_free_parameters():
    X = np.column_stack([binary_rows(), np.arange(60) % 3])
    circuit = small(n_latents=4).fit(X).circuit_
    # Root 3; five edges of 4 x 3; for each of 4 states five binary inputs and one of three.
    assert circuit.n_parameters == 3 + 5 * 12 + 4 * (5 + 2)


@pytest.mark.parametrize(
    "parameters",
    [
        {"regularizer": "gated"},
        {"multiplier": "exact", "mu": 1e-3},
        {"update": "cubic", "mu": 0.2},
        {"update": "cubic", "multiplier": "exact", "mu": 1e-4},
        {"update": "cubic", "regularizer": "gated", "mu": 0.2},
    ],
)
def test_every_penalty_lowers_the_sharpness_of_plain_em(parameters):
    """From several starts together: one may lead to a flat optimum by chance."""
    X = binary_rows(80, 10)
    common = {"n_latents": 6, "max_iter": 100, "tol": 0.0, "init": "random"}
    common["early_stopping"] = False
    plain, penalized = 0.0, 0.0
    for seed in range(4):
        plain += small(**common, mu=0.0, random_state=seed).fit(X).sharpness(X)
        model = small(**common, mu=0.05, random_state=seed).set_params(**parameters).fit(X)
        penalized += model.sharpness(X)
        model.circuit_.check()
    assert penalized < 0.99 * plain


def test_clone_carries_parameters_only():
    model = small(mu=0.3).fit(binary_rows())
    assert vars(clone(model)) == vars(small(mu=0.3))


def test_rows_of_weight_zero_are_not_looked_at():
    X = np.random.default_rng(0).normal(size=(30, 2))
    strange = np.vstack([X, [[np.inf, 1e200]]])
    model = small().fit(strange, sample_weight=np.append(np.ones(30), 0.0))
    assert np.array_equal(model.score_samples(X), small().fit(X).score_samples(X))


def test_weights_too_small_to_multiply_are_refused():
    with pytest.raises(ValueError, match=r"sample_weight.*all together 1e-100; got 5\.99"):
        small().fit(binary_rows(), sample_weight=np.full(60, 1e-300))


def test_any_working_memory_will_do():
    X = binary_rows()
    expected = small().fit(X)
    with config_context(working_memory=0):
        model = small().fit(X)
        np.testing.assert_allclose(model.score_samples(X), expected.score_samples(X), rtol=1e-9)
        np.testing.assert_allclose(model.sharpness(X), expected.sharpness(X), rtol=1e-6)


@pytest.mark.parametrize("kind", ["numeric", "gaussian"])
@pytest.mark.parametrize("distance", [1e10, 1e100, 1e160, 1e300])
def test_rows_however_far_away_have_finite_scores(distance, kind):
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = small(feature_types=kind).fit(X)
    far = np.array([[distance, 0.0, 0.0], [0.0, 0.0, 0.0]])
    scores = model.score_samples(far)
    assert np.isfinite(scores).all()
    # Margins have tails of a power law, whose density falls like the fourth power of distance.
    assert scores[0] < (-1e10 if kind == "gaussian" else -3.5 * np.log(distance))
    assert np.isfinite(model.hessian_trace(far)).all()


def test_verbose_begins_anew_with_each_start(capsys):
    small(max_iter=2, tol=0.0, early_stopping=False, verbose=1, n_init=2).fit(binary_rows())
    changes = re.findall(r"change +(\S+)", capsys.readouterr().out)
    assert [change == "nan" for change in changes] == [True, False, True, False]


def test_single_precision_training_is_near_double():
    X = binary_rows(300, 6)
    parameters = {"n_latents": 4, "max_iter": 30, "tol": 0.0, "random_state": 0}
    parameters["early_stopping"] = False
    double = SharpPCDensity(**parameters).fit(X)
    single = SharpPCDensity(**parameters, dtype="float32").fit(X)
    difference = np.abs(single.log_likelihoods_ - double.log_likelihoods_)
    assert 0 < difference.max() < 1e-5  # it is not float64 in disguise
    assert single.circuit_.sum_weights.dtype == np.float64
    assert np.abs(single.score_samples(X) - double.score_samples(X)).max() < 1e-3


def test_a_row_of_weight_two_is_a_row_twice_for_information_criteria():
    X, weights = binary_rows(), np.arange(60) % 3
    model = small().fit(X)
    repeated = np.repeat(X, weights, axis=0)
    scores = model.score_samples(repeated)
    aic = -2 * scores.sum() + 2 * model.n_parameters
    bic = -2 * scores.sum() + model.n_parameters * np.log(len(repeated))
    for rows in {"X": repeated}, {"X": X, "sample_weight": weights}:
        assert model.aic(**rows) == pytest.approx(aic, rel=1e-12)
        assert model.bic(**rows) == pytest.approx(bic, rel=1e-12)


def test_the_cubic_update_is_in_double_precision():
    model = SharpPCDensity(n_latents=3, max_iter=5, update="cubic", random_state=0)
    with pytest.raises(ValueError, match="dtype='float32' is not for update='cubic'"):
        model.set_params(dtype="float32").fit(binary_rows(100, 4))


def test_weights_that_are_shares_are_warned_of_with_the_remedy():
    X = binary_rows()
    with pytest.warns(UserWarning, match=r"sums to 1 over 60 rows.*Multiply.*by 60") as record:
        small().fit(X, sample_weight=np.full(60, 1 / 60))
    assert len(record) == 1


@pytest.mark.parametrize(
    "weights", [None, np.full(60, 0.11), np.append(np.zeros(59), 1.0), np.full(60, 1e200)]
)
def test_weights_that_may_be_counts_are_not_warned_of(weights):
    # Any warning would be an error.
    model = small().fit(binary_rows(), sample_weight=weights)
    model.score(binary_rows(), sample_weight=np.full(60, 1e-3))
    model.fit(binary_rows(), X_val=binary_rows(), sample_weight_val=np.full(60, 1e-3))


@pytest.mark.parametrize(("kind", "least"), [("gaussian", 1e15), ("numeric", 2 * np.log(1e150))])
def test_scores_of_many_columns_stay_negative_however_far_a_row_is(kind, least):
    X = np.random.default_rng(0).normal(size=(40, 90))
    model = small(feature_groups=None, max_iter=1, feature_types=kind).fit(X)
    far = np.full((1, 90), 1e150)
    assert model.score_samples(far)[0] < -90 * least
    assert (model.feature_contributions(far) > least).all()


def test_a_row_too_far_to_tell_is_neither_typical_nor_contradictory():
    X = np.random.default_rng(0).normal(size=(60, 1)) + 0.1 * np.ones((1, 3))
    X += 0.1 * np.random.default_rng(1).normal(size=X.shape)
    model = small(feature_types="gaussian").fit(X)
    assert len(model.circuit_.features) == 1  # the columns are of one group
    together, alone = model.pointwise_total_correlation([[1e20, 1e20, 1e20], [1e20, 0.0, 0.0]])
    assert together == 0.0
    assert alone < -1e16


def test_the_second_of_a_pair_is_for_covariances():
    X = np.random.default_rng(0).normal(size=(80, 2))
    one, pair, other = (
        SharpPCDensity(3, pseudocount=p, max_iter=5, random_state=0).fit(X).circuit_
        for p in (0.01, (0.01, 10.0), [0.01, 0.0])
    )
    assert same_bits(one, pair)
    assert not same_bits(one, other)
    assert other.inputs[0].shrinkage == 0.0


@pytest.mark.parametrize("value", [(1.0,), (1.0, -1.0), (0.1, 1.0, 1.0), ("a", 1), (np.nan, 1.0)])
def test_other_pairs_are_refused(value):
    with pytest.raises(ValueError, match="pseudocount must be a number of at least 0, or two"):
        SharpPCDensity(pseudocount=value).fit(np.eye(4))

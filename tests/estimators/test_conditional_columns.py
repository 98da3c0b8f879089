"""One column given each row of a table, against scores of its values and against `condition`."""

import numpy as np
import pandas
import pytest
import sklearn
from scipy.special import logsumexp

from skpc import SharpPCDensity

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

SIZES = ["S", "M", "L", "XL"]


def table(n=240):
    """Labels, ordered labels, two numbers that depend on them, labels and numbers that count."""
    rng = np.random.default_rng(0)
    c = rng.integers(0, 3, n)
    code = np.clip(c + rng.integers(0, 2, n), 0, 3)
    return pandas.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[c],
            "size": pandas.Categorical.from_codes(code, SIZES, ordered=True),
            "x": rng.normal(code, 0.7),
            "y": 2.0 * code + rng.normal(size=n),
            "grade": pandas.Categorical.from_codes(
                np.clip(c + rng.integers(0, 3, n), 0, 3), ["D", "C", "B", "A"], ordered=True
            ),
            "count": c + rng.integers(0, 4, n),
            "few": c * 2,
        }
    )


MODELS = {
    "alone": {"feature_groups": None},
    "groups": {"feature_groups": [["size", "x", "y"]]},
    "two trees": {"n_components": 2, "feature_groups": [["size", "x"]]},
    "mixed group": {"feature_groups": [["kind", "size", "x"]]},
}
TYPES = {"grade": "binomial", "count": "binomial", "few": "categorical"}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    parameters = {"n_latents": 3, "max_iter": 4, "random_state": 0, "n_jobs": 1}
    return SharpPCDensity(**parameters, feature_types=TYPES, **MODELS[request.param]).fit(table())


@pytest.fixture(scope="module")
def rows():
    """Rows with holes, of which two show the same numbers beside the ordered labels."""
    found = table().iloc[[0, 7, 30, 31, 32]].reset_index(drop=True)
    found.loc[1, ["x", "y"]] = found.loc[0, ["x", "y"]]
    found.loc[2, ["kind", "y"]] = np.nan
    found.loc[3, ["x", "y", "few"]] = np.nan
    found.loc[4] = np.nan
    return found


def by_scores(model, rows, name):
    """Probabilities of the values of a column: the scores of rows that have each, normalised."""
    scores = []
    for value in model.categories_[rows.columns.get_loc(name)]:
        filled = [value] * len(rows)
        if rows[name].dtype == "category":
            filled = pandas.Categorical(filled, rows[name].cat.categories, ordered=True)
        scores.append(model.score_samples(rows.assign(**{name: filled})))
    return np.exp(np.stack(scores, axis=1) - logsumexp(scores, axis=0)[:, None])


@pytest.mark.parametrize("name", ["kind", "grade", "count", "few"])
def test_probabilities_are_those_of_scores(model, rows, name):
    found = model.conditional_probabilities(rows, name)
    np.testing.assert_allclose(found, by_scores(model, rows, name), rtol=1e-9, atol=1e-12)


def test_probabilities_of_ordered_labels_are_those_of_each_condition(model, rows):
    found = model.conditional_probabilities(rows, "size")
    assert found.shape == (5, 4)
    for probabilities, (_, row) in zip(found, rows.drop(columns="size").iterrows(), strict=True):
        expected = model.condition(row).probabilities("size")
        assert list(expected) == model.categories_[1].tolist() == SIZES
        np.testing.assert_allclose(probabilities, list(expected.values()), atol=1e-9)
    np.testing.assert_allclose(found, by_scores(model, rows, "size"), atol=1e-12)


def test_what_rows_show_of_the_column_does_not_matter(model, rows):
    for name in ("size", "grade"):
        found = model.conditional_probabilities(rows, name)
        hidden = rows.assign(**{name: rows[name].where([False] * len(rows))})
        np.testing.assert_array_equal(model.conditional_probabilities(hidden, name), found)


@pytest.mark.parametrize("name", ["count", "few"])
def test_moments_of_categories_are_those_of_their_numbers(model, rows, name):
    values = model.categories_[rows.columns.get_loc(name)]
    shares = by_scores(model, rows, name)
    mean, variance = model.conditional_moments(rows, name)
    np.testing.assert_allclose(mean, shares @ values, rtol=1e-9)
    expected = (shares * np.square(values - mean[:, None])).sum(axis=1)
    np.testing.assert_allclose(variance, expected, rtol=1e-9)
    alone = model.condition(rows.iloc[2].drop(name))
    assert mean[2] == pytest.approx(alone.mean(name), rel=1e-9)


def test_moments_of_a_number_are_integrals_of_its_density(model, rows):
    row, grid = rows.iloc[[2]], np.linspace(-6, 10, 4001)
    repeated = row.loc[row.index.repeat(len(grid))].reset_index(drop=True)
    density = np.exp(model.score_samples(repeated.assign(x=grid)))
    density /= np.trapezoid(density, grid)
    mean, variance = model.conditional_moments(row, "x")
    # Means are of values within the range that fit saw.
    assert mean[0] == pytest.approx(np.trapezoid(grid * density, grid), abs=0.02)
    spread = np.trapezoid((grid - mean[0]) ** 2 * density, grid)
    assert variance[0] == pytest.approx(spread, rel=0.1)


def test_a_column_of_the_other_kind_is_refused(model, rows):
    for name in ("kind", "size", "grade"):
        message = rf"feature is column '{name}', which holds labels.*conditional_probabilities"
        with pytest.raises(ValueError, match=message):
            model.conditional_moments(rows, name)
    with pytest.raises(ValueError, match=r"feature is column 'x'.*Ask for conditional_moments"):
        model.conditional_probabilities(rows, "x")


def test_one_row_has_the_bits_of_many(model, rows):
    every = model.conditional_probabilities(rows, "size")
    each = [model.conditional_probabilities(rows.iloc[[i]], "size")[0] for i in range(len(rows))]
    np.testing.assert_array_equal(every, each)


def test_levels_that_are_points_in_a_group_are_asked_given_the_numbers_beside_them():
    rng = np.random.default_rng(1)
    code = np.clip(np.rint(rng.normal(40, 14, 500)), 0, 79).astype(int)
    levels = [f"level {i:02}" for i in range(80)]
    frame = pandas.DataFrame(
        {
            "level": pandas.Categorical.from_codes(code, levels, ordered=True),
            "x": code + rng.normal(0, 4, 500),
            "kind": np.where(rng.random(500) < code / 80, "a", "b"),
        }
    )
    parameters = {"n_latents": 3, "max_iter": 4, "random_state": 0, "n_jobs": 1}
    model = SharpPCDensity(**parameters, feature_groups=[["level", "x"]]).fit(frame)
    rows = frame.iloc[[0, 1, 0, 2]].reset_index(drop=True)
    rows.loc[2, "kind"], rows.loc[3, "x"] = np.nan, np.nan
    found = model.conditional_probabilities(rows, "level")
    for probabilities, (_, row) in zip(found, rows.drop(columns="level").iterrows(), strict=True):
        expected = model.condition(row).probabilities("level")
        assert list(expected) == model.categories_[0].tolist()
        np.testing.assert_allclose(probabilities, list(expected.values()), atol=1e-9)
    # The ends have what is beyond them; scores, of points, do not.
    inner = [part[:, 1:-1] for part in (found, by_scores(model, rows, "level"))]
    shares = [part / part.sum(axis=1, keepdims=True) for part in inner]
    np.testing.assert_allclose(*shares, atol=1e-3)
    assert np.abs(found[0] - found[3]).max() > 0.01  # what is beside tells
    many = model.conditional_probabilities(frame, "level")
    np.testing.assert_array_equal(many[:2], found[:2])
    with sklearn.config_context(working_memory=0.1):
        np.testing.assert_array_equal(model.conditional_probabilities(frame, "level"), many)

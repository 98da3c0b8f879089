"""Conditional distributions of fitted models, against scores that are summed or integrated."""

import copy
import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas
import polars
import pytest
from scipy.special import logsumexp
from sklearn.exceptions import NotFittedError

from skpc import SharpPCDensity

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

COLUMNS = ["kind", "x", "y", "spent", "age", "size"]
ROWS = 300


def table(seed=0):
    """Labels, two correlated numbers, a spike at zero, integers and ordered labels."""
    rng = np.random.default_rng(seed)
    c = rng.integers(0, 3, ROWS)
    x = rng.normal(c, 0.6)
    spent = np.where(rng.random(ROWS) < 0.4, 0.0, rng.exponential(1.0 + c))
    size = pandas.Categorical.from_codes(
        np.clip(c + rng.integers(0, 2, ROWS), 0, 3), ["S", "M", "L", "XL"], ordered=True
    )
    return pandas.DataFrame(
        {
            "kind": np.array(["a", "b", "c"])[c],
            "x": x,
            "y": 1.5 * x + rng.normal(0, 0.4, ROWS),
            "spent": spent,
            "age": (rng.integers(20, 50, ROWS) + 3 * c).astype("int32"),
            "size": size,
        }
    )


MODELS = {
    "groups": {"feature_groups": [["x", "y"]]},
    "alone": {"feature_groups": None},
    "two trees": {"n_components": 2, "feature_groups": [["x", "y"]]},
    "gaussian": {
        "feature_types": {"x": "gaussian", "y": "gaussian"},
        "feature_groups": [["x", "y"]],
    },
    "stacked": {"n_latents": "auto"},
}


@pytest.fixture(scope="module")
def models():
    frame = table()
    defaults = {"n_latents": 3, "max_iter": 4, "random_state": 0, "n_jobs": 1}
    return {
        name: SharpPCDensity(**{**defaults, **parameters}).fit(frame)
        for name, parameters in MODELS.items()
    }


@pytest.fixture(scope="module")
def model(models):
    return models["groups"]


each_model = pytest.mark.parametrize("name", MODELS)


def rows(n=1, **cells):
    """Rows of which these cells are known, one value or n of them."""
    frame = table().iloc[:1]
    frame = pandas.concat([frame] * n, ignore_index=True)
    for column in COLUMNS:
        if column in cells:
            values = cells[column]
            if frame[column].dtype == "category":
                values = pandas.Categorical([values] * n, frame[column].cat.categories, True)
            frame[column] = values
        else:
            frame[column] = np.nan
    return frame


def density(model, **cells):
    return float(np.exp(model.score_samples(rows(**cells))[0]))


def integral(score, low, high, n=4001):
    """Of a density along x."""
    grid = np.linspace(low, high, n)
    return np.trapezoid(np.exp(score(rows(n, x=grid))), grid), grid


@each_model
def test_values_give_what_log_conditional_and_conditional_say(models, name):
    model = models[name]
    given = model.condition(x=0.5, kind="b", age=30)
    evidence = rows(x=0.5, kind="b", age=30)
    assert given.log_probability == pytest.approx(model.score_samples(evidence)[0], abs=1e-9)
    query = rows(y=0.9, spent=0.0, size="M")
    expected = model.log_conditional(query, evidence)
    np.testing.assert_allclose(given.score_samples(query), expected, atol=1e-8)
    mean, variance = model.conditional_moments(evidence, "y")
    assert given.mean("y") == pytest.approx(mean[0], abs=1e-6)
    assert given.variance("y") == pytest.approx(variance[0], rel=1e-5)


@each_model
def test_an_interval_has_the_integral_of_the_density(models, name):
    model = models[name]
    given = model.condition(x=(0.2, 0.9))
    total, _ = integral(model.score_samples, 0.2, 0.9)
    assert given.log_probability == pytest.approx(np.log(total), abs=2e-5)

    def joint(frame):
        return model.score_samples(frame.assign(kind="c", spent=0.0))

    with_others, _ = integral(joint, 0.2, 0.9)
    found = given.score_samples(rows(kind="c", spent=0.0))[0]
    assert found == pytest.approx(np.log(with_others / total), abs=5e-5)
    inside, outside = given.score_samples(rows(2, x=[0.5, 0.95]))
    assert inside == pytest.approx(np.log(density(model, x=0.5) / total), abs=2e-5)
    assert outside == -np.inf


@each_model
def test_two_columns_of_one_group_may_have_intervals(models, name):
    model = models[name]
    given = model.condition(x=(0.2, 0.9), y=(-0.5, 1.0))
    x, y = np.linspace(0.2, 0.9, 101), np.linspace(-0.5, 1.0, 151)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    joint = np.exp(model.score_samples(rows(len(grid), x=grid[:, 0], y=grid[:, 1])))
    of_x = np.trapezoid(joint.reshape(101, 151), y, axis=1)
    total = np.trapezoid(of_x, x)
    assert given.log_probability == pytest.approx(np.log(total), abs=2e-3)
    inside = given.score_samples(rows(y=0.3))[0]
    at_y = joint.reshape(101, 151)[:, np.abs(y - 0.3).argmin()]
    assert np.exp(inside) == pytest.approx(np.trapezoid(at_y, x) / total, rel=5e-3)
    assert given.mean("x") == pytest.approx(np.trapezoid(x * of_x, x) / total, abs=1e-3)
    half = np.trapezoid(of_x[:51], x[:51]) / total
    assert given.cdf(x[50], "x") == pytest.approx(half, abs=2e-3)
    assert given.cdf([-0.5, 1.0], "y").tolist() == pytest.approx([0.0, 1.0], abs=1e-9)


@each_model
def test_a_set_of_integers_and_their_interval_are_the_same(models, name):
    model = models[name]
    by_set, by_interval = model.condition(age=range(30, 34)), model.condition(age=(30, 33))
    masses = [density(model, age=age) for age in range(30, 34)]
    position = model.feature_names_in_.tolist().index("age")
    # In a group integers count as points, and an interval has the mass between its ends.
    is_grouped = any(position in own and len(own) > 1 for own in model.circuit_.features)
    error = 1e-3 if is_grouped else 1e-6
    for given in by_set, by_interval:
        assert given.log_probability == pytest.approx(np.log(sum(masses)), abs=error)
        found = given.probabilities("age")
        for age, mass in zip(range(30, 34), masses, strict=True):
            assert found[age] == pytest.approx(mass / sum(masses), rel=10 * error)
    mean = sum(age * mass for age, mass in zip(range(30, 34), masses, strict=True)) / sum(masses)
    assert by_interval.mean("age") == pytest.approx(mean, rel=error if is_grouped else 1e-9)
    assert by_interval.quantile([0.0, 1.0], "age").tolist() == [30, 33]


@each_model
def test_values_of_measurements_share_by_their_densities(models, name):
    model = models[name]
    values = [-0.3, 0.2, 0.9]
    densities = np.array([density(model, x=value, kind="b") for value in values])
    given = model.condition(x=set(values), kind="b")
    assert given.log_probability == pytest.approx(np.log(densities.sum()), abs=1e-9)
    shares = densities / densities.sum()
    assert given.mean("x") == pytest.approx(shares @ values, rel=1e-9)
    assert given.quantile([0.0, 1.0], "x").tolist() == [-0.3, 0.9]
    draws = given.sample(2000, random_state=0)["x"]
    for value, share in zip(values, shares, strict=True):
        assert abs((draws == value).mean() - share) < 5 * np.sqrt(share * (1 - share) / 2000)
    each = [model.condition(x=value, kind="b").cdf(0.5, "y") for value in values]
    assert given.cdf(0.5, "y") == pytest.approx(shares @ each, rel=1e-6)


@each_model
def test_an_interval_has_the_atoms_at_its_ends(models, name):
    model = models[name]
    spike = density(model, spent=0.0)
    assert spike > 0.2
    nothing = model.condition(spent=(None, 0))
    assert np.exp(nothing.log_probability) == pytest.approx(spike, rel=0.02)
    something = model.condition(spent=pandas.Interval(0, np.inf, closed="neither"))
    assert np.exp(something.log_probability) == pytest.approx(1 - spike, rel=0.02)
    assert something.score_samples(rows(spent=0.0))[0] == -np.inf
    assert something.cdf(0.0, "spent") == pytest.approx(0.0, abs=1e-9)
    at_zero = model.condition(kind="a")
    below, at = at_zero.cdf([-1e-9, 0.0], "spent")
    assert at - below == pytest.approx(at_zero.pdf(0.0, "spent"), rel=1e-5)
    assert at_zero.quantile(0.5 * (below + at), "spent") == 0.0


@each_model
def test_the_distribution_function_is_the_integral_of_the_density(models, name):
    given = models[name].condition(kind="b", x=(0.0, 1.5))
    low, middle, high = given.quantile([0.05, 0.5, 0.95], "y")
    assert low < middle < high
    for first, last in (low, middle), (middle, high):
        grid = np.linspace(first, last, 3001)
        total = np.trapezoid(given.pdf(grid, "y"), grid)
        assert total == pytest.approx(0.45, abs=1e-4)
    np.testing.assert_allclose(given.cdf([low, middle, high], "y"), [0.05, 0.5, 0.95], atol=1e-9)


@each_model
def test_quantiles_are_the_least_values_that_reach_a_probability(models, name):
    given = models[name].condition(kind={"a", "b"}, y=(None, 2.0))
    for column in ("x", "y", "spent", "age"):
        for q in (0.02, 0.3, 0.5, 0.9):
            value = given.quantile(q, column)
            step = 1 if column == "age" else 1e-9 + 1e-9 * abs(value)
            assert given.cdf(value, column) >= q - 1e-12
            assert given.cdf(value - step, column) < q + 1e-6
    codes = {label: i for i, label in enumerate(["S", "M", "L", "XL"])}
    found = given.quantile([0.1, 0.5, 0.99], "size")
    for q, label in zip((0.1, 0.5, 0.99), found, strict=True):
        assert given.cdf(label, "size") >= q
        if codes[label]:
            assert given.cdf(["S", "M", "L", "XL"][codes[label] - 1], "size") < q


@each_model
@pytest.mark.parametrize(
    "evidence",
    [{"kind": "b", "age": (25, 40)}, {"x": (0.0, 1.0), "y": (0.5, None), "size": {"M", "L"}}],
    ids=["discrete", "group"],
)
def test_draws_have_the_distribution_that_is_told(models, name, evidence):
    given = models[name].condition(evidence)
    n = 4000
    draws = given.sample(n, random_state=0)
    assert draws.dtypes.equals(table().dtypes)
    assert np.isfinite(given.score_samples(draws)).all()
    for column in ("x", "y", "spent", "age"):
        values = given.quantile([0.1, 0.5, 0.9], column)
        for value in values:
            share = given.cdf(value, column)
            bound = 4.5 * np.sqrt(max(share * (1 - share), 1e-9) / n)
            assert abs((draws[column] <= value).mean() - share) <= bound
        spread = given.std(column)
        error = 5 * spread / np.sqrt(n)
        assert draws[column].mean() == pytest.approx(given.mean(column), abs=error)
        assert draws[column].std() == pytest.approx(spread, rel=0.12)
    for column in ("kind", "size"):
        found = given.probabilities(column)
        assert sum(found.values()) == pytest.approx(1.0)
        for label, share in found.items():
            bound = 5 * np.sqrt(max(share * (1 - share), 1e-9) / n)
            assert abs((draws[column] == label).mean() - share) <= bound


def test_draws_of_a_group_go_together_as_the_density_says(model):
    given = model.condition(x=(0.0, 1.0), y=(0.5, 1.5))
    draws = given.sample(6000, random_state=1)
    corner = model.condition(x=(0.0, 0.5), y=(0.5, 0.9)).log_probability - given.log_probability
    share = ((draws["x"] <= 0.5) & (draws["y"] <= 0.9)).mean()
    assert abs(share - np.exp(corner)) < 4.5 * 0.5 / np.sqrt(6000)


def test_conditioning_twice_is_conditioning_once_on_both(model):
    both = model.condition(kind={"b", "c"}, age=(30, 40), x=0.4)
    twice = model.condition(age=(25, 40), x=0.4).condition(kind=["b", "c"], age=(30, None))
    assert twice.log_probability == both.log_probability
    assert twice.evidence == both.evidence
    frame = table().assign(x=0.4)
    np.testing.assert_array_equal(twice.score_samples(frame), both.score_samples(frame))
    with pytest.raises(ValueError, match=r"column 'kind' contradicts what is known: \['b', 'c'\]"):
        both.condition(kind="a")


def test_the_order_of_columns_does_not_matter():
    frame = table()
    other = frame[["size", "y", "age", "x", "kind", "spent"]]
    parameters = {"n_latents": 2, "max_iter": 3, "random_state": 0, "structure": "star"}
    evidence = {"x": (0.0, 1.0), "kind": {"a", "b"}, "spent": 0.0}
    found = [SharpPCDensity(**parameters, init="random").fit(one) for one in (frame, frame.copy())]
    assert found[0].condition(evidence).mean() == found[1].condition(evidence).mean()
    smaller = found[0].marginal(list(other.columns))
    given, shuffled = found[0].condition(evidence), smaller.condition(evidence)
    assert given.log_probability == pytest.approx(shuffled.log_probability, abs=1e-12)
    for column, value in given.mean().items():
        assert shuffled.mean(column) == pytest.approx(value, rel=1e-9)
        assert shuffled.quantile(0.3, column) == pytest.approx(given.quantile(0.3, column))


def test_evidence_may_come_in_any_form(model):
    row = table().iloc[3]
    whole = model.condition(dict(row))
    partial = row.where([True, False, True, False, True, False])
    forms = [
        model.condition(row),
        model.condition(table().iloc[[3]]),
        model.condition(polars.from_pandas(table().astype({"size": str})).row(3, named=True)),
        model.condition(polars.from_pandas(table().astype({"size": str}))[3]),
        model.condition(row.to_numpy()),
        model.condition(**row),
        model.condition(dict(enumerate(row))),
    ]
    for given in forms:
        assert given.evidence == whole.evidence
        assert given.log_probability == pytest.approx(model.score_samples(table())[3], abs=1e-9)
        assert given.columns == []
    some = model.condition(partial)
    assert list(some.evidence) == ["kind", "y", "age"]
    assert some.columns == ["x", "spent", "size"]


def test_arrays_have_positions_and_keep_their_kind():
    X = np.random.default_rng(0).integers(0, 4, (80, 3))
    fitted = SharpPCDensity(n_latents=2, max_iter=3, random_state=0).fit(X)
    given = fitted.condition([np.nan, 2, np.nan])
    assert given.columns == [0, 2]
    assert given.evidence == {1: 2}
    assert set(given.mean()) == {0, 2}
    assert isinstance(given.median(0), int)
    draws = given.sample(5, random_state=0)
    assert draws.dtype == X.dtype
    assert (draws[:, 1] == 2).all()


def test_values_come_back_as_the_column_has_them(model):
    given = model.condition(kind="b")
    median = given.median()
    assert {name: type(value) for name, value in median.items()} == {
        "x": float,
        "y": float,
        "spent": float,
        "age": int,
        "size": str,
    }
    assert set(given.mean()) == {"x", "y", "spent", "age"}
    assert set(given.probabilities()) == {"age", "size"}
    assert given.quantile([0.1, 0.9], "age").dtype.kind == "i"
    assert set(given.mode()) == set(given.entropy()) == {*COLUMNS} - {"kind"}
    assert (given.mode("kind"), given.entropy("kind")) == ("b", 0.0)
    low, high = given.interval(0.8, "y")
    np.testing.assert_allclose(given.cdf([low, high], "y"), [0.1, 0.9], atol=1e-9)


def test_entropies_are_those_of_sums_and_integrals(models):
    given = models["groups"].condition(kind="b", x=(0.0, 1.0))
    masses = np.array(list(given.probabilities("size").values()))
    assert given.entropy("size") == pytest.approx(-(masses * np.log(masses)).sum(), rel=1e-9)
    grid = np.linspace(0.0, 1.0, 20_001)
    p = given.pdf(grid, "x")
    assert given.entropy("x") == pytest.approx(-np.trapezoid(p * np.log(p), grid), abs=2e-3)
    spike = given.pdf(0.0, "spent")
    grid = np.linspace(1e-9, 60.0, 200_001)
    p = given.pdf(grid, "spent")
    rest = -np.trapezoid(p * np.log(np.maximum(p, 1e-300)), grid)
    assert given.entropy("spent") == pytest.approx(rest - spike * np.log(spike), abs=2e-2)


def test_the_joint_entropy_is_that_of_all_rows():
    X = np.random.default_rng(0).integers(0, 3, (200, 3)) // [1, 1, 2]
    fitted = SharpPCDensity(n_latents=2, max_iter=5, random_state=0).fit(X)
    given = fitted.condition({0: {0, 1}})
    every = np.stack(np.meshgrid([0, 1], [0, 1, 2], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3)
    scores = given.score_samples(every)
    assert logsumexp(scores) == pytest.approx(0.0, abs=1e-9)
    value, error = given.joint_entropy(4000, random_state=0)
    assert 0.0 < error < 0.05
    assert abs(value + (np.exp(scores) * scores).sum()) < 4 * error


@pytest.mark.filterwarnings("ignore:The evidence .* is far outside")
@each_model
@pytest.mark.parametrize(
    "evidence", [{"y": 9.0}, {"x": (2.5, None)}, {"y": (7.0, 9.0), "kind": "a"}]
)
def test_the_joint_entropy_is_that_of_the_density_beyond_the_range_too(models, name, evidence):
    """Much of the mass is where draws do not go."""
    given = models[name].condition(evidence)
    grid = np.linspace(-15.0, 25.0, 80_001) if "x" not in evidence else np.linspace(2.5, 40, 80_001)
    p = given.pdf(grid, "x")
    assert np.trapezoid(p, grid) == pytest.approx(1.0, abs=5e-3)
    expected = -np.trapezoid(p * np.log(np.maximum(p, 1e-300)), grid)
    value, error = given.marginal(["x"]).joint_entropy(8000, random_state=0)
    assert abs(value - expected) < 4 * error + 0.02


def test_a_mode_is_where_the_density_is_largest(models):
    given = models["groups"].condition(kind="b", x=(0.2, 1.0))
    grid = np.linspace(0.2, 1.0, 4001)
    best = given.pdf(grid, "x").max()
    assert given.pdf(given.mode("x"), "x") >= best * (1 - 1e-6)
    ages = given.probabilities("age")
    assert given.mode("age") == max(ages, key=ages.get)
    assert models["groups"].condition(spent=(0, 0.05)).mode("spent") == 0.0


def test_a_marginal_leaves_columns_out_and_keeps_the_evidence(model):
    given = model.condition(kind="a", x=(0.0, 1.0))
    smaller = given.marginal(["age", "y"])
    assert smaller.columns == ["age", "y"]
    draws = smaller.sample(3, random_state=0)
    assert draws.columns.tolist() == ["age", "y"]
    expected = given.score_samples(rows(age=30, y=0.4))
    np.testing.assert_allclose(
        smaller.score_samples(pandas.DataFrame({"age": [30], "y": [0.4]})), expected
    )
    assert smaller.median("y") == given.median("y")
    with pytest.raises(ValueError, match="column names 'x', which marginal has left out"):
        smaller.mean("x")
    further = smaller.condition(size="S")
    assert further.evidence == {**given.evidence, "size": "S"}
    assert further.columns == ["age", "y"]


def test_evidence_beyond_what_fit_saw_stays_as_it_is(model):
    with pytest.warns(UserWarning, match="age=150 is far outside of what fit saw: age from 20 to"):
        old = model.condition(age=150)
    assert (old.sample(3, random_state=0)["age"] == 150).all()
    assert old.evidence == {"age": 150}
    with pytest.warns(UserWarning, match=r"spent=\(100000.0, 200000.0\) is far outside"):
        rich = model.condition(spent=(1e5, 2e5))
    low, high = rich.quantile([0.0, 1.0], "spent")
    assert 1e5 <= low < high <= 2e5
    assert rich.sample(20, random_state=0)["spent"].between(1e5, 2e5).all()
    assert 1e5 < rich.mean("spent") < 2e5


def test_no_evidence_is_the_model_itself(model):
    given = model.condition()
    assert given.log_probability == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(
        given.score_samples(table()), model.score_samples(table()), atol=1e-10
    )
    assert given.columns == COLUMNS
    assert model.condition(age=(None, None)).evidence == {}


def test_a_later_fit_of_the_model_changes_nothing():
    X = np.random.default_rng(0).integers(0, 3, (60, 2))
    fitted = SharpPCDensity(n_latents=2, max_iter=2, random_state=0).fit(X)
    given = fitted.condition({0: 1})
    before = given.mean(1)
    fitted.fit(X[:, ::-1] + 5)
    assert given.condition().mean(1) == before


def test_it_is_copied_and_stored(model):
    given = model.condition(kind="a", x=(0.0, 1.0), y=(0.0, 2.0))
    for again in copy.deepcopy(given), pickle.loads(pickle.dumps(given)):
        assert again.log_probability == given.log_probability
        assert again.median() == given.median()
        assert again.sample(4, random_state=0).equals(given.sample(4, random_state=0))


def test_it_tells_what_is_known(model):
    given = model.condition(age=(30, None), kind={"a"}, x={0.5, 0.25})
    assert repr(given) == "ConditionalDistribution(age=(30, None), kind='a', x=[0.25, 0.5])"
    half = model.condition(age=pandas.Interval(30, 40, closed="left"))
    assert "age=(30, 40) without its high end" in repr(half)


def test_what_is_impossible_is_refused_and_named(model):
    with pytest.raises(ValueError, match=r"evidence age=\(30\.2, 30\.8\) has probability zero"):
        model.condition(age=(30.2, 30.8), kind="a")
    with pytest.raises(NotFittedError):
        SharpPCDensity().condition(age=3)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda d: d.mean("kind"), "column 'kind' holds labels, which have no moments"),
        (lambda d: d.median("kind"), "column 'kind' holds labels without an order"),
        (lambda d: d.cdf("a", "kind"), "column 'kind' holds labels without an order"),
        (lambda d: d.probabilities("x"), "column 'x' is continuous"),
        (lambda d: d.mean("z"), "column names 'z'"),
        (lambda d: d.quantile(1.5), "q must be one number from 0 to 1"),
        (lambda d: d.quantile([[0.5]]), "q must be one number"),
        (lambda d: d.quantile(np.nan), "q must be one number"),
        (lambda d: d.quantile("a"), "q must be one number from 0 to 1"),
        (lambda d: d.condition(x=10**400), "column 'x' an integer too large"),
        (lambda d: d.condition(kind=[np.array(["a", "b"])]), "where fit saw no such value"),
        (lambda d: d.interval(1.0), "coverage must be between 0 and 1; got 1.0"),
        (lambda d: d.pdf("z", "kind"), "x gives 'z' to column 'kind'"),
        (lambda d: d.cdf("z", "x"), "x gives 'z' to column 'x', which holds numbers"),
        (lambda d: d.cdf(np.nan, "x"), "x gives nan to column 'x'. Give a number"),
        (lambda d: d.pdf([0.0, np.nan], "x"), "x gives nan to column 'x'"),
        (lambda d: d.condition(x=(1e160, None)), "gives the bound 1e.160 to column 'x', which is"),
        (lambda d: d.sample(0), "n_samples must be an int of at least 1; got 0"),
        (
            lambda d: d.sample(random_state=np.random.default_rng(0)),
            "random_state must be None, an",
        ),
        (lambda d: d.joint_entropy(1), "n_samples must be an int of at least 2; got 1"),
        (lambda d: d.marginal(["x", "x"]), "columns must name each column once"),
        (lambda d: d.marginal([]), "columns must be a sequence"),
    ],
)
def test_bad_questions_are_refused(model, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(model.condition())


def test_evidence_far_outside_of_what_fit_saw_is_told_once(model):
    """Of all columns together; not of what is near, partly inside, or told before."""
    low, high = (float(f(table()["x"])) for f in (min, max))
    beyond = high + 0.2 * (high - low)
    with pytest.warns(UserWarning, match="far outside") as told:
        given = model.condition(age={150, 160}, x=(beyond, None), kind="a")
    assert len(told) == 1
    assert Path(told[0].filename) == Path(__file__)
    message = str(told[0].message)
    assert "age=[150, 160], x=(" in message
    assert f"age from {table()['age'].min()} to {table()['age'].max()}, x from {low} to" in message
    with warnings.catch_warnings(action="error"):
        given.condition(y=0.0)
        model.condition(age=(50, 150), x=high + 0.05 * (high - low))
        model.condition(age={30, 150}).condition(x=(None, beyond))
        model.score_samples(rows(age=150))
    with pytest.warns(UserWarning, match="age=150 is far outside"):
        model.condition(kind="a").condition(age=150)

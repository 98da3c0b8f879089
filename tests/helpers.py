"""Random circuits and data, and bridges between the package and the oracle."""

from dataclasses import replace

import numpy as np
import oracle
from oracle import MixedModel, Model

from skpc import SharpPCDensity
from skpc._circuit.circuit import Circuit, mixture
from skpc._circuit.inputs.gaussian import Gaussian
from skpc._circuit.inputs.inputs import Inputs
from skpc._data.rows import Rows
from skpc._data.scope import BINOMIAL, CATEGORICAL, COPULA, GAUSSIAN, NUMERIC, Scope
from skpc._learning.em import EStep
from skpc._passes.patterns import link_patterns, row_codes


class Kept(SharpPCDensity):
    """A density that keeps the circuit that was validated, and learns no other from all rows."""

    def _stopping(self, *args):
        stopping = super()._stopping(*args)
        return None if stopping is None else replace(stopping, refit=False)


def composed(kind, **parameters):
    """An estimator that holds a density: parameters that are not its own are the density's."""
    names = kind().get_params(deep=False).keys() - {"random_state", "n_components"}
    own = {name: parameters.pop(name) for name in names & parameters.keys()}
    return kind(SharpPCDensity(**parameters), **own)


def no_shrinkage(monkeypatch):
    """Have covariances as likely as can be, which overfits where states have few rows."""
    monkeypatch.setattr("skpc._estimators.learning_mixin._SHRINKAGE", 0.0)


def steps_of(monkeypatch, size):
    """Have mini-batches of EM, or Adam, take steps of another size."""
    monkeypatch.setattr("skpc._estimators.learning_mixin._STEP_SIZES", {"em": size, "adam": size})


def chain(n_regions):
    """Each region hangs below the next one: the root has the largest number."""
    return np.append(np.arange(1, n_regions), -1)


def star(n_regions, hub=0):
    parents = np.full(n_regions, hub)
    parents[hub] = -1
    return parents


def random_tree(rng, n_regions):
    """A random tree in which numbers say nothing about depth."""
    names = rng.permutation(n_regions)
    parents = np.full(n_regions, -1)
    for i in range(1, n_regions):
        parents[names[i]] = names[rng.integers(i)]
    return parents


def positive(rng, *shape):
    """Distributions over the last axis, some of them sharp."""
    weights = rng.gamma(0.7, size=shape) + 1e-3
    return weights / weights.sum(axis=-1, keepdims=True)


def random_circuit(rng, parents, n_categories, n_latents):
    """Region r observes a random column of n_categories[r] values, none if that is zero."""
    n_regions = len(parents)
    observed = np.flatnonzero(n_categories)
    features = [np.empty(0, np.int64)] * n_regions
    for column, region in enumerate(rng.permutation(observed)):
        features[region] = np.array([column])
    categories = [
        np.sort(rng.choice(np.arange(-5.0, 3.0 * n), n, replace=False)) if n else np.empty(0)
        for n in n_categories
    ]
    probs = [positive(rng, n_latents, n).T for n in n_categories if n]
    unseen = rng.uniform(1e-3, 1e-2, (n_regions, n_latents))
    sum_weights = positive(rng, n_regions, n_latents, n_latents)
    sum_weights[parents < 0] = np.eye(n_latents)
    circuit = Circuit(
        parents,
        tuple(features),
        positive(rng, n_latents),
        sum_weights,
        Inputs(features, categories, np.concatenate(probs), unseen, {}),
    )
    circuit.check()
    return circuit


def random_rows(rng, circuit, n_rows, missing=0.2):
    """Rows of independent categories, a share of them missing."""
    n_columns = sum(len(columns) for columns in circuit.features)
    X = np.empty((n_rows, n_columns))
    for columns, distribution in zip(circuit.features, circuit.inputs, strict=True):
        if distribution is not None:
            X[:, columns[0]] = rng.choice(distribution.categories, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def small_case(seed, n_regions=None, n_latents=None):
    """A circuit small enough for all joint states, rows with NaN, and weights."""
    rng = np.random.default_rng(seed)
    n_regions = n_regions or int(rng.integers(2, 7))
    n_latents = n_latents or int(rng.integers(2, 4))
    n_categories = rng.integers(1, 5, n_regions)
    if n_regions > 2 and seed % 3 == 0:
        n_categories[rng.integers(n_regions)] = 0
    circuit = random_circuit(rng, random_tree(rng, n_regions), n_categories, n_latents)
    X = random_rows(rng, circuit, 25)
    X[:5] = X[5:10]  # repeated rows
    X[10] = np.nan
    return circuit, X, rng.uniform(0.1, 3.0, 25)


def random_gaussian(rng, n_latents, n_columns):
    """Means near zero; every direction's standard deviation is at least 1/2."""
    factors = rng.normal(size=(n_latents, n_columns, n_columns)) * 0.7
    covariances = factors @ factors.transpose(0, 2, 1) + 0.25 * np.eye(n_columns)
    return Gaussian(
        rng.normal(0, 1.5, (n_latents, n_columns)), covariances, np.ones(n_columns), 0.0
    )


def mixed_circuit(rng, parents, kinds, n_latents):
    """kinds[r]: number of categories of region r, or minus its number of continuous columns."""
    n_regions = len(parents)
    n_columns = [1 if kind > 0 else -kind for kind in kinds]
    columns = rng.permutation(sum(n_columns))
    features = np.split(columns, np.cumsum(n_columns)[:-1])
    categories = [None if k < 0 else np.arange(float(k)) if k else np.empty(0) for k in kinds]
    probs = [positive(rng, n_latents, k).T for k in kinds if k > 0]
    gaussians = {r: random_gaussian(rng, n_latents, -k) for r, k in enumerate(kinds) if k < 0}
    sum_weights = positive(rng, n_regions, n_latents, n_latents)
    sum_weights[parents < 0] = np.eye(n_latents)
    unseen = rng.uniform(1e-3, 1e-2, (n_regions, n_latents))
    inputs = Inputs(
        features,
        categories,
        np.concatenate([np.empty((0, n_latents)), *probs]),
        unseen,
        gaussians,
    )
    circuit = Circuit(parents, tuple(features), positive(rng, n_latents), sum_weights, inputs)
    circuit.check()
    return circuit


def mixed_rows(rng, circuit, n_rows, missing=0.25):
    """Independent values, a share of them missing."""
    X = np.empty((n_rows, sum(len(columns) for columns in circuit.features)))
    for columns, distribution in zip(circuit.features, circuit.inputs, strict=True):
        if isinstance(distribution, Gaussian):
            X[:, columns] = rng.normal(0, 2, (n_rows, len(columns)))
        elif distribution is not None and distribution.kind in (NUMERIC, COPULA):
            X[:, columns] = distribution.sample_given(
                np.full((n_rows, len(columns)), np.nan),
                rng.integers(circuit.n_latents, size=n_rows),
                np.empty((n_rows, 0)),
                rng.normal(size=(n_rows, len(columns))),
            )
        elif distribution is not None:
            X[:, columns[0]] = rng.choice(distribution.categories, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def as_mixed_model(circuit):
    """The oracle's view of a circuit that may have Gaussian inputs."""
    tables, categories, gaussians = [], [], {}
    ones = np.ones((1, circuit.n_latents))
    for region, item in enumerate(circuit.inputs):
        if isinstance(item, Gaussian):
            gaussians[region] = (item.means, item.covariances)
            item = None
        categories.append(np.empty(0) if item is None else item.categories)
        probs = np.empty((0, circuit.n_latents)) if item is None else item.probs
        tables.append(np.concatenate([probs, ones, ones if item is None else item.unseen[None]]))
    return MixedModel(
        circuit.parents,
        list(circuit.features),
        categories,
        circuit.root_weights,
        circuit.sum_weights,
        tables,
        gaussians,
    )


def as_model(circuit):
    """The oracle's view of a circuit of categories."""
    tables = []
    for distribution in circuit.inputs:
        if distribution is None:
            tables.append(np.ones((2, circuit.n_latents)))
        else:
            ones = np.ones((1, circuit.n_latents))
            tables.append(np.concatenate([distribution.probs, ones, distribution.unseen[None]]))
    return Model(
        circuit.parents,
        list(circuit.features),
        [np.asarray(values) for values in circuit.inputs.categories],
        circuit.root_weights,
        circuit.sum_weights,
        tables,
    )


def rows_of(evidence, weights=None, features=None, categories=None, is_binomial=()):
    """Rows with this evidence, of one column per region unless `features` are given."""
    n_regions, n_rows = evidence.symbols.shape
    if features is None:
        features = [np.array([j]) for j in range(n_regions)]
    if categories is None:
        sizes = zip(evidence.n_symbols, evidence.values, strict=True)
        categories = [np.arange(n - 2.0) if v is None else None for n, v in sizes]
    scopes = []
    for region, (columns, known) in enumerate(zip(features, categories, strict=True)):
        kind = GAUSSIAN if known is None else CATEGORICAL if len(columns) else None
        if region < len(is_binomial) and is_binomial[region]:
            kind = BINOMIAL
        scopes.append(Scope(columns, kind, known))
    return Rows(evidence, np.ones(n_rows) if weights is None else weights, tuple(scopes))


def build_patterns(parents, symbols, n_symbols, weights=None, **options):
    """The patterns of rows: found, and linked."""
    codes = row_codes(parents, symbols, n_symbols)
    return link_patterns(parents, symbols, n_symbols, codes, weights, **options)


def gather(circuit, X, weights, **options):
    """The expected counts of an E-step."""
    return EStep(circuit, circuit.inputs.encode(X), weights, **options)(circuit)


class RawInputs(Inputs):
    """Inputs whose summary is the counts of all symbols, as an E-step finds them."""

    def summarize(self, evidence, counts):
        return [counts]


def symbol_counts(circuit, X, weights):
    """Expected counts of all symbols, missing and unseen ones included."""
    old = circuit.inputs
    raw = RawInputs(old.features, old.categories, old.probs, old.unseen, old.distributions)
    return gather(replace(circuit, inputs=raw), X, weights).inputs[0]


def category_counts(symbols):
    """What a summary keeps of the oracle's counts by symbol."""
    return np.concatenate([counts[:-2] for counts in symbols])


def parts_of(counts):
    """Name and value of everything that an E-step gathers."""
    for name, value in vars(counts).items():
        if name != "inputs":
            yield name, value
    for i, value in enumerate(counts.inputs):
        yield f"inputs {i}", value


def same_bits(a, b):
    """Whether two circuits have the same structure and, to the last bit, parameters."""
    pairs = [
        (a.parents, b.parents),
        (a.root_weights, b.root_weights),
        (a.sum_weights, b.sum_weights),
        (a.inputs.probs, b.inputs.probs),
        (a.inputs.unseen, b.inputs.unseen),
        *zip(a.features, b.features, strict=True),
    ]
    for region, distribution in a.inputs.distributions.items():
        arrays, others = distribution.to_arrays(), b.inputs.distributions[region].to_arrays()
        if arrays.keys() != others.keys():
            return False
        pairs += [(array, others[name]) for name, array in arrays.items()]
    return all(np.array_equal(x, y) for x, y in pairs)


def mixture_case(seed, n_trees=3, n_latents=3):
    """Trees of different depths over the same three columns."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(n_trees))
    shapes = [(chain(3), [2, 3, 2]), (star(4), [0, 2, 3, 2]), (star(3, 1), [2, 3, 2])][:n_trees]
    trees = []
    for parents, n_categories in shapes:
        tree = random_circuit(rng, parents, np.array(n_categories), n_latents)
        features = [np.empty(0, np.int64)] * len(parents)
        observed = np.flatnonzero(n_categories)
        for column, region in enumerate(observed):
            features[region] = np.array([column])
        inputs = tree.inputs
        categories = [np.arange(float(n)) for n in n_categories]
        inputs = type(inputs)(features, categories, inputs.probs, inputs.unseen, {})
        trees.append(replace(tree, features=tuple(features), inputs=inputs))
    X = random_rows(rng, trees[0], 30)
    X[:4] = X[4:8]
    X[9] = np.nan
    return mixture(trees, shares), trees, shares, X, rng.uniform(0.1, 3.0, len(X))


def curvature_case(seed):
    """Three or four regions, some seeds with one that observes nothing, some with Gaussians.

    Rows have missing values and one unseen category.
    """
    n_regions = 3 + seed % 2
    if seed % 3 == 1:
        rng = np.random.default_rng(seed)
        kinds = [2, -1, 3, -2][:n_regions]
        circuit = mixed_circuit(rng, random_tree(rng, n_regions), kinds, 2)
        X = mixed_rows(rng, circuit, 7)
    else:
        circuit, X, _ = small_case(seed, n_regions, 2 + seed % 2)
        X = X[8:15]
        assert np.isnan(X[2]).all()
    categorical = next(
        r for r, c in enumerate(circuit.inputs.categories) if c is not None and c.size
    )
    X[0, circuit.features[categorical]] = 1000.0
    assert np.isnan(X).any()
    return circuit, X, np.random.default_rng(seed).uniform(0.1, 3.0, len(X))


def enumerated_gradients(circuit, X, include_inputs):
    """d log p(x) / d parameters (n, P), by summing over all joint latent states."""
    model = as_mixed_model(circuit)
    rows = [oracle.gradient(model, x) for x in X]
    parts = [np.array([root for root, _ in rows])]
    parts += [np.array([sums[c].ravel() for _, sums in rows]) for c in model.edges]
    if include_inputs:
        posteriors = oracle.posteriors(model, X)
        for r, distribution in enumerate(circuit.inputs):
            for c, category in enumerate(getattr(distribution, "categories", ())):
                shown = X[:, circuit.features[r]] == category
                # The posterior of a state is its probability's share of p.
                parts.append(np.where(shown, posteriors[r] / distribution.probs[c], 0.0))
    return np.hstack(parts)


def smoothed_counts(counts, pseudocount, n_even):
    """Counts (nodes, children) with the pseudocounts that the M-step adds.

    `n_even` rows are spread evenly over children, and over nodes as these count; the pseudocounts
    of each node as the children are in all nodes, with those rows.
    """
    counts = np.asarray(counts, float)
    nodes, children = counts.sum(axis=1, keepdims=True), counts.sum(axis=0)
    shares = (children + n_even / len(children)) / (counts.sum() + n_even)
    even = n_even * nodes / counts.sum() / len(children)
    return np.where(nodes > 0, counts + even + pseudocount * shares, counts)


def mixed_values(n_rows=150, seed=0):
    """Two columns of categories and two of numbers that are normal as they are."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 3, n_rows)
    labels = np.where(rng.random(n_rows) < 0.8, group, rng.integers(0, 3, n_rows))
    numbers = group[:, None] + 0.3 * rng.normal(size=(n_rows, 2))
    return np.column_stack([labels, rng.random(n_rows) < 0.2 + 0.3 * group, numbers])

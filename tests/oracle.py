"""A slow, obvious circuit to compare with. Imports nothing from the package.

The first part sums over all joint latent states, for circuits of a few regions. The
second, for larger ones, is the textbook recursion row by row, in log space.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal


@dataclass(frozen=True)
class Model:
    """Parameters as plain arrays.

    tables[r] (V + 2, K): likelihood of the V categories, of a missing value (one), and
    of a value that is not a category. features[r] has no or one column.
    """

    parents: np.ndarray
    features: list
    categories: list
    root_weights: np.ndarray
    sum_weights: np.ndarray
    tables: list

    @property
    def n_regions(self):
        return len(self.parents)

    @property
    def n_latents(self):
        return len(self.root_weights)

    @property
    def root(self):
        return int(np.flatnonzero(self.parents < 0)[0])

    @property
    def edges(self):
        """Regions with a parent."""
        return [c for c in range(self.n_regions) if self.parents[c] >= 0]

    @cached_property
    def states(self):
        """All joint latent states (K^R, R)."""
        return np.array(list(product(range(self.n_latents), repeat=self.n_regions)))

    def symbol(self, region, x):
        """Row of tables[region] for what the region observes in row x."""
        categories = list(self.categories[region])
        if len(self.features[region]) == 0:
            return 0
        value = x[self.features[region][0]]
        if np.isnan(value):
            return len(categories)
        return categories.index(value) if value in categories else len(categories) + 1

    def factor(self, region, x):
        """B_r(x | j) of every state j (K,)."""
        return self.tables[region][self.symbol(region, x)]

    def log_factor(self, region, x):
        return np.log(self.factor(region, x))

    def descends(self, region, ancestor):
        while region >= 0:
            if region == ancestor:
                return True
            region = self.parents[region]
        return False


@dataclass(frozen=True)
class MixedModel(Model):
    """gaussians[r]: means (K, m) and covariances (K, m, m) of a region of m columns.

    Such a region has no categories and no table.
    """

    gaussians: dict

    def log_factor(self, region, x):
        if region not in self.gaussians:
            return np.log(self.tables[region][self.symbol(region, x)])
        return gaussian_log_prob(*self.gaussians[region], x[self.features[region]])

    def factor(self, region, x):
        return np.exp(self.log_factor(region, x))


def gaussian_log_prob(means, covariances, x):
    """Log density of the observed entries of x (m,) for every state (K,)."""
    seen = ~np.isnan(x)
    if not seen.any():
        return np.zeros(len(means))
    return np.array(
        [
            multivariate_normal(mean[seen], covariance[np.ix_(seen, seen)]).logpdf(x[seen])
            for mean, covariance in zip(means, covariances, strict=True)
        ]
    )


def gaussian_moments(means, covariances, X, counts):
    """Expected count, sum and outer products about the means (K, 1 + m + m^2).

    Missing entries by conditioning in terms of the precision matrix. Rows without any
    entry are left out.
    """
    K, m = means.shape
    out = np.zeros((K, 1 + m + m * m))
    for x, row_counts in zip(X, counts, strict=True):
        hidden = np.isnan(x)
        if hidden.all():
            continue
        for k in range(K):
            precision = np.linalg.inv(covariances[k])
            within = np.linalg.inv(precision[np.ix_(hidden, hidden)])
            centred = np.where(hidden, 0.0, x - means[k])
            centred[hidden] = -within @ precision[np.ix_(hidden, ~hidden)] @ centred[~hidden]
            outer = np.outer(centred, centred)
            outer[np.ix_(hidden, hidden)] += within
            out[k] += row_counts[k] * np.concatenate([[1.0], centred, outer.ravel()])
    return out


def all_rows(model):
    """Every joint state of the observed columns."""
    columns = {
        int(f[0]): c for f, c in zip(model.features, model.categories, strict=True) if len(f)
    }
    return np.array(list(product(*[columns[j] for j in sorted(columns)])), dtype=float)


def completions(model, x):
    """All rows without NaN that agree with x where it is not NaN."""
    rows = all_rows(model)
    return rows[(np.isnan(x) | (rows == x)).all(axis=1)]


# --- all joint latent states -----------------------------------------------------------


def input_factors(model, x):
    """B_r(x | z_r) of every region r and joint state z (R, K^R)."""
    return np.array([model.factor(r, x)[model.states[:, r]] for r in range(model.n_regions)])


def weight_factors(model):
    """P(z_r | z_parent) of every region r and joint state z, pi at the root (R, K^R)."""
    factors = np.empty((model.n_regions, len(model.states)))
    for r, v in enumerate(model.parents):
        if v < 0:
            factors[r] = model.root_weights[model.states[:, r]]
        else:
            factors[r] = model.sum_weights[r][model.states[:, v], model.states[:, r]]
    return factors


def likelihood(model, x):
    return (input_factors(model, x).prod(axis=0) * weight_factors(model).prod(axis=0)).sum()


def log_likelihood(model, X):
    return np.log([likelihood(model, x) for x in X])


def _by_edge(model, values):
    """Sum values over joint states: root (K,) by z_root, sums (R, K, K) by (z_v, z_c)."""
    root = np.zeros(model.n_latents)
    np.add.at(root, model.states[:, model.root], values[model.root])
    sums = np.zeros_like(model.sum_weights)
    for c in model.edges:
        np.add.at(sums[c], (model.states[:, model.parents[c]], model.states[:, c]), values[c])
    return root, sums


def flows(model, x):
    """Posterior probabilities of the root's states and of the ends of every edge."""
    joint = input_factors(model, x).prod(axis=0) * weight_factors(model).prod(axis=0)
    return _by_edge(model, [joint / joint.sum()] * model.n_regions)


def gradient(model, x):
    """d log p / d pi (K,) and d log p / d W (R, K, K): p is linear in each weight."""
    inputs, weights = input_factors(model, x).prod(axis=0), weight_factors(model)
    without = [inputs * np.delete(weights, r, axis=0).prod(axis=0) for r in range(model.n_regions)]
    root, sums = _by_edge(model, without)
    p = likelihood(model, x)
    return root / p, sums / p


def hessian_trace(model, X):
    """Sum of -d^2 log p / dw^2 over all weights w: the squared gradient, p being linear in w."""
    gradients = [gradient(model, x) for x in X]
    return np.array([(root**2).sum() + (sums**2).sum() for root, sums in gradients])


def expected_counts(model, X, weights):
    """Sums over rows of weight * flow: root, sums, and per region by symbol (V + 2, K)."""
    root = np.zeros(model.n_latents)
    sums = np.zeros_like(model.sum_weights)
    symbols = [np.zeros_like(table) for table in model.tables]
    for x, weight in zip(X, weights, strict=True):
        root_flow, sum_flows = flows(model, x)
        root += weight * root_flow
        sums += weight * sum_flows
        for r in range(model.n_regions):
            own = root_flow if r == model.root else sum_flows[r].sum(axis=0)
            symbols[r][model.symbol(r, x)] += weight * own
    return root, sums, symbols


def posteriors(model, X):
    """P(z_r = k | x) of every region r, row x and state k (R, n, K)."""
    out = np.empty((model.n_regions, len(X), model.n_latents))
    for i, x in enumerate(X):
        root, sums = flows(model, x)
        for r in range(model.n_regions):
            out[r, i] = root if r == model.root else sums[r].sum(axis=0)
    return out


def second_moments(model, X, weights):
    """Sums over rows of weight * flow^2: root (K,), sums (R, K, K)."""
    squares = [(root**2, sums**2) for root, sums in (flows(model, x) for x in X)]
    return tuple(sum(w * s[i] for w, s in zip(weights, squares, strict=True)) for i in (0, 1))


def product_values(model, region, x):
    """P_r,j(x) (K,): probability of what is observed in the subtree of r, given z_r = j."""
    inside = [r for r in range(model.n_regions) if model.descends(r, region)]
    outside = [r for r in range(model.n_regions) if r not in inside]
    below = [r for r in inside if r != region]
    terms = input_factors(model, x)[inside].prod(axis=0) * weight_factors(model)[below].prod(axis=0)
    terms = np.where((model.states[:, outside] == 0).all(axis=1), terms, 0.0)
    return np.bincount(model.states[:, region], terms, model.n_latents)


def gate_curvature(model, x):
    """t_n = sum_c (p_c / p_n)^2 of every sum node (R, K); the root's one in [root, 0]."""
    out = np.zeros((model.n_regions, model.n_latents))
    for r in range(model.n_regions):
        below = product_values(model, r, x)
        if r == model.root:
            out[r, 0] = (below**2).sum() / (model.root_weights @ below) ** 2
        else:
            out[r] = (below**2).sum() / (model.sum_weights[r] @ below) ** 2
    return out


# --- recursion in log space ------------------------------------------------------------


def topdown(model):
    order = [model.root]
    for v in order:
        order.extend(np.flatnonzero(model.parents == v))
    return order


def log_messages(model, X):
    """log P (R, n, K), log S (R, n, K) and log p (n,)."""
    shape = (model.n_regions, len(X), model.n_latents)
    log_p, log_s = np.zeros(shape), np.zeros(shape)
    for r in topdown(model)[::-1]:
        log_p[r] += np.array([model.log_factor(r, x) for x in X])
        if r != model.root:
            terms = np.log(model.sum_weights[r]) + log_p[r][:, None, :]
            log_s[r] = logsumexp(terms, axis=2)
            log_p[model.parents[r]] += log_s[r]
    return log_p, log_s, logsumexp(np.log(model.root_weights) + log_p[model.root], axis=1)


def log_space_counts(model, X, weights):
    """Log-likelihoods, and expected counts and second moments like those above."""
    log_p, log_s, log_likelihoods = log_messages(model, X)
    log_flows = np.empty_like(log_p)
    sums, moments = np.zeros_like(model.sum_weights), np.zeros_like(model.sum_weights)
    symbols = [np.zeros_like(table) for table in model.tables]
    for r in topdown(model):
        if r == model.root:
            log_flows[r] = np.log(model.root_weights) + log_p[r] - log_likelihoods[:, None]
        else:
            ratio = log_flows[model.parents[r]] - log_s[r]
            edge = ratio[:, :, None] + np.log(model.sum_weights[r]) + log_p[r][:, None, :]
            sums[r] = np.tensordot(weights, np.exp(edge), 1)
            moments[r] = np.tensordot(weights, np.exp(2 * edge), 1)
            log_flows[r] = logsumexp(edge, axis=1)
        for x, weight, flow in zip(X, weights, np.exp(log_flows[r]), strict=True):
            symbols[r][model.symbol(r, x)] += weight * flow
    root = weights @ np.exp(log_flows[model.root])
    root_moments = weights @ np.exp(2 * log_flows[model.root])
    return log_likelihoods, root, sums, symbols, root_moments, moments

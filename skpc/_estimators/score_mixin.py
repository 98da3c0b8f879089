"""How likely rows are, and how sharp the optimum is there, as a mixin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skpc._estimators.query_mixin import dense_floats, working_bytes
from skpc._tables.sources import as_source
from skpc._tables.validation import check_weights, validate_table


class ScoreMixin:
    """Likelihoods, information criteria and curvature of rows under a fitted circuit."""

    if TYPE_CHECKING:  # parameters and fitted attributes of a `SharpPCDensity`

        def __getattr__(self, name: str) -> Any: ...

    def score_samples(self, X: Any) -> np.ndarray:
        """Exact log-likelihood of each row.

        The log mass of categorical columns, the log density of continuous ones, their sum
        if there are both: with continuous columns it may be positive, and changes when they
        are rescaled. With missing values it is that of what is observed; 0 where nothing is.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            Rows to score; NaN is missing. A category never seen in training has the mass
            of one with no count (see `pseudocount`). A source is read in chunks, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-likelihoods in nats.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.score_samples([[0, 0, 1], [0, np.nan, np.nan]]).round(1)
        array([-1.4, -0.7])
        """
        source = as_source(X, working_bytes())
        if source is None:
            return self._score_samples(self._validate(X))
        check_is_fitted(self)
        return np.concatenate([self.score_samples(table) for table in source.chunks()])

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean score of the rows, in nats.

        Parameters
        ----------
        X : array-like, frame or source of shape (n_samples, n_features)
            Rows to score; NaN is missing. A source is read in chunks, as in `fit`.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float
            Weighted mean of `score_samples`, as in scikit-learn's
            GaussianMixture. The score of its KernelDensity is the sum instead.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> round(model.score(X), 1)
        -1.4
        """
        if as_source(X, working_bytes()) is None:
            return self._mean(self._score_samples, X, sample_weight)
        scores = self.score_samples(X)
        return float(np.average(scores, weights=check_weights(sample_weight, scores)))

    def encode(self, X: Any) -> np.ndarray:
        """The numbers that `circuit_` knows the cells of a table by.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            What the functions of `skpc.circuit` and `skpc.curvature` take with `circuit_`: numbers
            as they are, labels by their positions, NaN where a value is missing.

        See Also
        --------
        skpc.circuit.log_likelihood : What `score_samples` is of these numbers.

        Examples
        --------
        >>> import pandas as pd
        >>> from skpc import SharpPCDensity
        >>> frame = pd.DataFrame({"year": [2007, 2008] * 20, "island": ["Biscoe", "Dream"] * 20})
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(frame)
        >>> model.encode(frame[:2])
        array([[2.007e+03, 0.000e+00],
               [2.008e+03, 1.000e+00]])
        """
        check_is_fitted(self)
        return dense_floats(self._validate(X))

    @property
    def n_parameters(self) -> int:
        """Number of free parameters of the fitted circuit.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.n_parameters
        11
        """
        check_is_fitted(self)
        return self.circuit_.n_parameters

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion on X; lower is better.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.

        Returns
        -------
        float
            -2 log-likelihood in all + 2 `n_parameters`. The log-likelihood is that of `circuit_`,
            also where `score_samples` gives something else.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(model.aic(X) < SharpPCDensity(n_latents=1).fit(X).aic(X))
        True
        """
        log_likelihood, _ = self._total_log_likelihood(X, sample_weight)
        return -2.0 * log_likelihood + 2.0 * self.n_parameters

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion on X; lower is better.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row: one of weight two is a row given twice.

        Returns
        -------
        float
            -2 log-likelihood in all + `n_parameters` log n, where n is the total weight. The
            log-likelihood is that of `circuit_`, also where `score_samples` gives something else.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(model.bic(X) < SharpPCDensity(n_latents=1).fit(X).bic(X))
        True
        """
        log_likelihood, n_rows = self._total_log_likelihood(X, sample_weight)
        return -2.0 * log_likelihood + self.n_parameters * float(np.log(n_rows))

    def hessian_trace(self, X: Any) -> np.ndarray:
        """Trace of the Hessian of the negative log-likelihood of each row.

        Over all sum weights, taken as free parameters; see
        :func:`skpc.curvature.hessian_trace`.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.

        Returns
        -------
        ndarray of shape (n_samples,)
            Traces, at least zero; the larger, the sharper.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool((model.hessian_trace(X) >= 0).all())
        True
        """
        return self._hessian_trace(self._validate(X))

    def sharpness(self, X: Any, sample_weight: Any = None) -> float:
        """Mean trace of the Hessian of the negative log-likelihood.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float
            Weighted mean of `hessian_trace`.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> bool(np.isclose(model.sharpness(X), model.hessian_trace(X).mean()))
        True
        """
        return self._mean(self._hessian_trace, X, sample_weight)

    def _total_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Log-likelihood of all rows under the circuit, and how many they are, by weight."""
        matrix = self._validate(X)
        weights = check_weights(sample_weight, matrix)
        return float((weights * self._score_samples(matrix)).sum()), float(weights.sum())

    def _mean(self, query: Callable[[Any], np.ndarray], X: Any, sample_weight: Any) -> float:
        """The weighted mean of a query over the rows of a table."""
        matrix = self._validate(X)
        weights = check_weights(sample_weight, matrix)
        return float(np.average(query(matrix), weights=weights))

    def _validate(self, X: Any) -> Any:
        """The matrix of a table to query."""
        check_is_fitted(self)
        table = validate_table(self, X, reset=False)
        return self._columns.to_matrix(table)

    def _score_samples(self, X: np.ndarray) -> np.ndarray:
        from skpc._passes.likelihood import log_likelihood

        with self._threads(X):
            return log_likelihood(self.circuit_, X, max_bytes=working_bytes())

    def _hessian_trace(self, X: np.ndarray) -> np.ndarray:
        from skpc.curvature import hessian_trace

        return hessian_trace(self.circuit_, X, n_jobs=self.n_jobs, max_bytes=working_bytes())

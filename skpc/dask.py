"""Estimators that learn from dask collections, whose partitions stay with the workers.

They are those of `skpc`, with one parameter more: the client of the cluster. What is no
collection of dask they take as those do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

import skpc
from skpc._dask.cluster import Cluster
from skpc._dask.collections import (
    as_table,
    is_collection,
    lazily,
    n_columns,
    partitions_of,
    weighted_sum,
)
from skpc._dask.parts import DaskParts
from skpc._data.row_sample import n_rows_drawn
from skpc._data.scope import GAUSSIAN, NUMERIC
from skpc._estimators.base import all_or_nothing
from skpc._estimators.parts import N_BATCHES, fit_parts, take_names
from skpc._estimators.watching import watching
from skpc._tables.sklearn_private import fit_context
from skpc._tables.validation import warn_of_light

__all__ = ["SharpPCDensity", "SharpPCOutlierDetector"]


def _with_client(parent: type) -> Any:
    """A constructor with the parameters of an estimator of skpc, and `client`."""

    def construct(self: Any, *args: Any, client: Any = None, **parameters: Any) -> None:
        parent.__init__(self, *args, **parameters)  # type: ignore[misc]
        self.client = client

    own = inspect.Parameter("client", inspect.Parameter.KEYWORD_ONLY, default=None)
    signature = inspect.signature(parent.__init__)  # type: ignore[misc]
    parameters = [*signature.parameters.values(), own]
    construct.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return construct


def _of_rows(
    parent: type, name: str, columns: Callable[..., list[Any]] | None = None, dtype: Any = float
) -> Any:
    """A method that answers for each row, lazily if these are of dask.

    Parameters
    ----------
    parent : type
        The estimator of skpc.
    name : str
        Of its method.
    columns : callable or None
        What the columns of the answer are called, of the fitted estimator and the arguments after
        the table; None: there is one number for each row.
    dtype : of the answer
    """
    method = getattr(parent, name)

    @wraps(method)
    def query(self: Any, X: Any, *args: Any, **keywords: Any) -> Any:
        if not is_collection(X):
            return method(self, X, *args, **keywords)
        check_is_fitted(self)
        self._refuse_lazy(name)
        given = inspect.signature(method).bind(self, X, *args, **keywords)
        given.apply_defaults()
        arguments = given.args[2:]
        named = None if columns is None else columns(self, *arguments)
        return lazily(self.to_plain(), X, name, arguments, columns=named, dtype=dtype)

    return query


def _contributing(model: Any, groups: Any, kind: str = "excess") -> list[Any]:
    density = getattr(model, "estimator_", model)
    return density._feature_names() if groups is None else list(groups)


def _states(model: Any, region: Any) -> list[int]:
    return [*range(model.n_latents_)]


class _DaskMixin:
    """The parameter `client`, and what follows from it."""

    client: Any
    _plain: ClassVar[Any]

    def to_plain(self) -> Any:
        """The same model without a cluster, for where there is no dask.

        Returns
        -------
        estimator
            Of the class of the same name in `skpc`; fitted, if this one is.

        Examples
        --------
        >>> import skpc.dask
        >>> skpc.dask.SharpPCDensity(n_latents=2).to_plain()
        SharpPCDensity(n_latents=2)
        """
        plain = self._plain()
        vars(plain).update({name: value for name, value in vars(self).items() if name != "client"})
        return plain

    def _refuse_lazy(self, name: str) -> None:
        """Raise ValueError if a method needs all rows at once."""

    def __sklearn_clone__(self) -> Any:
        """An unfitted copy with the same client, which cannot be copied itself."""
        detached = object.__new__(type(self))
        vars(detached).update({**vars(self), "client": None})
        new = super(_DaskMixin, detached).__sklearn_clone__()  # type: ignore[misc]
        new.client = self.client
        return new

    def __getstate__(self) -> dict[str, Any]:
        """Without the client, which is of this process."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {**state, "client": None}


class SharpPCDensity(_DaskMixin, skpc.SharpPCDensity):
    """Density of a table whose partitions are with the workers of a dask cluster.

    It learns what :class:`skpc.SharpPCDensity` does, from the same parameters. Each worker reads
    its partitions, says what their columns show, and gathers their expected counts in every update;
    these summaries are merged by the workers, and the last one comes here. Rows that are drawn,
    65,536 different ones at most, fewer of many columns, decide margins, structure, size and start;
    EM goes on with all rows. What is learnt is what :class:`skpc.SharpPCDensity` learns from a
    source; of a table that has no more different rows, what it learns from that.

    Parameters
    ----------
    client : distributed.Client or None, default=None
        The cluster; None takes the current client. It is not pickled. All other parameters are
        those of :class:`skpc.SharpPCDensity`, in their order and with their defaults.

    See Also
    --------
    skpc.SharpPCDensity : All parameters and attributes; it also learns from tables in files.

    Notes
    -----
    `fit` takes arrays and dataframes of dask. Partitions may be empty, of unknown length, or
    without some of the categories. They are read twice, unless they are persisted; what workers
    keep until the end is smaller where rows are repeated.

    `score_samples`, `hessian_trace`, `pointwise_total_correlation`, `feature_contributions` and
    `latent_posterior` of a collection are lazy: an array of dask, or a series or frame with the
    index of X. `score`, `sharpness`, `aic` and `bic` are numbers, computed at once. All else takes
    tables in memory, as everything does that is no collection.

    For one partitioning the fitted model has the same bits for any number of workers and threads,
    and also if workers are lost on the way; between partitionings sums are rounded otherwise.

    Examples
    --------
    >>> import dask.array
    >>> import numpy as np
    >>> import skpc.dask
    >>> from dask.distributed import Client
    >>> X = dask.array.from_array(np.array([[0, 0, 1], [1, 1, 1]] * 20), chunks=(10, 3))
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     model = skpc.dask.SharpPCDensity(2, random_state=0, client=client).fit(X)
    ...     scores = model.score_samples(X).compute()
    >>> scores.shape
    (40,)
    """

    __module__ = "skpc.dask"
    _plain = skpc.SharpPCDensity
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **skpc.SharpPCDensity._parameter_constraints,
        "client": "no_validation",  # but when it is used
    }
    __init__ = _with_client(skpc.SharpPCDensity)

    score_samples = _of_rows(skpc.SharpPCDensity, "score_samples")
    hessian_trace = _of_rows(skpc.SharpPCDensity, "hessian_trace")
    pointwise_total_correlation = _of_rows(skpc.SharpPCDensity, "pointwise_total_correlation")
    feature_contributions = _of_rows(skpc.SharpPCDensity, "feature_contributions", _contributing)
    latent_posterior = _of_rows(skpc.SharpPCDensity, "latent_posterior", _states)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
        on_interrupt: str = "raise",
        checkpoint: Any = None,
    ) -> Self:
        """Learn the tree and the parameters.

        Parameters
        ----------
        X : dask array or dataframe of shape (n_samples, n_features)
            Or what :meth:`skpc.SharpPCDensity.fit` takes, which is then called.
        y : None
            Ignored; present for API consistency.
        sample_weight : dask array or series, or array-like, of shape (n_samples,), default=None
            Weight of each row; a collection has the partitions of X, or known lengths or divisions.
        X_val : dask array or dataframe, or table, of shape (n_val, n_features), default=None
            Additional rows for validation, which turn early stopping on.
        sample_weight_val : dask array or series, or array-like, of shape (n_val,), default=None
            Weights of the rows of `X_val`.
        on_interrupt : {"raise", "keep"}, default="raise"
            As in :meth:`skpc.SharpPCDensity.fit`.
        checkpoint : path-like, default=None
            As in :meth:`skpc.SharpPCDensity.fit`; the file is where the client is.

        Returns
        -------
        SharpPCDensity
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; the estimator is then as it was before.
        ConnectionError
            If the scheduler does not answer any more, within 30 seconds.

        Examples
        --------
        >>> import skpc.dask
        >>> model = skpc.dask.SharpPCDensity(n_latents=2, random_state=0)
        >>> model.fit([[0, 0, 1], [1, 1, 1]] * 20).n_features_in_
        3
        """
        if not is_collection(X):
            _refuse_collections(sample_weight, X_val, sample_weight_val)
            return super().fit(
                X, y, sample_weight, X_val=X_val, sample_weight_val=sample_weight_val,
                on_interrupt=on_interrupt, checkpoint=checkpoint,
            )  # fmt: skip
        self._refuse_inert(X_val is not None)
        watched = watching(on_interrupt, checkpoint)
        with all_or_nothing(self), watched as watch, Cluster(self.client) as cluster:
            is_whole = self.batch_size is None or self.update == "cubic"
            parts = DaskParts(
                partitions_of(X, sample_weight, "X", cluster),
                self.feature_types,
                cluster,
                1 if is_whole else N_BATCHES,
            )
            validation: Any = X_val, sample_weight_val
            if is_collection(X_val):
                _refuse_other_columns(X, X_val)
                held_out = partitions_of(X_val, sample_weight_val, "X_val", cluster)
                validation = DaskParts(held_out, self.feature_types, cluster)
            return fit_parts(self, parts, validation, watch)

    def _mean(self, query: Callable[[Any], np.ndarray], X: Any, sample_weight: Any) -> float:
        """The weighted mean of a query over the rows of a table."""
        if not is_collection(X):
            return super()._mean(query, X, sample_weight)
        total, weight = self._sums(query.__name__.removeprefix("_"), X, sample_weight)
        return total / weight

    def _total_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        if not is_collection(X):
            return super()._total_log_likelihood(X, sample_weight)
        return self._sums("score_samples", X, sample_weight)

    def _sums(self, method: str, X: Any, sample_weight: Any) -> tuple[float, float]:
        """The weighted sum of what a method says of rows, and their weight."""
        with Cluster(self.client) as cluster:
            return weighted_sum(getattr(self, method)(X), sample_weight, cluster)


class SharpPCOutlierDetector(_DaskMixin, skpc.SharpPCOutlierDetector):
    """Rows of a table of dask that several probabilistic circuits find improbable.

    The densities of a :class:`skpc.SharpPCOutlierDetector` learn from few rows. Here these, and
    those that make the threshold, are drawn: 65,536 different rows at most, fewer of many columns,
    each with the weight of all its repetitions in the table. A table that has no more is learnt
    from as in memory.

    Parameters
    ----------
    client : distributed.Client or None, default=None
        The cluster; None takes the current client. It is not pickled. All other parameters are
        those of :class:`skpc.SharpPCOutlierDetector`, in their order and with their defaults.

    See Also
    --------
    skpc.SharpPCOutlierDetector : All parameters and attributes.

    Notes
    -----
    Of all rows a share `contamination` is to be flagged, and one near it is: its standard error is
    sqrt(contamination (1 - contamination) / n), where n is how many rows were drawn if none are
    repeated: 0.0004 of 65,536 rows for 0.01. Of repeated rows it is larger: n is then the square of
    the sum of the weights over the sum of their squares.

    `score_samples`, `decision_function`, `predict`, `p_values` and `feature_contributions` of
    a collection are lazy; `score` is a number. `false_discovery_rate` judges tables as a whole,
    which must be in memory.

    Examples
    --------
    >>> import dask.array
    >>> import numpy as np
    >>> import skpc.dask
    >>> from dask.distributed import Client
    >>> X = dask.array.random.default_rng(0).normal(size=(200, 2), chunks=(50, 2))
    >>> with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
    ...     detector = skpc.dask.SharpPCOutlierDetector(random_state=0, client=client).fit(X)
    >>> detector.predict([[0.0, 0.0], [9.0, 0.0]])
    array([ 1, -1])
    """

    __module__ = "skpc.dask"
    _plain = skpc.SharpPCOutlierDetector
    _accepted = "a SharpPCDensity, a number of states or None"
    _takes_missingness = False
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **skpc.SharpPCOutlierDetector._parameter_constraints,
        "client": "no_validation",  # but when it is used
    }
    __init__ = _with_client(skpc.SharpPCOutlierDetector)

    score_samples = _of_rows(skpc.SharpPCOutlierDetector, "score_samples")
    decision_function = _of_rows(skpc.SharpPCOutlierDetector, "decision_function")
    p_values = _of_rows(skpc.SharpPCOutlierDetector, "p_values")
    feature_contributions = _of_rows(
        skpc.SharpPCOutlierDetector, "feature_contributions", _contributing
    )
    predict = _of_rows(skpc.SharpPCOutlierDetector, "predict", dtype=int)

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn the densities and the threshold.

        Parameters
        ----------
        X : dask array or dataframe of shape (n_samples, n_features)
            Or what :meth:`skpc.SharpPCOutlierDetector.fit` takes, which is then called.
        y : None
            Ignored; present for API consistency.
        sample_weight : dask array or series, or array-like, of shape (n_samples,), default=None
            Weight of each row; a collection has the partitions of X, or known lengths or divisions.
        X_val : array-like or frame of shape (n_val, n_features), default=None
            Additional rows for validation, in memory, which turn early stopping on.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the rows of `X_val`.

        Returns
        -------
        SharpPCOutlierDetector
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used; the estimator is then as it was before.
        ConnectionError
            If the scheduler does not answer any more, within 30 seconds.

        Examples
        --------
        >>> import skpc.dask
        >>> detector = skpc.dask.SharpPCOutlierDetector(random_state=0)
        >>> detector.fit([[0, 0, 0], [1, 1, 1]] * 20).n_features_in_
        3
        """
        if not is_collection(X):
            _refuse_collections(sample_weight, X_val, sample_weight_val)
            return super().fit(
                X, y, sample_weight, X_val=X_val, sample_weight_val=sample_weight_val
            )
        _refuse_collections(X_val=X_val, sample_weight_val=sample_weight_val)
        self._refuse_both()
        with all_or_nothing(self), Cluster(self.client) as cluster:
            types = self._template().feature_types
            parts = DaskParts(partitions_of(X, sample_weight, "X", cluster), types, cluster)
            summary = parts.summary()
            take_names(self, summary)
            density = self._seeded_density(X_val is not None)
            warn_of_light(np.array([summary.total_weight]), summary.n_rows)
            columns = summary.learn_columns(NUMERIC if self._is_given() else GAUSSIAN)
            drawn = parts.draw(columns, n_rows_drawn(len(summary.columns)))
            columns = summary.completed(columns, drawn.matrix, drawn.weights)
            validation = X_val, sample_weight_val
            self._fit_matrix(density, drawn.matrix, drawn.weights, columns, validation)
        return self

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean of `score_samples`, in nats, computed at once.

        Parameters
        ----------
        X : dask array or dataframe, or table, of shape (n_samples, n_features)
            Rows to score; NaN is missing.
        y : None
            Ignored; present for API consistency.
        sample_weight : dask array or series, or array-like, of shape (n_samples,), default=None
            Weights of the mean.

        Returns
        -------
        float
            Weighted mean.

        Examples
        --------
        >>> import skpc.dask
        >>> X = [[0, 0, 0], [1, 1, 1]] * 20
        >>> detector = skpc.dask.SharpPCOutlierDetector(random_state=0).fit(X)
        >>> bool(detector.score(X) == detector.to_plain().score(X))
        True
        """
        if not is_collection(X):
            return super().score(X, y, sample_weight)
        with Cluster(self.client) as cluster:
            total, weight = weighted_sum(self.score_samples(X), sample_weight, cluster)
        return total / weight

    def _refuse_lazy(self, name: str) -> None:
        if name == "predict" and self.false_discovery_rate is not None:
            raise ValueError(
                f"false_discovery_rate={self.false_discovery_rate} judges a table as a whole, "
                "which a collection of dask is not. Call predict(X.compute()), or set it to None."
            )


def _refuse_collections(
    sample_weight: Any = None, X_val: Any = None, sample_weight_val: Any = None
) -> None:
    """Raise ValueError if an argument is a collection of dask that must be in memory."""
    given = {"sample_weight": sample_weight, "X_val": X_val, "sample_weight_val": sample_weight_val}
    for name, value in given.items():
        if is_collection(value):
            raise ValueError(
                f"{name} must be in memory here; got a {type(value).__name__} of dask. Pass "
                f"{name}.compute()."
            )


def _refuse_other_columns(X: Any, X_val: Any) -> None:
    """Raise ValueError if a table to validate on has other columns than that to learn from."""
    n_expected, n_given = (n_columns(as_table(one, "X_val")) for one in (X, X_val))
    if n_given != n_expected:
        raise ValueError(
            f"X_val has {n_given} columns, and X {n_expected}. Give both the same columns."
        )

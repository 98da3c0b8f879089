"""SharpPCImputer: missing values filled from their distribution given the rest of a row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skpc._checks import is_fitted
from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.composed import ComposedMixin, check_held
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.query_mixin import working_bytes
from skpc._tables.parquet import to_frame
from skpc._tables.sklearn_private import StrOptions, fit_context, output_config
from skpc._tables.validation import validate_table


class SharpPCImputer(ComposedMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Fill missing values given the others of their row, exactly under a :class:`SharpPCDensity`.

    No rounds of regressions, no neighbours: one density of all columns, learnt from rows with
    holes as they are, knows the distribution of whatever is missing given whatever is there.

    Parameters
    ----------
    estimator : SharpPCDensity, FrozenEstimator or None, default=None
        The density, cloned and then fitted by `fit`; None is ``SharpPCDensity()``. A density
        that is fitted already is used as it is if it comes as
        ``sklearn.frozen.FrozenEstimator(density)``.

    strategy : {"mean_mode", "sample", "max_product"}, default="mean_mode"
        What to fill in.

        - "mean_mode": the conditional mean of a numeric or Gaussian column, of counts the nearest
          to it; the conditionally most probable category or level of another. Each cell has the
          least expected squared error, or the least probability of an error, but the cells of a
          row need not go together.
        - "sample": a draw of all missing cells of a row from their joint conditional distribution.
          Several seeds make a proper multiple imputation of the values, given the density.
        - "max_product": cells that go together: the most probable values of all missing cells
          *and latent states* of a row. That approximates the most probable values,
          for which the latent states would have to be summed out: a hard problem. A set
          of values that many states explain a little may lose to one that a single state
          explains well.

    random_state : int, RandomState instance or None, default=None
        Of the draws of "sample": with an int, `transform` gives the same draws to the same table
        each time; ``imputer.set_params(random_state=1)`` gives others without a new fit.
        Also where the density gets its seed from, if its own `random_state` is None.

    Attributes
    ----------
    density_ : SharpPCDensity
        The fitted density.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    See Also
    --------
    sklearn.impute.IterativeImputer : Regressions of each column on the others, in rounds.
    sklearn.impute.KNNImputer : Means over similar rows.

    Notes
    -----
    Latent states are summed out by one pass up and one pass down the circuit. Among several
    columns that share a Gaussian, on their normal scales if they are numeric, missing ones are
    regressed on observed ones given each state. Numeric columns with a value that a twentieth of
    the rows have share none: where many repeat values and depend on each other linearly, rounds of
    regressions may fill them better.

    Examples
    --------
    >>> import numpy as np
    >>> from skpc import SharpPCDensity, SharpPCImputer
    >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
    >>> imputer = SharpPCImputer(SharpPCDensity(n_latents=2, random_state=0)).fit(X)
    >>> imputer.transform([[0, np.nan, 1], [np.nan, 1, 0]])
    array([[0., 0., 1.],
           [1., 1., 0.]])
    """

    __module__ = "skpc"  # where it is found, and by which files of models name it

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": "no_validation",  # with the rest of the template
        "strategy": [StrOptions({"mean_mode", "sample", "max_product"})],
        "random_state": ["random_state"],
    }
    _accepted = "a SharpPCDensity, a FrozenEstimator of one, or None"

    def __init__(
        self,
        estimator: SharpPCDensity | FrozenEstimator | None = None,
        *,
        strategy: str = "mean_mode",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SharpPCImputer:
        """Learn the density, unless it is frozen.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`, not sparse. Every column needs a value.
        y : None
            Ignored; present for API consistency.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row. Not used if the density is frozen.

        Returns
        -------
        SharpPCImputer
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used, or if a frozen density is not fitted, or
            on other columns. The estimator is then as it was before.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCImputer
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, np.nan], [0, 0, 0]] * 10)
        >>> imputer = SharpPCImputer(SharpPCDensity(n_latents=2, random_state=0)).fit(X)
        >>> imputer.density_.feature_types_
        ['categorical', 'categorical', 'categorical']
        """
        with all_or_nothing(self):
            if isinstance(self.estimator, FrozenEstimator):
                density = _frozen_density(self.estimator)
                table = validate_table(density, X, reset=False, accept_sparse=False)
                density._columns.check_names(table)
                self.n_features_in_ = density.n_features_in_
                self.__dict__.pop("feature_names_in_", None)
                if hasattr(density, "feature_names_in_"):
                    self.feature_names_in_ = density.feature_names_in_
            else:
                table = validate_table(self, X, reset=True, accept_sparse=False)
                density = self._new_density(check_random_state(self.random_state))
                self._learn(density, table, sample_weight)
            self.density_ = density
        return self

    @with_callbacks
    def _learn(self, density: SharpPCDensity, table: Any, sample_weight: Any) -> None:
        """Fit the density, as a part of what callbacks are told."""
        parts = Parts(self, 1)
        with parts.learning(density):
            density.fit(table, sample_weight=sample_weight)
        parts.close()

    def _check_state(self) -> None:
        if not is_fitted(self, ("density_", "n_features_in_")):
            return
        check_held(self.density_, self, "density_")

    def transform(self, X: Any) -> Any:
        """Fill the missing cells.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN, None and NA are missing.

        Returns
        -------
        array or frame of shape (n_samples, n_features)
            X with its missing cells filled: of a frame a frame, with its names, index,
            dtypes and categories, unless `set_output` asks for something else. Means that go into
            a column of integers are rounded.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCImputer
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, np.nan], [0, 0, 0]] * 10)
        >>> imputer = SharpPCImputer(SharpPCDensity(n_latents=2, random_state=0)).fit(X)
        >>> imputer.transform([[0, np.nan, 1], [np.nan, 1, 0]])
        array([[0., 0., 1.],
               [1., 1., 0.]])
        """
        check_is_fitted(self)
        from skpc._queries.imputation import complete
        from skpc._threads import table_work, use_threads

        table = validate_table(self, X, reset=False, accept_sparse=False)
        density, columns = self.density_, self.density_._columns
        matrix = columns.to_matrix(table)
        with use_threads(density.n_jobs, table_work(matrix.size, density.circuit_.n_latents)):
            filled = complete(
                density.circuit_,
                matrix,
                self.strategy,
                check_random_state(self.random_state),
                max_bytes=working_bytes(),
            )
        out = columns.fill(table, matrix, filled)
        wants_pandas = output_config("transform", self)["dense"] == "pandas"
        return to_frame(out) if wants_pandas else out  # scikit-learn makes none of Arrow's tables


def _frozen_density(frozen: FrozenEstimator) -> SharpPCDensity:
    """The fitted density in a FrozenEstimator."""
    density = frozen.estimator
    if not isinstance(density, SharpPCDensity):
        raise ValueError(
            f"estimator must hold a SharpPCDensity; got {type(density).__name__} in a "
            "FrozenEstimator."
        )
    check_is_fitted(density)
    return density

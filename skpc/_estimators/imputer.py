"""SharpPCImputer: missing values filled from their distribution given the rest of a row."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skpc._checks import checked_array, is_fitted, level_of_caller
from skpc._estimators.base import all_or_nothing
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.composed import ComposedMixin, check_held, share_names
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.query_mixin import dense_floats, working_bytes
from skpc._tables.column_types import column_name, wanted_types
from skpc._tables.frames import is_frame, names_of, with_dtypes_of
from skpc._tables.holes import (
    marked,
    missing_cells,
    with_indicator,
    with_zeros,
    without_columns,
)
from skpc._tables.parquet import to_frame
from skpc._tables.sklearn_private import MissingValues, StrOptions, fit_context, output_config
from skpc._tables.validation import check_weights, validate_table

if TYPE_CHECKING:
    from sklearn.impute import MissingIndicator


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

    strategy : {"median_mode", "mean_mode", "sample", "max_product"}, default="median_mode"
        What to fill in.

        - "median_mode": the conditional median of a numeric or Gaussian column, the conditionally
          most probable category or level of another. Each cell has the least expected absolute
          error, or the least probability of an error, but the cells of a row need not go together.
        - "mean_mode": the same with means, of counts the nearest to it: each number has the least
          expected squared error. In a column of several magnitudes that may be a value which no
          such row has, as a small chance of a large number outweighs all else.
        - "sample": a draw of all missing cells of a row from their joint conditional distribution.
          Several seeds make a proper multiple imputation of the values, given the density.
        - "max_product": cells that go together: the most probable values of all missing cells
          *and latent states* of a row. That approximates the most probable values,
          for which the latent states would have to be summed out: a hard problem. A set
          of values that many states explain a little may lose to one that a single state
          explains well. In a column of several magnitudes small numbers win too often: they are
          closer together, so that each is more probable.

    missing_values : int, float, str, None or pandas.NA, default=nan
        What marks a cell as missing, besides NaN, None and NA, which always do: -1, say, or "?".
        It is a value of numbers or of labels; an array has only numbers.

    add_indicator : bool, default=False
        Whether to append a column of booleans for each column with a missing value in `fit`, which
        says where it was missing: see :class:`sklearn.impute.MissingIndicator`.

    keep_empty_features : bool, default=False
        Whether to keep columns that have no value in the rows of `fit` that count, and to fill
        them with zeros; one whose dtype holds labels or objects stays as it is, missing.
        Otherwise they are dropped, and `fit` warns of it.

    random_state : int, RandomState instance or None, default=None
        Of the draws of "sample": with an int, `transform` gives the same draws to the same table
        each time; ``imputer.set_params(random_state=1)`` gives others without a new fit.
        Also where the density gets its seed from, if its own `random_state` is None.

    Attributes
    ----------
    density_ : SharpPCDensity
        The fitted density, of the columns that have a value.

    empty_features_ : ndarray of int
        Positions of the columns that had no value in fit.

    indicator_ : MissingIndicator or None
        What says which cells were missing; None without `add_indicator`.

    n_features_in_ : int
        Number of columns seen in fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X had string names.

    See Also
    --------
    sklearn.impute.SimpleImputer : Each column by itself.
    sklearn.impute.IterativeImputer : Regressions of each column on the others, in rounds.
    sklearn.impute.KNNImputer : Means over similar rows.

    Notes
    -----
    Latent states are summed out by one pass up and one pass down the circuit. Among several
    columns that share a Gaussian, on their normal scales if they are numeric, missing ones are
    regressed on observed ones given each state. Numeric columns with a value that a twentieth of
    the rows have share none: where many repeat values and depend on each other linearly, rounds of
    regressions may fill them better.

    What is filled into a column is a value that it can have: whole numbers into whole numbers,
    cents into cents, as all values had at most two decimals, within the range that `fit` saw. A
    Gaussian column, which has to be asked for, has no range: only what its dtype holds.

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
        "strategy": [StrOptions({"median_mode", "mean_mode", "sample", "max_product"})],
        "missing_values": [MissingValues()],
        "add_indicator": ["boolean"],
        "keep_empty_features": ["boolean"],
        "random_state": ["random_state"],
    }
    _accepted = "a SharpPCDensity, a FrozenEstimator of one, or None"
    _for_missingness = (
        "Fit it, and fill by the density of its values: SharpPCImputer(FrozenEstimator("
        "model.density_))."
    )

    def __init__(
        self,
        estimator: SharpPCDensity | FrozenEstimator | None = None,
        *,
        strategy: Literal["median_mode", "mean_mode", "sample", "max_product"] = "median_mode",
        missing_values: Any = np.nan,
        add_indicator: bool = False,
        keep_empty_features: bool = False,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.strategy = strategy
        self.missing_values = missing_values
        self.add_indicator = add_indicator
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn the density, unless it is frozen.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            As for :meth:`SharpPCDensity.fit`, not sparse. At least one column needs a value.
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

        Warns
        -----
        UserWarning
            If columns without a value are left out.

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
                self.__dict__.pop("feature_names_in_", None)
                share_names(density, self)
                table = validate_table(self, X, reset=False, accept_sparse=False)
                density._columns.check_names(table)
                missing = missing_cells(marked(table, self.missing_values))
                empty = np.empty(0, np.intp)
            else:
                table = validate_table(self, X, reset=True, accept_sparse=False)
                table = marked(table, self.missing_values)
                missing = missing_cells(table)
                empty = self._empty_features(missing, sample_weight, names_of(table))
                density = self._density_of(table, empty)
                self._learn(density, without_columns(table, empty), sample_weight)
            self.indicator_ = self._new_indicator(missing)
            self.empty_features_ = empty
            self.density_ = density
        return self

    def _empty_features(self, missing: np.ndarray, sample_weight: Any, names: Any) -> np.ndarray:
        """Which columns have no value in the rows that count, if others have."""
        if sample_weight is not None:
            missing = missing[check_weights(sample_weight, missing) > 0]
        is_empty = missing.all(axis=0)
        if is_empty.all():  # of which the density complains
            return np.empty(0, np.intp)
        empty = np.flatnonzero(is_empty)
        if len(empty) and not self.keep_empty_features:
            shown_names = ", ".join(column_name(names, j) for j in empty.tolist())
            warnings.warn(
                f"X has no value in {shown_names}: left out of what transform returns. Drop it, or "
                "set keep_empty_features=True, which fills numbers with zeros.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        return empty

    def _density_of(self, table: Any, empty: np.ndarray) -> SharpPCDensity:
        """An unfitted density of the columns that are not empty."""
        density = self._new_density(check_random_state(self.random_state))
        if len(empty) and not isinstance(density.feature_types, str):
            types = wanted_types(density.feature_types, names_of(table), table.shape[1])
            density.set_params(feature_types=np.delete(np.array(types, object), empty).tolist())
        return density

    def _new_indicator(self, missing: np.ndarray) -> MissingIndicator | None:
        """What says where cells (n, d) are missing, if that is asked for."""
        if not self.add_indicator:
            return None
        from sklearn.impute import MissingIndicator

        indicator = MissingIndicator(error_on_new=False)
        return indicator.fit(np.where(missing, np.nan, 0.0))

    @with_callbacks
    def _learn(self, density: SharpPCDensity, table: Any, sample_weight: Any) -> None:
        """Fit the density, as a part of what callbacks are told."""
        parts = Parts(self, 1)
        with parts.learning(density):
            density.fit(table, sample_weight=sample_weight)
        parts.close()

    def _check_state(self) -> None:
        if not is_fitted(self, ("density_", "n_features_in_", "empty_features_", "indicator_")):
            return
        empty = checked_array(self.empty_features_, "empty_features_", int, (None,))
        kept = np.setdiff1d(np.arange(self.n_features_in_), empty)
        if len(kept) + len(empty) != self.n_features_in_:
            raise ValueError("empty_features_ must be different positions of columns.")
        seen = SimpleNamespace(n_features_in_=len(kept))
        if hasattr(self, "feature_names_in_"):
            names = checked_array(self.feature_names_in_, "feature_names_in_", object, (None,))
            seen.feature_names_in_ = np.delete(names, empty)
        check_held(self.density_, seen, "density_")
        kind = type(self.indicator_).__name__
        if kind not in ("MissingIndicator", "NoneType"):
            raise ValueError(f"indicator_ must be a MissingIndicator or None; got a {kind}.")

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
            a column of integers are rounded. Without columns that are empty, and with those of
            an indicator, as parameters say: see `get_feature_names_out`.

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
        table = validate_table(self, X, reset=False, accept_sparse=False)
        empty = self.empty_features_
        holed = marked(table, self.missing_values)
        matrix, filled = self._completed(without_columns(holed, empty))
        places = np.delete(np.arange(table.shape[1]), empty)
        is_of_frame = is_frame(table)
        out = self.density_._columns.fill(holed if is_of_frame else table, places, matrix, filled)
        if self.keep_empty_features:
            out = with_zeros(out, holed, empty)
        if is_of_frame and holed is not table:
            out = with_dtypes_of(out, table)
        if not self.keep_empty_features:
            out = without_columns(out, empty)
        if self.indicator_ is not None:
            out = with_indicator(out, holed, self.indicator_.features_)
        wants_pandas = output_config("transform", self)["dense"] == "pandas"
        return to_frame(out) if wants_pandas else out  # scikit-learn makes none of Arrow's tables

    def _completed(self, table: Any) -> tuple[np.ndarray, np.ndarray]:
        """The matrix of the columns that have a value, and the same without NaN."""
        from skpc._queries.imputation import complete
        from skpc._threads import table_work, use_threads

        density = self.density_
        matrix = dense_floats(density._columns.to_matrix(table))
        with use_threads(density.n_jobs, table_work(matrix.size, density.circuit_.n_latents)):
            filled = complete(
                density.circuit_,
                matrix,
                self.strategy,
                check_random_state(self.random_state),
                max_bytes=working_bytes(),
            )
        return matrix, filled

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Tell the names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of the columns, those that fit saw if there were any; None takes those, or x0, x1
            and so on.

        Returns
        -------
        ndarray of str objects
            Of columns, less those that were empty and are dropped, and of those of an indicator.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCImputer
        >>> X = np.array([[0, np.nan], [1, 1], [1, 1], [0, 0]] * 10)
        >>> imputer = SharpPCImputer(SharpPCDensity(n_latents=2), add_indicator=True).fit(X)
        >>> imputer.get_feature_names_out()
        array(['x0', 'x1', 'missingindicator_x1'], dtype=object)
        """
        names = super().get_feature_names_out(input_features)
        check_is_fitted(self)
        kept = names if self.keep_empty_features else np.delete(names, self.empty_features_)
        if self.indicator_ is None:
            return kept
        return np.concatenate([kept, self.indicator_.get_feature_names_out(names)])


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

"""What a fitted estimator can be asked of how its columns depend on each other, as a mixin."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skpc._checks import shown
from skpc._estimators.column_answers import support_of
from skpc._estimators.query_mixin import QueryMixin, dense_floats, working_bytes
from skpc._tables.column_types import column_name

_N_CELLS = 8
_MAX_BYTES = 2**34  # what the pairs of two columns' categories may take


class DependenceMixin(QueryMixin):
    """Latent variables, the tree that links them, and what columns tell of each other."""

    def latent_posterior(self, X: Any, region: Any) -> np.ndarray:
        """Posterior probability of each state of one latent variable given each row.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing.
        region : int or str
            Number of the region in ``circuit_.parents``, or the name of a column that it observes.

        Returns
        -------
        ndarray of shape (n_samples, n_latents)
            Rows sum to one; in a mixture of several trees, to the posterior probability of the
            tree that the region is in.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X)
        >>> model.latent_posterior(X[:2], region=0).shape
        (2, 2)
        """
        X = self._validate(X)
        number = self._region(region)
        from skpc._queries.posteriors import posteriors

        with self._threads(X):
            return posteriors(self.circuit_, X, [number], max_bytes=working_bytes())[0]

    def pointwise_total_correlation(self, X: Any) -> np.ndarray:
        """How well the values of a row go together, however rare each is.

        That is log p(x) - sum_i log p(x_i), the logarithm of how many times as likely the row is
        as if its features were independent. It is negative where values contradict each other.
        Its mean over rows of the model is the total correlation of the features.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            NaN is missing; the sum goes over what is observed.

        Returns
        -------
        ndarray of shape (n_samples,)
            In nats; it does not depend on the units of continuous columns.

        See Also
        --------
        mutual_information : Of pairs of features, on average.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0], [1, 1]] * 20 + [[0, 1]])
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.pointwise_total_correlation([[0, 0], [0, 1], [0, np.nan]]) > 0.1
        array([ True, False, False])
        """
        return self._pointwise_total_correlation(self._validate(X))

    def _pointwise_total_correlation(self, matrix: Any) -> np.ndarray:
        from skpc._queries.information import pointwise_total_correlation

        X = dense_floats(matrix)
        with self._threads(X):
            return pointwise_total_correlation(self.circuit_, X, max_bytes=working_bytes())

    def mutual_information(self) -> np.ndarray:
        """Mutual information of each pair of features under the model, exactly.

        Columns of numbers are cut at the eighths of their distribution, and it is that of their
        cells: it does not depend on units, and is a little less than that of the numbers.

        Returns
        -------
        ndarray of shape (`n_features_in_`, `n_features_in_`)
            In nats; symmetric, with the features' entropies on the diagonal, those of numbers
            cut: at most the logarithm of 8.

        Raises
        ------
        ValueError
            If a column has too many categories.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]] * 20)
        >>> SharpPCDensity(n_latents=2, mu=0, random_state=0).fit(X).mutual_information().round(1)
        array([[0.7, 0.6, 0. ],
               [0.6, 0.7, 0. ],
               [0. , 0. , 0.7]])
        """
        check_is_fitted(self)
        from skpc._queries.cut_columns import with_cuts
        from skpc._queries.information import mutual_information, pair_table_bytes

        columns = self._columns.columns
        inputs = with_cuts(
            self.circuit_,
            {j: self._eighths(j) for j, column in enumerate(columns) if column.categories is None},
        )
        n_categories = [0 if known is None else len(known) for known in self.categories_]
        widest = int(np.argmax(n_categories))
        n_bytes = pair_table_bytes(self.circuit_, inputs)
        if n_bytes > _MAX_BYTES:
            raise ValueError(
                f"{column_name(self._columns.names, widest)} has "
                f"{n_categories[widest]} categories, and the joint distribution of their "
                f"pairs would take {n_bytes / 2**30:.0f} GiB, more than the {_MAX_BYTES >> 30} GiB "
                "that are allowed. Leave such columns out with marginal(features)."
            )
        return mutual_information(self.circuit_, self.n_features_in_, inputs)

    def _eighths(self, j: int) -> np.ndarray:
        """Where a column of numbers is cut into cells of about the same probability."""
        from skpc._queries.column_mixture import ColumnMixture

        mixture = ColumnMixture.of(self.circuit_, j, support_of(self._columns.columns[j], None))
        return np.unique(mixture.quantile(np.arange(1, _N_CELLS) / _N_CELLS)[0])

    def structure_frame(self) -> Any:
        """The edges between the latent variables, as a pandas frame.

        Returns
        -------
        pandas.DataFrame
            One row for each edge: `parent` and `child`, named after the columns that they observe
            ("latent 7" if none), `weight`, the mutual information of the two latent
            variables under the model in nats, and `tree`, the number of the tree.

        Raises
        ------
        ImportError
            If pandas is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity
        >>> X = np.array([[0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1]] * 20)
        >>> model = SharpPCDensity(n_latents=2, random_state=0).fit(X)
        >>> model.structure_frame().columns.tolist()
        ['parent', 'child', 'weight', 'tree']
        """
        check_is_fitted(self)
        try:
            import pandas  # type: ignore[import-untyped, unused-ignore]
        except ImportError as error:
            raise ImportError(
                "structure_frame returns a pandas frame, and pandas is not installed: "
                "pip install pandas."
            ) from error
        from skpc._circuit.tree import tree_of_region
        from skpc._queries.information import edge_information

        circuit = self.circuit_
        names = self._feature_names()
        called = [
            ", ".join(names[j] for j in columns) if len(columns) else f"latent {region}"
            for region, columns in enumerate(circuit.features)
        ]
        edges = np.flatnonzero(circuit.parents >= 0)
        return pandas.DataFrame(
            {
                "parent": [called[circuit.parents[region]] for region in edges],
                "child": [called[region] for region in edges],
                "weight": edge_information(circuit)[edges],
                "tree": tree_of_region(circuit.parents)[edges],
            }
        )

    def _region(self, region: Any) -> int:
        """The number of a region, or of the one that observes a named column."""
        circuit = self.circuit_
        if isinstance(region, Integral) and not isinstance(region, bool):
            if not 0 <= int(region) < circuit.n_regions:
                raise ValueError(
                    f"region must be below the number of regions, {circuit.n_regions}; got "
                    f"{region}."
                )
            return int(region)
        (column,) = self._positions([region], "region")
        found = [r for r, columns in enumerate(circuit.features) if column in columns]
        if len(found) > 1:
            raise ValueError(
                f"region {shown(region)} is observed once in each of {len(found)} trees: by the "
                f"regions {found}. Give one of these numbers."
            )
        return found[0]

"""What a search over candidates found, as a mixin: computed from scores of all in all folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

if TYPE_CHECKING:
    from skpc._estimators.density import SharpPCDensity


class SearchResultsMixin:
    """Overfitting, and results in scikit-learn's form."""

    if TYPE_CHECKING:
        best_estimator_: SharpPCDensity
        mus_: np.ndarray
        params_: list[dict[str, Any]]
        cv_log_likelihoods_: np.ndarray
        cv_train_log_likelihoods_: np.ndarray
        cv_sharpness_: np.ndarray

    @property
    def cv_overfitting_(self) -> np.ndarray:
        """Degree of overfitting of each candidate in each fold.

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCDensityCV
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> density = SharpPCDensity(n_latents=2, random_state=0)
        >>> SharpPCDensityCV(density, mus=[0, 0.1], cv=2).fit(X).cv_overfitting_.round(2)
        array([[0., 0.],
               [0., 0.]])
        """
        check_is_fitted(self, "cv_log_likelihoods_")
        test, train = self.cv_log_likelihoods_, self.cv_train_log_likelihoods_
        with np.errstate(divide="ignore", invalid="ignore"):
            return (train - test) / np.abs(train)

    @property
    def cv_results_(self) -> dict[str, Any]:
        """What cross-validation found, in the form of `GridSearchCV`.

        Scores of held-out and of training rows (``split0_test_score``, ``mean_train_score``),
        sharpness (``split0_train_sharpness``) and overfitting (``split0_test_overfitting``).

        Examples
        --------
        >>> import numpy as np
        >>> from skpc import SharpPCDensity, SharpPCDensityCV
        >>> X = np.array([[0, 0, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]] * 10)
        >>> grid = {"n_latents": [1, 2], "mu": [0]}
        >>> search = SharpPCDensityCV(SharpPCDensity(random_state=0), param_grid=grid, cv=2).fit(X)
        >>> search.cv_results_["rank_test_score"]
        array([2, 1])
        """
        check_is_fitted(self, "cv_log_likelihoods_")
        found = {
            "test_score": self.cv_log_likelihoods_,
            "train_score": self.cv_train_log_likelihoods_,
            "train_sharpness": self.cv_sharpness_,
            "test_overfitting": self.cv_overfitting_,
        }
        return _in_form_of_sklearn(self.params_, found)


def best_of(log_likelihoods: np.ndarray) -> int:
    """The first candidate with the largest mean of its row (n_candidates, n_folds)."""
    return int(np.argmax(log_likelihoods.mean(axis=1)))


def _in_form_of_sklearn(
    params: Sequence[dict[str, Any]], found: dict[str, np.ndarray]
) -> dict[str, Any]:
    """What is in `cv_results_` of scikit-learn.

    Parameters
    ----------
    params : sequence of dict
    found : dict from str to array of shape (n_candidates, n_folds)
        Under the names that they have there, such as "test_score".
    """
    results: dict[str, Any] = dict(_columns_of_params(params))
    results["params"] = [dict(candidate) for candidate in params]
    for name, values in found.items():
        for k in range(values.shape[1]):
            results[f"split{k}_{name}"] = values[:, k]
        results[f"mean_{name}"] = values.mean(axis=1)
        results[f"std_{name}"] = values.std(axis=1)
    means = results["mean_test_score"]
    results["rank_test_score"] = 1 + (means[:, None] < means).sum(axis=1)
    return results


def _columns_of_params(
    params: Sequence[dict[str, Any]],
) -> Iterator[tuple[str, np.ma.MaskedArray[Any, Any]]]:
    for name in sorted({name for candidate in params for name in candidate}):
        values = np.empty(len(params), object)
        for i, candidate in enumerate(params):
            values[i] = candidate.get(name)
        mask = [name not in candidate for candidate in params]
        yield f"param_{name}", np.ma.MaskedArray(values, mask=mask)

"""How a classifier learns, as a mixin: densities of columns and class, per class, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from skpc._checks import shown
from skpc._estimators.callbacks import Parts, with_callbacks
from skpc._estimators.composed import drawn_seed
from skpc._estimators.density import SharpPCDensity
from skpc._estimators.joint_class import (
    joined,
    log_joint,
    log_of_classes,
    log_shares,
    prepare,
    with_class,
)
from skpc._estimators.settings import same_setting
from skpc._tables.columns import Columns
from skpc._tables.validation import named

if TYPE_CHECKING:
    from skpc._data.rows import Rows
    from skpc._estimators.class_pool import LabelledRows


class ClassLearningMixin:
    """What stands between the parameters of a classifier and its densities."""

    if TYPE_CHECKING:  # parameters and methods of a `SharpPCClassifier`

        def __getattr__(self, name: str) -> Any: ...

    def _refuse_structure(self) -> None:
        """Refuse one structure for densities of which there is one only."""
        if self.joint and self.share_structure:
            raise ValueError(
                "share_structure=True is for one density per class, but with joint=True there is "
                "one of all. Set joint=False, or leave share_structure at False."
            )

    def _own(self, columns: Columns) -> Columns:
        """Those of the table alone: indicators may follow them."""
        return columns.take(range(self.n_features_in_))

    @with_callbacks
    def _learn_all(
        self,
        template: SharpPCDensity,
        columns: Columns,
        matrix: Any,
        weights: np.ndarray,
        of_rows: tuple[np.ndarray, np.ndarray],
    ) -> None:
        """Learn the densities that `joint` asks for.

        Parameters
        ----------
        template : SharpPCDensity
            Unfitted.
        columns : Columns
        matrix : (n, n_features) array or sparse matrix
        weights : (n,)
        of_rows : tuple
            The number (n,) of each row's class, and the classes.
        """
        codes, classes = of_rows
        parts = Parts(self, None)
        if self.joint:
            self._learn_jointly(columns, matrix, weights, codes, classes, parts)
        else:
            rows = template._encode(matrix, weights, columns)
            self.estimators_ = self._learn(template, columns, rows, classes, codes, parts)
        parts.close()

    def _learn_jointly(
        self,
        columns: Columns,
        matrix: Any,
        weights: np.ndarray,
        codes: np.ndarray,
        classes: np.ndarray,
        parts: Parts,
    ) -> None:
        """Learn a density of the columns and the class; and one per class, if both are wanted."""
        from skpc._estimators.class_pool import MOST_CLASSES, OF_EACH_CLASS, LabelledRows

        seeds = check_random_state(self.random_state)
        density = self._new_density(seeds)
        whole = with_class(columns, len(classes))
        prepare(density, self._own(columns), whole)
        distinct, first = density._encode(
            joined(matrix, codes), weights, whole
        ).distinct_and_first()
        with parts.learning(density):
            density._learn(distinct, whole)
        self.density_ = density
        if self.joint != "auto" or not 1 < len(classes) <= MOST_CLASSES:
            return
        template = self._new_density()
        if template.n_latents == "auto":
            template.n_latents = OF_EACH_CLASS
        of_columns = template._encode(matrix, weights, columns).take(first)
        rows = LabelledRows(first, codes[first], of_columns.weighted_as(distinct.weights), distinct)
        self.estimators_ = self._learn(
            template, columns, rows.of_columns, classes, rows.codes, parts
        )
        self.exponents_ = self._learn_exponents(template, columns, rows, matrix, classes, parts)

    def _learn_exponents(
        self,
        template: SharpPCDensity,
        columns: Columns,
        rows: LabelledRows,
        matrix: Any,
        classes: np.ndarray,
        parts: Parts,
    ) -> np.ndarray:
        """How much to believe the density of both, and those per class: by rows held out."""
        from skpc._estimators.class_pool import learn_exponents, ratios

        log_prior = log_shares(self.density_, len(classes))
        seed = check_random_state(self.density_.random_state).randint(np.iinfo(np.int32).max)
        whole = self.density_._columns
        found, codes, weights = [], [], []
        for held_out in rows.divisions(int(seed)):
            learnt, judged = rows.without(held_out), np.flatnonzero(held_out)
            part = matrix[rows.first[judged]]
            density = self._new_density().set_params(
                n_latents=_main_size(self.density_), random_state=self.density_.random_state
            )
            prepare(density, self._own(columns), whole)
            with parts.learning(density):
                density._learn_quietly(learnt.of_both, whole)
            own = self._learn(
                template, columns, learnt.of_columns, classes, learnt.codes, parts, quietly=True
            )
            both = log_joint(density, part, len(classes)), log_of_classes(own, part) + log_prior
            found.append(np.stack([ratios(logs, log_prior) for logs in both]))
            codes.append(rows.codes[judged])
            weights.append(held_out[judged])
        return learn_exponents(
            np.concatenate(found, axis=1), log_prior, np.concatenate(codes), np.concatenate(weights)
        )

    def _learn(
        self,
        template: SharpPCDensity,
        columns: Columns,
        rows: Rows,
        classes: np.ndarray,
        codes: np.ndarray,
        parts: Parts,
        quietly: bool = False,
    ) -> list[SharpPCDensity]:
        """A density for each class, from its rows."""
        seeds = check_random_state(self.random_state)
        shared = self._learn_shared(template, columns, rows.distinct(), seeds)
        estimators = []
        for code, label in enumerate(classes):
            density = self._new_density(seeds).set_params(n_latents=template.n_latents)
            if "missing_features_" in vars(self):
                prepare(density, self._own(columns), columns)
            estimators.append(density)
            of_class = np.flatnonzero(codes == code)
            if not len(of_class):  # of a rare class, in a fold
                continue
            own = rows.take(of_class).distinct().without_unused()
            with named(f"the rows of class {shown(label)}"), parts.learning(density):
                learn = density._learn_quietly if quietly else density._learn
                learn(own, columns, **shared)
        return estimators

    def _learn_shared(
        self,
        template: SharpPCDensity,
        columns: Columns,
        rows: Rows,
        seeds: np.random.RandomState,
    ) -> dict[str, Any]:
        """What all densities are told of the distinct rows of all classes."""
        from skpc._learning.initialisation import column_moments
        from skpc._learning.structure import learn_structure

        with template._threads_for(len(rows) * len(columns.columns)):
            shared: dict[str, Any] = {"of_table": column_moments(rows), "share_scales": True}
            if self.share_structure:
                if same_setting(template.structure, "chow-liu") and template._n_trees() > 1:
                    raise ValueError(
                        f"share_structure=True learns one structure, but the estimator has "
                        f"n_components={template.n_components}. Set one of them otherwise."
                    )
                seed = template.random_state
                shared["regions"] = learn_structure(
                    rows,
                    template._structure(columns),
                    template._most_latents(),
                    template._solver().m_step.pseudocount,
                    check_random_state(drawn_seed(seeds) if seed is None else seed),
                )
        return shared


def _main_size(density: SharpPCDensity) -> int:
    """How many states the heaviest of the circuits has that a density mixes."""
    report = density.fit_report_
    assert report is not None
    return int(report["n_latents"][np.argmax(report["weight"])])

"""Pictures of fits and of fitted models: Display classes as scikit-learn has them.

Each keeps what it draws as arrays, is made by a class method such as ``from_estimator``, which
draws too, and draws again by ``plot(ax=None)``. They need matplotlib, which is imported at the
first picture: ``pip install "skpc[plot]"``.
"""

from skpc.plotting._conditional_curve import ConditionalCurveDisplay
from skpc.plotting._contributions import ContributionsDisplay
from skpc.plotting._curvature import CurvatureDisplay
from skpc.plotting._history import FitHistoryDisplay
from skpc.plotting._landscape import LossLandscapeDisplay
from skpc.plotting._mu_path import MuPathDisplay
from skpc.plotting._samples import SamplesDisplay
from skpc.plotting._scores import ScoresDisplay
from skpc.plotting._structure import StructureDisplay

__all__ = [
    "ConditionalCurveDisplay",
    "ContributionsDisplay",
    "CurvatureDisplay",
    "FitHistoryDisplay",
    "LossLandscapeDisplay",
    "MuPathDisplay",
    "SamplesDisplay",
    "ScoresDisplay",
    "StructureDisplay",
]

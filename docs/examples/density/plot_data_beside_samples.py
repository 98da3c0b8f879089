"""
Does the model know the data?
=============================

Draw rows from the model and lay them beside the table. What the model has not learnt shows: a
margin of another shape, a cloud of points in the wrong place, a dependence that is not there.
"""

# %%
# Wines with their cultivar as a label. Some values are taken out, as in most tables.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc.plotting import SamplesDisplay, ScoresDisplay

data = load_wine(as_frame=True)
wine = data.data.assign(cultivar=np.array(["Barolo", "Grignolino", "Barbera"])[data.target])
wine = wine.rename(columns={"od280/od315_of_diluted_wines": "dilution"})
wine = wine.mask(np.random.default_rng(0).random(wine.shape) < 0.05)
model = SharpPCDensity(n_latents=8, random_state=0).fit(wine)

# %%
# One panel for each column, those first in which model and data differ most.

SamplesDisplay.from_estimator(model, wine)
plt.show()

# %%
# The pairs of columns that depend most on each other in the data, and the same pairs in draws.

SamplesDisplay.from_estimator(model, wine, kind="pairs")
plt.show()

# %%
# How strongly all pairs depend on each other. One latent state makes columns independent: all
# margins are right, and everything else is missing.

SamplesDisplay.from_estimator(model, wine, kind="correlations")
independent = SharpPCDensity(n_latents=1, feature_groups=None, random_state=0).fit(wine)
SamplesDisplay.from_estimator(independent, wine, kind="correlations")
plt.show()

# %%
# Which wines do not belong? An outlier detector scores each by densities that did not learn from
# it. The threshold is such that one in twenty new wines would be flagged.

detector = SharpPCOutlierDetector(contamination=0.05, random_state=0).fit(wine)
ScoresDisplay.from_estimator(detector, wine)
plt.show()

"""
Where a circuit is sharp
========================

The trace of the Hessian is a sum over the sum nodes of the circuit: how much a node is used,
squared, times how curved it is. That tells which part of a model is fitted too closely.
"""

# %%
# The wine data in three bins a column: 178 rows, 13 columns, which is few for eight latent
# states.

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.preprocessing import KBinsDiscretizer

from skpc import SharpPCDensity
from skpc.plotting import CurvatureDisplay, StructureDisplay

wine = load_wine(as_frame=True).data
wine.columns = [name.split("_of_dil")[0].replace("_", " ") for name in wine]
bins = KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf")
X = bins.set_output(transform="pandas").fit_transform(wine)
models = {
    mu: SharpPCDensity(
        n_latents=8, mu=mu, max_iter=200, tol=0, early_stopping=False, random_state=0
    ).fit(X)
    for mu in (0, 0.3)
}

# %%
# The learnt tree, its edges as wide as their mutual information, its nodes coloured by local
# curvature: how curved sum nodes are, used or not.

figure, axis = plt.subplots(figsize=(7.5, 5.5), layout="constrained")
StructureDisplay.from_estimator(models[0], X, ax=axis)
plt.show()

# %%
# Node by node, without the penalty and with it. Without, local curvature spreads over many orders
# of magnitude, and the sharpest nodes are hardly used: they stand for a few rows. What counts is
# the product, the global curvature, whose sum is the trace. The penalty evens out both, most
# where a node is sharp.

display = CurvatureDisplay.from_estimator(models[0], X)
display.figure_.suptitle(f"mu = 0, mean trace {models[0].sharpness(X):.0f}")
plt.show()

# %%

display = CurvatureDisplay.from_estimator(models[0.3], X)
display.figure_.suptitle(f"mu = 0.3, mean trace {models[0.3].sharpness(X):.0f}")
plt.show()

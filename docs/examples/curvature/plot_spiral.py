"""
Few points of a spiral
======================

Learnt by gradient from a few hundred points, a circuit with many narrow Gaussians puts a peak on
each point that it saw. The trace of the Hessian, added to the loss, keeps it from such sharp
optima: the picture that introduced sharpness-aware learning of circuits [1]_, here with exact
gradients of likelihood and trace.

.. [1] H. Suresh et al., "Tractable Sharpness-Aware Learning of Probabilistic Circuits", AAAI 2026,
   arXiv:2508.05537, Figure 3.
"""

# %%
# Random binary trees over the two coordinates, learnt by Adam from random parameters, as in [1]_.
# Patience is as long as the run, so that the curves go on; what is kept is the circuit of the
# best epoch by the validation points, the dotted line below.

import matplotlib.pyplot as plt
import numpy as np

from skpc import SharpPCDensity
from skpc.datasets import make_manifold
from skpc.plotting import FitHistoryDisplay

X = make_manifold("spiral", 3_200, random_state=0)
X = (X - X.mean(axis=0)) / X.std(axis=0)
train, valid = X[:200], X[200:]

models = {
    mu: SharpPCDensity(
        n_latents=16,
        structure="rat",
        n_components=4,
        solver="adam",
        mu=mu,
        max_iter=120,
        tol=0,
        n_iter_no_change=120,
        init="random",
        feature_types="gaussian",
        feature_groups=None,
        random_state=0,
    )
    for mu in (0, 0.001)
}
for model in models.values():
    model.fit(train, X_val=valid)

# %%
# Above, the densities; below, what happened while they were learnt. Without the penalty training
# points soon gain at the cost of all others, and stopping early is all that helps. With it the
# curves stay together, and the best epoch is better.

grid = np.linspace(-2.6, 2.6, 120)
points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
fig, axes = plt.subplots(2, 2, figsize=(9, 7.5), layout="constrained")
for (mu, model), (above, below) in zip(models.items(), axes.T, strict=True):
    log_density = model.score_samples(points).reshape(len(grid), -1)
    above.pcolormesh(grid, grid, log_density, vmin=-8, vmax=1, cmap="cividis")
    above.set_aspect("equal")
    above.plot(*train.T, ".", color="white", markersize=2)
    above.set(title=f"mu = {mu:g}, sharpness {model.sharpness(train):.0f}", xticks=[], yticks=[])
    FitHistoryDisplay.from_estimator(model, ax=below)
    below.set(xlabel="epochs", ylim=(-3.5, 2.5))
    below.legend(loc="upper left", frameon=False)
plt.show()

# %%
# The default start, from clusters of the points, needs neither as much: without a penalty and
# stopped at its best epoch it is better than both. Where a good start is to be had the penalty
# has less to do.

for name, model in {
    "random start": models[0],
    "random start, penalty": models[0.001],
    "start from clusters": SharpPCDensity(**{**models[0].get_params(), "init": "cluster"}),
}.items():
    model.fit(train, X_val=valid)
    print(f"{-model.score(valid):.2f}  {name}, best epoch {model.best_iteration_}")

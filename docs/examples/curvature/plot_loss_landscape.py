"""
The valley that learning ends in
================================

A sharp optimum is one from which the likelihood falls steeply when the weights move a little.
Here is how steeply: along random directions through the weights that learning ended with, in
training rows and in rows never seen.
"""

# %%
# Two circuits of the same 300 digits, 200 iterations each (`tol=0`, and no early stopping), without
# and with the penalty.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from skpc import SharpPCDensity
from skpc.plotting import LossLandscapeDisplay

X = (load_digits().data > 7.5).astype(float)
train, test = X[:300], X[300:]
models = {
    f"mu = {mu}": SharpPCDensity(
        n_latents=8, mu=mu, max_iter=200, tol=0, early_stopping=False, random_state=0
    ).fit(train)
    for mu in (0, 0.3)
}
for name, model in models.items():
    print(f"{name:8} train {model.score(train):.2f}  test {model.score(test):.2f}")

# %%
# Weights move in proportion to themselves, so that all stay positive and every distribution keeps
# its sum. Beside the surfaces, the largest eigenvalues of the Hessian.

LossLandscapeDisplay.from_estimators(models, train, n_steps=15)
plt.show()

# %%
# Along one direction, the training rows above and other rows below. Valleys are nearly parabolas;
# that of other rows has its bottom elsewhere. Without the penalty walls are steeper, and most so
# in rows never seen.

figure, axes = plt.subplots(2, 1, figsize=(6, 6), layout="constrained", sharex=True, sharey=True)
for axis, (name, rows) in zip(axes, {"training": train, "test": test}.items(), strict=True):
    LossLandscapeDisplay.from_estimators(models, rows, n_directions=1, n_eigenvalues=0, ax=axis)
    axis.set_title(f"{name} rows", loc="right", fontsize="medium")
plt.show()

# sphinx_gallery_thumbnail_number = 2

"""
The valley that learning ends in
================================

A sharp optimum is one from which the likelihood falls steeply when the weights move a little.
Here is how steeply: along random lines through the weights that learning ended with, in training
rows and in rows never seen.
"""

# %%
# Two circuits of the same 300 digits, 200 iterations each (`tol=0`: no early stopping), without
# and with the penalty. The largest eigenvalues of the Hessian of the mean negative log-likelihood
# say how sharp their optima are.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skpc import SharpPCDensity
from skpc.curvature import admissible_steps, directional_profile, hessian_spectrum

X = (load_digits().data > 7.5).astype(float)
train, test = X[:300], X[300:]
models = {
    mu: SharpPCDensity(n_latents=8, mu=mu, max_iter=200, tol=0, random_state=0).fit(train)
    for mu in (0, 0.3)
}
for mu, model in models.items():
    eigenvalues = hessian_spectrum(model.circuit_, train, 3).eigenvalues
    print(
        f"mu = {mu:<4} train {model.score(train):.2f}  test {model.score(test):.2f}  "
        f"trace {model.sharpness(train):.0f}  largest eigenvalues {eigenvalues.round(1)}"
    )


# %%
# Weights are probabilities: a line must keep every distribution's sum, and stops where a weight
# becomes zero. In proportion to the weights, with the mean taken off, random directions do the
# first and go far enough: a step of 0.1 changes weights by 10 % or so.


def random_direction(circuit, seed):
    """Relative changes of all weights, as a parameter vector; see `skpc.curvature`."""
    inner = circuit.sum_weights[circuit.parents >= 0]
    weights = np.vstack([circuit.root_weights, inner.reshape(-1, circuit.n_latents)])
    change = np.random.RandomState(seed).normal(size=weights.shape)
    change -= (weights * change).sum(axis=1, keepdims=True)
    return (weights * change).ravel()


fig, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True, sharex=True)
for axis, (mu, model) in zip(axes, models.items(), strict=True):
    for seed in range(6):
        direction = random_direction(model.circuit_, seed)
        low, high = admissible_steps(model.circuit_, direction)
        steps = np.linspace(max(low, -0.3), min(high, 0.3), 32)[1:-1]
        for rows, color in (train, "C1"), (test, "C0"):
            loss = directional_profile(model.circuit_, rows, direction, steps)
            axis.plot(steps, loss + model.score(rows), color=color, alpha=0.7)
    axis.set(title=f"mu = {mu:g}", xlabel="step")
axes[0].set(ylabel="rise of the negative\nlog-likelihood (nats)")
axes[1].plot([], [], "C1", label="training rows")
axes[1].plot([], [], "C0", label="test rows")
axes[1].legend(frameon=False)
plt.show()

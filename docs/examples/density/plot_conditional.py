"""
Any question of one model
=========================

A density is not a regressor of one column on the others: after one fit every column can be asked
for given any others, as a mean, a distribution, or draws.
"""

# %%
# Iris with the species as one more column. Two of its columns are given in turn.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from skpc import SharpPCDensity

iris = load_iris(as_frame=True)
flowers = iris.data.rename(columns=lambda name: name.replace(" (cm)", ""))
flowers["species"] = iris.target_names[iris.target]
model = SharpPCDensity(n_latents=4, random_state=0).fit(flowers)

# %%
# On the left the density of petal length and width, all else summed out, with draws of the model.
# In the middle the mean and two standard deviations of petal length given sepal length alone. On
# the right the species given petal length alone.

fig, (left, middle, right) = plt.subplots(ncols=3, figsize=(11, 3.6), layout="constrained")

petals = model.marginal(["petal length", "petal width"])
length, width = np.meshgrid(np.linspace(0.5, 7.5, 100), np.linspace(-0.2, 3, 100))
grid = flowers.iloc[:1][["petal length", "petal width"]]
grid = grid.loc[grid.index.repeat(length.size)].reset_index(drop=True)
grid["petal length"], grid["petal width"] = length.ravel(), width.ravel()
log_density = petals.score_samples(grid).reshape(length.shape)
left.contourf(length, width, log_density, np.arange(-8, 2), cmap="cividis", extend="min")
drawn = model.sample(150, random_state=0)
left.plot(drawn["petal length"], drawn["petal width"], "w.", markersize=3)
left.set(xlabel="petal length", ylabel="petal width", title="density and draws")


def only(column, values):
    """A frame that shows one column."""
    nothing = flowers.iloc[:0].reindex(range(len(values)))
    return nothing.assign(**{column: values})


sepal = np.linspace(4, 8, 80)
moments = model.conditional_moments(only("sepal length", sepal), "petal length")
spread = 2 * np.sqrt(moments.variance)
middle.plot(flowers["sepal length"], flowers["petal length"], ".", color="0.6", markersize=4)
middle.plot(sepal, moments.mean, color="C0")
middle.fill_between(sepal, moments.mean - spread, moments.mean + spread, color="C0", alpha=0.2)
middle.set(xlabel="sepal length", title="petal length given sepal length")

petal = np.linspace(1, 7, 80)
probabilities = model.conditional_probabilities(only("petal length", petal), "species")
for name, line, style in zip(model.categories_[4], probabilities.T, ("-", "--", ":"), strict=True):
    right.plot(petal, line, style, linewidth=2, label=name)
right.set(xlabel="petal length", title="species given petal length", ylim=(0, 1.05))
right.legend(frameon=False, loc="center", bbox_to_anchor=(0.4, 0.5))
plt.show()

# %%
# How surprising is a petal of 5 cm on a sepal of 5 cm, beside one of 1.5 cm?

query = only("petal length", [1.5, 5.0])
given = only("sepal length", [5.0, 5.0])
print(model.log_conditional(query, given).round(2))

# sphinx_gallery_thumbnail_path = "images/density.png"

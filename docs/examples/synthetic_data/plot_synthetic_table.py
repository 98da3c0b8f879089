"""
A table drawn like another
==========================

What is a synthetic table good for, and how does one know? Three looks: at pairs of columns, at
correlations, and through the eyes of a classifier that tries to tell drawn rows from real ones.
"""

# %%
# The wine data: 178 rows of 13 measurements, and the cultivar as a label. Half of the rows are set
# aside, to compare the drawn ones with rows that the density has not seen.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import cross_val_score, train_test_split

from skpc import SharpPCDensity

wine = load_wine(as_frame=True)
table = wine.data.rename(columns=lambda name: name.split("/")[0].replace("_", " "))
table["cultivar"] = wine.target.map({0: "A", 1: "B", 2: "C"})
learnt, aside = train_test_split(table, test_size=0.5, random_state=0)

model = SharpPCDensity(random_state=0).fit(learnt)
drawn = model.sample(len(aside), random_state=0)
print(drawn.head(3).iloc[:, [0, 6, 9, 12, 13]])

# %%
# Pairs of columns, and correlations. Drawn rows have the types, the labels and the ranges of the
# table; correlations of so few rows are not quite the same in two halves of it either.

fig, axes = plt.subplots(2, 2, figsize=(9, 8), layout="constrained")
for axis, title, rows in zip(
    axes[0], ("rows set aside", "drawn rows"), (aside, drawn), strict=True
):
    for label, colour in zip("ABC", ("#2a7f9e", "#e09f3e", "#9e2a2b"), strict=True):
        of = rows[rows["cultivar"] == label]
        axis.plot(of["flavanoids"], of["color intensity"], "o", color=colour, markersize=4)
    axis.set(
        title=title, xlabel="flavanoids", ylabel="color intensity", xlim=(0, 5.5), ylim=(0, 14)
    )
for axis, rows in zip(axes[1], (aside, drawn), strict=True):
    correlations = rows.drop(columns="cultivar").corr()
    axis.imshow(correlations, cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set(xticks=[], yticks=range(13), yticklabels=correlations.columns)
plt.show()

# %%
# A classifier, on labels "real" and "drawn": 0.5 says that it cannot tell them apart. Beside the
# density the usual straw man, each column drawn by itself.


def told_apart(rows):
    both = np.vstack([aside.drop(columns="cultivar"), rows.drop(columns="cultivar")])
    is_drawn = np.repeat([0, 1], [len(aside), len(rows)])
    forest = ExtraTreesClassifier(300, random_state=0)
    return cross_val_score(forest, both, is_drawn, cv=5, scoring="roc_auc").mean()


rng = np.random.RandomState(0)
shuffled = aside.apply(lambda column: rng.permutation(column.to_numpy()))
print(f"drawn rows     {told_apart(drawn):.2f}")
print(f"columns alone  {told_apart(shuffled):.2f}")

# %%
# Good draws are not anonymous draws. Does the likelihood tell rows learnt from apart from others?
# Where it does, whoever has the model can tell who was in the table.

gap = model.score(learnt) - model.score(aside)
print(f"{gap:.1f} nats per row between rows learnt from and rows set aside")

# sphinx_gallery_thumbnail_path = "images/synthetic.png"

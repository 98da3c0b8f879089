"""
The hidden half of a digit
==========================

One density of all pixels knows the distribution of the lower half given the upper one. It answers
three questions about it, and they are not the same: what is most probable pixel by pixel, what is
a plausible whole, and what is the most probable whole.
"""

# %%
# Each level of grey, 0 to 16, is a category. Nothing is known of the test digits below their
# fourth line.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator

from skpc import SharpPCDensity, SharpPCImputer

X = load_digits().data
train, test = X[:1500], X[1500:]
shown = test[[1, 4, 12, 23, 31, 40]]
hidden = shown.copy()
hidden[:, 32:] = np.nan

density = SharpPCDensity(n_latents=24, max_iter=40, random_state=0).fit(train)

# %%
# The density is fitted once, and frozen: imputers share it. Modes, pixel by pixel, are mostly
# black or white, and need not go together: where several digits are possible they mix them. Draws
# do go together, and differ from each other.

rows = {"true": shown, "seen": hidden}
for name, strategy, seed in [
    ("mode of each", "median_mode", 0),
    ("a draw", "sample", 0),
    ("another", "sample", 1),
    ("most probable", "max_product", 0),
]:
    imputer = SharpPCImputer(FrozenEstimator(density), strategy=strategy, random_state=seed)
    rows[name] = imputer.fit(train).transform(hidden)

fig, axes = plt.subplots(len(rows), len(shown), figsize=(7, 7.2), layout="constrained")
for line, (name, digits) in zip(axes, rows.items(), strict=True):
    for axis, digit in zip(line, digits, strict=True):
        axis.imshow(digit.reshape(8, 8), cmap="Greys", vmin=0, vmax=16)
        axis.set(xticks=[], yticks=[], facecolor="#dbe6f2")
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()

# sphinx_gallery_thumbnail_path = "images/missing.png"

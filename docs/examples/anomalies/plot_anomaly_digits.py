"""
Which pixels make a digit strange?
==================================

A low score says that a row is strange, not why. `feature_contributions` gives, for every value, by
how much it is more surprising, given all the others, than values of its column usually are: one
pass up and one pass down each circuit for all 64 pixels together.
"""

# %%
# A detector learns the ten digits, in ink or no ink. Then four that it never saw are damaged: one
# pixel switched on, a stroke cut, a row of pixels inked, and noise.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skpc import SharpPCDensity, SharpPCOutlierDetector
from skpc.plotting import ContributionsDisplay

X = (load_digits().data > 7.5).astype(int)
train, test = X[:1500], X[1500:]
density = SharpPCDensity(n_latents=16, mu=0.01, random_state=0)
detector = SharpPCOutlierDetector(density, contamination=0.02).fit(train)

clean = test[np.argsort(-detector.score_samples(test))[[5, 40, 80, 120]]]
damaged = clean.reshape(-1, 8, 8).copy()
damaged[0, 0, 0] = 1
damaged[1, 3:5, 2:6] = 0
damaged[2, 6, :] = 1
noise = np.random.RandomState(0).random_sample((8, 8)) < 0.12
damaged[3] ^= noise
damaged = damaged.reshape(-1, 64)
print("clean  ", detector.predict(clean), detector.decision_function(clean).round(1))
print("damaged", detector.predict(damaged), detector.decision_function(damaged).round(1))

# %%
# All score lower; the two that lost most are below the threshold. The last line has the
# contributions: they are large where a digit was damaged, flagged or not.

fig, axes = plt.subplots(3, 4, figsize=(8, 6.2), layout="constrained")
scores = [f"score {score:.1f}" for score in detector.score_samples(damaged)]
for line, digits in zip(axes, (clean, damaged), strict=False):
    for axis, digit in zip(line, digits, strict=True):
        axis.imshow(digit.reshape(8, 8), cmap="Greys")
        axis.set(xticks=[], yticks=[])
ContributionsDisplay.from_estimator(
    detector, damaged, row_names=scores, image_shape=(8, 8), ax=axes[2]
)
for axis, title in zip(axes[:, 0], ("clean", "damaged", "excess"), strict=True):
    axis.set_ylabel(title)
plt.show()

# sphinx_gallery_thumbnail_path = "images/anomalies.png"

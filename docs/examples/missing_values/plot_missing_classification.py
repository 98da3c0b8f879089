"""
Classifying with what is there
==============================

At prediction some pixels are missing. A discriminative model needs them filled; a density and
Bayes' rule need nothing: what is missing is summed out, exactly, for every row its own pattern.
"""

# %%
# The model is trained on complete digits. Of the test digits more and more pixels are hidden.
# Pixels of a digit depend otherwise in each class, and there are rows enough for a density of each.
# Beside it logistic regression behind two imputers of scikit-learn.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skpc import SharpPCClassifier, SharpPCDensity

X, y = load_digits(return_X_y=True)
X = (X > 7.5).astype(float)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

models = {
    "SharpPCClassifier": SharpPCClassifier(
        SharpPCDensity(n_latents=8, random_state=0), joint=False
    ),
    "mode, logistic regression": make_pipeline(
        SimpleImputer(strategy="most_frequent"), LogisticRegression()
    ),
    "5 neighbours, logistic regression": make_pipeline(KNNImputer(), LogisticRegression()),
}
for model in models.values():
    model.fit(X_train, y_train)

# %%
# The same holes for all.

shares = np.linspace(0, 0.9, 10)
accuracy = {name: [] for name in models}
for share in shares:
    holes = np.random.RandomState(1).random_sample(X_test.shape) < share
    damaged = np.where(holes, np.nan, X_test)
    for name, model in models.items():
        accuracy[name].append(model.score(damaged, y_test))

fig, axis = plt.subplots(figsize=(6.5, 4), layout="constrained")
for (name, values), marker in zip(accuracy.items(), "osv", strict=True):
    axis.plot(shares, values, marker=marker, label=name)
axis.set(xlabel="share of pixels hidden", ylabel="accuracy on test digits", ylim=(0, 1))
axis.legend(frameon=False, loc="lower left")
plt.show()

# %%
# Probabilities stay honest: of a digit that shows nothing the shares of the classes remain.

model = models["SharpPCClassifier"]
print(np.allclose(model.predict_proba(np.full((1, 64), np.nan)), model.class_prior_))

"""
Choosing the penalty by cross-validation
========================================

How strong should the sharpness penalty be? `mu` is a parameter like any other: a grid search over
a pipeline finds it. With few rows and no early stopping, plain maximum likelihood (`mu=0`) fits
the training rows best and held-out rows worst; a larger `mu` trades the one for the other, until
it flattens what is there to be learnt.
"""

# %%
# The digits that scikit-learn ships, 400 of them, thresholded to ink or no ink. Two scores are
# asked for: the mean log-likelihood, which is the estimator's own, and the sharpness, the mean
# trace of the Hessian, at the rows that are scored.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skpc import SharpPCDensity

X = load_digits().data[:400]


def likelihood(pipeline, X, y=None):
    return pipeline.score(X)


def sharpness(pipeline, X, y=None):
    return pipeline[-1].sharpness(pipeline[:-1].transform(X))


pipeline = make_pipeline(
    Binarizer(threshold=7.5),
    SharpPCDensity(n_latents=12, max_iter=60, tol=0, random_state=0),
)
mus = [0, 0.01, 0.03, 0.1, 0.3, 1]
search = GridSearchCV(
    pipeline,
    {"sharppcdensity__mu": mus},
    scoring={"likelihood": likelihood, "sharpness": sharpness},
    refit="likelihood",
    cv=3,
    return_train_score=True,
)
search.fit(X)
print(search.best_params_, round(search.best_score_, 2))

# %%
# The distance between the two curves of the left panel is what the model learnt by heart. The
# penalty closes it, and the sharpness of the optimum falls with it.

results = search.cv_results_
labels = [f"{mu:g}" for mu in mus]
fig, (left, right) = plt.subplots(ncols=2, figsize=(9, 3.6), layout="constrained")
for part, color in ("train", "C1"), ("test", "C0"):
    mean, std = results[f"mean_{part}_likelihood"], results[f"std_{part}_likelihood"]
    left.errorbar(labels, mean, std, marker="o", capsize=3, color=color, label=part)
left.axvline(int(np.argmax(results["mean_test_likelihood"])), color="0.7", zorder=0)
left.set(xlabel="mu", ylabel="mean log-likelihood (nats)")
left.legend(frameon=False)
right.plot(labels, results["mean_train_sharpness"], marker="o", color="C1")
right.set(xlabel="mu", ylabel="sharpness at training rows", yscale="log")
plt.show()

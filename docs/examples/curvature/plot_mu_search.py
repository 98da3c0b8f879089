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
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skpc import SharpPCDensity
from skpc.plotting import MuPathDisplay

X = load_digits().data[:400]


def likelihood(pipeline, X, y=None):
    return pipeline.score(X)


def sharpness(pipeline, X, y=None):
    return pipeline[-1].sharpness(pipeline[:-1].transform(X))


pipeline = make_pipeline(
    Binarizer(threshold=7.5),
    SharpPCDensity(n_latents=12, max_iter=60, tol=0, early_stopping=False, random_state=0),
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
# The degree of overfitting is by how much the likelihood of held-out rows is below that of
# training rows, relative to the latter. The penalty lowers it, and the sharpness of the optimum
# with it; but past some `mu` the model only gets worse.

MuPathDisplay.from_search(search)
plt.show()

"""
Words that go together
======================

Documents as sparse rows of words present or absent. The tree of a circuit links words that occur
together; its conditionals tell what a word makes more probable; its likelihoods which document is
out of place.
"""

# %%
# A corpus made here: three subjects with their own vocabulary and words common to all, in
# documents of one subject or sometimes two. The vectoriser's sparse matrix is never made dense.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer

from skpc import SharpPCDensity
from skpc.plotting import StructureDisplay

SUBJECTS = {
    "kitchen": "oven flour butter salt dough knife recipe sugar yeast pan boil slice",
    "sea": "harbour sail tide anchor crew storm mast wave captain knot salt island",
    "chess": "pawn bishop castle opening endgame board clock sacrifice king queen knight attack",
}
COMMON = ["time", "people", "place", "day", "way", "part", "hand", "good", "long", "small"]
words = {name: text.split() for name, text in SUBJECTS.items()}

rng = np.random.RandomState(0)
documents = []
for _ in range(2_000):
    chosen = rng.choice(list(words), 1 + (rng.random_sample() < 0.1), replace=False)
    pool = [word for name in chosen for word in words[name]]
    documents.append(" ".join([*rng.choice(pool, 6), *rng.choice(COMMON, 4)]))
vectorizer = CountVectorizer(binary=True)
X = vectorizer.fit_transform(documents)
names = list(vectorizer.get_feature_names_out())
table = pd.DataFrame.sparse.from_spmatrix(X, columns=names)  # the matrix, with names
print(X.shape, f"{X.nnz / np.prod(X.shape):.0%} of the cells are not zero")

model = SharpPCDensity(n_latents=8, random_state=0).fit(table)

# %%
# The tree, its root in bold. Words of a subject are near each other, and common words apart.
# Chess hangs together by "salt": a word of the two other subjects, whose absence is the best sign
# of the third.

figure, axis = plt.subplots(figsize=(9, 6), layout="constrained")
StructureDisplay.from_estimator(model, ax=axis)
plt.show()

# %%
# How much more probable each word is when a given one occurs. "salt" belongs to two subjects, and
# raises the words of both, each by less.

information = model.mutual_information()
off_diagonal = information - np.diag(np.diag(information))
nearest = np.argsort(-off_diagonal[names.index("tide")])[:5]
print("most informative of 'tide':", [names[j] for j in nearest])


overall = model.condition().probabilities()


def lifts_of(given):
    told = model.condition({given: 1}).probabilities()
    return {word: np.log(shares[1] / overall[word][1]) for word, shares in told.items()}


colors = {"sea": "C0", "kitchen": "C1", "chess": "C2"}
fig, axes = plt.subplots(ncols=3, figsize=(9, 5.5), layout="constrained", sharex=True)
for axis, given in zip(axes, ("tide", "pawn", "salt"), strict=True):
    lifts = lifts_of(given)
    best = sorted(lifts, key=lifts.get)[-22:]
    of_word = {word: color for name, color in colors.items() for word in words[name]}
    axis.barh(
        best, [lifts[word] for word in best], color=[of_word.get(word, "0.6") for word in best]
    )
    axis.set(title=f'given "{given}"', xlabel="log lift (nats)")
for name, color in {**colors, "common": "0.6"}.items():
    axes[-1].barh([0], [0], color=color, label=name)
axes[-1].legend(frameon=False, loc="lower right")
plt.show()

# %%
# Three documents: the one that mixes chess with the kitchen and the sea is the least probable.

for text in (
    "oven flour dough yeast time day",
    "tide sail anchor storm people way",
    "tide pawn flour storm bishop yeast",
):
    row = pd.DataFrame.sparse.from_spmatrix(vectorizer.transform([text]), columns=names)
    print(f"{model.score(row):7.1f}  {text}")

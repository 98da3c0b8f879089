"""
A table as it comes: categories, numbers, holes
===============================================

Flats with a district, a kind of heating, a number of rooms, a size, a rent, and gaps. No
encoding, no scaling, no imputation: the frame goes in as it is, and frames come out.
"""

# %%
# The table. In the old town flats are small and dear; one rent in five was not reported.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skpc import SharpPCDensity

rng = np.random.RandomState(0)
n = 1_500
district = rng.choice(["old town", "harbour", "hills"], n, p=[0.3, 0.3, 0.4])
where = [district == "old town", district == "harbour", district == "hills"]
rooms = 1 + rng.binomial(5, np.select(where, [0.2, 0.35, 0.5]))
area = 14 + 19 * rooms + rng.normal(0, 6, n)
price = np.select(where, [19, 13, 10.5])
has_gas = rng.random_sample(n) < np.select(where, [0.25, 0.25, 0.75])
flats = pd.DataFrame(
    {
        "district": pd.Categorical(district),
        "heating": np.where(has_gas, "gas", "district"),
        "rooms": rooms,
        "area": area.round(1),
        "rent": (area * price * rng.lognormal(0, 0.1, n)).round(),
    }
)
flats.loc[rng.random_sample(n) < 0.2, "rent"] = np.nan
flats.loc[rng.random_sample(n) < 0.1, "heating"] = None
print(flats.head())

# %%
# Labels and small integers are read as categories, other numbers as continuous.

model = SharpPCDensity(n_latents=24, random_state=0).fit(flats)
print(model.feature_types_)
print(model.sample(3, random_state=0))

# %%
# Questions with any columns given. What does a flat of two rooms cost in each district, and where
# is a flat of 60 square metres for 1,100? Below the answers to the first question are the means
# of the rows that have two rooms and a rent, of which there are enough here to compare with.

asked = pd.DataFrame(None, index=range(3), columns=flats.columns)
asked["district"] = ["old town", "harbour", "hills"]
asked["rooms"] = 2
rent = model.conditional_moments(asked, "rent")

for name, mean, variance in zip(asked["district"], rent.mean, rent.variance, strict=True):
    print(f"{name:9} {mean:.0f}, standard deviation {np.sqrt(variance):.0f}")
print(flats[flats["rooms"] == 2].groupby("district", observed=True)["rent"].mean().round())

offer = asked.iloc[:1].assign(district=None, rooms=np.nan, area=60.0, rent=1_100.0)
probabilities = model.conditional_probabilities(offer, "district")[0]

draws = model.sample(400, random_state=0, given=asked)
fig, (left, right) = plt.subplots(ncols=2, figsize=(9, 3.8), layout="constrained")
for name, part in draws.groupby("district", observed=True):
    left.hist(part["rent"], bins=np.arange(200, 1700, 50), histtype="step", linewidth=2, label=name)
left.set(xlabel="rent of two rooms, drawn", ylabel="draws")
left.legend(frameon=False)
right.bar([str(name) for name in model.categories_[0]], probabilities, color="C7")
right.set(ylabel="probability", title="60 square metres for 1,100: where?")
plt.show()

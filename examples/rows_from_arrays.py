"""Choose rows from arrays of your own: no platform, no files."""

import numpy as np

import xmas_assets

rng = np.random.default_rng(0)
features = np.repeat(rng.normal(size=(10, 16)), 10, axis=0)  # 10 different rows, 10 times each
rows = xmas_assets.select("semdedup", {"pooled_features": features}, budget=0.1, seed=0)
random_rows = xmas_assets.select("random", {"sample_ids": [f"row{row:02}" for row in range(100)]}, budget=0.1, seed=0)
print(f"different rows: semdedup {len(set(rows // 10))} of 10, random {len(set(random_rows // 10))} of 10")

# A method with parameters of its own, on the signal that it needs.
middle = xmas_assets.Perplexity(percentile=25)
print(middle.needs, xmas_assets.select(middle, {"perplexity": rng.lognormal(size=100)}, budget=5))

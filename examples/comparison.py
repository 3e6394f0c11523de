"""Compare two methods on a small drawn dataset: subsets, models trained on them, scores with intervals."""

import xmas_assets as xa

home = xa.Home.open("comparison_home")
folder = home.path("toy", "shapes")
if not any(folder.iterdir()):
    xa.generate(xa.SyntheticSettings(n_train=160, n_test=40), folder)

quick = {
    "proxy": {"epochs": 1, "n_checkpoints": 2},
    "clusters": {"n_clusters": 5},
    "target": {"epochs": 1},
}
xa.Registration.create(
    "shapes", [folder / "train.json"], test=[folder / "test.json"], images=folder, overrides=quick
).save(home.root)

keys = [xa.SelectionKey.parse(text) for text in ("xmas_b0.20_s0", "random_b0.20_s0", "full_b1.00_s0")]
xa.run_selections(xa.Platform.open(home), "shapes", keys)  # run it again, and nothing is left to do
leaderboard = home.stored("leaderboard", "shapes")["leaderboard"].scan().collect()
print(leaderboard.select("method", "budget", "score", "rel_percent"))

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from xmas_assets.evaluation.leaderboard import build_leaderboard
from xmas_assets.report.canvas import draw, markdown_image
from xmas_assets.report.figures import (
    budget_score_figure,
    cluster_size_figure,
    loss_figure,
    trajectory_figure,
)
from xmas_assets.report.sheets import cluster_sample_figure, task_composition_figure
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment

_NAMES = ["$x^{$", "a_b", "<script>", "\x1b[31m", "計数", r"\frac", "x" * 300]


def _trajectories() -> bytes:
    rng = np.random.default_rng(0)
    return trajectory_figure(rng.random((60, 3)), np.arange(60) % 15 - 1, steps=[10, 20, 30])


def _leaderboard(*extra: pl.DataFrame) -> pl.DataFrame:
    frame = pl.concat([experiment(), *extra])
    return build_leaderboard(frame, {"majority": baseline([1.0, 0.0] * 4)}, costs=costs(), n_resamples=50)


def _samples() -> bytes:
    red = Image.new("RGBA", (40, 20), "red")
    return cluster_sample_figure([(name, [(red, name), (None, name)]) for name in _NAMES[:3]] + [("last", [(red, "")])])


FIGURES = {
    "trajectories": _trajectories,
    "sizes": lambda: cluster_size_figure(np.array([-1, 0, 0, 0, 1, 2, 2])),
    "samples": _samples,
    "scores": lambda: budget_score_figure(_leaderboard()),
    "composition": lambda: task_composition_figure({name: dict.fromkeys(_NAMES, 3) for name in _NAMES}, n_shown=4),
    "loss": lambda: loss_figure([2.0, 1.0, float("nan"), 0.5]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_1280_pixels_wide_and_the_same_bytes_each_time(name):
    png = FIGURES[name]()
    with Image.open(io.BytesIO(png)) as image:
        assert (image.format, image.width) == ("PNG", 1280)
        assert not {"Software", "Creation Time"} & set(image.info)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 5
    assert FIGURES[name]() == png


def test_text_from_data_is_drawn_and_not_interpreted():
    """Unbalanced TeX would raise, and characters that the font lacks would warn."""
    for name in _NAMES:
        budget_score_figure(_leaderboard(answers(name, "0.05", 0, [1.0] * 8)))


def test_one_cluster_one_checkpoint_and_only_full_data_can_be_drawn():
    trajectory_figure(np.ones((3, 1)), np.zeros(3, dtype=int), steps=[5])
    cluster_size_figure(np.zeros(3, dtype=int))
    budget_score_figure(_leaderboard().filter(pl.col("method") == "full"))
    task_composition_figure({"all": {"(none)": 3}})
    loss_figure([0.5])


def test_a_score_without_an_interval_is_drawn():
    one_image = experiment().with_columns(image_hash=pl.lit("same"))
    budget_score_figure(build_leaderboard(one_image, {}, costs=costs(), n_resamples=50))


def test_drawing_leaves_the_plotting_settings_of_the_process_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    _trajectories()
    assert dict(matplotlib.rcParams) == before


def test_a_picture_over_the_limit_is_halved_until_it_fits():
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    png = draw(lambda figure: figure.figimage(noise), height=4)
    small = markdown_image(png, limit_bytes=100_000)
    assert len(png) > 100_000
    assert small.startswith("![](data:image/png;base64,")
    assert len(small) < 100_000 * 4 / 3 + 100

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, isqrt
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from xmas_assets.contracts.signal_settings import AttentionMapSettings
from xmas_assets.extraction.attention_maps import AttentionMaps
from xmas_assets.vlm.capture import Captured
from xmas_assets.vlm.grids import Layout, View
from xmas_assets_tests.extraction.captures import (
    DEPTH,
    N_ANSWER_TOKENS,
    WIDTH,
    capture,
    cut_attention,
    make_model,
    sequences,
)
from xmas_assets_tests.vlm.models import make_batch

CONFIG = LlamaConfig(num_hidden_layers=DEPTH, hidden_size=WIDTH)
ONE_IMAGE = [0, 1, 3]  # sequences with one, whose 16 tokens are a 4 x 4 grid
TWO_IMAGES, TEXT_ONLY = 2, 4


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def captured(model) -> Captured:
    return capture(model, sequences())


@pytest.fixture(scope="module")
def matrices(model) -> list[np.ndarray]:
    """Attention of each sequence alone, text after the image by image, per layer, (n_layers, n_rows, n_columns)."""
    found = []
    for sequence in sequences()[:TEXT_ONLY]:
        with torch.inference_mode():
            output = model(**make_batch([sequence]), output_attentions=True)
        is_image = np.array(sequence) == 3
        is_text = ~is_image & (is_image.cumsum() > 0)
        full = torch.stack(output.attentions)[:, 0].mean(1).numpy().astype(np.float64)
        found.append(full[:, is_text][:, :, is_image])
    return found


def read(captured: Captured, **settings: Any) -> np.ndarray:
    signal = AttentionMaps(AttentionMapSettings(**settings))
    values = signal.read(captured.only(signal.capture_spec(CONFIG)))["values"]
    assert {"values": values.shape[1:]} == signal.columns(CONFIG)
    assert values.dtype == np.float32
    return values


def square(n_tokens: int) -> Layout:
    return (View(0, (1, 1), (isqrt(n_tokens), isqrt(n_tokens))),)


def of_images(
    attention: list[list[float]],
    *,
    sizes: Sequence[int] | None = None,
    layouts: Sequence[Layout] | None = None,
    gap: int = 0,
    answer_rows: int = 0,
) -> Captured:
    """One sample with this attention of its text rows (below) to its image tokens (first, with gaps between images).

    The tokens of an image lie in a square if nothing else is said.
    """
    cut = torch.tensor(attention)
    n_rows, n_columns = cut.shape
    numbers = [number for number, size in enumerate(sizes or [n_columns]) for _ in range(size)]
    columns = [column + gap * number for column, number in enumerate(numbers)]
    n_tokens = columns[-1] + 1 + n_rows
    full = torch.zeros(1, 1, n_tokens, n_tokens)
    full[0, 0, n_tokens - n_rows :, columns] = cut
    is_image = torch.zeros(1, n_tokens, dtype=torch.bool)
    is_image[0, columns] = True
    is_real = torch.ones_like(is_image)
    is_answer = torch.arange(n_tokens)[None] >= n_tokens - answer_rows
    sizes = sizes or [n_columns]
    layouts = [square(size) for size in sizes] if layouts is None else layouts
    seen = cut_attention(full, is_real, is_image, n_image_tokens=sizes, layouts=layouts)
    return Captured(is_real.long(), is_real, is_image, is_answer, attention=seen)


def test_mean_maps_are_those_of_output_attentions(captured: Captured, matrices: list[np.ndarray]):
    """A grid as fine as the image's own is the map itself."""
    found = read(captured, grid_side=4)
    for row in ONE_IMAGE:
        np.testing.assert_allclose(found[row], matrices[row].sum(0).mean(0), rtol=1e-4)


def test_maps_of_every_layer_stand_side_by_side(captured: Captured, matrices: list[np.ndarray]):
    found = read(captured, grid_side=4, layers="each")
    for row in ONE_IMAGE:
        np.testing.assert_allclose(found[row], matrices[row].mean(1).ravel(), rtol=1e-4)


def test_answer_maps_are_of_answer_rows_only(captured: Captured, matrices: list[np.ndarray]):
    found = read(captured, grid_side=4, content="answer_mean")
    for row in ONE_IMAGE:
        np.testing.assert_allclose(found[row], matrices[row].sum(0)[-N_ANSWER_TOKENS:].mean(0), rtol=1e-4)


def test_the_maps_of_two_images_are_averaged(captured: Captured, matrices: list[np.ndarray]):
    found = read(captured, grid_side=4)[TWO_IMAGES]
    expected = matrices[TWO_IMAGES].sum(0).mean(0).reshape(2, 16).mean(0)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("content", ["mean", "answer_mean", "right_vectors"])
@pytest.mark.parametrize("reduction", ["grid", "projection"])
def test_a_row_without_an_image_has_no_map_and_others_have(captured: Captured, content: str, reduction: str):
    is_missing = np.isnan(read(captured, content=content, reduction=reduction))
    assert is_missing[TEXT_ONLY].all()
    assert not is_missing[:TEXT_ONLY].any()


@pytest.mark.parametrize("content", ["mean", "answer_mean", "right_vectors"])
def test_a_row_without_text_behind_its_image_has_no_map(content: str):
    attention = of_images([[0.0, 0, 0, 0]]).attention
    assert attention is not None
    unseen = replace(attention, is_row=torch.zeros_like(attention.is_row))
    assert np.isnan(read(replace(of_images([[0.0, 0, 0, 0]]), attention=unseen), content=content)).all()


def test_a_batch_without_images_has_no_maps(model):
    found = read(capture(model, [sequences()[TEXT_ONLY]]), content="right_vectors", n_vectors=2)
    assert np.isnan(found).all()


def test_right_vectors_are_those_of_the_singular_value_decomposition(captured: Captured, matrices: list[np.ndarray]):
    found = read(captured, grid_side=4, content="right_vectors", n_vectors=3).reshape(len(sequences()), 3, 16)
    for row in ONE_IMAGE:
        _, values, vectors = np.linalg.svd(matrices[row].sum(0), full_matrices=False)
        for number in range(3):
            expected = values[number] * vectors[number]
            expected *= np.sign(expected[abs(expected).argmax()])
            np.testing.assert_allclose(found[row, number], expected, rtol=1e-3, atol=1e-4 * values[0])


def test_right_vectors_beyond_the_rank_are_0():
    """Rows (3, 4, 0, 0) and its double: one direction of length 5, with the singular value sqrt(25 + 100)."""
    found = read(of_images([[3.0, 4, 0, 0], [6.0, 8, 0, 0]]), grid_side=2, content="right_vectors", n_vectors=3)
    expected = np.zeros((3, 4))
    expected[0, :2] = np.sqrt(125) * np.array([0.6, 0.8])
    np.testing.assert_allclose(found.reshape(3, 4), expected, atol=1e-6)


@pytest.mark.parametrize("grid_side", [1, 2, 3, 8])
def test_uniform_attention_gives_a_uniform_map_on_any_grid(grid_side: int):
    found = read(of_images([[1 / 16] * 16] * 3), grid_side=grid_side)
    np.testing.assert_allclose(found, np.full((1, grid_side**2), 1 / 16), rtol=1e-6)


def test_a_cell_of_the_grid_is_the_mean_of_its_tokens():
    """4 x 4 tokens numbered by rows: the upper left cell holds 0, 1, 4, 5, with mean 2.5."""
    found = read(of_images([list(map(float, range(16)))]), grid_side=2)
    assert found.tolist() == [[2.5, 4.5, 10.5, 12.5]]


def test_rows_of_text_count_alike_and_answers_can_stand_alone():
    both = of_images([[1.0, 0, 0, 0], [0.0, 1, 0, 0], [0.0, 0, 0, 1]], answer_rows=1)
    np.testing.assert_allclose(read(both, grid_side=2), [[1 / 3, 1 / 3, 0, 1 / 3]], rtol=1e-6)
    assert read(both, grid_side=2, content="answer_mean").tolist() == [[0, 0, 0, 1]]


def test_images_of_different_sizes_meet_on_the_grid():
    """One token with attention 1, and 2 x 2 tokens with 0, 0, 0, 1: on the grid the means are 1/2, 1/2, 1/2, 1.

    The text token that stands between the images looks at neither here, so that the mean over text is half of that.
    """
    found = read(of_images([[1.0, 0, 0, 0, 1]], sizes=(1, 4), gap=1), grid_side=2)
    assert found.tolist() == [[0.25, 0.25, 0.25, 0.5]]


def test_images_side_by_side_are_images_of_their_own():
    """Four of 2 x 2 tokens, with nothing between them: the mean of their upper left tokens is (1 + 2 + 3 + 6) / 4 = 3.

    As one image of 4 x 4 tokens, its upper left quarter would hold 1, 0, 2 and 0, with mean 3 / 4.
    """
    attention = [1.0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0]
    assert read(of_images([attention], sizes=(4, 4, 4, 4)), grid_side=2).tolist() == [[3, 0, 0, 0]]


def cell_means(tokens: list[list[int]], values: np.ndarray, grid_side: int) -> np.ndarray:
    """Means of the values over the tokens of each cell; a cell takes every token that it touches."""
    n_rows, n_columns = len(tokens), len(tokens[0])
    cells = np.zeros((grid_side, grid_side))
    for row in range(grid_side):
        for column in range(grid_side):
            down = range(row * n_rows // grid_side, ceil((row + 1) * n_rows / grid_side))
            across = range(column * n_columns // grid_side, ceil((column + 1) * n_columns / grid_side))
            cells[row, column] = np.mean([values[tokens[y][x]] for y in down for x in across])
    return cells.ravel()


WHOLE_BEHIND = View(8, (1, 1), (2, 2))
TOKENS_OF = {
    "a rectangle": ((View(0, (1, 1), (2, 6)),), [[[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]]),
    "a column": ((View(0, (1, 1), (3, 1)),), [[[0], [1], [2]]]),
    "two tiles across and the whole": (
        (View(0, (1, 2), (2, 2)), WHOLE_BEHIND),
        [[[0, 1, 4, 5], [2, 3, 6, 7]], [[8, 9], [10, 11]]],
    ),
    "two tiles down and the whole": (
        (View(0, (2, 1), (2, 2)), WHOLE_BEHIND),
        [[[0, 1], [2, 3], [4, 5], [6, 7]], [[8, 9], [10, 11]]],
    ),
    "the whole, then four tiles": (
        (View(1, (2, 2), (1, 2)), View(0, (1, 1), (1, 1))),
        [[[1, 2, 3, 4], [5, 6, 7, 8]], [[0]]],
    ),
    "the whole, then rows with newline vectors": (
        (View(0, (1, 1), (2, 2)), View(4, (1, 1), (2, 3), 1)),
        [[[0, 1], [2, 3]], [[4, 5, 6], [8, 9, 10]]],
    ),
}


@pytest.mark.parametrize("grid_side", [1, 2, 3, 8])
@pytest.mark.parametrize(("layout", "views"), TOKENS_OF.values(), ids=TOKENS_OF)
def test_a_cell_is_the_mean_of_its_tokens_and_views_count_by_their_tokens(
    layout: Layout, views: list[list[list[int]]], grid_side: int
):
    values = np.random.default_rng(0).random(12)  # those that no view has count for nothing
    found = read(of_images([values.tolist()], layouts=[layout]), grid_side=grid_side)
    n_of_view = [len(view) * len(view[0]) for view in views]
    expected = np.average([cell_means(view, values, grid_side) for view in views], axis=0, weights=n_of_view)
    np.testing.assert_allclose(found, expected[None], rtol=1e-5)


def test_images_of_equally_many_tokens_in_different_shapes_each_lie_as_they_do():
    """Of 1, 0, 0, 0 in a row the left half has the mean 1/2; of the same in a column, the upper half."""
    row, column = ((View(0, (1, 1), (1, 4)),), (View(0, (1, 1), (4, 1)),))
    found = read(of_images([[1.0, 0, 0, 0, 1, 0, 0, 0]], sizes=(4, 4), layouts=[row, column]), grid_side=2)
    assert found.tolist() == [[0.5, 0.25, 0.25, 0]]


def test_an_image_whose_places_are_not_known_is_projected_to_as_many_values_as_the_grid_has():
    attention = [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]
    found = read(of_images(attention, layouts=[()]), grid_side=4, seed=7)
    expected = read(of_images(attention, layouts=[()]), reduction="projection", n_dimensions=16, seed=7)
    np.testing.assert_array_equal(found, expected)
    assert abs(found).max() > 0.05


def test_a_projection_keeps_lengths_and_distances_about_and_follows_the_seed():
    rng = np.random.default_rng(0)
    maps = rng.random((6, 1, 100))
    settings = {"reduction": "projection", "n_dimensions": 1024}
    found = np.concatenate([read(of_images(map_.tolist()), **settings) for map_ in maps])
    for one, other in [(0, 1), (2, 3), (4, 5)]:
        ratio = np.linalg.norm(found[one] - found[other]) / np.linalg.norm(maps[one] - maps[other])
        assert ratio == pytest.approx(1, abs=0.15)  # standard deviation 1 / sqrt(2 * 1024) = 0.022
    again, other_seed = (read(of_images(maps[0].tolist()), **settings, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again[0], found[0])
    assert abs(other_seed[0] - found[0]).max() > 0.1


def test_a_token_is_projected_alike_whatever_comes_after_it():
    settings = {"reduction": "projection", "n_dimensions": 8}
    short, long = of_images([[0.3, 0.7]]), of_images([[0.3, 0.7, 0, 0, 0]])
    np.testing.assert_allclose(read(short, **settings), read(long, **settings), rtol=1e-6)

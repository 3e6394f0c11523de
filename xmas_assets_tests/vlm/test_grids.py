"""Layouts against what the families' own processors and models say of the same pictures."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from transformers import AutoConfig
from transformers.image_processing_utils import select_best_resolution
from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import (
    GotOcr2ImageProcessorPil,
    get_optimal_tiled_canvas,
)
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.vlm.grids import Layout, Shape, Tiling, View, draw_places, layout_of, runs_of, tiling_of
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.processors import read_processor
from xmas_assets.vlm.prompts import Encoded, Encoder
from xmas_assets_tests.families import FAMILIES

Size = tuple[int, int]
SIZES: list[Size] = [(128, 32), (32, 64), (64, 64), (300, 200), (33, 500), (20, 20)]  # width, height


def open_noise(reference: str, _hash: str) -> Image.Image:
    width, height = map(int, reference.split("x"))
    return Image.effect_noise((width, height), 50).convert("RGB")


@pytest.fixture(scope="module", params=list(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The family's processor and config."""
    directory = FAMILIES[family](tmp_path_factory.mktemp(family))
    return read_processor(directory), AutoConfig.from_pretrained(directory)


def encode(processor: Any, config: Any, sizes: Sequence[Size], *, open_image: Any = open_noise) -> Encoded:
    names = tuple(f"{width}x{height}" for width, height in sizes)
    turns = (Turn("user", "<image>\n" * len(names) + "What is it?"), Turn("assistant", "A cat."))
    encoder = Encoder(processor, Pictures(processor, open_image), image_token_id=config.image_token_id, max_tokens=9999)
    rows, _ = encoder.encode([Sample("s", turns, names, names)])
    return rows[0]


def rectangle(rows: int, columns: int) -> Layout:
    return (View(0, (1, 1), (rows, columns)),)


def tiles(rows: int, columns: int, *, side: int, is_whole_first: bool = False) -> Layout:
    """Square tiles of ``side`` tokens, with the whole picture unless there is one tile only."""
    n_tile, n_tiles = side**2, rows * columns
    if n_tiles < 2:
        return rectangle(side, side)
    whole = View(0 if is_whole_first else n_tiles * n_tile, (1, 1), (side, side))
    return View(n_tile if is_whole_first else 0, (rows, columns), (side, side)), whole


def fixed(_processor: Any, _size: Size) -> Layout:
    """32 pixels in patches of 8."""
    return rectangle(4, 4)


def counted(processor: Any, size: Size) -> Layout:
    """Patches as the processor counts them, two by two of which make a token."""
    images = processor.image_processor(Image.new("RGB", size), return_tensors="pt")
    _, rows, columns = images["image_grid_thw"][0].tolist()
    return rectangle(rows // 2, columns // 2)


def in_rows(processor: Any, size: Size) -> Layout:
    """Tokens of ``patch_size * spatial_merge_size`` pixels of the resized picture."""
    token = processor.patch_size * processor.spatial_merge_size
    square = {"height": token, "width": token}
    images = processor.image_processor(Image.new("RGB", size), patch_size=square, return_tensors="pt")
    height, width = images["image_sizes"][0].tolist()
    return rectangle(height // token, width // token)


def pooled(processor: Any, size: Size) -> Layout:
    images = processor.image_processor
    patch, pooling = images.patch_size, images.pooling_kernel_size
    most = images.max_soft_tokens * pooling**2
    height, width = get_aspect_ratio_preserving_size(size[1], size[0], patch, most, pooling)
    return rectangle(height // (patch * pooling), width // (patch * pooling))


def named_tiles(processor: Any, size: Size) -> Layout:
    """Two by two tokens in each tile, as the processor's text names them."""
    images = processor.image_processor(Image.new("RGB", size), return_row_col_info=True)
    return tiles(images["rows"][0][0], images["cols"][0][0], side=2)


def best_canvas(_processor: Any, size: Size) -> Layout:
    columns, rows = get_optimal_tiled_canvas(size[::-1], (32, 32), 1, 6)
    return tiles(rows, columns, side=2)


def ovis_grid(processor: Any, size: Size) -> Layout:
    images = processor.image_processor(Image.new("RGB", size), return_tensors="pt")
    rows, columns = images["grids"][0].tolist()
    return tiles(rows, columns, side=2, is_whole_first=True)


def with_newlines(processor: Any, size: Size) -> Layout:
    """24 pixels in patches of 8 for the whole picture; then rows of the best resolution, without what fills it."""
    height, width = select_best_resolution(size[::-1], processor.image_processor.image_grid_pinpoints)
    n_tokens, rows = processor._get_unpadded_features(size[1], size[0], 3, 3, height // 24, width // 24)
    return View(0, (1, 1), (3, 3)), View(9, (1, 1), (rows, n_tokens // rows), 1)


EXPECTED: dict[str, Callable[[Any, Size], Layout]] = {
    **dict.fromkeys(["llava", "paligemma", "paligemma2", "gemma3"], fixed),
    **dict.fromkeys(["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"], counted),
    **dict.fromkeys(["mistral3", "pixtral"], in_rows),
    "gemma4": pooled,
    **dict.fromkeys(["idefics3", "smolvlm"], named_tiles),
    **dict.fromkeys(["internvl", "aya_vision"], best_canvas),
    "ovis2": ovis_grid,
    **dict.fromkeys(["llava_next", "llava_onevision"], with_newlines),
}
#: By hand, of the picture that is 128 pixels wide and 32 high.
OF_A_WIDE_PICTURE = {
    **dict.fromkeys(["llava", "paligemma", "paligemma2", "gemma3"], rectangle(4, 4)),
    **dict.fromkeys(["qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"], rectangle(2, 8)),
    "mistral3": rectangle(2, 6),  # 96 x 24 pixels, in tokens of 16
    "pixtral": rectangle(2, 7),  # 56 x 14 pixels, in tokens of 8
    "gemma4": rectangle(4, 16),  # of at most 70 tokens
    **dict.fromkeys(["idefics3", "smolvlm"], tiles(1, 3, side=2)),
    **dict.fromkeys(["internvl", "aya_vision"], tiles(1, 4, side=2)),
    "ovis2": tiles(4, 1, side=2, is_whole_first=True),  # transformers squeezes it into a column of four tiles
    **dict.fromkeys(["llava_next", "llava_onevision"], (View(0, (1, 1), (3, 3)), View(9, (1, 1), (3, 9), 1))),
}


@pytest.mark.parametrize("size", SIZES)
def test_a_layout_is_what_the_familys_own_code_says(family: str, model: tuple[Any, Any], size: Size):
    assert encode(*model, [size]).layouts == (EXPECTED[family](model[0], size),)


def test_the_layout_of_a_wide_picture_is_as_counted_by_hand(family: str, model: tuple[Any, Any]):
    assert encode(*model, [(128, 32)]).layouts == (OF_A_WIDE_PICTURE[family],)


def test_the_places_of_all_views_are_tokens_of_the_image_and_each_lies_once(family: str, model: tuple[Any, Any]):
    """Only newline vectors lie nowhere."""
    for size in SIZES:
        row = encode(*model, [size])
        placed = np.concatenate([view.places.ravel() for view in row.layouts[0]])
        n_newlines = sum(view.tokens[0] * view.n_newlines for view in row.layouts[0])
        assert len(set(placed.tolist())) == len(placed) == row.n_image_tokens[0] - n_newlines
        assert placed.min() == 0
        assert placed.max() < row.n_image_tokens[0]


def test_each_image_of_a_row_has_its_layout(family: str, model: tuple[Any, Any]):
    """LLaVA-OneVision cuts a picture only if it is alone in its row; among others a newline vector ends it."""
    sizes = [(128, 32), (20, 20)]
    expected = tuple(EXPECTED[family](model[0], size) for size in sizes)
    found = encode(*model, sizes)
    if family == "llava_onevision":
        assert found.n_image_tokens == (10, 10)
        expected = (rectangle(3, 3), rectangle(3, 3))
    assert found.layouts == expected


def test_a_picture_is_opened_once_and_not_at_all_where_all_become_the_same(family: str, model: tuple[Any, Any]):
    opened: list[str] = []

    def count(reference: str, content_hash: str) -> Image.Image:
        opened.append(reference)
        return open_noise(reference, content_hash)

    encode(*model, [(128, 32)], open_image=count)
    assert opened == ([] if EXPECTED[family] is fixed else ["128x32"])


def random_sizes(n: int) -> list[Size]:
    rng = np.random.default_rng(0)
    return [(int(width), int(height)) for width, height in rng.integers(20, 3000, (n, 2))]


NEXT = [(336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)]
ONEVISION = [(384 * rows, 384 * columns) for rows in range(1, 7) for columns in range(1, 7)]


@pytest.mark.parametrize(
    ("kind", "side", "pixels", "resolutions"),
    [(LlavaNextProcessor, 24, 336, NEXT), (LlavaOnevisionProcessor, 27, 384, ONEVISION)],
)
def test_rows_with_newline_vectors_are_found_at_the_models_real_sizes(
    kind: Any, side: int, pixels: int, resolutions: list[Size]
):
    """Neither the square's side nor the tiling is given: only one of those that fit may be chosen."""
    options: Any = SimpleNamespace(vision_aspect_ratio="anyres_max_9")
    for width, height in random_sizes(300):
        best = select_best_resolution((height, width), resolutions)
        n_tiles = best[0] * best[1] // pixels**2
        n_placed, rows = kind._get_unpadded_features(
            options, height, width, side, side, best[0] // pixels, best[1] // pixels
        )
        shape = Shape((width, height), (1 + n_tiles, pixels, pixels), has_sizes=True)
        found = layout_of((side**2 + n_placed + rows,), shape)
        of_rows = [View(side**2, (1, 1), (rows, n_placed // rows), 1)] if n_placed else []
        assert found == (View(0, (1, 1), (side, side)), *of_rows)


def tiling_by(images: Any, size: Size, **options: Any) -> Tiling | None:
    pixels = images(draw_places(size), return_tensors="pt", **options)["pixel_values"]
    return tiling_of(pixels.flatten(0, -4).numpy())


@pytest.mark.parametrize("size", [*random_sizes(6), (2000, 90), (31, 700), (5, 9)])
def test_tilings_are_seen_at_the_models_real_sizes(size: Size):
    columns, rows = get_optimal_tiled_canvas(size[::-1], (448, 448), 1, 12)
    intern = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, max_patches=12)
    found = tiling_by(intern, size, crop_to_patches=True)
    assert rows * columns == 1 or found == Tiling(rows, columns, -1)
    idefics = Idefics3ImageProcessorPil(size={"longest_edge": 4 * 364}, max_image_size={"longest_edge": 364})
    images = idefics(Image.new("RGB", size), return_row_col_info=True)
    assert tiling_by(idefics, size) == Tiling(images["rows"][0][0], images["cols"][0][0], -1)
    ovis = Ovis2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=9)
    rows, columns = ovis(Image.new("RGB", size), return_tensors="pt")["grids"][0].tolist()
    assert rows * columns == 1 or tiling_by(ovis, size) == Tiling(rows, columns, 0)


def test_tiles_without_the_whole_picture_are_seen():
    """InternVL's processor leaves it out when asked to; 640 x 320 is cut into two by one."""
    intern = GotOcr2ImageProcessorPil(size={"height": 64, "width": 64}, max_patches=2)
    pixels = intern(draw_places((640, 320)), crop_to_patches=True, return_tensors="pt")["pixel_values"]
    assert tiling_of(pixels[:-1].numpy()) == Tiling(1, 2, None)


def test_crops_that_overlap_or_leave_out_a_part_are_no_tiling():
    picture = np.asarray(draw_places((90, 90)), dtype=np.float32).transpose(2, 0, 1)
    thirds = [picture[:, :, start : start + 30] for start in (0, 30, 60)]
    assert tiling_of(np.stack(thirds)) == Tiling(1, 3, None)
    assert tiling_of(np.stack([thirds[0], thirds[2], thirds[1]])) is None
    assert tiling_of(np.stack([thirds[0], picture[:, :, 10:40], thirds[2]])) is None
    assert tiling_of(np.stack([thirds[0], thirds[0], thirds[0]])) is None


@pytest.mark.parametrize(
    ("runs", "shape"),
    [
        ((32,), None),  # a fixed number of queries
        ((4, 4), None),
        ((7,), Shape((64, 64), (1, 32, 32))),
        ((4, 5, 4), Shape((64, 64), (1, 32, 32))),
        ((16, 16), Shape((64, 64), (1, 32, 32))),
        ((12,), Shape((64, 64), patches=(5, 9))),
        ((6, 6), Shape((64, 64), patches=(6, 8))),
        ((16,), Shape((64, 64), (4, 32, 32))),  # tiles that lie nobody knows how
        ((4, 4, 4), Shape((64, 64), (4, 32, 32), Tiling(1, 3, -1))),
        ((13,), Shape((64, 64), (4, 32, 32), Tiling(1, 3, -1))),
        ((12,), Shape((64, 64))),  # several pictures prepared together
        ((11,), Shape((64, 64), has_sizes=True)),
        ((40,), Shape((96, 32), (4, 24, 24), has_sizes=True)),  # 3 x 3 and 3 rows of 9 + 1 are 39
    ],
)
def test_no_layout_is_given_where_the_numbers_fit_none(runs: tuple[int, ...], shape: Shape | None):
    assert layout_of(runs, shape) == ()


def test_runs_are_counted_in_order():
    assert runs_of(np.array([1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=bool)) == (2, 1, 3)
    assert runs_of(np.zeros(3, dtype=bool)) == ()

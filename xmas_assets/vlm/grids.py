"""Where in the picture the tokens of an image lie: rectangles, tiles, rows that end in newline vectors.

What a processor makes of a picture tells it: the runs of image tokens, the crops, the patches it counts. No family is
named, and where the numbers fit no known geometry, the places are not known.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import isqrt, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# A picture in rows with newline vectors is scaled down where it has more tokens than so many tiles.
_MOST_TILES_KEPT = 9


class View(NamedTuple):
    """Tokens that show the whole picture once: tile by tile, row by row in each, from the upper left.

    Attributes:
        start: The first of them, counted from the image's first.
        tiles: Rows and columns of tiles.
        tokens: Rows and columns of tokens in each tile.
        n_newlines: Tokens behind each row that have no place in the picture.
    """

    start: int
    tiles: tuple[int, int]
    tokens: tuple[int, int]
    n_newlines: int = 0

    @property
    def places(self) -> NDArray[np.int64]:
        """Which of the image's tokens lies where, shape (rows, columns)."""
        (tile_rows, tile_columns), (rows, columns) = self.tiles, self.tokens
        shape = (tile_rows, tile_columns, rows, columns + self.n_newlines)
        numbers = self.start + np.arange(np.prod(shape)).reshape(shape)[..., :columns]
        return numbers.swapaxes(1, 2).reshape(tile_rows * rows, tile_columns * columns)


Layout = tuple[View, ...]
"""The views that an image's tokens give of its picture; empty where their places are not known."""


class Tiling(NamedTuple):
    """How crops of a picture lie: tiles from the upper left, row by row, and mostly the whole picture.

    Attributes:
        rows: Of tiles.
        columns: Of tiles.
        whole: Which crop shows the whole picture: the first (0), the last (-1) or none.
    """

    rows: int
    columns: int
    whole: int | None


class Shape(NamedTuple):
    """What a processor made of a picture, as far as it tells where its tokens lie.

    Attributes:
        size: Width and height in pixels, before any resizing.
        crops: How many the vision tower sees, and the height and width of each; None if not known.
        tiling: How several crops lie; None if not known.
        patches: Rows and columns of patches where the model counts them.
        has_sizes: Whether the model is given the picture's size, by which it cuts off what only fills a tile.
    """

    size: tuple[int, int]
    crops: tuple[int, int, int] | None = None
    tiling: Tiling | None = None
    patches: tuple[int, int] | None = None
    has_sizes: bool = False


def runs_of(is_image: NDArray[np.bool_]) -> tuple[int, ...]:
    """Lengths of the runs of true values, in order."""
    edges = np.flatnonzero(np.diff(is_image, prepend=False, append=False))
    return tuple(np.diff(edges)[::2].tolist())


@lru_cache(maxsize=4096)
def layout_of(runs: tuple[int, ...], shape: Shape | None) -> Layout:
    """Find where the tokens of an image lie.

    Args:
        runs: Lengths of the image's runs of tokens.
        shape: What is known of the picture; None where all pictures have the same tokens.

    Returns:
        The views, each of the whole picture; none if the numbers fit no known geometry.
    """
    n_tokens = sum(runs)
    if shape is None:
        rows, columns = _rectangle(n_tokens, 1, 1)
    elif shape.patches is not None:
        rows, columns = _merged(n_tokens, *shape.patches)
    elif shape.crops is None:
        # Pictures that are prepared together are not cut into tiles, and a newline vector ends each.
        rows, columns = _rectangle(n_tokens - 1, 1, 1) if shape.has_sizes else (0, 0)
    elif shape.crops[0] == 1:
        rows, columns = _rectangle(n_tokens, *shape.crops[1:])
    elif shape.has_sizes:
        return _with_newlines(n_tokens, shape) if len(runs) == 1 else ()
    else:
        return _tiles(runs, shape)
    is_whole = rows and runs in ((n_tokens,), (columns,) * rows)
    return (View(0, (1, 1), (rows, columns)),) if is_whole else ()


def draw_places(size: tuple[int, int]) -> Image.Image:
    """Draw a picture whose colours tell places: red grows from left to right, green from top to bottom.

    Args:
        size: Width and height in pixels.
    """
    width, height = size
    colours = np.zeros((height, width, 3), dtype=np.uint8)
    colours[:, :, 0] = np.linspace(0, 255, width)
    colours[:, :, 1] = np.linspace(0, 255, height)[:, None]
    return Image.fromarray(colours)


def tiling_of(pixels: NDArray[np.float32]) -> Tiling | None:
    """Tell from the crops of ``draw_places`` how a processor cuts a picture of that size.

    Args:
        pixels: Shape (n_crops, 3, height, width), each channel scaled and shifted as it may be.

    Returns:
        None if the crops are no tiles of the picture, which fill it.
    """
    places = pixels[:, :2]  # across and down
    least, most = places.min((2, 3)), places.max((2, 3))
    extent = np.maximum(most.max(0) - least.min(0), 1e-6)
    boxes = np.stack([(places.mean((2, 3)) - least.min(0)) / extent, (most - least) / extent], axis=1)
    for whole in (-1, 0, None):
        tiles = boxes if whole is None else np.delete(boxes, whole, axis=0)
        if whole is not None and not _lie_in_grid(boxes[[whole]], 1, 1):
            continue
        for rows, columns in _factor_pairs(len(tiles)):
            if _lie_in_grid(tiles, rows, columns):
                return Tiling(rows, columns, whole)
    return None


def _lie_in_grid(boxes: NDArray[np.float32], rows: int, columns: int) -> bool:
    """Whether boxes are the cells of a grid over the picture, row by row, within a quarter of a cell.

    Args:
        boxes: Centre and size of each, across and down, shape (rows * columns, 2, 2), as shares of the picture.
        rows: Of the grid.
        columns: Of the grid.
    """
    size = np.array([1 / columns, 1 / rows])
    down, across = np.divmod(np.arange(len(boxes)), columns)
    centres = (np.stack([across, down], axis=1) + 0.5) * size
    return bool((abs(boxes - np.stack([centres, np.broadcast_to(size, centres.shape)], axis=1)) < size / 4).all())


def _tiles(runs: tuple[int, ...], shape: Shape) -> Layout:
    """Tiles in one run or a run each."""
    assert shape.crops is not None
    n_crops, height, width = shape.crops
    tokens = _rectangle(sum(runs) // n_crops, height, width)
    n_tokens = tokens[0] * tokens[1]
    if shape.tiling is None or not n_tokens or runs not in ((n_tokens * n_crops,), (n_tokens,) * n_crops):
        return ()
    rows, columns, whole = shape.tiling
    tiles = View(n_tokens if whole == 0 else 0, (rows, columns), tokens)
    if whole is None:
        return (tiles,)
    return tiles, View(0 if whole == 0 else n_tokens * (n_crops - 1), (1, 1), tokens)


def _with_newlines(n_tokens: int, shape: Shape) -> Layout:
    """The whole picture as a square; then tiles put together, without filling, each row with a newline vector.

    Neither the square's side nor the tiling is given. Of those that make as many tokens, the smallest side is right.
    """
    assert shape.crops is not None
    n_crops, height, _ = shape.crops
    for side in range(1, isqrt(n_tokens) + 1):
        if height // (height // side) != side:  # no whole number of pixels makes a patch
            continue
        for tile_rows, tile_columns in _factor_pairs(n_crops - 1):
            rows, columns = _without_filling(tile_rows * side, tile_columns * side, shape.size)
            excess = sqrt(rows * columns / (_MOST_TILES_KEPT * side**2))
            if excess > 1.1:
                rows, columns = int(rows // excess), int(columns // excess)
            if side**2 + rows * (columns + 1) == n_tokens:
                views = View(0, (1, 1), (side, side)), View(side**2, (1, 1), (rows, columns), 1)
                return views if rows and columns else views[:1]
    return ()


def _without_filling(rows: int, columns: int, size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of the part of a rectangle that a picture covers when it is fitted into its middle."""
    width, height = size
    scale = min(columns / width, rows / height)
    covered = int(round(height * scale, 7)), int(round(width * scale, 7))
    return rows - (rows - covered[0]) // 2 * 2, columns - (columns - covered[1]) // 2 * 2


def _rectangle(n_tokens: int, height: int, width: int) -> tuple[int, int]:
    """Rows and columns of so many tokens with sides in this ratio; (0, 0) if there are none."""
    rows = isqrt(max(n_tokens, 0) * height // width)
    columns = n_tokens // rows if rows > 0 else 0
    fits = rows > 0 and rows * columns == n_tokens and rows * width == columns * height
    return (rows, columns) if fits else (0, 0)


def _merged(n_tokens: int, rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of so many tokens, each made of a square of patches; (0, 0) if there are none."""
    side = isqrt(rows * columns // n_tokens)
    fits = side > 0 and rows % side == columns % side == 0 and rows * columns == n_tokens * side**2
    return (rows // side, columns // side) if fits else (0, 0)


def _factor_pairs(n: int) -> Iterator[tuple[int, int]]:
    return ((first, n // first) for first in range(1, n + 1) if n % first == 0)

"""Pictures of what is in a set of rows: its tasks, and some of its images; same input, same bytes."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import accumulate

from PIL import Image

from xmas_assets.report.canvas import COLOURS, GREY, INK, WIDTH_PIXELS
from xmas_assets.report.sheet import Sheet, text_width
from xmas_assets.report.text import visible

Part = tuple[str, list[str], str]  # label, tasks, colour
_MARGIN = 7
_LINE = 33  # from one line of text to the next
_BAR = 58
_SWATCH = 42
_GRID = "#E4E4E4"
_LARGEST_IMAGE = 300


def task_composition_figure(
    compositions: Mapping[str, Mapping[str, int]], *, n_shown: int = 7, width_pixels: int = WIDTH_PIXELS
) -> bytes:
    """Share of each task in the whole dataset and in every subset, as stacked bars.

    Args:
        compositions: Name of a bar to rows per task, from top to bottom; put the whole dataset first.
        n_shown: Tasks with a colour of their own, the most frequent of the first bar; the rest is one grey "other".
        width_pixels: Of the picture.
    """
    parts = _parts(compositions, n_shown)
    names = [visible(name, 32) for name in compositions]
    notes = [f"{sum(counts.values()):,} rows" for counts in compositions.values()]
    left = 2 * _MARGIN + max(map(text_width, names)) + 8
    right = WIDTH_PIXELS - 2 * _MARGIN - max(text_width(note, points=9) for note in notes)
    legend = _legend_places([label for label, _, _ in parts])
    top = legend[-1][1] + 1.5 * _LINE
    bottom = top + _BAR * len(names)
    sheet = Sheet(bottom + 2.5 * _LINE, width_pixels=width_pixels)
    for (label, _, colour), (x, y) in zip(parts, legend, strict=True):
        sheet.box(x, y + 5, x + _SWATCH, y + 20, colour=colour)
        sheet.text((x + _SWATCH + 14, y + 12), label, anchor="lm")
    for share in range(0, 101, 20):
        x = left + (right - left) * share / 100
        sheet.box(x, top, x + 1, bottom + 7, colour=_GRID)
        sheet.text((x, bottom + 12), str(share), anchor="ma")
    sheet.text(((left + right) / 2, bottom + 12 + _LINE), "share of the rows (%)", anchor="ma")
    for position, (name, counts, note) in enumerate(zip(names, compositions.values(), notes, strict=True)):
        y = top + _BAR * position
        sheet.text((left - 12, y + _BAR / 2), name, anchor="rm")
        sheet.text((right + _MARGIN, y + _BAR / 2), note, points=9, anchor="lm")
        total = sum(counts.values()) or 1
        shares = [sum(counts.get(task, 0) for task in tasks) / total for _, tasks, _ in parts]
        ends = [left + (right - left) * end for end in accumulate(shares, initial=0.0)]
        for (_, _, colour), start, end in zip(parts, ends, ends[1:], strict=False):
            if end - start > 2:  # a white line between the parts
                sheet.box(start, y + 6, end - 2, y + _BAR - 6, colour=colour)
    sheet.box(left - 1, top, left + 1, bottom, colour=INK)
    sheet.box(left - 1, bottom, right, bottom + 2, colour=INK)
    return sheet.png()


def cluster_sample_figure(
    groups: Sequence[tuple[str, Sequence[tuple[Image.Image | None, str]]]], *, width_pixels: int = WIDTH_PIXELS
) -> bytes:
    """Rows of images: one row per cluster, under each image its caption.

    Args:
        groups: Per cluster a title and its samples (image, or None for a text-only row; caption).
        width_pixels: Of the picture.
    """
    n_columns = max(len(samples) for _, samples in groups)
    column = min((WIDTH_PIXELS - _MARGIN) / n_columns, _LARGEST_IMAGE + 2 * _MARGIN)
    side = column - 2 * _MARGIN
    height = side + 3.6 * _LINE + 2 * _MARGIN  # a title, and up to four lines under each image
    sheet = Sheet(len(groups) * height + _MARGIN, width_pixels=width_pixels)
    for row, (title, samples) in enumerate(groups):
        top = row * height + _MARGIN
        sheet.text((_MARGIN, top), visible(title, 60), points=9, bold=True)
        top += 0.8 * _LINE
        for place, (image, caption) in enumerate(samples):
            left = _MARGIN + place * column
            middle = left + side / 2
            if image is None:
                sheet.box(left, top, left + side, top + side, colour="#F0F0F0")
                sheet.text((middle, top + side / 2), "no image", anchor="mm", colour=GREY)
            else:
                sheet.image(left, top, side, image)
            for number, line in enumerate(_wrapped(caption, side)):
                sheet.text((middle, top + side + 9 + 0.66 * _LINE * number), line, points=8, anchor="ma")
    return sheet.png()


def _parts(compositions: Mapping[str, Mapping[str, int]], n_shown: int) -> list[Part]:
    """The tasks by what they are shown as, the most frequent of the first bar first."""
    first = next(iter(compositions.values()))
    tasks = sorted({task for counts in compositions.values() for task in counts}, key=lambda t: (-first.get(t, 0), t))
    parts = [(visible(task, 24), [task], COLOURS[i % len(COLOURS)]) for i, task in enumerate(tasks[:n_shown])]
    if rest := tasks[n_shown:]:
        parts.append((f"other ({len(rest)} tasks)" if len(rest) > 1 else visible(rest[0], 24), rest, GREY))
    return parts


def _legend_places(labels: Sequence[str]) -> list[tuple[float, float]]:
    """Where each label's colour is shown: from left to right, on as many lines as it takes."""
    places: list[tuple[float, float]] = []
    x, y = 2.0 * _MARGIN, 1.0 * _MARGIN
    for label in labels:
        width = _SWATCH + 14 + text_width(label)
        if places and x + width > WIDTH_PIXELS - _MARGIN:
            x, y = 2.0 * _MARGIN, y + _LINE
        places.append((x, y))
        x += width + 36
    return places


def _wrapped(caption: str, width: float, *, n_lines: int = 4) -> list[str]:
    """The caption in lines that are about as wide as this, cut off after the last."""
    n_characters = max(1, int(width / text_width("n", points=8)))
    return textwrap.wrap(visible(caption, 200), n_characters, max_lines=n_lines, placeholder=" …")

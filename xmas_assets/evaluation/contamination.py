"""Which training rows a benchmark's items occur in: the same picture, one that looks alike, the same question, or both.

Arithmetic on tables; where they come from is not known here.
"""

from dataclasses import dataclass

import polars as pl

from xmas_assets.contracts.contamination import NEAR_IMAGE, SAME_IMAGE, SAME_QUESTION, SAME_TEXT
from xmas_assets.contracts.samples import IMAGE_MARK

ROW_SCHEMA = {"sample_id": pl.String, "kind": pl.String, "item_id": pl.String, "distance": pl.Int64}
COUNT_SCHEMA = {"kind": pl.String, "n_rows": pl.Int64, "n_items": pl.Int64}
_NEAR_SCHEMA = {"image": pl.String, "other": pl.String, "distance": pl.Int64}
_OF_ROW = ("sample_id", "item_id", "distance")
_NO_IMAGE = ""


@dataclass(frozen=True)
class Records:
    """Training rows or items, taken apart.

    Attributes:
        images: ``id`` and ``image`` (hash of the bytes; empty for a record without any), unique.
        texts: ``id`` and ``text`` (in its normal form, not empty), unique.
    """

    images: pl.DataFrame
    texts: pl.DataFrame

    @classmethod
    def of(cls, records: pl.LazyFrame, *, questions: pl.Expr) -> "Records":
        """Take records apart.

        Args:
            records: With ``sample_id`` and ``image_hashes``.
            questions: A list of texts for each.
        """
        named = records.select(pl.col("sample_id").alias("id"), image="image_hashes", text=questions)
        pictures = pl.when(pl.col("image").list.len() > 0).then("image").otherwise([_NO_IMAGE])
        images = named.select("id", image=pictures).explode("image")
        texts = named.select("id", "text").explode("text").drop_nulls()
        text = pl.col("text").str.replace_all(IMAGE_MARK, "", literal=True).str.strip_chars()
        # A hint after the question, such as how long the answer shall be, makes it no other question.
        forms = pl.concat_list(_normal(text), _normal(text.str.split("\n").list.first()))
        texts = texts.select("id", text=forms).explode("text")
        return cls(
            images.unique(maintain_order=True).collect(),
            texts.filter(pl.col("text") != "").unique(maintain_order=True).collect(),
        )

    def pictures(self) -> pl.DataFrame:
        """``images`` without the records that have none."""
        return self.images.filter(pl.col("image") != _NO_IMAGE)

    def n_pictures(self) -> int:
        """How many different pictures there are."""
        return self.pictures()["image"].n_unique()


def asked_by_turns() -> pl.Expr:
    """The texts of the user's turns in a column ``turns``."""
    return pl.col("turns").list.eval(pl.element().filter(pl.element().struct["role"] == "user").struct["text"])


def contamination(train: Records, items: Records, near: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What training rows share with items.

    Args:
        train: The training rows.
        items: The benchmark's items.
        near: ``image`` (of a row), ``other`` (of an item) and ``distance``: pairs of pictures that look alike.

    Returns:
        Rows (``ROW_SCHEMA``): one for each training row and kind, sorted, with its nearest item, of several the first
        by id; ``distance`` in bits, null for words. And for each kind (``COUNT_SCHEMA``) how many rows share something
        with how many items.
    """
    same = items.images.select("image", other="image", distance=pl.lit(0, pl.Int64)).unique(maintain_order=True)
    near = near.cast(_NEAR_SCHEMA).filter(pl.col("image") != pl.col("other"))  # pyright: ignore[reportArgumentType]
    seen = train.images.join(pl.concat([same, near]), on="image", maintain_order="left")
    pictures, is_same = seen.filter(pl.col("image") != _NO_IMAGE), pl.col("image") == pl.col("other")
    shown = items.images.rename({"image": "other"})
    texts = train.texts.with_columns(distance=pl.lit(None, pl.Int64))
    found = {
        SAME_QUESTION: (
            seen.join(train.texts, on="id", maintain_order="left"),
            shown.join(items.texts, on="id", maintain_order="left"),
            ["other", "text"],
        ),
        SAME_IMAGE: (pictures.filter(is_same), shown, ["other"]),
        NEAR_IMAGE: (pictures.filter(~is_same), shown, ["other"]),
        SAME_TEXT: (texts, items.texts, ["text"]),
    }
    matched = {kind: _matched(*sides, on=on) for kind, (*sides, on) in found.items()}
    rows = pl.concat([rows.select(*_OF_ROW, kind=pl.lit(kind)) for kind, (rows, _) in matched.items()])
    counts = [(kind, len(rows), n_items) for kind, (rows, n_items) in matched.items()]
    return (
        rows.select(list(ROW_SCHEMA)).sort("sample_id", "kind", maintain_order=True),
        pl.DataFrame(counts, COUNT_SCHEMA, orient="row"),
    )


def _matched(rows: pl.DataFrame, items: pl.DataFrame, *, on: list[str]) -> tuple[pl.DataFrame, int]:
    """The nearest item of each row that shares the columns ``on`` with one, and the number of items shared by any."""
    first = items.group_by(on, maintain_order=True).agg(pl.col("id").min().alias("item_id"))
    nearest = (
        rows.join(first, on=on)
        .sort("id", "distance", "item_id", maintain_order=True)
        .unique("id", keep="first", maintain_order=True)
        .rename({"id": "sample_id"})
    )
    return nearest, items.join(rows, on=on, how="semi")["id"].n_unique()


def _normal(text: pl.Expr) -> pl.Expr:
    """Normal form: compatibility characters and case folded, each run of punctuation and blanks one blank."""
    return text.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[\p{P}\s]+", " ").str.strip_chars()

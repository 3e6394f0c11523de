import html.parser
from pathlib import Path

import polars as pl
import pytest

from xmas_assets.evaluation.leaderboard import build_leaderboard, build_per_task
from xmas_assets.report.figures import loss_figure
from xmas_assets.report.html import write_report
from xmas_assets_tests.report.made_up import answers, baseline, costs, experiment

_EVIL = '"><script>alert(1)</script><img src=http://example.test/x.png>\x1b[31m\n'


class _Page(html.parser.HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def _write(path: Path, *, name: str = "shapes") -> Path:
    frame = pl.concat([experiment(), answers(name, "0.20", 0, [1.0] * 7 + [None])])
    frame = frame.with_columns(pl.when(task="count").then(pl.lit(name)).otherwise("task").alias("task"))
    blind = frame.head(8).select("question_id", "image_hash", "task", score=pl.lit(0.0))
    majority = {"majority": blind}
    refused = {"split": ["train"] * 3, "source_row": [4, 7, 9], "reason": ["bad_json", name, "bad_json"]}
    write_report(
        path,
        dataset=name,
        leaderboard=build_leaderboard(frame, majority, costs=costs(), n_resamples=50),
        per_task=build_per_task(frame, majority),
        figures=[(name, loss_figure([2.0, 1.0]), name)],
        provenance={name: name, "torch": "2.13.0"},
        quarantine=pl.DataFrame(refused).with_columns(detail=pl.lit(name)),
        notes=[name],
    )
    return path


def test_the_report_shows_verdict_scores_coverage_refusals_and_provenance(tmp_path):
    text = _Page(_write(tmp_path / "report.html")).text
    assert "shapes is the best of 2 methods at 20 %: it reaches 100.0 % of full data" in text
    assert "Nothing can be compared on these tasks" in text
    assert "87.5 % answered" in text
    assert "3 records were refused" in text
    assert "train record 4: shapes" in text
    assert "2.13.0" in text


def test_scripts_remote_images_and_ansi_codes_in_data_are_shown_as_text(tmp_path):
    path = _write(tmp_path / "report.html", name=_EVIL)
    page = _Page(path)
    assert not {"script", "iframe", "object", "link", "form", "base"} & {tag for tag, _ in page.tags}
    assert "<script>alert(1)</script>" in page.text
    assert r"\x1b[31m\n" in page.text
    assert b"\x1b" not in path.read_bytes()


def test_nothing_is_loaded_from_elsewhere_and_the_policy_forbids_it(tmp_path):
    page = _Page(_write(tmp_path / "report.html", name=_EVIL))
    policies = [attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    sources = [
        attrs[name] or "" for _, attrs in page.tags for name in ("src", "href", "srcset", "style") if name in attrs
    ]
    link, picture = sources
    assert link == "explorer.html"  # which lies beside it, and is opened only by a click
    assert picture.startswith("data:image/png;base64,")
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_the_same_inputs_give_the_same_bytes(tmp_path):
    assert _write(tmp_path / "a.html").read_bytes() == _write(tmp_path / "b.html").read_bytes()


def test_a_failed_write_leaves_the_old_report_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full_disk(self, *_args, **_kwargs):
        self.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(OSError, match="No space"):
        _write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_refused_records_and_pictures_it_says_so(tmp_path):
    board = build_leaderboard(experiment(), {"majority": baseline([0.0] * 8)}, costs=costs(), n_resamples=50)
    write_report(
        tmp_path / "report.html",
        dataset="shapes",
        leaderboard=board,
        per_task=build_per_task(experiment(), {}),
        figures=[],
        provenance={},
        quarantine=pl.DataFrame(
            schema={"split": pl.String, "source_row": pl.Int64, "reason": pl.String, "detail": pl.String}
        ),
    )
    text = _Page(tmp_path / "report.html").text
    assert "No record was refused." in text
    assert "Pictures" not in text

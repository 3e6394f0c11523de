"""Contamination as a person sees it: listed by a command, said before scores, kept, and told of pictures only once."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from xmas_assets.contracts.contamination import KINDS, LEAKING
from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets.home.registration_edits import add_benchmarks
from xmas_assets.home.versions import current_versions
from xmas_assets.report.contamination import contamination_notes, exclusion_notes
from xmas_assets.stages import contaminated_pairs
from xmas_assets.stages.contaminated_pairs import contamination_figures
from xmas_assets.stages.contamination import contaminated_ids, find_contamination, scored_contamination
from xmas_assets_tests.e2e.platforms import xmas


@pytest.fixture(scope="module")
def leaked(copied, tmp_path_factory) -> tuple[Path, list[str]]:
    """A copy of the home with a benchmark of four items, of which two show training pictures; and their rows' ids."""
    folder = tmp_path_factory.mktemp("leaked")
    home = Home.open(copied)
    registration = home.registration("shapes")
    samples = home.stored("raw_dataset", "shapes")["samples"].frame(["sample_id", "images", "turns"])
    rows = samples.filter(samples["images"].list.len() > 0).head(2)
    assert registration.images is not None
    pictures = [registration.images / images[0] for images in rows["images"]]
    (folder / "same.png").write_bytes(pictures[0].read_bytes())
    Image.open(pictures[1]).convert("RGB").resize((150, 150)).save(folder / "near.jpg", quality=80)
    Image.new("RGB", (64, 64), "white").save(folder / "blank.png")
    Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 30).convert("RGB").save(folder / "other.png")
    question = rows["turns"][0][0]["text"].replace("<image>", "").strip().split("\n")[0]
    asked = [("same.png", question.upper()), ("near.jpg", "How so?"), ("blank.png", "Why?"), ("other.png", "Who?")]
    lines = [
        json.dumps({"question_id": n, "image": image, "text": text, "label": "yes"}) + "\n"
        for n, (image, text) in enumerate(asked)
    ]
    (folder / "coco_pope_random.json").write_text("".join(lines), encoding="utf-8")
    words = ("--form", "pope", "--questions", folder / "coco_pope_random.json", "--images", folder)
    assert xmas(copied, "benchmark", "add", "leaky", *words).code == 0
    return copied, rows["sample_id"].to_list()


def listed(home: Path, folder: Path, *words: str | Path) -> set[tuple[str, ...]]:
    """Rows of ``xmas benchmark contamination`` against the benchmark."""
    out = folder / f"rows{len(list(folder.glob('rows*.csv')))}.csv"  # a file that is there is not replaced
    shown = xmas(home, "benchmark", "contamination", "shapes", "--benchmark", "leaky", "--out", out, *words)
    assert shown.code == 0, shown.err
    with out.open(encoding="utf-8") as lines:
        _, *rows = csv.reader(lines)
    return {tuple(row) for row in rows}


def test_a_copied_and_an_encoded_picture_are_listed_and_a_blank_one_is_not(leaked, tmp_path):
    home, (same, near) = leaked
    rows = listed(home, tmp_path)
    assert ("leaky", same, "same_image", "random_0", "0") in rows
    assert ("leaky", same, "same_question", "random_0", "0") in rows
    assert (near, "near_image", "random_1") in {row[1:4] for row in rows}
    assert {row[3] for row in rows if row[2] != "same_text"} == {"random_0", "random_1"}
    only = listed(home, tmp_path, "--kind", "same_image")
    assert only == {row for row in rows if row[2] == "same_image"} != set()


def test_a_kind_that_is_none_is_refused(leaked):
    home, _ = leaked
    shown = xmas(home, "benchmark", "contamination", "shapes", "--kind", "look")
    assert shown.message == f"xmas: kind 'look' is not known; use one of {', '.join(KINDS)}"


def test_pictures_are_looked_at_once_and_lost_codes_give_the_same_rows(leaked):
    root, _ = leaked
    home = Home.open(root)
    first = find_contamination(home, "shapes", "leaky")
    shards = sorted(root.glob("work/picture_codes/*/*/*.parquet"))
    made = [path.stat().st_mtime_ns for path in shards]
    for path in root.glob("work/contamination/*/*/tables/*"):
        path.unlink()
    again = find_contamination(home, "shapes", "leaky")
    assert [path.stat().st_mtime_ns for path in shards] == made and again.version == first.version
    for path in (*shards, *root.glob("work/contamination/*/*/tables/*")):
        path.unlink()
    assert find_contamination(home, "shapes", "leaky").version == first.version


def test_a_dataset_without_benchmarks_is_compared_with_nothing(copied):
    assert scored_contamination(Home.open(copied), "shapes") is None
    assert contamination_notes(None) == []


def test_what_is_shared_is_said_before_training_and_before_scores(leaked):
    home, (same, near) = leaked
    run = xmas(home, "run", "shapes", "--method", "random", "--budget", "0.2", "--benchmark", "leaky")
    assert run.code == 0, run.err
    said = [line for line in run.err.splitlines() if line.startswith("Contamination: training rows share with leaky")]
    assert len(said) == 2 and said[0] == said[1] and "a whole question (1 rows, 1 items)" in said[0]
    assert run.err.index(said[0]) < run.err.index("selections to run")
    counts = Home.open(home).stored("leaderboard", "shapes")["contamination"].frame()
    assert set(counts["benchmark"]) == {"leaky", "own test"}
    assert said[0] in Home.open(home).report("shapes").read_text(encoding="utf-8")
    assert {same, near} <= set(contaminated_ids(Home.open(home), "shapes"))


@pytest.fixture(scope="module")
def clean(leaked, tmp_path_factory) -> tuple[Path, set[str]]:
    """The home after its dataset leaves contaminated rows out, its benchmark among those named; and their ids."""
    home, _ = leaked
    if "leaky" not in Home.open(home).registration("shapes").benchmarks:
        add_benchmarks(Home.open(home), "shapes", ["leaky"])
    words = ("--method", "xmas", "--method", "full", "--method", "random", "--budget", "0.2", "--budget", "0.1")
    done = xmas(home, "select", "shapes", *words, "--exclude-contaminated")
    assert done.code == 0, done.err
    assert "contaminated rows of shapes are selected by no method from now on" in done.err
    return home, set(contaminated_ids(Home.open(home), "shapes"))


def selected(home: Path, key: str) -> list[str]:
    return Home.open(home).stored("selected_subset", f"shapes|{key}")["subset"].column("sample_id").tolist()


def test_no_method_selects_a_contaminated_row_and_budgets_are_exact_shares_of_the_others(clean):
    home, contaminated = clean
    n_left = 240 - len(contaminated)
    assert 2 <= len(contaminated) < 60
    for key, n_rows in (("full_b1.00_s0", n_left), ("random_b0.20_s0", n_left // 5), ("xmas_b0.20_s0", n_left // 5)):
        rows = selected(home, key)
        assert len(rows) == n_rows and not contaminated & set(rows)
    for method in ("random", "xmas"):
        assert set(selected(home, f"{method}_b0.10_s0")) < set(selected(home, f"{method}_b0.20_s0"))


def test_the_manifest_says_what_was_left_out_and_is_replayed_also_where_the_registration_changed(clean, tmp_path):
    home, contaminated = clean
    assert xmas(home, "export", "shapes", "xmas_b0.20_s0", "--to", tmp_path / "subset.json").code == 0
    manifest = tmp_path / "subset.manifest.json"
    stated = json.loads(manifest.read_text())
    rule = stated["excluded"]
    assert rule["kinds"] == ["same_question", "same_image", "near_image"] and rule["near_bits"] == 6
    assert set(rule["items"]) == {"leaky", "own test"} and rule["n_rows"] == len(contaminated)
    exported = f"verified: {manifest.name.removesuffix('.manifest.json')}.json is as it was exported, and "
    verified = f"{exported}{stated['n_selected']} of 240 rows of 'shapes' come out the same, {rule['n_rows']} "
    path = Home.open(home).registration_path("shapes")
    replace_line(path, "exclude_contaminated", False)
    try:
        assert xmas(home, "verify", manifest).out == verified + "contaminated ones left out\n"
    finally:
        replace_line(path, "exclude_contaminated", True)
    manifest.write_text(json.dumps(stated | {"excluded": rule | {"n_rows": 1}}))
    assert "with another excluded" in xmas(home, "verify", manifest).message
    other = rule | {"items": rule["items"] | {"leaky": "0" * 64}}
    manifest.write_text(json.dumps(stated | {"excluded": other}))
    assert xmas(home, "verify", manifest).out.endswith("not as in the manifest: leaky has other items here\n")


def test_the_rule_makes_selections_stale_with_the_benchmarks_and_other_homes_keep_their_versions(clean):
    home = Home.open(clean[0])
    path = home.registration_path("shapes")
    text, on = path.read_text(), current_versions(home, "shapes")
    try:
        replace_line(path, "benchmarks", [])
        fewer = current_versions(home, "shapes")
        replace_line(path, "exclude_contaminated", False)
        off = current_versions(home, "shapes")
        replace_line(path, "benchmarks", ["leaky"])
        also_off = current_versions(home, "shapes")
    finally:
        path.write_text(text)
    assert len({on["methods"], fewer["methods"], off["methods"]}) == 3
    assert off["methods"] == also_off["methods"] == home.settings("shapes").methods.digest()
    assert {name for name in on if on[name] != also_off[name]} == {"methods"}


@pytest.mark.slow
def test_the_leaderboard_says_what_was_left_out_and_of_how_many_selections(clean):
    home, contaminated = clean
    done = xmas(home, "run", "shapes", "--method", "random", "--budget", "0.2")
    assert done.code == 0, done.err
    table = Home.open(home).stored("leaderboard", "shapes")["excluded"].frame()
    assert set(table["n_excluded"].drop_nulls()) == {len(contaminated)}
    said = exclusion_notes(table)
    assert len(said) == 1 and said[0] in done.err
    assert said[0] in Home.open(home).report("shapes").read_text(encoding="utf-8")


def test_the_report_shows_the_strongest_pair_side_by_side_and_names_the_command_for_the_others(leaked, monkeypatch):
    root, _ = leaked
    home = Home.open(root)
    rows = find_contamination(home, "shapes", "leaky")["rows"].frame().filter(pl.col("kind").is_in(LEAKING))
    n_rows = rows["sample_id"].n_unique()
    monkeypatch.setattr(contaminated_pairs, "_N_SHOWN", 1)
    drawn = {title: (png, caption) for title, png, caption in contamination_figures(home, "shapes")}
    png, caption = drawn["Pictures shared with leaky"]
    assert caption.endswith(f"{n_rows - 1} more in: xmas benchmark contamination shapes --benchmark leaky")
    sheet = Image.open(io.BytesIO(png))
    # Two columns of 314, in each a picture 300 wide below a line of text.
    left, right = (sheet.crop((column + 7, 34, column + 307, 333)) for column in (0, 314))
    assert left.tobytes() == right.tobytes() and len(left.getcolors(1 << 20) or ()) > 1
    page = home.report("shapes").read_text(encoding="utf-8")
    assert "Pictures shared with leaky" in page


def test_where_no_row_is_left_that_is_said_before_anything_is_trained(clean, tmp_path):
    root, _ = clean
    home = Home.open(root)
    shapes = home.registration("shapes")
    samples = home.stored("raw_dataset", "shapes")["samples"].frame(["sample_id", "images"])
    pictures = samples.filter(samples["images"].list.len() > 0)["images"].head(2).to_list()
    turns = [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "It."}]
    records = [{"id": str(n), "image": images[0], "conversations": turns} for n, images in enumerate(pictures)]
    (tmp_path / "two.json").write_text(json.dumps(records), encoding="utf-8")
    named = {"name": "two", "annotations": (tmp_path / "two.json",), "test": (), "benchmarks": ("leaky",)}
    shapes.model_copy(update=named).save(root)
    refused = xmas(root, "select", "two", "--method", "xmas", "--exclude-contaminated")
    assert "all 2 rows of 'two' share pictures or questions with leaky, so none is left to select" in refused.err
    assert refused.code != 0 and "Traceback" not in refused.err and not home.is_stored("proxy_checkpoints", "two")
    assert xmas(root, "dataset", "remove", "two", "--yes").code == 0


@pytest.mark.parametrize(
    ("counts", "rules", "said"),
    [
        ([3, 3], ["a", "a"], "3 contaminated rows are in no selection; budgets are shares of the other rows."),
        ([0], ["a"], "0 contaminated rows are in no selection; budgets are shares of the other rows."),
        ([3, None], ["a", None], "Contaminated rows were left out of 1 of 2 selections only, so "),
        ([3, 4], ["a", "b"], "Contaminated rows were left out by different rules, so "),
        ([3, 3], ["a", "b"], "Contaminated rows were left out by different rules, so "),
    ],
)
def test_selections_of_several_rules_are_not_comparable(counts, rules, said):
    (note,) = exclusion_notes(pl.DataFrame({"n_excluded": counts, "rule": rules}))
    assert note.startswith(said)


def test_rows_that_can_be_compared_with_nothing_are_refused(clean, tmp_path):
    home = Home.open(clean[0])
    path = home.registration_path("shapes")
    text = path.read_text()
    replace_line(path, "benchmarks", [])
    replace_line(path, "test", [])
    try:
        shown = xmas(clean[0], "select", "shapes", "--method", "random", "--exclude-contaminated")
    finally:
        path.write_text(text)
    assert shown.code == 2 and "neither benchmarks nor test records to compare its rows with" in shown.message


def test_a_removed_benchmark_leaves_no_comparison_behind(clean):
    root, _ = clean
    home = Home.open(root)
    replace_line(home.registration_path("shapes"), "benchmarks", [])
    assert sorted(path.name for path in (root / "work" / "contamination").iterdir()) == [
        "shapes%7Cleaky",
        "shapes%7Cown%20test",
    ]
    assert xmas(root, "benchmark", "remove", "leaky", "--yes").code == 0
    assert [path.name for path in (root / "work" / "contamination").iterdir()] == ["shapes%7Cown%20test"]

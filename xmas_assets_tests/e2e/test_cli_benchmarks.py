"""``xmas benchmark`` as a person types it, and what targets are asked because of it."""

import json
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from xmas_assets.data.registration_file import replace_line
from xmas_assets.home.home import Home
from xmas_assets_tests.e2e.platforms import n_materializations, open_platform, xmas

SCORED = ("run", "shapes", "--method", "random", "--budget", "0.2")


def write_pope(folder: Path, *, images: list[str], n_questions: int, words: str = "circle") -> list[str | Path]:
    """A file in POPE's official form over some images; the words of ``xmas benchmark add`` that name it."""
    folder.mkdir(exist_ok=True)
    rows = [
        {
            "question_id": n,
            "image": images[n % len(images)],
            "text": f"Is there a {words} {n}?",
            "label": "yes" if n % 2 else "no",
        }
        for n in range(n_questions)
    ]
    path = folder / f"coco_pope_random_{words}.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return ["--form", "pope", "--questions", path]


@pytest.fixture
def pictures(copied) -> tuple[Path, list[str]]:
    """The images of a toy dataset: their folder, and some names below it."""
    folder = copied / "toy" / "shapes"
    source = json.loads((Home.open(copied).registration("shapes").test[0]).read_text(encoding="utf-8"))
    return Home.open(copied).registration("shapes").images or folder, [row["image"] for row in source[:5]]


def shards(home: Path) -> dict[str, int]:
    """When each file of answers was made."""
    return {str(path): path.stat().st_mtime_ns for path in home.glob("work/answers/*/*/shard-*")}


def test_a_benchmark_is_added_listed_shown_and_removed(copied, pictures, tmp_path):
    images, names = pictures
    words = write_pope(tmp_path, images=[*names, "absent.png"], n_questions=12)
    added = xmas(copied, "benchmark", "add", "balls", *words, "--images", images)
    assert (added.code, added.out.split(";")[0]) == (0, "registered balls: 10 questions")
    assert added.err.splitlines()[1].startswith("2 questions cannot be asked; the first: random_5, 'absent.png' does")
    listed = xmas(copied, "benchmark", "list").out.splitlines()
    assert listed[1].split("\t")[:4] == ["balls", "pope", "10", "2"]
    shown = xmas(copied, "benchmark", "show", "balls", "--items", "1").out
    assert "form: pope" in shown and "Is there a circle 0?" in shown and "image_missing\t2" in shown
    sheet = tmp_path / "sheet.png"
    assert "drawn: " in xmas(copied, "benchmark", "show", "balls", "--items", "5", "--to", sheet).err
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG" and drawn.width == 1280
        assert len(drawn.getcolors(1 << 20) or []) > 10  # pictures, not only black on white
    assert "sheet.png' is there already" in xmas(copied, "benchmark", "show", "balls", "--to", sheet).message
    assert "does not end in .png" in xmas(copied, "benchmark", "show", "balls", "--to", tmp_path / "sheet").message
    path = tmp_path / "coco_pope_random_circle.json"
    kept = path.rename(tmp_path / "away")
    away = xmas(copied, "benchmark", "list")
    assert away.code == 0 and away.out.splitlines()[1].startswith("balls\t\t") and "does not exist" in away.err
    kept.rename(path)
    assert "is there already" in xmas(copied, "benchmark", "add", "balls", *words, "--images", images).message
    assert xmas(copied, "benchmark", "remove", "balls", "--yes").code == 0
    assert xmas(copied, "benchmark", "list").err.splitlines()[-1].startswith("forms: vqav2, ")
    assert not list(copied.glob("work/*/benchmark*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--form", "popee"], "benchmark 'popee' is not known; did you mean 'pope'? use one of vqav2"),
        (["--prompt", "no place"], "write '{prompt}' once"),
        (["--prompt", "<image>\n{prompt}"], "leave out '<image>'; a question's images are put before the prompt"),
        (["--max-new-tokens", "0"], "max_new_tokens: Input should be greater than or equal to 1"),
        (["--images", "absent"], "is not a directory"),
        ([], "the registration names no folder of images; give the folder of its images by --images"),
    ],
)
def test_what_cannot_be_registered_is_one_line_and_leaves_nothing(copied, tmp_path, words, message):
    given = write_pope(tmp_path, images=["a.png"], n_questions=2)
    before = sorted(copied.glob("benchmarks/*"))
    assert message in xmas(copied, "benchmark", "add", "new", *given, *words).message
    assert sorted(copied.glob("benchmarks/*")) == before


@pytest.mark.slow
def test_a_new_benchmark_asks_its_own_questions_and_a_new_prompt_only_its_own_again(copied, pictures, tmp_path):
    images, names = pictures
    for name in ("balls", "boxes"):
        words = write_pope(tmp_path, images=names, n_questions=8, words=name)
        assert xmas(copied, "benchmark", "add", name, *words, "--images", images).code == 0
    assert xmas(copied, *SCORED).code == 0
    trained = n_materializations(open_platform(copied), "target_model")
    own = shards(copied)

    registration = Home.open(copied).registration_path("shapes")
    registration.write_text("# a person's own line\n" + registration.read_text(encoding="utf-8"), encoding="utf-8")
    first = xmas(copied, *SCORED, "--benchmark", "balls")
    assert first.code == 0 and "is scored on balls from now on" in first.err
    assert registration.read_text(encoding="utf-8").startswith("# a person's own line\n")
    with_balls = shards(copied)
    assert {path: with_balls[path] for path in own} == own
    assert len(with_balls) == len(own) + 1
    assert xmas(copied, *SCORED, "--benchmark", "boxes").code == 0
    with_boxes = shards(copied)
    assert {path: with_boxes[path] for path in with_balls} == with_balls

    answers = Home.open(copied).stored("benchmark_scores", "shapes|random_b0.20_s0")["benchmark_answers"].frame()
    assert answers.group_by("benchmark").len().sort("benchmark").rows() == [("balls", 8), ("boxes", 8)]
    assert answers["answer"].null_count() == 0
    said_no = pl.col("answer").str.split(".").list.first().str.replace_all(",", "").str.split(" ")
    is_no = said_no.list.eval(pl.element().is_in(["no", "No", "not"])).list.any()
    expected = answers.select((is_no == (pl.col("item_id").str.extract(r"(\d+)$").cast(int) % 2 == 0)).cast(float))
    assert answers["score"].to_list() == expected.to_series().to_list()

    path = Home.open(copied).benchmarks.registration_path("boxes")
    path.write_text(path.read_text(encoding="utf-8").replace("'{prompt}'", "'Look. {prompt}'"), encoding="utf-8")
    assert xmas(copied, *SCORED).code == 0
    again = shards(copied)
    assert {file: again[file] for file in with_balls} == with_balls
    assert len(again.keys() - with_balls.keys()) == 2  # the answers to either prompt
    assert n_materializations(open_platform(copied), "target_model") == trained
    assert "scores shapes; take it out of 'benchmarks'" in xmas(copied, "benchmark", "remove", "boxes", "--yes").message


def test_the_leaderboard_and_the_report_compare_methods_on_the_benchmarks(copied, pictures, tmp_path):
    images, names = pictures
    for name in ("rings", "stars"):
        words = write_pope(tmp_path, images=names, n_questions=10, words=name)
        assert xmas(copied, "benchmark", "add", name, *words, "--images", images).code == 0
    done = xmas(copied, *SCORED, "--method", "full", "--benchmark", "rings", "--benchmark", "stars")
    assert done.code == 0, done.err
    stored = Home.open(copied).stored("leaderboard", "shapes")
    scored = stored["benchmark_selections"].frame().filter(pl.col("benchmark").is_in(["rings", "stars"]))
    assert sorted(set(scored["method"])) == ["full", "majority", "question_prior", "random"]
    # All labels of a benchmark half yes, half no: to say always "no", its first in the alphabet, finds no object.
    assert scored.filter(method="majority")["headline"].to_list() == [0.0, 0.0]
    answers = Home.open(copied).stored("benchmark_scores", "shapes|full_b1.00_s0")["benchmark_answers"].frame()
    rings = answers.filter(benchmark="rings")
    says_yes = [
        not {"no", "No", "not"} & set(text.split(".")[0].replace(",", "").split(" ")) for text in rings["answer"]
    ]
    is_yes = [int(item.rsplit("_", 1)[1]) % 2 == 1 for item in rings["item_id"]]
    hits = sum(said and truth for said, truth in zip(says_yes, is_yes, strict=True))
    f1 = 2 * hits / (sum(says_yes) + sum(is_yes))
    assert scored.filter(method="full", benchmark="rings")["headline"].item() == pytest.approx(100 * f1)
    own = stored["benchmark_selections"].frame().filter(benchmark="(own test)", method="full")
    board = stored["leaderboard"].frame().filter(method="full")
    assert own["headline"].to_list() == pytest.approx((100 * board["score"]).to_list())
    said = xmas(copied, "leaderboard", "shapes")
    assert said.code == 0 and "rings" in said.out
    report = Home.open(copied).report("shapes").read_text(encoding="utf-8")
    assert "<h2>Benchmarks</h2>" in report and "rings" in report


@pytest.mark.slow
def test_what_a_dataset_is_no_longer_scored_on_makes_its_scores_stale(copied, pictures, tmp_path):
    images, names = pictures
    words = write_pope(tmp_path, images=names, n_questions=6, words="cubes")
    assert xmas(copied, "benchmark", "add", "cubes", *words, "--images", images).code == 0
    registration = Home.open(copied).registration_path("shapes")
    assert xmas(copied, *SCORED, "--benchmark", "cubes").code == 0
    assert "benchmark_answers" in Home.open(copied).stored("benchmark_scores", "shapes|random_b0.20_s0")
    replace_line(registration, "benchmarks", [])
    assert xmas(copied, *SCORED).code == 0
    assert "benchmark_answers" not in Home.open(copied).stored("benchmark_scores", "shapes|random_b0.20_s0")

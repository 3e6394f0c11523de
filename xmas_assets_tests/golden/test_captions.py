"""COCO and NoCaps captions against pycocoevalcap, whose tokeniser ran in Java."""

import pytest

from xmas_assets.evaluation.benchmarks.caption_scores import Captions, bleu, cider, rouge_l
from xmas_assets.evaluation.benchmarks.caption_words import caption_words
from xmas_assets.evaluation.benchmarks.captions import CaptionsCoco, CaptionsNocaps
from xmas_assets_tests.golden import official

every_benchmark = pytest.mark.parametrize(
    "benchmark", [CaptionsCoco(), CaptionsNocaps()], ids=lambda benchmark: benchmark.name
)


def _answers(benchmark: CaptionsCoco) -> dict[str, str]:
    return {str(row["image_id"]): row["caption"] for row in official.read(benchmark.name, "results.json")}


def _tokenised(benchmark: CaptionsCoco) -> dict[str, Captions]:
    """What the official tokeniser made of the captions, by image."""
    tokens = official.read(benchmark.name, "tokenised.json")
    return {
        name: Captions(said.split(), tuple(text.split() for text in tokens["references"][name]))
        for name, (said,) in tokens["hypotheses"].items()
    }


@every_benchmark
def test_captions_become_the_words_of_the_official_tokeniser(benchmark: CaptionsCoco):
    answers, tokenised = _answers(benchmark), _tokenised(benchmark)
    for item in benchmark.read(official.question_files(benchmark.name)):
        words = tokenised[item.item_id]
        assert caption_words(answers[item.item_id]) == words.candidate
        assert tuple(caption_words(text) for text in item.references) == words.references


@every_benchmark
def test_scores_of_the_official_words_are_those_of_pycocoevalcap(benchmark: CaptionsCoco):
    tokenised, expected = _tokenised(benchmark), official.read(benchmark.name, "expected.json")
    found = cider(list(tokenised.values()))
    assert dict(zip(tokenised, found, strict=True)) == pytest.approx(expected["cider_per_image"], abs=1e-9)
    by_image = {name: rouge_l(of_image) for name, of_image in tokenised.items()}
    assert by_image == pytest.approx(expected["rouge_l_per_image"], abs=1e-9)
    overall = [expected["overall"][f"Bleu_{n}"] for n in range(1, 5)]
    assert bleu(list(tokenised.values())) == pytest.approx(overall, abs=1e-9)


@every_benchmark
def test_measures_are_those_of_pycocoevalcap(benchmark: CaptionsCoco):
    items, answers = benchmark.read(official.question_files(benchmark.name)), _answers(benchmark)
    expected = official.read(benchmark.name, "expected.json")
    scores = {name: 10 * score for name, score in benchmark.score_all(items, answers).items()}
    assert scores == pytest.approx(expected["cider_per_image"], abs=1e-9)
    assert benchmark.headline(benchmark.units(items, answers)) == pytest.approx(100 * expected["overall"].pop("CIDEr"))
    parts = {name: 100 * value for name, value in expected["overall"].items()}
    for domain, found in expected.get("domains", {}).items():
        parts |= {f"domain/{domain}/{name}": 100 * value for name, value in found["subset_idf"].items()}
        parts[f"domain/{domain}"] = 100 * found["mean_of_per_image_with_full_idf"]
    assert benchmark.parts(items, answers) == pytest.approx(parts, abs=1e-7)


@every_benchmark
def test_edge_cases_score_as_in_pycocoevalcap(benchmark: CaptionsCoco):
    """The captions of these cases are not kept; any with as many words in the same places have their scores."""
    expected = official.read(benchmark.name, "expected.json")["edge"]
    first, second = ["two", "cats", "lie", "on", "a", "mat"], ["dogs", "run", "in", "the", "green", "park"]
    said_again = [Captions(words, (words,)) for words in (first, second)]
    assert cider(said_again[:1]) == [expected["single_image_identical"]]
    assert sum(cider(said_again)) / 2 == pytest.approx(expected["two_images_identical"])
    two_words = Captions(["red", "car"], (["red", "car"],))
    assert sum(cider([said_again[0], two_words])) / 2 == pytest.approx(expected["two_images_one_with_only_two_words"])
    twice, one_word_right = Captions(first * 2, (first,)), Captions(["red", "park"], (second,))
    assert cider([twice, one_word_right]) == pytest.approx(expected["repeated_and_wrong"], abs=1e-9)

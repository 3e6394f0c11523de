"""Answer lengths: counted by hand in a tokenizer where known words are one token each."""

import pytest

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.extraction.lengths import measure_lengths
from xmas_assets_tests.toy.untrained import build_untrained


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_untrained(tmp_path_factory.mktemp("base"))


def sample(name: str, *answers: str, image: bool = False, weights: tuple[float, ...] = ()) -> Sample:
    turns = [turn for answer in answers for turn in (Turn("user", "what is it"), Turn("assistant", answer))]
    if image:
        turns[0] = Turn("user", "<image>what is it")
    return Sample(name, tuple(turns), ("no such file",) * image, ("hash",) * image, loss_weights=weights)


def test_words_of_all_answers_count_and_one_end_token_for_each(base, tmp_path):
    """'red' is a token and an end; 'two red circles' 3 and an end, 'yes' 1 and an end; no picture is opened."""
    samples = [sample("a", "red"), sample("b", "two red circles", "yes", image=True), sample("c", "red " * 3000)]
    table = measure_lengths(samples, base=base, workspace=tmp_path)
    assert [row for batch in table.batches() for row in batch["n_answer_tokens"].to_pylist()] == [2, 6, 3001]
    assert [row for batch in table.batches() for row in batch["sample_id"].to_pylist()] == ["a", "b", "c"]


def test_answers_that_are_context_do_not_count_and_lighter_ones_count_whole(base, tmp_path):
    answers = ("two red circles", "yes", "red red")
    samples = [sample("a", *answers, weights=(0.0, 1.0, 0.5)), sample("b", *answers)]
    table = measure_lengths(samples, base=base, workspace=tmp_path)
    assert [row for batch in table.batches() for row in batch["n_answer_tokens"].to_pylist()] == [5, 9]

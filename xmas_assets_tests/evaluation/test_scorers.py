import pytest

from xmas_assets.contracts.samples import Sample, Turn
from xmas_assets.evaluation.scorers import exact_match, majority_answers, question_id, question_of, question_prior


def ask(question: str, answer: str, *, task: str | None = None, name: str = "s") -> Sample:
    return Sample(name, (Turn("user", f"<image>\n{question}"), Turn("assistant", answer)), ("x",), ("h",), task)


@pytest.mark.parametrize(
    ("answer", "reference", "score"),
    [
        ("yes", "yes", 1),
        (" Yes.\n", "yes", 1),
        ("RED", "red.", 1),
        ("STRASSE", "straße", 1),
        ("yes", "no", 0),
        ("yes, it is", "yes", 0),
        ("red", "redder", 0),
        ("", "yes", 0),
        ("1.5", "15", 0),
        ("etc..", "etc", 0),
    ],
)
def test_answers_match_but_for_case_outer_space_and_one_period(answer, reference, score):
    assert exact_match(answer, reference) == score


def test_the_majority_is_counted_within_a_task():
    train = (
        [ask("?", "red", task="colour")] * 2 + [ask("?", "blue", task="colour")] + [ask("?", "yes", task="exist")] * 4
    )
    test = [ask("?", "?", task="colour"), ask("?", "?", task="exist"), ask("?", "?", task="never seen")]
    assert majority_answers(train, test) == ["red", "yes", "yes"]


def test_without_tasks_the_majority_is_the_datasets():
    assert majority_answers([ask("a", "no"), ask("b", "yes"), ask("c", "yes")], [ask("d", "?")]) == ["yes"]


def test_equally_frequent_answers_go_to_the_first_in_the_alphabet():
    train = [ask("a", "yes"), ask("b", "no")]
    assert majority_answers(train, [ask("c", "?")]) == majority_answers(train[::-1], [ask("c", "?")]) == ["no"]


def test_spellings_that_score_alike_are_counted_together():
    train = [ask("a", "Yes."), ask("b", "yes"), ask("c", "no"), ask("d", "no"), ask("e", "YES")]
    assert majority_answers(train, [ask("f", "?")]) == ["yes"]


def test_the_question_prior_knows_the_very_same_question_and_falls_back_to_the_task():
    train = [ask("is it red?", "no", task="t"), ask("Is it  red?", "no", task="t")]
    train += [ask("is it blue?", "yes", task="t")] * 3
    test = [ask("is it red?", "?", task="t"), ask("is it green?", "?", task="t"), ask("is it red?", "?", task="other")]
    assert question_prior(train, test) == ["no", "yes", "yes"]


def test_each_assistant_turn_gets_a_guess():
    talk = Sample("s", (Turn("user", "a"), Turn("assistant", "x"), Turn("user", "b"), Turn("assistant", "y")))
    assert question_prior([talk], [talk]) == ["x", "y"]


def test_without_training_answers_the_guess_is_empty():
    assert majority_answers([], [ask("a", "yes")]) == [""]


def test_a_question_is_the_turn_before_without_marks():
    talk = Sample("s", (Turn("system", "be brief"), Turn("user", "<image>\nis it\nred?"), Turn("assistant", "x")))
    assert question_of(talk, 2) == "is it red?"


def test_a_question_is_named_by_its_turn_only_if_there_are_several():
    assert question_id(ask("a", "b", name="one"), 1) == "one"
    two = Sample("two", (Turn("user", "a"), Turn("assistant", "x"), Turn("user", "b"), Turn("assistant", "y")))
    assert [question_id(two, 1), question_id(two, 3)] == ["two#1", "two#3"]

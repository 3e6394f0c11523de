"""What lmms-eval writes is read as it is, and what is not whole or not its own is refused in one line."""

import json
import math
from pathlib import Path

import pytest

from xmas_assets.contracts.errors import SettingsError, StoreError
from xmas_assets.evaluation.benchmarks.registry import BUILT_IN
from xmas_assets.evaluation.lmms_eval import TASKS, Asked, model_of, read_versions
from xmas_assets.evaluation.lmms_eval_output import read_output, why_nothing
from xmas_assets_tests.evaluation.lmms_eval_stand_in import write

ASKED = Asked("yes_no", "llava_hf", "pretrained=../model,device_map=cpu", 1, "cpu")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    write(tmp_path / "output", ASKED.task, model=ASKED.model, model_args=ASKED.model_args)
    return tmp_path / "output"


def results_file(output: Path) -> Path:
    (path,) = output.glob("*/*_results.json")
    return path


def samples_file(output: Path) -> Path:
    (path,) = output.glob("*/*_samples_yes_no.jsonl")
    return path


def test_answers_scores_and_numbers_come_as_they_were_written(output):
    found = read_output(output, ASKED)
    assert [tuple(reply) for reply in found.replies] == [
        ("yes_no", "0", "question 0?", " yes", 1.0),
        ("yes_no", "1", "question 1?", " no", 0.0),
        ("yes_no", "2", "question 2?", " yes", 1.0),
    ]
    assert [tuple(number) for number in found.aggregates] == [
        ("yes_no", "accuracy", "none", 2 / 3, None, True),
        ("yes_no", "exact", "strip", 2.0, 0.5, True),
    ]
    (facts,) = found.tasks
    assert (facts.task_version, facts.task_hash, facts.git_hash) == ("Yaml", "hash of yes_no", None)
    assert (facts.n_items, facts.n_empty) == (3, 0)


def test_a_group_gives_its_own_number_and_the_answers_of_all_its_tasks(tmp_path):
    asked = ASKED._replace(task="both")
    write(tmp_path, "both", model=asked.model, model_args=asked.model_args)
    found = read_output(tmp_path, asked)
    assert [reply.task for reply in found.replies] == ["colours"] * 2 + ["yes_no"] * 3
    assert [number.task for number in found.aggregates if number.metric == "accuracy"] == ["both", "colours", "yes_no"]
    assert [(facts.task, facts.n_empty) for facts in found.tasks] == [("colours", 1), ("yes_no", 0)]


def test_the_digest_of_a_tasks_settings_does_not_hang_on_where_its_functions_were(output):
    before = read_output(output, ASKED).tasks[0].config_sha256
    path = results_file(output)
    written = json.loads(path.read_text())
    written["configs"]["yes_no"]["doc_to_text"] = "<function text at 0x7f61169d6de0>"
    path.write_text(json.dumps(written))
    assert read_output(output, ASKED).tasks[0].config_sha256 == before
    written["configs"]["yes_no"]["doc_to_text"] = "<function other at 0x7f61169d6de0>"
    path.write_text(json.dumps(written))
    assert read_output(output, ASKED).tasks[0].config_sha256 != before


def test_of_a_task_with_several_filters_the_answers_of_the_first_are_read(output):
    path = samples_file(output)
    lines = path.read_text().splitlines()
    again = [json.dumps(json.loads(line) | {"resps": "other"}) for line in lines]
    path.write_text("\n".join(lines + again) + "\n")
    assert [reply.answer for reply in read_output(output, ASKED).replies] == [" yes", " no", " yes"]


@pytest.mark.parametrize(
    ("fields", "answer", "score"),
    [
        ({"resps": None, "filtered_resps": "a"}, "a", 1.0),
        ({"resps": ["a", "b"]}, '["a", "b"]', 1.0),
        ({"filtered_resps": None, "resps": None}, "", 1.0),
        ({"accuracy": 0.25}, " yes", 0.25),
        ({"accuracy": {"said": "yes"}}, " yes", 1.0),
        ({"accuracy": {"score": math.nan}, "exact": math.inf}, " yes", None),
        ({"accuracy": "yes", "exact": [1]}, " yes", None),
    ],
)
def test_each_form_of_a_reply_and_a_score_is_read(output, fields, answer, score):
    path = samples_file(output)
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | fields), *rest]) + "\n")
    reply = read_output(output, ASKED).replies[0]
    assert (reply.answer, reply.score) == (answer, score)


def test_no_results_are_none(tmp_path):
    assert read_output(tmp_path / "absent", ASKED) is None


def without(*path: str):
    """Removes a field of the results."""

    def damage(output: Path) -> None:
        file = results_file(output)
        written = json.loads(file.read_text())
        part = written
        for name in path[:-1]:
            part = part[name]
        del part[path[-1]]
        file.write_text(json.dumps(written))

    return damage


def cut(find, keep: int):
    """Leaves so many bytes of a file."""

    def damage(output: Path) -> None:
        path = find(output)
        path.write_bytes(path.read_bytes()[:keep])

    return damage


def put(find, data: bytes):
    return lambda output: find(output).write_bytes(data)


def fill(**fields):
    """Sets fields of the results."""

    def damage(output: Path) -> None:
        file = results_file(output)
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return damage


def lose_a_line(output: Path) -> None:
    path = samples_file(output)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def write_twice(output: Path) -> None:
    path = results_file(output)
    path.with_name("20261129_004353_results.json").write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (put(results_file, b""), "is no results file of lmms-eval 0.7.3: value: Invalid JSON"),
        (cut(results_file, 200), "is no results file of lmms-eval 0.7.3: value: Invalid JSON"),
        (put(results_file, b"[]"), "is no results file of lmms-eval 0.7.3: value: Input should be an object"),
        (put(results_file, b"\xff\xfe{}"), "is no results file of lmms-eval 0.7.3: value: Invalid JSON"),
        (without("results"), "is no results file of lmms-eval 0.7.3: results: Field required"),
        (without("n-samples"), "n-samples: Field required"),
        (without("n-samples", "yes_no"), "has 3 of an unknown number of samples of task 'yes_no'"),
        (without("config", "model"), "config.model: Field required"),
        (fill(configs={}), "configs: Dictionary should have at least 1 item"),
        (fill(config={"model": "llava_hf", "model_args": "pretrained=other"}), "is of another model, llava_hf with"),
        (fill(config={"model": "qwen_vl", "model_args": ASKED.model_args}), "is of another model, qwen_vl with"),
        (fill(results={"yes_no": {"alias": "yes_no", "accuracy,none": math.nan}}), "holds no number"),
        (fill(results={"yes_no": {"accuracy,none": []}}), "holds no number"),
        (fill(results={"no": {}}, configs={"no": {}}), "has no task 'yes_no', only no"),
        (lose_a_line, "has 2 of 3 samples of task 'yes_no'"),
        (put(samples_file, b""), "has 0 of 3 samples of task 'yes_no'"),
        (lambda output: samples_file(output).unlink(), "has 0 of 3 samples of task 'yes_no'"),
        (cut(samples_file, 100), "line 1 is no sample of lmms-eval 0.7.3: value: Invalid JSON"),
        (put(samples_file, b'{"answer": 1}\n'), "line 1 is no sample of lmms-eval 0.7.3: doc_id: Field required"),
        (put(samples_file, b"7\n"), "line 1 is no sample of lmms-eval 0.7.3: value: Input should be"),
        (write_twice, "holds 2 files of results where one start writes one"),
    ],
)
def test_what_is_not_whole_or_of_something_else_is_refused_in_one_line(output, damage, message):
    damage(output)
    with pytest.raises(StoreError) as refused:
        read_output(output, ASKED)
    said = str(refused.value)
    assert message in said and said.endswith("; run the same command again") and "\n" not in said


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it said nothing"),
        ("loading\nready\n", "ready"),
        ("Traceback\nModuleNotFoundError: No module named 'decord'\n", "ModuleNotFoundError: No module named 'decord'"),
        (
            "ValueError: x\n\x1b[32m2026-11-28 16:43:19\x1b[0m | \x1b[31mERROR   \x1b[0m | m:f:614 - \x1b[1mError "
            "during evaluation: no such task.. Please set `--verbosity=DEBUG` to get more.\x1b[0m\nModel 0%|  |\r",
            "Error during evaluation: no such task",
        ),
        (
            "ImportError: \nQwen2VLVideoProcessor requires Torchvision.\nSee\n",
            "ImportError: Qwen2VLVideoProcessor requires Torchvision",
        ),
        ("An\x07Error: \x1b]0;title", "An?Error: ?]0;title"),
    ],
)
def test_why_there_are_no_results_is_one_line_of_the_log(tmp_path, text, why):
    (tmp_path / "log").write_text(text)
    assert why_nothing(tmp_path / "log") == why


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"lmms-eval": null}', "not json", "\x00"])
def test_an_environment_without_lmms_eval_is_refused_with_what_to_do(tmp_path, text):
    (tmp_path / "log").write_text(text)
    with pytest.raises(SettingsError, match=r"^ENV/bin/python has no lmms-eval .*; give --python of an environment"):
        read_versions(tmp_path / "log", python="ENV/bin/python")


def test_a_family_without_a_row_is_loaded_by_its_chat_template_or_refused():
    assert model_of("qwen2_5_vl", has_chat_template=False) == "qwen2_5_vl"
    assert model_of("llava_next", has_chat_template=True) == "llava_hf"
    assert model_of("smolvlm", has_chat_template=True) == "huggingface"
    with pytest.raises(SettingsError, match="'paligemma', which has no chat template; name one by --model"):
        model_of("paligemma", has_chat_template=False)


def test_every_form_but_those_that_lmms_eval_lacks_has_a_task():
    assert set(BUILT_IN) - set(TASKS) == {"nlvr1", "nlvr2", "owleval"} and set(TASKS) <= set(BUILT_IN)


def test_the_words_of_a_start_keep_what_a_person_wrote_in_one_argument_each():
    asked = ASKED._replace(task="a b; rm -rf /", limit=5, include="/my tasks")
    assert asked.words("output") == [
        "-m", "lmms_eval", "--model", "llava_hf", "--model_args", "pretrained=../model,device_map=cpu",
        "--tasks", "a b; rm -rf /", "--batch_size", "1", "--device", "cpu", "--limit", "5",
        "--include_path", "/my tasks", "--verbosity", "WARNING", "--log_samples", "--output_path", "output",
    ]  # fmt: skip

"""The measurement on a card, tried on the CPU with tiny shapes: every case, its budget, its file and its arithmetic."""

import json
import weakref
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import gpu
from benchmarks.gpu_cases import CARD, DRY, Case, cases_of
from benchmarks.gpu_clock import Clock, Measured, OutOfTimeError
from benchmarks.gpu_flops import Flops
from benchmarks.gpu_shapes import real_shapes, tiny_shapes
from benchmarks.made_models import Photos, made_samples
from xmas_assets.contracts.settings import LoraSettings
from xmas_assets.training.adapters import answer_loss, prepare_training
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.prompts import Encoder

#: Of the tiny models: 2 layers of 4 heads of 8 dimensions; a product each for scores and values, two operations each.
PER_PAIR = 2 * 4 * 8 * 2 * 2


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("report") / "gpu.json"
    assert gpu.main(["--dry-run", "--output", str(path)]) == 0
    return json.loads(path.read_text())


@pytest.mark.slow
def test_a_dry_run_measures_every_case(report: dict):
    assert {row["status"] for row in report["cases"]} == {"measured"}
    names = [row["case"] for row in report["cases"]]
    ways = ["trajectories", "all signals", "output_attentions=True", "as published"]
    signals = [f"signals, {n_questions} a picture: {way}" for n_questions in (1, 8) for way in ways]
    for model in ("tiny LLaVA", "tiny Qwen2.5-VL"):
        own = [row["case"] for row in report["cases"] if row["model"] == model]
        assert own[:8] == signals
        assert all(name.startswith("LoRA training, ") for name in own[8:])
    assert len(names) == len(list(cases_of(CARD)))
    for row in report["cases"]:
        assert 0 < row["share_of_matrix_rate"] < 1
        assert row["peak_memory_bytes"] > 0
    ours = next(row for row in report["cases"] if row["case"] == signals[0])
    parts = ours["seconds_per_sample_by_part"]
    thread = parts.pop("images, in a thread")
    assert thread > 0
    assert sum(parts.values()) == pytest.approx(1 / ours["samples_per_second"])


@pytest.mark.slow
def test_the_file_says_on_what_it_was_measured(report: dict):
    assert report["machine"]["torch"] == torch.__version__
    assert "transformers" in report["machine"]
    assert report["matrix_flops_per_second"] > 0
    assert report["seconds"] < report["budget_seconds"] == 540


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_ends_in_one_line(capsys, tmp_path: Path):
    assert gpu.main(["--output", str(tmp_path / "gpu.json")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "torch sees no NVIDIA card; run this where there is one, or try it on the CPU with --dry-run"
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["{}", "[1]", "not JSON", '{"made_by": "somebody"}'])
def test_a_file_of_something_else_is_not_replaced(content: str, capsys, tmp_path: Path):
    path = tmp_path / "gpu.json"
    path.write_text(content)
    assert gpu.main(["--dry-run", "--output", str(path)]) == 1
    assert path.read_text() == content
    assert "give another name with --output" in capsys.readouterr().err


def test_cases_without_time_are_reported_and_its_own_file_is_replaced(capsys, tmp_path: Path):
    path = tmp_path / "gpu.json"
    path.write_text('{"made_by": "benchmarks.gpu"}')
    assert gpu.main(["--dry-run", "--seconds", "0", "--output", str(path)]) == 0
    cases = json.loads(path.read_text())["cases"]
    assert len(cases) == len(list(cases_of(DRY)))
    assert {row["status"] for row in cases} == {"not reached"}
    assert capsys.readouterr().out.count("not reached") == len(cases)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (torch.OutOfMemoryError("2 GiB"), "out of memory"),
        (OutOfTimeError(), "not reached"),
        (ValueError("a\nb"), "failed"),
    ],
)
def test_a_case_that_fails_says_why_and_holds_nothing(error: Exception, status: str):
    held = torch.nn.Linear(2, 2)
    gone = weakref.ref(held)

    def run(_: Clock, module: list = [held]) -> Measured:  # noqa: B006 held by the frame of the traceback
        kept = module.pop()
        assert kept is not None
        raise error

    del held
    row = gpu.outcome(Case("model", "case", run), Clock(60, n_cases=1), 1.0)
    error.__traceback__ = None  # the parameter of this test holds it, too
    assert row["status"] == status
    assert row.get("reason", "").count("\n") == 0
    assert gone() is None


def test_a_model_that_was_trained_is_given_up():
    models = []
    (case,) = [case for case in cases_of(DRY) if case.model == "tiny LLaVA" and case.name.endswith("as it comes")]
    kept, make, *others = case.run.args

    def watched():
        vlm = make()
        models.append(weakref.ref(vlm.model))
        return vlm

    row = gpu.outcome(case._replace(run=lambda clock: case.run.func(kept, watched, *others, clock)), dry_clock(), 1.0)
    assert row["status"] == "measured"
    assert [model() for model in models] == [None]


def dry_clock() -> Clock:
    return Clock(300, n_cases=1, is_dry=True)


def test_a_share_is_of_the_time_that_is_left():
    clock = Clock(15 + 100, n_cases=4)
    clock.start_case()
    assert clock.has_time_for(24) and not clock.has_time_for(26)
    clock.start_case()
    assert clock.has_time_for(33) and not clock.has_time_for(34)


def test_the_real_shapes_have_the_published_numbers_of_weights_and_image_tokens():
    """Of LLaVA-1.5-7B 7,063,427,072 are published; of Qwen2.5-VL-3B 3,754,622,976."""
    expected = {"LLaVA-1.5-7B": (7_063_427_072, 576), "Qwen2.5-VL-3B": (3_754_622_976, 391)}
    for shape in real_shapes():
        model = shape.make(device="meta", dtype="bfloat16").model
        encoder = Encoder(
            shape.processor,
            Pictures(shape.processor, Photos(shape.picture_size)),
            image_token_id=model.config.image_token_id,
            max_tokens=4096,
        )
        ((row,), _) = encoder.encode(made_samples(1, 1))
        assert (sum(weight.numel() for weight in model.parameters()), sum(row.n_image_tokens)) == expected[shape.name]


@pytest.mark.parametrize("number", range(2))
def test_operations_are_what_torch_counts_but_for_tokens_that_no_other_sees(number: int):
    """The counter takes attention for a square; a causal model needs the triangle."""
    shape = tiny_shapes()[number]
    vlm = shape.make()
    vlm.model.set_attn_implementation("eager")
    pictures = Pictures(vlm.processor, Photos(shape.picture_size))
    rows, _ = Encoder.of(vlm, pictures, max_tokens=4096).encode(made_samples(1, 1))
    flops = Flops(vlm, pictures.half(rows[0].units[0]))
    inputs = collate(rows, pictures, pad_id=0, padding_side="right")
    n = len(rows[0].input_ids)
    unseen = PER_PAIR * (n * n - n * (n + 1) // 2)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        vlm.model.base_model(**{name: values for name, values in inputs.items() if name != "labels"}, use_cache=False)
    assert flops.reading(rows) == pytest.approx(counter.get_total_flops() - unseen, rel=0.005)

    found = flops.training(rows, rank=4, sees_images=True)
    model = prepare_training(vlm, LoraSettings(rank=4, alpha=8, dropout=0.0)).train()
    with FlopCounterMode(display=False) as counter:
        answer_loss(model, inputs, 1).backward()
    assert found == pytest.approx(counter.get_total_flops() - 3 * unseen, rel=0.05)


def test_questions_on_one_image_share_what_stands_before_them():
    """By hand: 8 questions on one image save 7 times its beginning, and 7 runs of the vision side."""
    shape = tiny_shapes()[1]
    vlm = shape.make()
    pictures = Pictures(vlm.processor, Photos(shape.picture_size))
    encoder = Encoder.of(vlm, pictures, max_tokens=4096)
    shared, _ = encoder.encode(made_samples(1, 8))
    own, _ = encoder.encode(made_samples(8, 1))
    flops = Flops(vlm, pictures.half(shared[0].units[0]))
    n_beginning = int(shared[0].is_image.nonzero()[0][-1]) + 1
    per_token = 2 * 2 * (4 * 32 * 32 + 3 * 32 * 64)
    saved = 7 * (per_token * n_beginning + PER_PAIR * n_beginning * (n_beginning + 1) // 2 + flops.per_image)
    assert flops.reading(own) - flops.reading(shared) == pytest.approx(saved)

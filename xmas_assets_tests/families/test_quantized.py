"""Every family on a base in 4 or 8 bits: what is quantised, and that training and signals go the same ways."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from xmas_assets.contracts.artifacts import Checkpoint
from xmas_assets.contracts.errors import ModelError, SettingsError
from xmas_assets.contracts.settings import BaseModelSettings, LoraSettings, Settings, TrainingSettings
from xmas_assets.contracts.signal_settings import GradientSettings, TrajectorySettings
from xmas_assets.contracts.signals import READ_IN_ONE_PASS
from xmas_assets.extraction.extracting import extract_signals
from xmas_assets.extraction.gradients import extract_gradients
from xmas_assets.extraction.projection import Projection
from xmas_assets.extraction.signal_makers import make_signals
from xmas_assets.files.model_content import model_digest
from xmas_assets.training.adapters import prepare_training
from xmas_assets.training.model_check import check_model
from xmas_assets.training.run_directory import read_record
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.exporting import write_merged
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.prompts import Encoder
from xmas_assets_tests.extraction.worlds import values_of
from xmas_assets_tests.families import FAMILIES, others_slow
from xmas_assets_tests.families.training import train_family
from xmas_assets_tests.families.worlds import CONVERSATIONS, draw
from xmas_assets_tests.training.small import settings, stopping_at, train, weights

pytest.importorskip("bitsandbytes", reason="there is no build of it for this machine")

NF4 = BaseModelSettings(quantization="nf4", max_tokens=4096)
INT8 = BaseModelSettings(quantization="int8", max_tokens=4096)
BITS = {"nf4": NF4, "int8": INT8}
#: LLaVA, one with a parameter in no module, and one whose connector is inside its tower.
SOME = ("llava", "llava_next", "qwen2_5_vl")
#: The values of the type, QLoRA (arXiv 2305.14314), appendix E.
CODES = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: FAMILIES[family](tmp_path_factory.mktemp(family)) for family in SOME}


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_language_models_linear_layers_are_quantised_and_nothing_else(family: str, bits: str, tmp_path: Path):
    base = FAMILIES[family](tmp_path)
    plain, model = load_vlm(base, BaseModelSettings()).model, load_vlm(base, BITS[bits]).model
    decoder = set(plain.get_decoder().modules())
    linear = {name: part for name, part in plain.named_modules() if isinstance(part, nn.Linear) and part in decoder}
    # In 4 bits, 64 weights of a row share a scale; most of these layers are smaller.
    inside = {f"{name}.weight" for name, part in linear.items() if bits == "int8" or part.in_features % 64 == 0}
    found, expected = dict(model.named_parameters()), dict(plain.named_parameters())
    assert found.keys() == expected.keys()
    assert {name for name, weight in found.items() if not weight.is_floating_point()} == inside
    assert inside
    assert all(torch.equal(found[name], expected[name]) for name in found.keys() - inside)


def test_weights_in_4_bits_are_the_nearest_of_16_values_times_the_largest_of_their_64(bases: dict[str, Path]):
    import bitsandbytes

    plain = load_vlm(bases["llava"], BaseModelSettings()).model.get_decoder().layers[0].mlp.down_proj.weight
    packed = load_vlm(bases["llava"], NF4).model.get_decoder().layers[0].mlp.down_proj.weight
    blocks = plain.detach().reshape(-1, 64)
    largest = blocks.abs().amax(1, keepdim=True)
    codes = torch.tensor(CODES)
    nearest = codes[(blocks[..., None] / largest[..., None] - codes).abs().argmin(-1)]
    found = bitsandbytes.functional.dequantize_4bit(packed.data, packed.quant_state).reshape(-1, 64)
    kept = found.abs().amax(1, keepdim=True)
    torch.testing.assert_close(found / kept, nearest)
    torch.testing.assert_close(kept, largest, rtol=0.02, atol=0.0)  # in 8 bits, by the second quantisation


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_pass_is_the_same_with_gradients_and_without(bases: dict[str, Path], dtype: str):
    vlm = load_vlm(bases["qwen2_5_vl"], NF4.model_copy(update={"dtype": dtype}))
    pictures = Pictures(vlm.processor, draw)
    rows, _ = Encoder.of(vlm, pictures, max_tokens=4096).encode(list(CONVERSATIONS.values())[:2])
    inputs = collate(rows, pictures, pad_id=0, padding_side="right")
    plain = vlm.model.train()(**inputs).logits
    with torch.inference_mode():
        assert torch.equal(vlm.model.eval()(**inputs).logits, plain)


def test_a_weight_that_is_not_finite_is_found_though_4_bits_hide_it(tmp_path: Path):
    base = FAMILIES["llava"](tmp_path)
    stored = load_file(base / "model.safetensors")
    name = next(name for name in stored if name.endswith("layers.0.mlp.down_proj.weight"))
    stored[name][0, 0] = torch.nan
    save_file(stored, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"weights that are not finite: \['.*layers\.0\.mlp\.down_proj\.weight'\]"):
        load_vlm(base, NF4)


def test_where_the_library_is_missing_the_command_that_installs_it_is_named(
    bases: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(
        ModelError, match=r"^quantization 'nf4' needs bitsandbytes, .*: pip install 'xmas-assets\[gpu\]'$"
    ):
        load_vlm(bases["llava"], NF4)


@pytest.mark.parametrize(("family", "bits"), [*((family, "nf4") for family in SOME), ("llava", "int8")])
def test_adapters_are_trained_on_it_and_resumed_to_the_same_bytes(
    bases: dict[str, Path], family: str, bits: str, tmp_path: Path
):
    base, options = bases[family], {"base_settings": BITS[bits]}
    checkpoints = train_family(base, tmp_path / "whole", "lora", **options)
    losses = read_record(tmp_path / "whole").losses
    assert sum(losses[6:]) < 0.97 * sum(losses[:3])
    with pytest.raises(KeyboardInterrupt):
        train_family(base, tmp_path / "stopped", "lora", progress=stopping_at(6), **options)
    assert weights(train_family(base, tmp_path / "stopped", "lora", **options)) == weights(checkpoints)
    note = json.loads((checkpoints[-1].path / "base.json").read_text())
    assert note == {"digest": model_digest(base)}
    held = load_file(checkpoints[-1].path / "adapter_model.safetensors")
    assert {values.dtype for values in held.values()} == {torch.float32}
    assert not any("base_layer" in name for name in held)


def test_an_adapter_trained_on_4_bits_is_merged_into_the_base_as_it_is_stored(bases: dict[str, Path], tmp_path: Path):
    base = bases["llava_next"]
    adapter = train_family(base, tmp_path / "run", "lora", base_settings=NF4)[-1].path
    (tmp_path / "out").mkdir()
    write_merged(adapter, tmp_path / "out", base=base)
    stored, written = load_file(base / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert {name: values.dtype for name, values in written.items()} == {n: v.dtype for n, v in stored.items()}
    trained = load_file(adapter / "adapter_model.safetensors")
    (name,) = [name for name in stored if name.endswith("layers.0.mlp.down_proj.weight")]
    (down,) = [values for key, values in trained.items() if key.endswith("layers.0.mlp.down_proj.lora_A.weight")]
    (up,) = [values for key, values in trained.items() if key.endswith("layers.0.mlp.down_proj.lora_B.weight")]
    torch.testing.assert_close(written[name], stored[name] + 2 * (up @ down))  # alpha 8, rank 4
    tower = [name for name in stored if "vision_tower" in name]
    assert all(torch.equal(written[name], stored[name]) for name in tower)


@pytest.fixture(scope="module", params=others_slow(SOME, {"llava"}))
def adapted(request: pytest.FixtureRequest, bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory):
    """A base and two checkpoints that were trained on it in 4 bits."""
    base = bases[request.param]
    return base, train_family(base, tmp_path_factory.mktemp("adapted"), "lora", base_settings=NF4)


def test_signals_are_finite_and_do_not_depend_on_batch_mates(adapted: tuple[Path, list[Checkpoint]], tmp_path: Path):
    base, checkpoints = adapted
    signals = make_signals(READ_IN_ONE_PASS, Settings())
    samples = list(CONVERSATIONS.values())
    found = [
        extract_signals(
            signals=signals,
            samples=samples,
            open_image=draw,
            checkpoints=checkpoints,
            base=base,
            base_settings=NF4,
            settings=TrajectorySettings(batch_size=batch_size, shard_size=16),
            workspaces={signal.name: tmp_path / f"{signal.name} {batch_size}" for signal in signals},
        )
        for batch_size in (1, 4)
    ]
    for signal in signals:
        alone, together = (values_of(each[signal.name]) for each in found)
        for name, values in alone.items():
            has_image = [bool(sample.images) for sample in samples]
            kept = has_image if signal.needs_image else [True] * len(samples)
            assert np.isfinite(values[kept]).all(), (signal.name, name)
            np.testing.assert_allclose(together[name], values, rtol=1e-3, atol=1e-4 * np.nanmax(np.abs(values)))


def test_gradients_are_autograds_of_each_row_alone(adapted: tuple[Path, list[Checkpoint]], tmp_path: Path):
    base, checkpoints = adapted
    names = ["wide", "turns", "text"]
    gradients = extract_gradients(
        samples=[CONVERSATIONS[name] for name in names],
        open_image=draw,
        checkpoints=checkpoints[-1:],
        base=base,
        base_settings=NF4,
        settings=GradientSettings(n_projected=64, batch_size=3, shard_size=3),
        direction="last_gradient",
        workspace=tmp_path,
    )
    ((_, norms, projected),) = gradients.blocks()
    for number, name in enumerate(names):
        expected = _autograd(base, checkpoints[-1].path, name)
        whole = torch.cat(list(expected.values()))
        assert norms[number, 0] == pytest.approx(whole.norm().item(), rel=1e-3)
        projection = Projection(64, seed=GradientSettings().seed, device="cpu")
        wanted = torch.stack([projection.project(layer, values[None])[0] for layer, values in expected.items()]).sum(0)
        assert (torch.from_numpy(projected[number, 0]) - wanted).norm() < 1e-3 * wanted.norm()


def _autograd(base: Path, adapter: Path, name: str) -> dict[str, Tensor]:
    """The gradient of one row's mean answer loss by linear layer, of A and then B."""
    vlm = load_vlm(adapter, NF4, base=base)
    pictures = Pictures(vlm.processor, draw)
    (row,), _ = Encoder.of(vlm, pictures, max_tokens=4096).encode([CONVERSATIONS[name]])
    layers: dict[str, Any] = {n: m for n, m in vlm.model.named_modules() if hasattr(m, "lora_A")}
    layers = {name: layers[name] for name in sorted(layers)}
    for layer in layers.values():
        layer.requires_grad_(False)
        layer.lora_A.requires_grad_(True)
        layer.lora_B.requires_grad_(True)
    inputs = collate([row], pictures, pad_id=0, padding_side="right")
    logits = vlm.model(**{key: values for key, values in inputs.items() if key != "labels"}).logits[0]
    answers = np.flatnonzero(row.is_answer)
    cross_entropy(logits[answers - 1], torch.from_numpy(row.input_ids[answers]).long()).backward()
    return {
        name: torch.cat([part["default"].weight.grad.flatten() for part in (layer.lora_A, layer.lora_B)])
        for name, layer in layers.items()
    }


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("family", others_slow(SOME, {"llava"}))
def test_it_goes_through_every_step_of_the_gate(bases: dict[str, Path], family: str, bits: str):
    training = TrainingSettings(lora=LoraSettings(), optimizer="adamw_8bit", gradient_checkpointing=True)
    steps = list(check_model(bases[family], BITS[bits], training))
    assert (steps[-1].name, steps[-1].passed) == ("saving", True), steps[-1].seen
    assert f", {bits} and float32, " in steps[1].seen


def test_full_training_of_it_is_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"are trained with adapters only: set the training\.lora, or"):
        train(tmp_path / "not even there", tmp_path / "run", settings=settings(lora=None), base_settings=NF4)
    assert not (tmp_path / "run").exists()


def test_a_model_that_is_quantised_by_its_own_config_is_not_trained_whole(bases: dict[str, Path]):
    vlm = load_vlm(bases["llava"], NF4)
    with pytest.raises(ModelError, match="quantised weights are trained with adapters only; set lora"):
        prepare_training(vlm, None)
    trained = prepare_training(vlm, LoraSettings(rank=2, alpha=4))
    assert all(weight.dtype == torch.float32 for weight in trained.parameters() if weight.requires_grad)
    assert {weight.dtype for weight in trained.parameters()} == {torch.float32, torch.uint8}


def test_a_run_on_4_bits_is_another_run(bases: dict[str, Path], tmp_path: Path):
    train_family(bases["llava"], tmp_path, "lora", base_settings=NF4)
    with pytest.raises(ModelError, match="holds a run on other rows, base or settings"):
        train_family(bases["llava"], tmp_path, "lora", base_settings=BaseModelSettings(max_tokens=4096))

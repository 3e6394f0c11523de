"""``xmas model export``: trained models as directories that programs without our package load."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.files.model_content import model_digest
from xmas_assets.home.home import Home
from xmas_assets.home.stored_tables import read_base, read_checkpoints
from xmas_assets.stages.model_export import name_of_base
from xmas_assets.toy.dataset import SyntheticSettings, generate
from xmas_assets.vlm.batches import collate
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import Vlm, load_vlm
from xmas_assets.vlm.probes import draw_probe
from xmas_assets.vlm.prompts import Encoder, pad_token_id
from xmas_assets_tests.e2e.platforms import Said, xmas
from xmas_assets_tests.families import FAMILIES
from xmas_assets_tests.families.training import SAMPLES

KEY = "random_b0.50_s0"
QUICK = {"epochs": 1, "batch_size": 4, "micro_batch_size": 4, "learning_rate": 5e-3}
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}
NOTE = "xmas_export.json"
EXTRA = "extra.safetensors"


def run_target(folder: Path, family: str | None, **target: Any) -> Path:
    """A home in which one target was trained, on the toy model or on one of a family."""
    generate(SyntheticSettings(n_train=24, n_test=8), folder / "files")
    home, files = folder / "home", folder / "files"
    sources = ("--annotations", files / "train.json", "--test", files / "test.json", "--images", files)
    model = () if family is None else ("--target-model", FAMILIES[family](folder / family))
    assert xmas(home, "dataset", "add", "mine", *sources, *model).code == 0
    path = Home.open(home).registration_path("mine")
    fields = yaml.safe_load(path.read_text())
    fields.setdefault("overrides", {})["target"] = QUICK | target
    path.write_text(yaml.safe_dump(fields))
    run = xmas(home, "run", "mine", "--method", "random", "--budget", "0.5")
    assert run.code == 0, run.err
    return home


@pytest.fixture(scope="module", params=[pytest.param("llava_next", marks=pytest.mark.slow), "qwen2_5_vl"])
def lora(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_target(tmp_path_factory.mktemp("lora"), request.param, lora=LORA)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_target(tmp_path_factory.mktemp("whole"), None)


@pytest.fixture
def home(lora: Path, tmp_path: Path) -> Path:
    """A copy of a home, which a test may damage; its base is that of the fixture."""
    return shutil.copytree(lora, tmp_path / "home")


def export(home: Path, to: Path, *options: str, dataset: str = "mine", key: str = KEY) -> Said:
    return xmas(home, "model", "export", dataset, key, "--to", to, *options)


def base_of(home: Path) -> Path:
    return read_base(Home.open(home).stored("target_base", "mine"))


def target_of(home: Path) -> Path:
    opened = Home.open(home)
    return read_checkpoints(opened.stored("target_model", f"mine|{KEY}")["checkpoints"], opened.root)[-1].path


def loaded(home: Path) -> Vlm:
    """The target as the platform's own evaluation loads it."""
    return load_vlm(target_of(home), Home.open(home).settings("mine").target_base, base=base_of(home))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def said(vlm: Vlm) -> tuple[dict[str, torch.Tensor], list[list[int]], torch.Tensor]:
    """A question on a picture as a batch, the greedy answer's tokens and the first one's logits."""
    pictures = Pictures(vlm.processor, draw_probe)
    asked = [question.prompt for question in Encoder.of(vlm, pictures, max_tokens=4096).ask(SAMPLES[:1])]
    batch = collate(asked, pictures, pad_id=pad_token_id(vlm.processor.tokenizer), padding_side="left")
    del batch["labels"]
    with torch.inference_mode():
        ids = vlm.model.generate(**batch, max_new_tokens=8, do_sample=False)
        return batch, ids.tolist(), vlm.model(**batch).logits[:, -1]


def as_job(batch: dict[str, torch.Tensor], folder: Path, **job: str | None) -> dict[str, str | None]:
    """The same question for ``plainly``."""
    save_file(batch, folder / "inputs.safetensors")
    return {"adapter": None, "extra": None} | job | {"inputs": str(folder / "inputs.safetensors")}


def assert_same(found: dict[str, Any], ids: list[list[int]], logits: torch.Tensor) -> None:
    assert found["ids"] == ids
    torch.testing.assert_close(torch.tensor(found["logits"]), logits, rtol=1e-4, atol=1e-4)


def test_a_merged_model_says_the_same_without_us_and_without_its_base(home: Path, plainly, tmp_path: Path):
    vlm = loaded(home)
    done = export(home, tmp_path / "out", "--merge")
    assert (done.code, done.out) == (0, f"adapter merged into its base in {tmp_path / 'out'}\n"), done
    batch, ids, logits = said(vlm)
    assert_same(plainly(**as_job(batch, tmp_path, whole=str(tmp_path / "out"))), ids, logits)
    base, merged = contents(base_of(home)), contents(tmp_path / "out")
    assert json.loads(merged[NOTE])["base"] == model_digest(base_of(home))
    assert merged.keys() - {NOTE} == base.keys()
    assert {name for name in base if merged[name] != base[name]} == {"model.safetensors"}
    stored = load_file(base_of(home) / "model.safetensors")
    written = load_file(tmp_path / "out" / "model.safetensors")
    assert {name: values.dtype for name, values in written.items()} == {n: v.dtype for n, v in stored.items()}
    moved = {name for name in stored if not torch.equal(stored[name], written[name])}
    assert any(name.endswith("q_proj.weight") for name in moved)
    if (target_of(home) / EXTRA).is_file():
        assert any(name.endswith("image_newline") for name in moved)


def test_an_adapter_names_its_base_and_peft_loads_it_there(home: Path, plainly, tmp_path: Path):
    vlm = loaded(home)
    done = export(home, tmp_path / "out")
    assert (done.code, done.out) == (0, f"adapter on {base_of(home)} in {tmp_path / 'out'}\n"), done
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    batch, ids, logits = said(vlm)
    extra = str(tmp_path / "out" / EXTRA) if (target_of(home) / EXTRA).is_file() else None
    job = {"whole": config["base_model_name_or_path"], "adapter": str(tmp_path / "out"), "extra": extra}
    assert_same(plainly(**as_job(batch, tmp_path, **job)), ids, logits)
    assert ("--merge to have it all" in done.err) == (extra is not None)
    saved, base, exported = contents(target_of(home)), contents(base_of(home)), contents(tmp_path / "out")
    processor = base.keys() - {"model.safetensors", "config.json", "generation_config.json"}
    assert exported.keys() == saved.keys() | processor | {NOTE}
    expected = {name: base[name] for name in processor} | saved
    assert {name for name in expected if exported[name] != expected[name]} == {"adapter_config.json"}


def test_a_base_from_the_hub_is_named_by_its_id_and_commit_and_any_other_by_its_directory():
    commit = "0123456789abcdef0123456789abcdef01234567"
    settings = BaseModelSettings(source="owner/name", revision=commit)
    cached = Path("/cache/models--owner--name/snapshots")
    assert name_of_base(cached / commit, settings) == ("owner/name", commit)
    assert name_of_base(cached / "another", settings) == (str(cached / "another"), None)
    assert name_of_base(Path("/models/base"), BaseModelSettings(source="/models/base")) == ("/models/base", None)


@pytest.mark.parametrize("options", [(), ("--merge",)])
def test_a_model_that_was_trained_whole_is_copied_byte_for_byte(whole: Path, plainly, tmp_path: Path, options):
    done = export(whole, tmp_path / "new" / "out", *options)
    assert (done.code, done.out) == (0, f"whole model in {tmp_path / 'new' / 'out'}\n"), done
    exported = contents(tmp_path / "new" / "out")
    note = json.loads(exported.pop(NOTE))
    assert exported == contents(target_of(whole))
    assert (note["dataset"], note["selection"], note["base"]) == ("mine", KEY, None)
    assert note["files"] == {name: sha256(data).hexdigest() for name, data in exported.items()}
    batch, ids, logits = said(loaded(whole))
    assert_same(plainly(**as_job(batch, tmp_path, whole=str(tmp_path / "new" / "out"))), ids, logits)


def test_an_export_replaces_an_earlier_one_of_another_form_and_an_empty_folder(home: Path, tmp_path: Path):
    (tmp_path / "out").mkdir()
    assert export(home, tmp_path / "out", "--merge").code == 0
    assert export(home, tmp_path / "out").code == 0
    assert not (tmp_path / "out" / "model.safetensors").exists()
    first = contents(tmp_path / "out")
    assert export(home, tmp_path / "out").code == 0
    assert contents(tmp_path / "out") == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


def add_a_file(out: Path) -> None:
    (out / "mine.txt").write_text("mine")


def change_a_file(out: Path) -> None:
    (out / "config.json").write_text("{}")


def remove_the_note(out: Path) -> None:
    (out / NOTE).unlink()


def spoil_the_note(out: Path) -> None:
    (out / NOTE).write_bytes(b"\xff[]")


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (add_a_file, "was changed since it was exported"),
        (change_a_file, "was changed since it was exported"),
        (remove_the_note, "is not an earlier export"),
        (spoil_the_note, "is not an earlier export"),
    ],
)
def test_what_is_not_an_unchanged_export_is_never_replaced(whole: Path, tmp_path: Path, damage, why: str):
    out = tmp_path / "out"
    assert export(whole, out).code == 0
    damage(out)
    before = contents(out)
    assert export(whole, out).message == f"xmas: '{out}' is not empty and {why}; give a new or empty folder"
    assert contents(out) == before


def test_a_path_that_no_folder_can_take_is_refused_in_one_line(whole: Path, tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert export(whole, tmp_path / "file").message.endswith(
        "cannot be written (Not a directory); choose another folder"
    )
    assert "is a symbolic link" in export(whole, tmp_path / "link").message
    assert "is inside a folder of XMAS_HOME" in export(whole, whole / "tables" / "out").message
    assert export(whole, tmp_path / "file" / "out").message.endswith("is not a directory; choose another path")


def test_what_is_not_there_is_named_with_the_command_that_makes_it(whole: Path, tmp_path: Path):
    to = tmp_path / "out"
    assert "'other'" in export(whole, to, dataset="other").message
    assert "write <method>_b<budget fraction>_s<seed>" in export(whole, to, key="nothing").message
    assert export(whole, to, key="random_b0.25_s1").message.endswith(
        "run: xmas run mine --method random --budget 0.25 --seeds 2"
    )
    assert not to.exists()


def test_a_target_that_changed_or_is_gone_is_refused_with_what_to_do(home: Path, tmp_path: Path):
    target = target_of(home)
    with (target / "adapter_model.safetensors").open("ab") as file:
        file.write(b" ")
    seen = export(home, tmp_path / "out").message
    assert f"{target} is missing or not the checkpoint that was saved; " in seen
    assert seen.endswith("run: xmas run mine --method random --budget 0.50")
    shutil.rmtree(target)
    assert export(home, tmp_path / "out").message == seen


@pytest.mark.parametrize("options", [(), ("--merge",)])
def test_a_base_that_changed_or_is_gone_is_refused(home: Path, tmp_path: Path, options: tuple[str, ...]):
    base = base_of(home)
    kept = shutil.copytree(base, tmp_path / "kept")
    try:
        with (base / "tokenizer.json").open("a") as file:
            file.write(" ")
        assert export(home, tmp_path / "out", *options).message.endswith("; restore that base")
        shutil.rmtree(base)
        assert export(home, tmp_path / "out", *options).message.endswith(
            f"is an adapter on {base}, which is not there; restore that base"
        )
    finally:
        shutil.rmtree(base, ignore_errors=True)
        shutil.copytree(kept, base)
    assert not (tmp_path / "out").exists()

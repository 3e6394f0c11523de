"""Loads a folder of ``xmas export --for TOOL`` by that tool's own code, and prints what the tool made of it.

Run it with the Python that the tool is installed in; this file needs nothing else of ours::

    TOOLS_PYTHON benchmarks/trainer_loaders.py llamafactory FOLDER --model DIRECTORY

``--model`` is a directory with a LLaVA-1.5 model, any size; hf and webdataset need none. Printed as JSON: the versions,
and for each row its text (of trainers: with the chat template, without the tokens of pictures), what is trained on, how
many tokens stand for pictures, and the pictures' sizes or the shape of their pixels.
"""

# pyright: reportMissingImports=false
import argparse
import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("llamafactory", "ms-swift", "axolotl", "trl", "datasets", "webdataset", "transformers")
_IGNORED = -100


def main() -> None:
    parser = argparse.ArgumentParser(description="Load an export by a tool's own code.")
    parser.add_argument("tool", choices=sorted(LOADERS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="")
    options = parser.parse_args()
    # Without the network, and with nothing kept from an earlier export of the same name.
    os.environ.update(HF_HUB_OFFLINE="1", USE_HF="1", HF_DATASETS_CACHE=tempfile.mkdtemp())
    rows = list(LOADERS[options.tool](options.folder.absolute(), options.model))
    print(json.dumps({"versions": _versions(), "rows": rows}))


def _versions() -> dict[str, str]:
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed


def _tokenized(tokenizer: Any, input_ids: list[int], labels: list[int], pixels: Any) -> dict[str, Any]:
    mark = tokenizer.convert_tokens_to_ids("<image>")
    return {
        "text": tokenizer.decode([token for token in input_ids if token != mark]),
        "trained": tokenizer.decode([token for token in labels if token not in (_IGNORED, mark)]),
        "picture_tokens": sum(token == mark for token in input_ids),
        "pictures": None if pixels is None else list(pixels.shape),
    }


def _llamafactory(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """What its trainer gets: ``get_dataset`` and the collator, with the template ``llava``."""
    from llamafactory.data import MultiModalDataCollatorForSeq2Seq, get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    (name,) = json.loads((folder / "dataset_info.json").read_text())
    settings = {"model_name_or_path": model, "stage": "sft", "do_train": True, "finetuning_type": "lora"}
    settings |= {"dataset_dir": str(folder), "dataset": name, "template": "llava", "output_dir": tempfile.mkdtemp()}
    model_args, data_args, training_args, _, _ = get_train_args(settings | {"overwrite_cache": True})
    loaded = load_tokenizer(model_args)
    template = get_template_and_fix_tokenizer(loaded["tokenizer"], data_args)
    train = get_dataset(template, model_args, data_args, training_args, stage="sft", **loaded)["train_dataset"]
    collate = MultiModalDataCollatorForSeq2Seq(template=template, **loaded)
    for row in train:
        pixels = collate([dict(row)]).get("pixel_values") if row["images"] else None
        yield _tokenized(loaded["tokenizer"], row["input_ids"], row["labels"], pixels)


def _swift(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """What its template makes of the rows, found by the name that the registration gives them."""
    from swift.dataset import load_dataset, register_dataset_info
    from swift.model import get_processor
    from swift.template import get_template

    registration = folder / "custom_dataset_info.json"
    register_dataset_info(str(registration))
    (entry,) = json.loads(registration.read_text())
    processor = get_processor(model, model_type="llava1_5_hf")
    template = get_template(processor)
    template.set_mode("train")
    by_name, _ = load_dataset([entry["dataset_name"]], strict=True, load_from_cache_file=False)
    by_path, _ = load_dataset([str(folder / entry["dataset_path"])], strict=True, load_from_cache_file=False)
    assert by_name.to_list() == by_path.to_list()
    for row in by_name:
        encoded = template.encode(row)
        yield _tokenized(processor.tokenizer, encoded["input_ids"], encoded["labels"], encoded.get("pixel_values"))


def _axolotl(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """What its collator for chats with pictures makes of the rows; no role is masked there for this template."""
    import yaml
    from axolotl.processing_strategies import get_processing_strategy
    from axolotl.utils.collators.mm_chat import MultiModalChatDataCollator
    from axolotl.utils.data.shared import load_dataset_with_config
    from axolotl.utils.dict import DictDefault
    from transformers import AutoProcessor

    settings = DictDefault(yaml.safe_load((folder / "axolotl.yaml").read_text()))
    processor = AutoProcessor.from_pretrained(model)
    strategy = get_processing_strategy(processor, processor.chat_template, "llava")
    collate = MultiModalChatDataCollator(processor.tokenizer, strategy)
    for row in load_dataset_with_config(settings.datasets[0], use_auth_token=False):
        yield _batch_of_one(processor, collate([row]))


def _trl(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """The batches that ``SFTTrainer`` trains on."""
    from datasets import load_dataset
    from transformers import AutoProcessor
    from trl import SFTConfig, SFTTrainer

    processor = AutoProcessor.from_pretrained(model)
    settings = SFTConfig(
        output_dir=tempfile.mkdtemp(), max_length=None, per_device_train_batch_size=1, report_to=[], use_cpu=True
    )
    train = load_dataset(str(folder), split="train")
    trainer = SFTTrainer(model=model, args=settings, train_dataset=train, processing_class=processor)
    for row in trainer.train_dataset:
        yield _batch_of_one(processor, trainer.data_collator([row]))


def _batch_of_one(processor: Any, batch: Any) -> dict[str, Any]:
    input_ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    return _tokenized(processor.tokenizer, input_ids, labels, batch.get("pixel_values"))


def _hf(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """Every column as ``load_dataset`` gives it, and the sizes of the decoded pictures."""
    from datasets import load_dataset

    for row in load_dataset(str(folder), split="train"):
        images = row.pop("images")
        yield row | {"pictures": [list(image.size) for image in images]}


def _webdataset(folder: Path, model: str) -> Iterator[dict[str, Any]]:
    """The records by ``webdataset``, after a check that ``datasets`` reads the same from the folder."""
    import webdataset
    from datasets import load_dataset

    shards = sorted(map(str, folder.glob("*.tar")))
    by_datasets = iter(load_dataset(str(folder), split="train"))
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("pil"):
        record, other = sample["json"], next(by_datasets)
        sizes = [list(sample[ending].size) for ending in record["images"]]
        assert {name: value for name, value in other["json"].items() if value is not None} == {
            name: value for name, value in record.items() if value is not None
        }
        assert [list(other[ending].size) for ending in record["images"]] == sizes
        yield record | {"pictures": sizes}
    assert next(by_datasets, None) is None


LOADERS = {
    "llamafactory": _llamafactory,
    "swift": _swift,
    "axolotl": _axolotl,
    "trl": _trl,
    "hf": _hf,
    "webdataset": _webdataset,
}

if __name__ == "__main__":
    main()

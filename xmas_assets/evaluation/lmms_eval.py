"""What lmms-eval is asked on its command line: its models, tasks and words, in version 0.7.3."""

from pathlib import Path
from typing import NamedTuple

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.evaluation.outside_programs import last_error
from xmas_assets.files.notes import read_note

# Which of its models loads a family: by its models/__init__.py, and the classes that those models load.
_MODELS = {
    "llava": "llava_hf",
    "llava_next": "llava_hf",
    "llava_onevision": "llava_hf",
    "qwen2_vl": "qwen2_vl",
    "qwen2_5_vl": "qwen2_5_vl",
    "qwen3_vl": "qwen3_vl",
    "qwen3_vl_moe": "qwen3_vl",
    "qwen3_5": "qwen3_5",
    "internvl": "internvl_hf",
    "gemma3": "gemma3",
    "gemma4": "gemma4",
    "idefics2": "idefics2",
    "aria": "aria",
    "mllama": "llama_vision",
    "glm4v": "glm4v",
}
_ANY_MODEL = "huggingface"  # any that transformers knows, by its chat template
TASKS = {
    "vqav2": "vqav2_val",
    "vizwiz": "vizwiz_vqa_val",
    "textvqa": "textvqa_val",
    "gqa": "gqa",
    "scienceqa": "scienceqa_img",
    "pope": "pope",
    "mme": "mme",
    "chartqa": "chartqa",
    "mmbench_en": "mmbench_en_dev_static",
    "mmbench_cn": "mmbench_cn_dev",
    "seedbench": "seedbench",
    "mmmu": "mmmu_val",
    "captions_coco": "coco2014_cap_val",
    "captions_nocaps": "nocaps_val",
    "mmvet": "mmvet",
    "llavabench": "llava_in_the_wild",
}
"""Its task, by the form of our benchmarks. It has none of NLVR and OwlEval."""

PROBE = """
import hashlib, importlib.metadata as m, json
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
files = m.files("lmms-eval") or ()
own = sorted((str(f), f.hash.value) for f in files if f.hash and str(f).startswith("lmms_eval/"))
names = ("lmms-eval", "transformers", "torch", "accelerate", "datasets")
print(json.dumps({n: version(n) for n in names} | {"sources": hashlib.sha256(repr(own).encode()).hexdigest()}))
"""
"""Python that prints the versions of an environment's packages, and a digest of lmms-eval's files, as one JSON line."""


class Asked(NamedTuple):
    """One start of lmms-eval.

    Attributes:
        task: Name of a task or group of tasks.
        model: Which of its models loads the target.
        model_args: What that is given, ``name=value`` with commas between.
        batch_size: Questions at once.
        device: As torch names it.
        limit: Only the first so many questions of each task; None for all.
        include: Folder of further task files.
    """

    task: str
    model: str
    model_args: str
    batch_size: int
    device: str
    limit: int | None = None
    include: str | None = None

    def words(self, output: str) -> list[str]:
        """The arguments behind ``python``.

        Args:
            output: Folder for the results, which may hold no comma: lmms-eval splits it there.
        """
        words = ["-m", "lmms_eval", "--model", self.model, "--model_args", self.model_args, "--tasks", self.task]
        words += ["--batch_size", str(self.batch_size), "--device", self.device]
        words += ["--limit", str(self.limit)] if self.limit else []
        words += ["--include_path", self.include] if self.include else []
        # At a lower level its log holds the token of the hub.
        return [*words, "--verbosity", "WARNING", "--log_samples", "--output_path", output]


def model_of(model_type: str, *, has_chat_template: bool) -> str:
    """Which of lmms-eval's models loads a family.

    Args:
        model_type: As in the model's config.
        has_chat_template: Whether its directory has one.

    Raises:
        SettingsError: If none is known to.
    """
    if model_type in _MODELS:
        return _MODELS[model_type]
    if has_chat_template:
        return _ANY_MODEL
    raise SettingsError(
        f"no model of lmms-eval is known to load the family {model_type!r}, which has no chat template; name one by "
        "--model, as 'lmms-eval models' of its environment lists them"
    )


def read_versions(log: Path, *, python: str) -> dict[str, str | None]:
    """What ``PROBE`` printed, by package.

    Raises:
        SettingsError: If it did not, because lmms-eval is not installed there.
    """
    try:
        found = read_note(log)
        if isinstance(found, dict) and found["lmms-eval"]:
            return found
    except (ValueError, KeyError):
        pass
    raise SettingsError(
        f"{python} has no lmms-eval ({last_error(log)}); give --python of an environment that has it, or install it "
        "there with pip"
    )

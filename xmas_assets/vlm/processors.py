"""Loading a model's processor so that it prepares still images alike on every machine.

``AutoProcessor`` also loads the half that reads videos, which needs torchvision, and takes torchvision for the images
where it is installed, whose pixels differ in their last digits. Here the video half is left out and images are
prepared by Pillow, so that neither the machine nor the build of torch decides what loads or what comes out.
"""

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
from transformers.models.auto import processing_auto
from transformers.models.auto.configuration_auto import model_type_to_module_name

from xmas_assets.contracts.errors import ModelError
from xmas_assets.files.model_content import read_model_json
from xmas_assets.vlm.families import family_of

#: Options for every ``from_pretrained``: no network, and no code of the model's own.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
_CLASS_NAMES: dict[str, str] = vars(processing_auto)["PROCESSOR_MAPPING_NAMES"]  # by model type
_NAMING_FILES = ("processor_config.json", "preprocessor_config.json", "tokenizer_config.json")


def read_processor(directory: Path) -> Any:
    """Load what a directory holds: tokenizer, image processor and chat template; a tokenizer, if there is no more."""
    processor_class = _class_of(directory)
    if processor_class is None or "image_processor" not in processor_class.get_attributes():
        return AutoProcessor.from_pretrained(directory, **LOCAL)
    halves = {"image_processor": _image_half(directory), "tokenizer": AutoTokenizer.from_pretrained(directory, **LOCAL)}
    settings, _ = processor_class.get_processor_dict(directory, **LOCAL)
    parts = [halves.get(name) for name in processor_class.get_attributes()]
    processor = _for_stills(processor_class).from_args_and_dict(parts, settings)
    if not getattr(processor, "chat_template", None):
        processor.chat_template = family_of(
            read_model_json(directory / "config.json").get("model_type", "")
        ).chat_template
    return processor


def _image_half(directory: Path) -> Any:
    try:
        return AutoImageProcessor.from_pretrained(directory, backend="pil", **LOCAL)
    except (ImportError, ValueError) as error:
        if "torchvision" not in str(error).lower():
            raise
        raise ModelError(
            f"the images of the model in {directory} can be prepared with torchvision only, which is not installed; "
            "install the one that fits this torch, or use another model"
        ) from error


@cache  # one class, so that processors of the same kind are known to be
def _for_stills(processor_class: type[Any]) -> type[Any]:
    """The class, content to have None in the place of what reads videos or sound."""

    def check(self: Any, name: str, part: Any) -> Any:
        return None if part is None else processor_class.check_argument_for_proper_class(self, name, part)

    return type(processor_class.__name__, (processor_class,), {"check_argument_for_proper_class": check})


def _class_of(directory: Path) -> type[Any] | None:
    """The processor's class, as its files or its model's type name it; None if neither does."""
    for file in _NAMING_FILES:
        path = directory / file
        if path.is_file() and (name := read_model_json(path).get("processor_class")):
            return _class_named(name)
    name = _CLASS_NAMES.get(read_model_json(directory / "config.json").get("model_type", ""))
    return None if name is None else _class_named(name)


def _class_named(name: str) -> type[Any] | None:
    """The class in its own module: the package exports an empty one for some where torchvision is missing."""
    for model_type, found in _CLASS_NAMES.items():
        module = f"transformers.models.{model_type_to_module_name(model_type)}"
        short = module.rpartition(".")[2]
        if found == name and find_spec(f"{module}.processing_{short}") is not None:
            try:
                return getattr(import_module(f"{module}.processing_{short}"), name)
            except ModuleNotFoundError as error:
                if error.name != "torchvision":
                    raise
            # Pixtral's imports its torchvision half for a function that its Pillow half has, too.
            sys.modules[f"{module}.image_processing_{short}"] = import_module(f"{module}.image_processing_pil_{short}")
            return getattr(import_module(f"{module}.processing_{short}"), name)
    return None

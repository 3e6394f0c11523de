"""A model's directory is not trusted: anything wrong in it is one line, soon and in bounded memory."""

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.bounded import TooMuchWorkError, bounded_work
from xmas_assets.vlm.loading import load_vlm
from xmas_assets.vlm.model_files import SHIPPED_BASE
from xmas_assets.vlm.templates import ChatTemplate

Damage = Callable[[Path], object]
_TEMPLATE = (SHIPPED_BASE / "chat_template.jinja").read_text()


def edited(name: str, **fields: Any) -> Damage:
    return lambda model: (model / name).write_text(json.dumps(json.loads((model / name).read_text()) | fields))


def text_config(**fields: Any) -> Damage:
    config = json.loads((SHIPPED_BASE / "config.json").read_text())
    return edited("config.json", text_config=config["text_config"] | fields)


def written(name: str, text: str) -> Damage:
    return lambda model: (model / name).write_text(text)


def template(code: str) -> Damage:
    return written("chat_template.jinja", code + _TEMPLATE)


def index(value: Any) -> Damage:
    return written("model.safetensors.index.json", json.dumps(value))


CASES: dict[str, Damage] = {
    "index without a map": index({}),
    "index with a list": index({"weight_map": ["a"]}),
    "index with numbers": index({"weight_map": {"a": 1}}),
    "index out of the folder": index({"weight_map": {"a": "../a.safetensors"}}),
    "deep config": written("config.json", "[" * 200_000),
    "config that is a number": written("config.json", "7"),
    "processor of NaN": written("processor_config.json", '{"image_processor": NaN}'),
    "list of model types": edited("config.json", model_type=["a"]),
    "unknown model type": edited("config.json", model_type="none-such"),
    "list of text configs": edited("config.json", text_config=[1]),
    "list of tokenizer classes": edited("tokenizer_config.json", tokenizer_class=["x"]),
    "tokenizer that is a list": written("tokenizer.json", "[]"),
    "answers of text length": written("generation_config.json", '{"max_new_tokens": "x"}'),
    "width in words": text_config(hidden_size="64"),
    "no heads": text_config(num_attention_heads=0),
    "a thousand million layers": text_config(num_hidden_layers=10**9),
    "division by zero": template("{{ 1/0 }}"),
    "sum of number and text": template("{{ 1 + 'a' }}"),
    "overflow": template("{{ 10.0**1000 }}"),
    "recursion": template("{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}"),
    "ten billion letters": template("{{ 'a' * 10**10 }}"),
    "ten million letters": template("{{ 'a' * 10**7 }}"),
    "loops": template("{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}"),
    "quiet loops": template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_directory_is_refused_in_one_line_and_soon(case: str, tmp_path: Path):
    model = Path(shutil.copytree(SHIPPED_BASE, tmp_path / "model"))
    CASES[case](model)
    start = time.process_time()
    with pytest.raises(ModelError) as refused:
        template = ChatTemplate(load_vlm(model, BaseModelSettings()).processor)
        template.render((Turn("user", "<image>\nhi"), Turn("assistant", "yes")))
    assert "\n" not in str(refused.value)
    assert time.process_time() - start < 30


def test_a_whole_directory_is_loaded(tmp_path: Path):
    model = Path(shutil.copytree(SHIPPED_BASE, tmp_path / "model"))
    rendered = ChatTemplate(load_vlm(model, BaseModelSettings()).processor).render((Turn("user", "hi"),))
    assert rendered.text.startswith("USER: hi")


def test_bounds_are_lifted_behind_the_work():
    def work(n: int) -> None:
        for _ in range(n):
            pass

    with bounded_work(max_lines=1000):
        work(400)
    with pytest.raises(TooMuchWorkError), bounded_work(max_lines=1000):
        work(600)
    work(600)
    assert sys.gettrace() is None
    assert len(bytes(1 << 20)) == 1 << 20


def test_memory_that_is_asked_for_beyond_the_bound_is_refused():
    with pytest.raises(MemoryError), bounded_work(max_bytes=1 << 28):
        bytearray(1 << 30)
    assert len(bytearray(1 << 30)) == 1 << 30

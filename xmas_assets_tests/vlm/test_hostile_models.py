"""A model's directory is not trusted: anything wrong in it is one line, soon and in bounded memory."""

import json
import os
import resource
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.torch import load_file

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.samples import Turn
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.toy.model import build_processor
from xmas_assets.vlm.bounded import RefusedWorkError, bounded_text
from xmas_assets.vlm.chat import LocalChat
from xmas_assets.vlm.image_inputs import Pictures
from xmas_assets.vlm.loading import load_processor, load_vlm
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


def sparse(name: str) -> Damage:
    """A file of a tebibyte that takes no room."""

    def write(model: Path) -> None:
        with (model / name).open("wb") as stream:
            stream.truncate(2**40)

    return write


def pipe(name: str) -> Damage:
    def make(model: Path) -> None:
        (model / name).unlink(missing_ok=True)
        os.mkfifo(model / name)

    return make


def of_elsewhere(name: str) -> Damage:
    """An index whose weights are there, but in another folder."""

    def write(model: Path) -> None:
        (model / "model.safetensors").rename(model.parent / "weights.safetensors")
        names = load_file(model.parent / "weights.safetensors")
        index({"weight_map": dict.fromkeys(names, name.format(model.parent))})(model)

    return write


def many_weights(model: Path) -> None:
    header = {f"t{number}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for number in range(300_001)}
    text = json.dumps(header).encode()
    (model / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)


def long_config(model: Path) -> None:
    members = (f'"a{number}": [[]]' for number in range(800_000))
    (model / "processor_config.json").write_text("{" + ", ".join(members) + "}")


CASES: dict[str, Damage] = {
    "index out of the folder that holds": of_elsewhere("../weights.safetensors"),
    "index of a whole path": of_elsewhere("{}/weights.safetensors"),
    "index of other files": index({"weight_map": {"a": "config.json"}}),
    "many weights": many_weights,
    **{f"huge {name}": sparse(name) for name in ("config.json", "tokenizer.json", "chat_template.jinja", "vocab.txt")},
    **{f"pipe for {name}": pipe(name) for name in ("config.json", "tokenizer.json", "chat_template.json", "notes.txt")},
    "a thousand million labels": edited("config.json", num_labels=10**9),
    "features of a million layers": edited("config.json", vision_feature_layer=[-1] * 10**6),
    "long config": long_config,
    "deep names of tokens": written("special_tokens_map.json", "[" * 200_000),
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


def image_processor(**fields: Any) -> Damage:
    config = json.loads((SHIPPED_BASE / "processor_config.json").read_text())
    return edited("processor_config.json", image_processor=config["image_processor"] | fields)


HUGE = {"height": 10**5, "width": 10**5}
PICTURES: dict[str, Damage] = {
    "large pictures": image_processor(size=HUGE),
    "large crops": image_processor(do_center_crop=True, crop_size=HUGE),
    "filled up pictures": image_processor(do_pad=True, pad_size=HUGE),
    "a short edge": image_processor(size={"shortest_edge": 10**5}),
    "a thousand million tokens": edited("processor_config.json", num_additional_image_tokens=10**9),
}


@pytest.mark.parametrize("case", PICTURES)
def test_a_processor_of_any_size_is_refused_before_it_fills_the_memory(case: str, tmp_path: Path):
    model = Path(shutil.copytree(SHIPPED_BASE, tmp_path / "model"))
    PICTURES[case](model)
    start = sum(os.times()[:4])
    with pytest.raises(ModelError, match=r"too much memory for a picture|refuses 96 x 32 pixels") as refused:
        Pictures(load_processor(model), lambda *_: Image.new("RGB", (64, 64)))
    assert "\n" not in str(refused.value)
    assert sum(os.times()[:4]) - start < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20  # KiB, of this process


def test_a_whole_directory_is_loaded(tmp_path: Path):
    model = Path(shutil.copytree(SHIPPED_BASE, tmp_path / "model"))
    rendered = ChatTemplate(load_vlm(model, BaseModelSettings()).processor).render((Turn("user", "hi"),))
    assert rendered.text.startswith("USER: hi")


# One operation each: no line of Python runs in between, so only the end of the process stops it.
OPERATIONS = {
    "power": "{{ 9**(9**9) }}",
    "power that is not written": "{% if 9**(9**9) %}{% endif %}",
    "power of a variable": "{% set n = messages|length + 9 %}{{ n**(n**n) }}",
    "squares": "{% set n = namespace(x=9) %}{% for i in range(40) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "repeated text": "{{ 'x' * 10**10 }}",
    "repeated list": "{% for x in [0] * 10**10 %}{% endfor %}",
    "doubled text": "{% set n = namespace(x='x') %}{% for i in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "long range": "{{ range(10**9)|join }}",
    "width with %": "{{ '%1000000000d' % 1 }}",
    "width with format": "{{ '{:1000000000}'.format(1) }}",
    "text filled up": "{{ 'x'.ljust(10**10) }}",
    "filter center": "{{ 'x'|center(10**9) }}",
    "filter indent": "{{ ('x\n' * 10**6)|indent(10**6) }}",
    "filter wordwrap": "{{ ('xy' * 10**6)|wordwrap(1) }}",
    "filter batch": "{{ [0]|batch(10**9, 0)|list }}",
    "filter slice": "{{ [0]|slice(10**9)|list }}",
    "filter join": "{{ ([0] * 10**6)|join('x' * 10**6) }}",
    "filter replace": "{{ ('x' * 10**6)|replace('x', 'y' * 10**6) }}",
    "filter tojson": "{{ [[0]]|tojson(indent=10**9) }}",
    "comparisons": "{{ (['x' * 10**6 ~ 'y'] * 10**6).count('x' * 10**6 ~ 'z') }}",
    "macros": "{% macro a() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
    "macros of some depth": "{% macro a(n) %}{% if n %}{{ a(n-1) }}{{ a(n-1) }}{% endif %}{% endmacro %}{{ a(40) }}",
    "deep brackets": "{{ " + "(" * 50_000 + "1" + ")" * 50_000 + " }}",
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_template_of_one_huge_operation_is_refused_in_one_line_within_seconds(operation: str):
    processor = build_processor()
    processor.chat_template = OPERATIONS[operation] + _TEMPLATE
    before = sum(os.times()[:4])  # CPU seconds of this process and its children
    with pytest.raises(ModelError, match="chat template") as refused:
        ChatTemplate(processor).render((Turn("user", "hi"),))
    assert "\n" not in str(refused.value)
    assert sum(os.times()[:4]) - before < 5


def test_a_template_may_use_what_those_on_the_hub_use():
    processor = build_processor()
    processor.chat_template = (
        "{%- set ns = namespace(n=0) -%}{%- macro shout(x) -%}{{ x|upper }}{%- endmacro -%}"
        "{%- if strftime_now('%Y')|int < 2000 -%}{{ raise_exception('too early') }}{%- endif -%}"
        "{%- for m in messages -%}{%- set ns.n = ns.n + loop.index * 2 ** 3 -%}"
        "{{ shout(m.role) }} {{ '%03d|{:>4}'.format(ns.n) % ns.n }} {{ {'b': [1], 'a': 'é'}|tojson(indent=2) }}: "
        "{%- for part in m.content -%}{{ '<image>' if part.type == 'image' else part.text|trim }}{%- endfor -%}"
        "{{ '-' * 8 }}{%- endfor -%}"
    )
    rendered = ChatTemplate(processor).render((Turn("user", "<image>\nhi"),))
    assert rendered.text == 'USER 008|   8 {\n  "b": [\n    1\n  ],\n  "a": "é"\n}:<image>hi--------'


def test_memory_and_time_are_bounded_in_any_thread_and_nowhere_else():
    before = resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)
    with ThreadPoolExecutor(2) as threads:
        assert threads.submit(bounded_text, lambda: str(len(bytes(100 << 20)))).result() == "104857600"
        for work in (lambda: str(len(bytes(300 << 20))), lambda: str(sum(iter(int, 1)))):
            with pytest.raises(ModelError, match="too long or takes too much memory"):
                threads.submit(bounded_text, work).result()
    assert (resource.getrlimit(resource.RLIMIT_AS), resource.getrlimit(resource.RLIMIT_CPU)) == before


def test_an_error_of_bounded_work_is_one_line():
    def work() -> str:
        raise ValueError("first\n  second")

    with pytest.raises(RefusedWorkError, match="^first second$"):
        bounded_text(work)


def test_a_chat_is_bounded_too(tmp_path: Path):
    model = Path(shutil.copytree(SHIPPED_BASE, tmp_path / "model"))
    template("{{ 9**(9**9) }}")(model)
    with pytest.raises(ModelError, match="the chat template runs for too long"):
        LocalChat(model, BaseModelSettings(), max_new_tokens=1).reply("hi")

"""A YAML file is bounded before anything is made of it: bytes, depth, values and what aliases stand for."""

import os
import time

import pytest
import yaml

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.data.plain_yaml import parsed_yaml, read_yaml
from xmas_assets.data.profiles import load_settings, profile_names, profile_path

_NAMES = "abcdefghi"
_REPEATED = [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip(_NAMES, _NAMES[1:], strict=False)]
_MERGED = [
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 10)}]}}" for old, new in zip(_NAMES, _NAMES[1:], strict=False)
]
_NESTED = [f"{new}: &{new} {'[' * 20}*{old}{']' * 20}" for old, new in zip(_NAMES, _NAMES[1:], strict=False)]

REFUSED = {
    "a thousand million values": ("\n".join(["a: &a [x, x, x, x, x, x, x, x, x, x]", *_REPEATED]), "more than 100000"),
    "a thousand million values, merged": ("\n".join(["a: &a {x: 1}", *_MERGED]), "more than 100000 values"),
    "many values": (f"a: [{'1, ' * 200_000}]", "more than 100000 values"),
    "deep lists": ("a: " + "[" * 400_000, "deeper than 50 levels"),
    "deep mappings": ("a: " + "{a: " * 100_000, "deeper than 50 levels"),
    "deep indentation": ("\n".join(" " * level + "a:" for level in range(1000)), "deeper than 50 levels"),
    "deep through aliases": ("\n".join(["a: &a [x]", *_NESTED]), "deeper than 50 levels"),
    "a list in itself": ("a: &a [*a]", r"alias \*a has no whole value &a before it"),
    "an alias of nothing": ("a: *b", r"alias \*b has no whole value"),
    "an integer of 5000 digits": ("a: " + "1" * 5000, "not plain YAML"),
    "a month that is none": ("a: 2020-13-01", "not plain YAML"),
    "a flag that is none": ("a: !!bool x", "not plain YAML"),
    "a time that is none": ("a: !!timestamp x", "not plain YAML"),
    "a list as a name": ("? [a]\n: 1", "not plain YAML"),
    "a list as a list of pairs": ("a: !!omap 3", "not plain YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_too_deep_too_large_or_no_value_is_refused_soon_in_one_line(tmp_path, case):
    text, said = REFUSED[case]
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    start = time.monotonic()
    with pytest.raises(SettingsError, match=said) as caught:
        read_yaml(path)
    assert time.monotonic() - start < 20
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path):
        with pytest.raises(SettingsError, match="not a regular file"):
            read_yaml(path)


def test_an_integer_too_long_to_be_printed_is_refused_in_one_line(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(f"clusters: {{seed: 0x{'f' * 9000}}}")
    with pytest.raises(SettingsError, match=r"clusters\.seed: Input should be less than") as caught:
        load_settings(str(path), {})
    assert len(str(caught.value)) < 600


def test_ten_thousand_files_and_aliases_with_merges_are_read(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("".join(f"- /data/shards/part-{number:05}.jsonl\n" for number in range(10_000)))
    path.write_text("annotations:\n" + path.read_text() + "a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n")
    content = read_yaml(path)
    assert len(content.pop("annotations")) == 10_000
    assert content == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


@pytest.mark.parametrize("name", profile_names())
def test_a_packaged_profile_is_read_as_the_library_reads_it(name):
    assert read_yaml(profile_path(name)) == yaml.safe_load(profile_path(name).read_text(encoding="utf-8"))


def test_a_change_of_what_was_read_does_not_change_what_is_read_next():
    first = parsed_yaml("a: [1]\nb: {c: 2}", where="here")
    first["a"].append(2)
    first["b"]["c"] = 3
    assert parsed_yaml("a: [1]\nb: {c: 2}", where="here") == {"a": [1], "b": {"c": 2}}

"""Where a model comes from: the toy one, a directory, or a hub id at a pinned commit."""

from pathlib import Path

import pytest

from xmas_assets.contracts.errors import ModelError
from xmas_assets.contracts.settings import BaseModelSettings
from xmas_assets.vlm.model_files import resolve_base
from xmas_assets_tests.toy.untrained import build_untrained

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return build_untrained(tmp_path_factory.mktemp("whole"))


def test_a_directory_and_the_toy_model_are_found(whole, monkeypatch):
    assert resolve_base(BaseModelSettings(source=str(whole))) == whole
    monkeypatch.setattr("xmas_assets.vlm.model_files.SHIPPED_BASE", whole)
    assert resolve_base(BaseModelSettings()) == whole


@pytest.mark.parametrize("source", ["toy:huge", "/no/such/directory", "just-a-name"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ModelError, match="base model"):
        resolve_base(BaseModelSettings(source=source))


@pytest.mark.parametrize("revision", [None, "main", COMMIT[:12], COMMIT.upper()])
def test_a_hub_id_must_be_pinned_to_a_commit(revision):
    with pytest.raises(ModelError, match="commit of 40 hex digits"):
        resolve_base(BaseModelSettings(source="owner/name", revision=revision))


def test_an_offline_machine_with_a_cold_cache_is_told_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=f"'owner/name' at {COMMIT} is not in the local cache") as caught:
        resolve_base(BaseModelSettings(source="owner/name", revision=COMMIT))
    assert "\n" not in str(caught.value)

"""Settings that follow other settings."""

from typing import Any

import pytest
from pydantic import ValidationError

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.contracts.settings import BaseModelSettings, Settings, TrainingSettings

PINNED = {"source": "owner/small", "revision": "0" * 40, "dtype": "bfloat16", "max_tokens": 300}


def test_targets_start_from_the_base_model_unless_another_is_named():
    assert Settings().target_base == Settings().base_model
    settings = Settings.model_validate({"base_model": PINNED})
    assert settings.target_base == settings.base_model


def test_another_base_for_targets_takes_what_it_leaves_out_from_the_base_model_but_not_its_revision():
    settings = Settings.model_validate({"base_model": PINNED, "target_base": {"source": "owner/large"}})
    expected = BaseModelSettings(source="owner/large", revision=None, dtype="bfloat16", max_tokens=300)
    assert settings.target_base == expected
    assert settings.base_model.source == "owner/small"


def test_settings_for_targets_alone_keep_the_model():
    settings = Settings.model_validate({"base_model": PINNED, "target_base": {"max_tokens": 900}})
    assert settings.target_base == settings.base_model.model_copy(update={"max_tokens": 900})


def test_the_same_source_named_again_keeps_its_revision():
    settings = Settings.model_validate({"base_model": PINNED, "target_base": {"source": "owner/small"}})
    assert settings.target_base == settings.base_model


def test_a_mistake_in_the_base_model_is_told_once():
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"base_model": {"devise": "cuda"}})
    assert [error["loc"] for error in caught.value.errors()] == [("base_model", "devise")]


def test_what_is_no_section_is_refused():
    with pytest.raises(ValidationError):
        Settings.model_validate([])


def test_settings_come_back_from_what_they_are_written_as():
    settings = Settings.model_validate({"base_model": PINNED, "target_base": {"source": "owner/large"}})
    assert Settings.model_validate(settings.model_dump()) == settings


def test_sections_of_before_a_field_was_added_keep_their_digests():
    """Digests as of commit a68eca7, before ``attention``, ``gradient_checkpointing`` and ``group_by_length``."""
    digests = {name: section.digest()[:8] for name, section in Settings().sections().items()}
    assert digests["base_model"] == digests["target_base"] == "43dbf884"
    trainings = {name: digests[name] for name in ("proxy", "warmup", "difficulty", "target")}
    assert trainings == {"proxy": "7f04f7db", "warmup": "8620143b", "difficulty": "4d97252b", "target": "a0b077a7"}


def test_a_value_counts_unless_it_is_named_as_one_without_effect():
    plain = TrainingSettings()
    assert TrainingSettings(gradient_checkpointing=True).digest() == plain.digest()
    assert TrainingSettings(group_by_length=True).digest() != plain.digest()
    assert TrainingSettings(resume_steps=7).digest() != plain.digest()
    assert BaseModelSettings(attention="eager").digest() != BaseModelSettings().digest()


LORA = {"lora": {"rank": 4}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_model": {"quantization": "nf4"}, "target": LORA}, "is 'nf4', and proxy.lora is null"),
        ({"base_model": {"quantization": "nf4"}, "proxy": LORA}, "is 'nf4', and target.lora is null"),
        ({"target_base": {"quantization": "int8"}}, "set target.lora, or target_base.quantization to 'none'"),
        ({"base_model": {"quantization": "int8"}, "proxy": LORA, "target": LORA}, "would depend on its batch mates"),
    ],
)
def test_a_quantised_base_that_its_training_cannot_use_is_refused_in_one_line(changes: dict[str, Any], said: str):
    with pytest.raises(SettingsError) as caught:
        Settings.model_validate(changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_quantised_base_is_another_section_and_none_is_as_before():
    assert BaseModelSettings(quantization="nf4").digest() != BaseModelSettings().digest()
    assert BaseModelSettings(quantization="none").digest() == BaseModelSettings().digest()
    quantised = {"quantization": "nf4"}
    assert Settings.model_validate({"base_model": quantised, "proxy": LORA, "target": LORA}).target_base == (
        BaseModelSettings(quantization="nf4")
    )

"""Settings that follow other settings."""

import pytest
from pydantic import ValidationError

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

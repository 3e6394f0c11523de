"""What a person must settle before a method can run is asked for before any work."""

from pathlib import Path

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.home.home import Home
from xmas_assets.stages.requirements import check_requirements
from xmas_assets_tests.e2e.platforms import register


def test_a_score_net_that_trains_a_quantised_base_needs_adapters(tmp_path: Path):
    lora = {"lora": {"rank": 4}}
    quantised = {"base_model": {"quantization": "nf4"}, "proxy": lora, "target": lora}
    register(tmp_path, "refused", n_train=8, overrides=quantised)
    register(tmp_path, "taken", n_train=8, overrides=quantised | {"difficulty": lora})
    home = Home.open(tmp_path)
    check_requirements(home, "refused", ["xmas", "random"])
    check_requirements(home, "taken", ["self_filter"])
    with pytest.raises(SettingsError, match=r"is 'nf4', and difficulty\.lora is null; .*: set difficulty\.lora, or"):
        check_requirements(home, "refused", ["self_filter"])

"""What several tests of exports start from."""

from pathlib import Path

import pytest

from xmas_assets_tests.data.subsets import TrapDataset


@pytest.fixture
def made(tmp_path) -> TrapDataset:
    """A small dataset with every trap for the programs that it is written for."""
    return TrapDataset(tmp_path)


@pytest.fixture
def out(tmp_path) -> Path:
    """Where an export goes; it is not there yet."""
    return tmp_path / "exports" / "out"

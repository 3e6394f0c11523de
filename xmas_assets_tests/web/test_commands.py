"""How the servers of ``xmas ui`` are started."""

import sys

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.web.commands import server_commands


def test_without_the_extra_the_remedy_is_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "dagster_webserver", None)  # as if it were not installed
    with pytest.raises(SettingsError, match=r"^the UI is not installed; run: pip install 'xmas-assets\[ui\]'$"):
        server_commands("127.0.0.1", port=1, mlflow_port=2, allowed_hosts=())

"""``xmas ui`` refuses what would expose or break the servers, in one line and before anything starts."""

import socket

import pytest

from xmas_assets.contracts.errors import SettingsError
from xmas_assets.home.addresses import Addresses
from xmas_assets.home.home import Home
from xmas_assets.web.serving import check_host, serve
from xmas_assets_tests.browser.served import free_port


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_address_that_others_can_reach_is_refused_unless_asked_for(host):
    with pytest.raises(SettingsError, match=r"can be reached by others, and the UIs have no login; use 127\.0\.0\.1"):
        check_host(host, allow_remote=False)
    check_host(host, allow_remote=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "localhost", "::1"])
def test_an_address_of_this_machine_is_allowed(host):
    check_host(host, allow_remote=False)


def test_a_taken_port_is_refused_and_nothing_is_started(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"port {taken} on 127\.0\.0\.1 cannot be used .*choose another"):
            serve(Home.open(tmp_path), host="127.0.0.1", port=free_port(), mlflow_port=taken, allow_remote=False)
    assert list(tmp_path.iterdir()) == []


def test_one_port_for_both_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="port 3000 was given to both UIs"):
        serve(Home.open(tmp_path), host="127.0.0.1", port=3000, mlflow_port=3000, allow_remote=False)


def test_links_between_the_uis_follow_the_ports_they_were_given(tmp_path):
    home = Home.open(tmp_path)
    assert Addresses.read(home) is None  # no port is named that nothing serves
    Addresses("http://127.0.0.1:3333", "http://127.0.0.1:5555").save(home)
    known = Addresses.read(home)
    assert known is not None
    assert (
        known.mlflow_page("experiments/1/runs/ab")
        == "http://127.0.0.1:5555/#/experiments/1/runs/ab?workflowType=machine_learning"
    )

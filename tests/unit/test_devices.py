"""A network device's name stands for its addresses, and nothing else does."""

from __future__ import annotations

import pytest

from ftpd.core import devices
from ftpd.core.devices import addresses_of_device


def test_the_loopback_device_has_its_addresses() -> None:
    assert addresses_of_device("lo")[0] == "127.0.0.1"


@pytest.mark.parametrize("name", ["", "nodevice0", "l", "lo ", "lo" * 20, "127.0.0.1", "l\udcffo"])
def test_what_is_no_device_has_none(name: str) -> None:
    assert addresses_of_device(name) == []


def test_link_local_addresses_are_left_out(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    table = f"{tmp_path}/if_inet6"
    with open(table, "w", encoding="ascii") as file:
        file.write("fe8000000000000000fc00fffe000001 04 40 20 80     eth9\n")
        file.write("20010db8000000000000000000000002 04 40 00 82     eth9\n")
        file.write("20010db8000000000000000000000003 04 40 00 82     eth90\n")
    monkeypatch.setattr(devices, "_IPV6", table)
    assert addresses_of_device("eth9") == ["2001:db8::2"]


def test_a_kernel_without_ipv6_has_ipv4_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_IPV6", "/no/such/table")
    assert addresses_of_device("lo") == ["127.0.0.1"]

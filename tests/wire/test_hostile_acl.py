"""Addresses, networks, classes and patterns of rules, tried from the addresses that they mean (security.md S48)."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.wire.daemon import BINARY, PATIENCE, Daemon, until
from tests.wire.hostile import Raw, alive, connect

FIRST, SECOND = "127.0.0.1", "127.0.0.2"

RULES = {
    # what stands in <Limit ALL>, and who may enter the folder then
    "Deny from 127.0.0.2": {FIRST},
    "Deny from 127.0.0.2/32": {FIRST},
    "Deny from 127.0.0.0/31": {SECOND},
    "Deny from 127.0.0.3/30": set(),
    "Deny from 0.0.0.0/0": set(),
    "Deny from 198.51.100.7/0": set(),
    "Deny from ::/0": {FIRST, SECOND},
    "Deny from ::ffff:127.0.0.2": {FIRST},
    "Deny from ::ffff:127.0.0.0/127": {SECOND},
    "Deny from ::ffff:0.0.0.0/96": set(),
    "Deny from 127.0.0.2.": {FIRST, SECOND},
    "Deny from 127.0.": set(),
    "Deny from 127.0.0.[2-9]": {FIRST},
    "Deny from 127.0.0.?": set(),
    "Deny from !127.0.0.2": {SECOND},
    "Deny from 127.0.0.0/8 !127.0.0.2": {SECOND},
    "Deny from 127.0.0.0/8,!127.0.0.0/31": {FIRST},
    "Deny from none": {FIRST, SECOND},
    "Deny from all": set(),
    # as in ProFTPD the rest of the line says nothing then
    "Deny from all 127.0.0.2": set(),
    "Deny from none 127.0.0.2": {FIRST, SECOND},
    # without a reverse look-up no name is known, and none may be taken for an address
    "Deny from localhost": {FIRST, SECOND},
    "Order deny,allow|Allow from 127.0.0.2": {SECOND},
    "Order deny,allow|Allow from !127.0.0.2": {FIRST},
    "Order deny,allow|Allow from localhost": set(),
    "DenyClass second": {FIRST},
    # a client that is in no class is asked by no line of classes
    "DenyClass !second": {FIRST, SECOND},
    "DenyClass !other": {FIRST},
    "Order deny,allow|AllowClass regex ^sec": {SECOND},
    "DenyClass AND second,!second": {FIRST, SECOND},
    "AllowUser !alice|DenyAll": set(),
    "DenyUser regex ^al": set(),
    "DenyUser al*": {FIRST, SECOND},
}
FOLDERS = {rule: f"d{at}" for at, rule in enumerate(RULES)}
CONF = "<Class second>\nFrom 127.0.0.2\n</Class>\n" + "".join(
    f"<Directory ~/{folder}>\n<Limit ALL>\n" + rule.replace("|", "\n") + "\n</Limit>\n</Directory>\n"
    for rule, folder in FOLDERS.items()
)
PATTERNS = r"""
<Directory ~/repeated>
  DenyFilter "a{2,3}$"
  PathDenyFilter "[{]x[}]$"
</Directory>
<Directory ~/bracket>
  PathDenyFilter "[]b]$"
</Directory>
"""


def prepared(folder: Path, conf: str) -> Daemon:
    daemon = Daemon(folder, conf)
    for name in (*FOLDERS.values(), "repeated", "bracket"):
        daemon.give_folder(name)
    return daemon


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with prepared(tmp_path_factory.mktemp("daemon"), CONF + PATTERNS) as daemon:
        yield daemon


def entering(server: Daemon, folder: str) -> set[str]:
    """The addresses from which the folder can be entered."""
    found = set()
    for source in (FIRST, SECOND):
        with Raw(server, source=source) as client:
            client.login()
            if client.ask(f"CWD /{folder}").startswith("250"):
                found.add(source)
    return found


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_means_the_clients_that_it_says(server: Daemon, rule: str) -> None:
    assert entering(server, FOLDERS[rule]) == RULES[rule]
    alive(server)


def test_a_client_of_ipv4_is_one_also_where_ipv6_listens(tmp_path: Path) -> None:
    daemon = prepared(tmp_path, CONF)
    conf = daemon._conf.read_text()
    daemon._conf.write_text(conf.replace("UseIPv6 off", "UseIPv6 on").replace("DefaultAddress 127.0.0.1", ""))
    daemon.start()
    try:
        for rule in ("Deny from 127.0.0.2", "Deny from ::/0", "Deny from ::ffff:127.0.0.2", "Deny from 127.0."):
            assert entering(daemon, FOLDERS[rule]) == RULES[rule], rule
    finally:
        daemon.stop()


def test_a_pattern_with_braces_or_brackets_forbids_what_it_describes_and_nothing_else(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        for folder, codes in {
            "repeated": {"a": 257, "aa": 550, "baaa": 550, "ab": 257, "{x}": 550, "x": 257},
            "bracket": {"]": 550, "b": 550, "[": 257, "c": 257},
        }.items():
            assert client.codes(f"CWD /{folder}") == [250]
            assert {name: client.codes(f"MKD {name}")[0] for name in codes} == codes


WRONG = {
    "Deny from 10.0.0.0/33": "it is neither an address nor a network",
    "Deny from 10.0.0.0/-1": "the length of a prefix in bits",
    "Deny from 10.0.0.0/": "the length of a prefix in bits",
    "Deny from 10.0.0.0/255.0.0.0": "the length of a prefix in bits",
    "Deny from ::/129": "it is neither an address nor a network",
    "Deny from 300.1.2.3": "it is not an address",
    "Deny from 1.2.3.4.5": "it is not an address",
    "Deny from .0.2": "it is not an address",
    "Deny from !": "nothing stands behind the !",
    "Deny from !all": "the ! negation operator cannot be used with ALL/NONE",
    "Deny from": "missing parameters",
    "Deny from 127.0.0.2 all": "'all' does not go with addresses",
    "DenyUser regex [a": "failed regex compilation",
    "DenyUser regex a{3,2}": "failed regex compilation",
    "AllowUser ,": "',' names nobody",
    "DenyUser !": "'!' means everybody",
    "DenyGroup AND": "'AND' with nothing behind it",
    "DenyFilter [[:nothing:]]": "failed regex compilation",
    "DenyFilter a(b": "failed regex compilation",
}


def test_a_rule_that_cannot_be_understood_lets_nobody_start(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "".join(f"{line}\n" for line in ("<Limit ALL>", *WRONG, "</Limit>")))
    said = subprocess.run([BINARY, "-n", "-c", str(daemon._conf)], capture_output=True, text=True, timeout=PATIENCE)
    assert said.returncode == 1
    told = {where: text for where, _, text in (each.partition(": ") for each in said.stderr.splitlines())}
    print(said.stderr)
    for number, (line, why) in enumerate(WRONG.items(), 2):
        fault = told[f"{daemon._conf}:{number}"]
        assert fault.startswith(f"{line.split()[0]}: ") and why in fault
    assert "Traceback" not in said.stderr


def test_a_rule_that_cannot_be_understood_leaves_the_one_before_in_force(tmp_path: Path) -> None:
    daemon = prepared(tmp_path, CONF)
    daemon.start()
    try:
        good = daemon._conf.read_text()
        daemon._conf.write_text(good.replace("Deny from 127.0.0.2\n", "Deny from 127.0.0.2/33\n", 1))
        daemon._process.send_signal(signal.SIGHUP)
        until("the fault is told", lambda: "127.0.0.2/33" in daemon.log())
        assert entering(daemon, FOLDERS["Deny from 127.0.0.2"]) == {FIRST}
    finally:
        daemon.stop()


def test_data_of_others_is_let_in_from_servers_of_the_class_and_from_nowhere_else(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "<Class servers>\nFrom 127.0.0.2\n</Class>\nAllowForeignAddress servers\n")
    daemon.start()
    try:
        with Raw(daemon) as client:
            client.login()
            port = client.port_for_data()
            client.send("STOR new")
            with connect(daemon.host, port, source="127.0.0.3") as stranger, suppress(OSError):
                stranger.sendall(b"of a stranger")
                assert stranger.recv(1) == b""
            with connect(daemon.host, port, source=SECOND) as server:
                server.sendall(b"of a server")
            assert [client.reply()[:3], client.reply()[:3]] == ["150", "226"]
            assert (daemon.home / "new").read_bytes() == b"of a server"
            assert client.codes("PORT 127,0,0,2,200,10", "PORT 127,0,0,3,200,10", "EPRT |1|127.0.0.3|51210|") == [
                200, 500, 500,
            ]  # fmt: skip
    finally:
        daemon.stop()

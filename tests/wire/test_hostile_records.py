"""What looks like a format string stays text (S24), and every transfer has one record, however it ends (S109)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import Raw, as_root, reset

pytestmark = pytest.mark.usefixtures("ends_alive")

LETTERS = [
    "A",
    "a",
    "b",
    "c",
    "D",
    "d",
    "E",
    "F",
    "f",
    "g",
    "H",
    "h",
    "I",
    "J",
    "L",
    "l",
    "m",
    "O",
    "P",
    "p",
    "R",
    "r",
    "S",
    "s",
    "T",
    "t",
    "U",
    "u",
    "V",
    "v",
    "w",
    "X",
    "x",
]
WORDS = [
    "basename",
    "epoch",
    "file-modified",
    "file-offset",
    "file-size",
    "gid",
    "group",
    "iso8601",
    "microsecs",
    "millisecs",
    "note:mod_auth.orig-user",
    "protocol",
    "remote-port",
    "transfer-failure",
    "transfer-millisecs",
    "transfer-port",
    "transfer-status",
    "transfer-type",
    "uid",
    "version",
]
EVERYTHING = "|".join([f"%{letter}" for letter in LETTERS] + [f"%{{{word}}}" for word in WORDS])
COOKIES = " ".join(
    [
        f"%{letter}"
        for letter in [
            "C",
            "E",
            "F",
            "f",
            "i",
            "K",
            "k",
            "L",
            "M",
            "N",
            "o",
            "R",
            "T",
            "t",
            "U",
            "u",
            "V",
            "x",
            "y",
            "z",
        ]
    ]
)
JSON = (
    r"{\"verb\":\"%m\",\"argument\":\"%J\",\"file\":\"%F\",\"code\":\"%s\",\"text\":\"%S\",\"user\":\"%u\","
    r"\"status\":\"%{transfer-status}\",\"failure\":\"%{transfer-failure}\",\"bytes\":\"%b\"}"
)
CONF = """\
UserAlias * alice
AccessGrantMsg "welcome %u"
AccessDenyMsg "no, %u"
DisplayLogin {run}/login
DisplayChdir {run}/chdir
DisplayQuit {run}/quit
TransferLog {run}/xferlog
LogFormat everything "<%U>|<%F>|<%r>|<%J>|EVERYTHING"
ExtendedLog {run}/everything ALL everything
LogFormat json "JSON"
ExtendedLog {run}/json ALL json
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    conf = CONF.format(run=folder / "run").replace("EVERYTHING", EVERYTHING).replace('"JSON"', f'"{JSON}"')
    daemon = Daemon(folder, conf)
    for name in ("login", "chdir", "quit"):
        (folder / "run" / name).write_text(f"[%U] [%C] {COOKIES} %{{env:NO_SUCH}}\n")
        (folder / "run" / name).chmod(0o644)
    with daemon:
        yield daemon


def lines_of(server: Daemon, name: str) -> list[str]:
    path = server.home.parent / "run" / name
    return path.read_bytes().decode().split("\n")[:-1] if path.exists() else []


# -- S24: format strings ---------------------------------------------------------------------------------------------

FORMATS = [
    "%n%n%s%x%p", "%s%s%s%s%s%s%s%s", "{0.__class__}", "{__import__}", "${x}", "%{env:PATH}", "%{note:x}", "%(user)s",
    "%u %U %C %m", "$(id)", "`id`", "%%", "%", "%{", "%}{", "\\x41\\n", "%1$s", "%999999999d",
]  # fmt: skip
TELLING = (os.environ["PATH"], "<class", "uid=", "__main__")


@pytest.mark.parametrize("text", FORMATS)
def test_what_a_client_says_is_text_in_replies_messages_and_logs(server: Daemon, text: str) -> None:
    before = len(lines_of(server, "everything"))
    word = text.replace(" ", "_")
    told = []
    with Raw(server) as client:
        told += [
            client.ask(f"CLNT {text}"),
            client.ask(f"USER {word}"),
            client.ask("PASS wrong"),
            client.ask(f"USER {word}"),
        ]
        assert told[1] == f"331 Password required for {word}"
        assert told[2] == f"530 no, {word}"
        granted = client.ask("PASS secret")
        assert granted.splitlines()[-1] == f"230 welcome {word}"
        assert granted.startswith(f"230-[{word}] [/] ")
        made = client.ask(f"MKD {text}")
        assert made == f'257 "/{text}" - Directory successfully created'
        entered = client.ask(f"CWD {text}")
        assert f"[{word}] [/{text}] " in entered and entered.endswith("250 CWD command successful")
        told += [granted, made, entered, client.ask("PWD")]
        assert told[-1] == f'257 "/{text}" is the current directory'
        answer, _ = client.transfer(f"STOR {text}", b"content")
        assert answer == "226 Transfer complete"
        answer, listing = client.transfer("MLSD")
        assert f"; {text}\r\n" in listing.decode()
        for line in ("SITE {}", "SITE CHGRP {} f", "SITE CHMOD {} f", "SITE HELP {}", "HELP {}", "MFMT {} f", "STAT {}",
                     "OPTS {}", "LANG {}", "TYPE {}", "REST {}", "MFF {}=x; f", "RNFR {}.none", "XYZ {}"):  # fmt: skip
            told.append(client.ask(line.format(text)))
        client.codes("CDUP", f"RNFR {text}/{text}", f"RNTO {text}/x", f"DELE {text}/x", f"RMD {text}")
        told.append(client.ask("QUIT"))
    for reply in told:
        assert not any(secret in reply for secret in TELLING), reply
    # what a log may show escaped is a backslash and a quotation mark; here there is none of the latter
    shown = text.replace("\\", "\\\\")
    mine = f"<{word}>|", f"<{shown}>|"

    def is_over() -> bool:
        # of the client before there may be records still to come
        return any("QUIT" in line and line.startswith(mine) for line in lines_of(server, "everything")[before:])

    until("all is in the log", is_over)
    records = lines_of(server, "everything")[before:]
    assert not any(secret in record for secret in TELLING for record in records)
    assert any(f"|<MKD {shown}>|<{shown}>|" in record.replace(text, shown) for record in records), records
    assert any(record.startswith(mine) for record in records)
    assert len({record.count("|") for record in records if "|" not in text}) == 1


# -- S109: one record for each ---------------------------------------------------------------------------------------


def json_records(server: Daemon, since: int) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(server, "json")[since:]]


def wait_for(server: Daemon, since: int, verb: str) -> list[dict[str, Any]]:
    """The records of a verb, once the session that used it has gone."""
    until("the session has ended", lambda: not server._connections())
    until("it is in the log", lambda: any(record["verb"] == verb for record in json_records(server, since)))
    return [record for record in json_records(server, since) if record["verb"] == verb]


HOSTILE = ['quo"te', "back\\slash", "br{ace}", "né", "%s", "a b  c", "'", '","code":"226","x":"', "a" * 200]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_record_in_json_can_be_read_whatever_the_name(server: Daemon, name: str) -> None:
    since, xfers = len(lines_of(server, "json")), len(lines_of(server, "xferlog"))
    with Raw(server) as client:
        client.login()
        assert client.transfer(f"STOR {name}", b"seven b")[0].startswith("226")
        assert client.transfer(f"RETR {name}.none")[0].startswith("550")
        assert client.ask(f"DELE {name}").startswith("250")
    (stored,) = wait_for(server, since, "STOR")
    assert (stored["code"], stored["status"], stored["bytes"]) == ("226", "success", "7")
    (failed,) = wait_for(server, since, "RETR")
    assert (failed["code"], failed["status"]) == ("550", "failed")
    assert (
        set(stored) == set(failed) == {"verb", "argument", "file", "code", "text", "user", "status", "failure", "bytes"}
    )
    until("the upload is in the xferlog", lambda: len(lines_of(server, "xferlog")) >= xfers + 2)
    told = lines_of(server, "xferlog")[xfers:]
    assert [line.split()[11] for line in told] == ["i", "d"], told
    assert all(len(line.split()) == 18 for line in told)


def test_an_aborted_download_has_one_record(server: Daemon) -> None:
    server.give_huge("huge.bin")
    since, xfers = len(lines_of(server, "json")), len(lines_of(server, "xferlog"))
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096) as data:
            client.send("RETR huge.bin")
            assert client.reply().startswith("150")
            data.recv(1000)
            client.send("ABOR")
            assert [client.reply()[:3], client.reply()[:3]] == ["426", "226"]
    (record,) = wait_for(server, since, "RETR")
    assert (record["code"], record["status"]) == ("426", "cancelled")
    assert int(record["bytes"]) < 64 * 1024 * 1024
    until("it is in the xferlog", lambda: len(lines_of(server, "xferlog")) > xfers)
    assert [line.split()[-1] for line in lines_of(server, "xferlog")[xfers:]] == ["i"]


@pytest.mark.parametrize("goes", ["data", "both"])
def test_a_lost_upload_has_one_record(server: Daemon, goes: str) -> None:
    since, xfers = len(lines_of(server, "json")), len(lines_of(server, "xferlog"))
    client = Raw(server).login()
    data = client.passive()
    client.send("STOR lost.bin")
    assert client.reply().startswith("150")
    data.sendall(b"x" * 5000)
    stored = server.home / "lost.bin"
    until("some of it has come", lambda: stored.stat().st_size == 5000)
    reset(data)
    if goes == "both":
        client.reset()
    else:
        assert client.reply().startswith("426")
        client.sock.close()
    (record,) = wait_for(server, since, "STOR")
    if goes == "data":
        assert (record["code"], record["status"], record["bytes"]) == ("426", "failed", "5000")
    assert record["status"] in ("failed", "cancelled")
    until("it is in the xferlog", lambda: len(lines_of(server, "xferlog")) > xfers)
    (line,) = lines_of(server, "xferlog")[xfers:]
    assert (line.split()[-1], line.split()[7]) == ("i", "5000")


@as_root
def test_an_upload_onto_a_full_disk_has_one_record(server: Daemon) -> None:
    since, xfers = len(lines_of(server, "json")), len(lines_of(server, "xferlog"))
    place = server.give_folder("small")
    owner = place.stat()
    options = f"size=1m,mode=755,uid={owner.st_uid},gid={owner.st_gid}"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", str(place)], check=False).returncode:
        pytest.skip("this machine lets nobody mount a tmpfs")
    try:
        with Raw(server) as client:
            client.login()
            assert client.transfer("STOR small/big.bin", b"x" * (3 << 20))[0].startswith("452")
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
    (record,) = wait_for(server, since, "STOR")
    assert (record["code"], record["status"]) == ("452", "failed")
    assert "space" in record["failure"] + record["text"]
    until("it is in the xferlog", lambda: len(lines_of(server, "xferlog")) > xfers)
    (line,) = lines_of(server, "xferlog")[xfers:]
    assert line.split()[-1] == "i"
    assert Path(line.split()[8]).name == "big.bin"

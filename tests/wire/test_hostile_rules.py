"""Ways around rules, tried on a running daemon: other spellings, renames, SITE commands; and what answers give away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw, as_root

pytestmark = pytest.mark.usefixtures("ends_alive")

LIBEXEC = Path(__file__).parents[2] / "libexec"
CONF = f"""\
ModulePath {LIBEXEC}
LoadModule mod_copy.c
LoadModule mod_site_misc.c
PathDenyFilter "\\.(exe|ftpaccess)$"
<Directory ~/fixed>
  <Limit WRITE>
    DenyAll
  </Limit>
</Directory>
<Directory ~/closed>
  <Limit CWD>
    DenyAll
  </Limit>
</Directory>
<Directory ~/keep>
  AllowOverwrite off
  <Limit DELE RNFR RMD>
    DenyAll
  </Limit>
</Directory>
<Directory ~/veiled>
  HideFiles ^secret
  <Limit ALL>
    IgnoreHidden on
  </Limit>
</Directory>
"""
ANONYMOUS = """\
<Anonymous {area}>
  User guest
  DirFakeUser on somebody
  DirFakeGroup on everybody
  DirFakeMode 0444
  DisplayLogin /welcome
</Anonymous>
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("daemon")
    area = folder.with_name(f"{folder.name}-area")
    daemon = Daemon(folder, CONF + ANONYMOUS.format(area=area))
    owner = daemon.home.stat()
    with (folder / "run" / "passwd").open("a") as users:
        users.write(f"guest:*:{owner.st_uid}:{owner.st_gid}::{area}:/bin/sh\n")
    area.mkdir(mode=0o755)
    (area / "welcome").write_text("%F KiB are free, %f of them, you are in %C at %V\n")
    (area / "file").write_bytes(b"x")
    for name in ("fixed", "closed", "keep", "veiled", "free"):
        daemon.give_folder(name)
        daemon.give(f"{name}/there", b"there")
    daemon.give("veiled/secret", b"secret")
    daemon.give_folder("keep/folder")
    daemon.give_folder("fixed/folder")
    with daemon:
        yield daemon


def tree(server: Daemon) -> dict[str, tuple[int, float, bytes]]:
    """All that is in the home: modes, times and contents."""
    found = {}
    for path in sorted(server.home.rglob("*")):
        known = path.lstat()
        found[str(path.relative_to(server.home))] = (
            known.st_mode, known.st_mtime if path.is_file() else 0, path.read_bytes() if path.is_file() else b"",
        )  # fmt: skip
    return found


# -- S20: spellings -----------------------------------------------------------------------------------

SPELLINGS = ["{}", "  {}", "\t{}", "{} ", "{}\t"]


@pytest.mark.parametrize(
    "line",
    [
        "MKD fixed/x", "mkd fixed/x", "MkD fixed/x", "XMKD fixed/x", "xmkd fixed/x", "MKD  fixed/x", "MKD ./fixed/x",
        "MKD fixed//x", "MKD fixed/./x", "MKD free/../fixed/x", "MKD /fixed/x", "MKD //fixed/x",
        "MKD fixed/folder/../x",
        "RMD fixed/folder", "XRMD fixed/folder", "xrmd fixed/folder/", "DELE fixed/there", "dele fixed/there",
        "RNFR fixed/there", "SITE CHMOD 777 fixed/there", "site chmod 777 fixed/there", "SITE  CHMOD 777 fixed/there",
        "Site ChMod 777 ./fixed/there", "SITE CHGRP 0 fixed/there", "MFMT 20200101000000 fixed/there",
        "mff modify=20200101000000; fixed/there", "MFF UNIX.mode=0777; fixed/there", "CWD closed", "XCWD closed",
        "xcwd ./closed",
    ],
)  # fmt: skip
def test_no_spelling_is_a_way_past_a_limit(server: Daemon, line: str) -> None:
    before = tree(server)
    with Raw(server) as client:
        client.login()
        for spelling in SPELLINGS:
            assert client.ask(spelling.format(line)).startswith("5"), spelling
            assert client.ask("NOOP").startswith("200")
            assert tree(server) == before, spelling


@pytest.mark.parametrize("line", ["STOR fixed/new", "stor fixed/new", "APPE fixed/there", "aPpE fixed/there", "STOU"])
def test_no_upload_is_a_way_past_a_limit(server: Daemon, line: str) -> None:
    before = tree(server)
    with Raw(server) as client:
        client.login()
        if line == "STOU":
            client.ask("XCWD fixed")
        assert client.transfer(line, b"x")[0].startswith("550")
    assert tree(server) == before


# -- S57: renames -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("free/there", "keep/there"),  # AllowOverwrite is off at the target
        ("keep/there", "free/new"),  # what may not be removed may not be moved away either
        ("keep/folder", "free/new"),
        ("free/there", "fixed/new"),
        ("fixed/there", "free/new"),
        ("free/there", "free/run.exe"),
        ("free/there", "free/.ftpaccess"),
        ("free/there", "../../out"),
        ("free", "free/inside"),
    ],
)
def test_a_rename_is_bound_at_both_ends(server: Daemon, source: str, target: str) -> None:
    before = tree(server)
    with Raw(server) as client:
        client.login()
        if client.ask(f"RNFR {source}").startswith("350"):
            answer = client.ask(f"RNTO {target}")
            if target == "../../out":
                # .. ends at the root
                assert answer.startswith("250")
                assert client.codes("RNFR out", f"RNTO {source}") == [350, 250]
            else:
                assert answer.startswith("550"), answer
            assert client.ask("RNTO free/again").startswith("503")
    assert tree(server) == before


# -- S59: SITE ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "SITE MKDIR fixed/x", "SITE MKDIR fixed/x/y", "SITE MKDIR free/x.exe", "SITE MKDIR free/x.exe/y",
        "SITE RMDIR fixed/folder", "SITE RMDIR keep/folder", "SITE RMDIR fixed", "SITE RMDIR keep",
        "SITE SYMLINK free/there fixed/link", "SITE SYMLINK free/there free/link.exe",
        "SITE SYMLINK veiled/secret free/l",
        "SITE UTIME 20200101000000 fixed/there", "SITE UTIME 20200101000000 veiled/secret",
        "SITE CHGRP 0 fixed/there", "SITE CHMOD 777 fixed/there", "SITE CHMOD 777 veiled/secret",
        "SITE CPFR veiled/secret", "SITE COPY free/there fixed/new", "SITE COPY free/there keep/there",
        "SITE COPY free/there free/copy.exe", "SITE COPY veiled/secret free/copy",
    ],
)  # fmt: skip
def test_what_the_plain_command_may_not_do_site_may_not_do_either(server: Daemon, line: str) -> None:
    before = tree(server)
    with Raw(server) as client:
        client.login()
        assert client.ask(line)[:2] == "55", line
    assert tree(server) == before


def test_where_it_is_allowed_site_works(server: Daemon) -> None:
    with Raw(server) as client:
        client.login()
        lines = (
            "SITE MKDIR free/a/b", "SITE SYMLINK free/there free/a/link", "SITE COPY free/there free/a/copy",
            "SITE UTIME 20200101000000 free/a/copy", "SITE CHMOD 600 free/a/copy", "SITE RMDIR free/a",
        )  # fmt: skip
        assert client.codes(*lines) == [200] * len(lines)


# -- S117: what answers give away ---------------------------------------------------------------------

CURIOUS = [
    "PWD", "CWD ..", "PWD", "CWD nowhere", "CDUP", "STAT", "STAT /", "STAT nowhere", "HELP", "SITE HELP", "FEAT",
    "SYST", "MLST", "MLST ..", "MLST nowhere", "SIZE /", "SIZE nowhere", "MDTM nowhere", "RETR /", "RETR nowhere",
    "DELE nowhere", "DELE /", "RMD /", "RMD nowhere", "MKD /", "MKD a/b/c", "RNFR nowhere", "SITE CHMOD 600 nowhere",
    "SITE CHGRP x nowhere", "MFMT 20200101000000 nowhere", "MFF modify=20200101000000; nowhere", "STOR nowhere/x",
    "STOR /", "CWD ~root", "CWD ~", "SITE CPFR nowhere", "SITE MKDIR a/b/c", "SITE RMDIR nowhere", "SITE SYMLINK a b",
    "LIST nowhere", "NLST nowhere", "QUIT",
]  # fmt: skip


@pytest.mark.parametrize("user", ["alice", "guest"])
def test_no_answer_tells_where_the_files_really_are(server: Daemon, user: str) -> None:
    told = []
    with Raw(server) as client:
        client.ask(f"USER {user}")
        told.append(client.ask("PASS secret"))
        assert told[0].startswith("230")
        for verb in ("LIST -al", "LIST", "NLST", "MLSD", "LIST -R"):
            answer, listing = client.transfer(verb)
            told += [answer, listing.decode()]
        told += [client.ask(line) for line in CURIOUS]
    for text in told:
        for secret in (str(server.home.parent), server.home.parent.name, "pytest-of", "/usr", "site-packages", "0.1.0"):
            assert secret not in text, text


@as_root
def test_faked_owners_and_modes_are_all_that_a_guest_sees(server: Daemon) -> None:
    os.chown(server.home.parent.with_name(f"{server.home.parent.name}-area") / "file", 61030, 61031)
    with Raw(server) as client:
        client.ask("USER guest")
        greeting = client.ask("PASS me@here")
        assert " you are in / at Wire tests" in greeting
        told = [client.ask("STAT /"), client.ask("MLST file"), client.ask("MLST /")]
        told += [client.transfer(verb)[1].decode() for verb in ("LIST -aln", "LIST -al", "MLSD", "LIST -lR")]
    lines = [line for text in told for line in text.splitlines() if "file" in line and "tatus" not in line]
    assert len(lines) > 5
    for text in told:
        for owner in ("61030", "61031", "nobody", "nogroup", "root", "UNIX.owner=0;", "UNIX.group=0;"):
            assert owner not in text, text
    for line in lines:
        assert line.strip().startswith("-r--r--r--") or "UNIX.mode=0444" in line or line.startswith("250"), line


# -- S31: small talk ----------------------------------------------------------------------------------


def test_small_talk_out_of_place_changes_nothing(server: Daemon) -> None:
    with Raw(server) as client:
        assert client.ask("LANG ../../x")[:3] in ("501", "504")
        assert client.ask("LANG " + "x" * 3000)[:3] in ("501", "504")
        assert client.ask("CLNT " + "x" * 4000)[:3] in ("200", "501")
        assert client.ask("CLNT " + "x" * 10_000) == "500 Command line too long"
        assert client.ask("HOST ../../x")[:3] in ("501", "504")
        client.login()
        assert client.ask("CSID " + "x=y;" * 900)[:3] in ("200", "501")
        assert client.ask("HOST 127.0.0.1").startswith("503")
        assert client.ask("LANG ../../x")[0] == "5"
        assert client.ask("PWD").startswith('257 "/"')
    assert os.access(server.home, os.R_OK)

"""DELE, RNFR and RNTO, SIZE, MDTM, and the filters for arguments and names."""

from __future__ import annotations

import asyncio
import os

import pytest
from core_ground import HOME, last, talk

from ftpd.testing import Bench

TREE = {"a.txt": b"hello world\n", "b.txt": b"b", "with blank.txt": b"w", "sub/x.txt": b"x", "empty/": b""}


def test_a_file_is_deleted() -> None:
    assert talk("DELE a.txt", "DELE a.txt", "DELE with blank.txt", "DELE sub", "DELE *.txt", "DELE", files=TREE) == [
        "250 DELE command successful",
        "550 a.txt: No such file or directory",
        "250 DELE command successful",
        "550 sub: Is a directory",
        "550 *.txt: No such file or directory",
        "501 Invalid number of parameters",
    ]


@pytest.mark.parametrize("name", [".", "/", "..", "sub"])
def test_a_folder_is_told_to_be_one_and_stays(name: str) -> None:
    assert talk(f"DELE {name}", "SIZE sub/x.txt", files=TREE)[0] == f"550 {name}: Is a directory"


@pytest.mark.parametrize("verb", ["SIZE", "MDTM"])
def test_beneath_a_file_nothing_is_there(verb: str) -> None:
    assert talk("TYPE I", f"{verb} a.txt/x", f"{verb} sub/x.txt", files=TREE)[1] == (
        "550 a.txt/x: No such file or directory"
    )


def test_limit_on_write_keeps_files() -> None:
    conf = "<Limit WRITE>\nDenyAll\n</Limit>\n"
    assert talk("DELE a.txt", "RNFR a.txt", "SIZE a.txt", files=TREE, conf=conf) == [
        "550 a.txt: Operation not permitted",
        "550 a.txt: Operation not permitted",
        "550 SIZE not allowed in ASCII mode",
    ]


# -- renaming ----------------------------------------------------------------------------------------


def test_a_file_is_renamed_and_the_source_forgotten() -> None:
    assert talk("RNTO n.txt", "RNFR a.txt", "RNTO n.txt", "RNTO m.txt", "RNFR a.txt", files=TREE) == [
        "503 Bad sequence of commands",
        "350 File or directory exists, ready for destination name",
        "250 Rename successful",
        "503 Bad sequence of commands",
        "550 a.txt: No such file or directory",
    ]


def test_after_rnfr_only_rnto_and_a_few_harmless_verbs_are_taken() -> None:
    replies = talk(
        "RNFR a.txt", "PWD", "TYPE I", "RNFR b.txt", "FOO", "NOOP", "HELP RNTO", "RNTO z.txt", "PWD", files=TREE
    )
    assert replies[1:5] == ["501 Bad sequence of commands"] * 4
    assert replies[5:] == [
        "200 NOOP command successful",
        "214 Syntax: RNTO <sp> pathname",
        "250 Rename successful",
        '257 "/" is the current directory',
    ]


def test_the_protection_of_a_line_that_has_one_may_change_during_a_rename() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files=TREE) as ftp:
            ftp.session.protocol = "ftps"
            return [await ftp(line) for line in ("RNFR a.txt", "PBSZ 0", "RNTO n.txt")]

    assert asyncio.run(story())[1:] == ["500 PBSZ not understood", "250 Rename successful"]


@pytest.mark.parametrize("line", ["STOR", "APPE b.txt", "STOU", "RETR", "RETR b.txt", "LIST", "NLST", "MLSD"])
def test_a_command_for_data_ends_the_rename_that_it_is_refused_in(line: str) -> None:
    conf = "PathDenyFilter z\n"
    assert talk("RNFR a.txt", line, "PWD", "RNTO z.txt", "RNTO n.txt", "SIZE a.txt", files=TREE, conf=conf)[1:] == [
        "501 Bad sequence of commands",
        "501 Bad sequence of commands",
        "503 Bad sequence of commands",
        "503 Bad sequence of commands",
        "550 SIZE not allowed in ASCII mode",
    ]


@pytest.mark.parametrize("line", ["REST 5", "PROT P", "SIZE a.txt", "DELE a.txt", "PASV", "ALLO 5", "ABOR", "CWD sub"])
def test_another_refused_command_does_not_end_a_rename(line: str) -> None:
    assert talk("RNFR a.txt", line, "RNTO n.txt", files=TREE)[1:] == [
        "501 Bad sequence of commands",
        "250 Rename successful",
    ]


def test_renaming_over_a_file_needs_allowoverwrite() -> None:
    lines = ("RNFR a.txt", "RNTO b.txt", "RNTO b.txt")
    refused = talk(*lines, files=TREE)
    assert refused[1:] == ["550 b.txt: Rename permission denied", "503 Bad sequence of commands"]
    assert talk(*lines, files=TREE, conf="AllowOverwrite on\n")[1] == "250 Rename successful"


def test_a_file_does_not_become_a_folder() -> None:
    conf = "AllowOverwrite on\n"
    assert last("RNFR a.txt", "RNTO sub", files=TREE, conf=conf) == "550 sub: Operation not permitted"
    assert last("RNFR sub", "RNTO a.txt", files=TREE, conf=conf) == "550 a.txt: Not a directory"


def test_nothing_is_renamed_to_the_root() -> None:
    assert last("RNFR a.txt", "RNTO /", files=TREE) == "550 /: Rename permission denied"


def test_a_broken_link_can_be_renamed() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files=TREE) as ftp:
            os.symlink("nowhere", os.path.join(ftp.root, "broken"))
            return [await ftp("RNFR broken"), await ftp("RNTO still")]

    assert asyncio.run(story())[1] == "250 Rename successful"


def test_a_refused_target_ends_the_rename() -> None:
    conf = "<Directory {root}/sub>\n<Limit RNTO>\nDenyAll\n</Limit>\n</Directory>\n"
    assert talk("RNFR a.txt", "RNTO sub/a.txt", "RNTO c.txt", files=TREE, conf=conf)[1:] == [
        "550 sub/a.txt: Operation not permitted",
        "503 Bad sequence of commands",
    ]


# -- SIZE, MDTM --------------------------------------------------------------------------------------


def test_size_is_told_in_binary_only() -> None:
    assert talk("SIZE a.txt", "TYPE I", "SIZE a.txt", "SIZE nope", "SIZE sub", "SIZE with blank.txt", files=TREE) == [
        "550 SIZE not allowed in ASCII mode",
        "200 Type set to I",
        "213 12",
        "550 nope: No such file or directory",
        "550 sub: not a regular file",
        "213 1",
    ]


@pytest.mark.parametrize("conf", ["", "TimesGMT off\n"])
def test_mdtm_tells_utc_whatever_listings_show(conf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Athens")
    time.tzset()

    async def story() -> list[str]:
        async with Bench(conf=HOME + conf, files=TREE) as ftp:
            os.utime(os.path.join(ftp.root, "a.txt"), (1709618828, 1709618828))
            return [await ftp("MDTM a.txt"), await ftp("MDTM sub"), await ftp("MDTM nope")]

    try:
        replies = asyncio.run(story())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert replies == ["213 20240305060708", "550 sub: not a plain file", "550 nope: No such file or directory"]


def test_a_fifo_is_no_file() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME) as ftp:
            os.mkfifo(os.path.join(ftp.root, "fifo"))
            return [await ftp("TYPE I"), await ftp("SIZE fifo"), await ftp("MDTM fifo")]

    assert asyncio.run(story())[1:] == ["550 fifo: not a regular file", "550 fifo: not a plain file"]


# -- filters -----------------------------------------------------------------------------------------


def test_denyfilter_looks_at_arguments() -> None:
    conf = "DenyFilter \\*.*/\n"
    assert talk("CWD */x", "CWD sub", "SITE CHMOD 600 */a", files=TREE, conf=conf) == [
        "550 */x: Forbidden command argument",
        "250 CWD command successful",
        "550 CHMOD 600 */a: Forbidden command argument",
    ]


def test_allowfilter_does_not_look_at_passwords_or_at_nothing() -> None:
    conf = "AllowFilter ^[a-z.]+$\n"
    replies = talk("PWD", "CWD sub", "CWD SUB", files=TREE, conf=conf, users={"tom": "P4ss!"})
    assert replies == [
        '257 "/" is the current directory',
        "250 CWD command successful",
        "550 SUB: Forbidden command argument",
    ]


@pytest.mark.parametrize(
    "line", ["MKD .hidden", "XMKD sub/.hidden", "RNFR .hidden", "DELE .hidden", "SITE CHMOD 600 .hidden"]
)
def test_pathdenyfilter_keeps_names_from_being_used(line: str) -> None:
    name = line.removeprefix("SITE ") if line.startswith("SITE") else line.rpartition(" ")[2]
    assert last(line, files=TREE, conf="PathDenyFilter (^|/)\\.\n") == f"550 {name}: Forbidden filename"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("MKD sub/no", "'MKD sub/no' denied by {}"),
        ("DELE no", "'DELE no' denied by {}"),
        ("RNFR no", "'RNFR no' denied by {}"),
        # where the upload would go
        ("STOR sub/no", "'STOR /sub/no' denied by {}"),
        ("STOR ../no", "'STOR /no' denied by {}"),
        ("SITE CHMOD 640 no", "'CHMOD 640 no' denied by {}"),
        ("SITE CHGRP tom no", "'CHGRP no' denied by {}"),
        ("MFMT 20200102030405 no", "mod_facts/0.7: MFMT denied by {} on '20200102030405 no'"),
        ("MFF UNIX.mode=0644; no", "mod_facts/0.7: MFF denied by {} on 'UNIX.mode=0644; no'"),
        ("MKD yes", ""),
    ],
)
@pytest.mark.parametrize("conf", ["PathDenyFilter no$", "PathAllowFilter yes$"])
def test_the_log_has_proftpds_words_for_a_forbidden_name(
    conf: str, line: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    talk("PASV", line, files={"no": b"x", "sub/": b""}, conf=f"{conf}\nAllowOverwrite on\n")
    said = [record.getMessage() for record in caplog.records if "denied by" in record.getMessage()]
    assert said == ([told.format(conf.split()[0])] if told else [])


def test_pathdenyfilter_and_the_verbs_with_a_word_before_the_name() -> None:
    lines = [
        "SITE CHMOD 600  .hidden", "SITE CHGRP 0 .hidden", "MFMT 20200101000000 .hidden",
        "MFF modify=20200101000000; .hidden",
        "RNTO .hidden", "SITE CHMOD 600 a.txt",
    ]  # fmt: skip
    assert talk(*lines, files=TREE, conf="PathDenyFilter (^|/)\\.\n") == [
        "550 CHMOD 600  .hidden: Forbidden filename",
        "550 CHGRP 0 .hidden: Forbidden filename",
        "550 .hidden: Permission denied",
        "550 .hidden: Permission denied",
        "503 Bad sequence of commands",
        "200 SITE CHMOD command successful",
    ]


def test_pathdenyfilter_holds_for_uploads_and_the_target_of_a_rename() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME + "PathDenyFilter \\.exe$ [NC]\n", files=TREE) as ftp:
            return [
                await ftp.upload("STOR virus.EXE", b"MZ"),
                await ftp("RNFR a.txt"),
                await ftp("RNTO a.exe"),
                await ftp("MKD fine"),
                str(ftp.exists("virus.EXE")),
            ]

    assert asyncio.run(story()) == [
        "550 virus.EXE: Forbidden filename",
        "350 File or directory exists, ready for destination name",
        "550 a.exe: Forbidden filename",
        '257 "/fine" - Directory successfully created',
        "False",
    ]


def test_pathallowfilter_takes_the_path_that_is_meant() -> None:
    conf = "PathAllowFilter ^/sub/\n"
    assert talk("MKD sub/ok", "MKD /sub/../out", "MKD sub/../out", "CWD sub", "MKD also", files=TREE, conf=conf) == [
        '257 "/sub/ok" - Directory successfully created',
        "550 /sub/../out: Forbidden filename",
        "550 sub/../out: Forbidden filename",
        "250 CWD command successful",
        '257 "/sub/also" - Directory successfully created',
    ]


def test_pathallowfilter_for_bare_names() -> None:
    assert talk("MKD good", "MKD b@d", files=TREE, conf="PathAllowFilter ^[a-z]+$\n") == [
        '257 "/good" - Directory successfully created',
        "550 b@d: Forbidden filename",
    ]

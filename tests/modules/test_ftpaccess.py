"""The .ftpaccess files in folders: what they may say, where they count, and what a faulty one does."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from time import monotonic

import pytest
from core_ground import HOME, talk

from ftpd.dispatch import access
from ftpd.fs.local import LocalFiles
from ftpd.module.files import Path as FilePath
from ftpd.testing import Bench

DENY_STOR = b"<Limit STOR>\nDenyAll\n</Limit>\n"
TREE = {"a.txt": b"a", "in/f": b"f", "in/deep/g": b"g", "out/h": b"h"}


def with_file(content: bytes, *lines: str, conf: str = "", where: str = "in/.ftpaccess") -> list[str]:
    return talk(*lines, conf=conf, files={**TREE, where: content})


# -- where it counts ---------------------------------------------------------------------------------------


def test_it_counts_in_its_folder_and_below_and_nowhere_else() -> None:
    lines = ("DELE in/f", "DELE in/deep/g", "DELE out/h", "DELE a.txt")
    assert with_file(b"<Limit DELE>\nDenyAll\n</Limit>\n", *lines) == [
        "550 in/f: Operation not permitted",
        "550 in/deep/g: Operation not permitted",
        "250 DELE command successful",
        "250 DELE command successful",
    ]


def test_it_counts_for_the_folder_itself_too() -> None:
    replies = with_file(b"<Limit CWD RMD>\nDenyAll\n</Limit>\n", "CWD in", "CWD in/deep", "RMD in", "CWD out")
    assert replies == [
        "550 in: No such file or directory",
        "550 in/deep: No such file or directory",
        "550 in: Permission denied",
        "250 CWD command successful",
    ]


def test_one_further_down_beats_one_further_up() -> None:
    files = {
        **TREE,
        "in/.ftpaccess": b"<Limit DELE>\nDenyAll\n</Limit>\n",
        "in/deep/.ftpaccess": b"<Limit DELE>\nAllowAll\n</Limit>\n",
    }
    assert talk("DELE in/f", "DELE in/deep/g", files=files) == [
        "550 in/f: Operation not permitted",
        "250 DELE command successful",
    ]


@pytest.mark.parametrize(
    ("section", "refused"),
    [("<Directory ~/in>", False), ("<Directory ~>", False), ("<Directory ~/in/deep>", True)],
)
def test_it_comes_before_the_section_of_its_folder_and_after_one_below_it(section: str, refused: bool) -> None:
    conf = f"{section}\n<Limit DELE>\nDenyAll\n</Limit>\n</Directory>\n"
    reply = with_file(b"<Limit DELE>\nAllowAll\n</Limit>\n", "DELE in/deep/g", conf=conf)[0]
    assert reply.startswith("550" if refused else "250")


@pytest.mark.parametrize(
    ("section", "denied"),
    [
        ("<Directory ~/in>", "xx"),
        ("<Directory ~>", "yy"),
        ("<Directory ~/i*>", "yy"),
        ("<Directory ~/in/*>", "xx"),
        ("<Directory ~/in/deep>", "yy"),
    ],
)
def test_a_directive_of_its_folders_section_is_not_taken_back(section: str, denied: str) -> None:
    conf = f"{section}\nPathDenyFilter xx$\n</Directory>\n"
    replies = with_file(b"PathDenyFilter yy$\n", "MKD in/xx", "MKD in/yy", conf=conf)
    assert [reply[:3] for reply in replies] == (["550", "257"] if denied == "xx" else ["257", "550"])


def test_what_its_folders_section_does_not_say_is_its_own() -> None:
    conf = "<Directory ~/in>\nUmask 077\n</Directory>\n"
    replies = with_file(b"PathDenyFilter yy$\n", "MKD in/xx", "MKD in/yy", conf=conf)
    assert [reply[:3] for reply in replies] == ["257", "550"]


def test_one_below_the_sections_folder_counts_before_it() -> None:
    conf = "<Directory ~/in>\nPathDenyFilter xx$\n</Directory>\n"
    replies = with_file(
        b"PathDenyFilter yy$\n", "MKD in/deep/xx", "MKD in/deep/yy", conf=conf, where="in/deep/.ftpaccess"
    )
    assert [reply[:3] for reply in replies] == ["257", "550"]


def test_a_link_leads_to_what_is_said_of_the_folder_behind_it(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files={**TREE, "in/.ftpaccess": b"<Limit RETR>\nDenyAll\n</Limit>\n"}) as ftp:
            (Path(ftp.root) / "way").symlink_to("in")
            (Path(ftp.root) / "out/one").symlink_to("../in/f")
            return [await ftp("RETR way/f"), await ftp("RETR out/one"), await ftp("DELE out/one")]

    assert asyncio.run(story()) == [
        "550 way/f: Operation not permitted",
        "550 out/one: Operation not permitted",
        "250 DELE command successful",
    ]


# -- what it may say ---------------------------------------------------------------------------------------


def test_settings_hold_for_what_is_made_there() -> None:
    async def story() -> list[int]:
        async with Bench(conf=HOME + "Umask 022\n", files={**TREE, "in/.ftpaccess": b"Umask 077\n"}) as ftp:
            await ftp.upload("STOR in/new", b"x")
            await ftp.upload("STOR out/new", b"x")
            return [(Path(ftp.root) / folder / "new").stat().st_mode & 0o777 for folder in ("in", "out")]

    assert asyncio.run(story()) == [0o600, 0o644]


@pytest.mark.parametrize(("conf", "refused"), [("Define STRICT\n", True), ("Define OTHER\n", False)])
def test_ifdefine_knows_what_the_configuration_defines(conf: str, refused: bool) -> None:
    content = b"<IfDefine STRICT>\n<Limit DELE>\nDenyAll\n</Limit>\n</IfDefine>\n"
    denied, done = "550 in/f: Operation not permitted", "250 DELE command successful"
    assert with_file(content, "DELE in/f", conf=conf) == [denied if refused else done]
    content = content.replace(b"STRICT", b"!STRICT")
    assert with_file(content, "DELE in/f", conf=conf) == [done if refused else denied]


def test_the_daemons_environment_is_not_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    (reply,) = with_file(b"DirFakeUser on %{env:DATABASE_PASSWORD}\n", "STAT in/f")
    assert "secret" not in reply


def test_a_bare_denyall_hides_the_folder() -> None:
    assert with_file(b"DenyAll\n", "RETR in/f", "CWD in")[0] == "550 in/f: Permission denied"


def test_an_empty_one_says_nothing_and_does_not_lift_what_is_said_elsewhere() -> None:
    conf = "<Directory ~/in>\n<Limit DELE>\nDenyAll\n</Limit>\n</Directory>\n"
    assert with_file(b"# nothing yet\n", "DELE in/f", conf=conf) == ["550 in/f: Operation not permitted"]


# -- AllowOverride -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "counts"),
    [
        ("", True),
        ("AllowOverride on\n", True),
        ("AllowOverride off\n", False),
        ("AllowOverride off user tom\n", False),
        ("AllowOverride off user ann\n", True),
        ("AllowOverride off user !ann\n", False),
        ("AllowOverride off\nAllowOverride on user tom\n", True),
        ("AllowOverride on user regex ^t\nAllowOverride off group tom\nAllowOverride off\n", True),
        ("AllowOverride off class here\n<Class here>\nFrom 127.0.0.1\n</Class>\n", False),
        ("AllowOverride off class there\n<Class there>\nFrom 10.0.0.1\n</Class>\n", True),
        ("AllowOverride on\n<Directory ~/in>\nAllowOverride off\n</Directory>\n", False),
        ("AllowOverride off\n<Directory ~/in>\nAllowOverride on\n</Directory>\n", True),
        ("AllowOverride off\n<Directory ~/out>\nAllowOverride on\n</Directory>\n", False),
        ("AllowOverride off user tom\n<Directory ~>\nAllowOverride on\n</Directory>\n", True),
        ("<Global>\nAllowOverride on\n</Global>\nAllowOverride off\n", False),
    ],
)
def test_allowoverride_says_whether_it_counts(conf: str, counts: bool) -> None:
    async def story() -> str:
        files = {**TREE, "in/.ftpaccess": b"<Limit DELE>\nDenyAll\n</Limit>\n"}
        async with Bench(conf=HOME + conf, files=files, users={"tom": "P4ss!"}) as ftp:
            assert ftp.session is not None
            ftp.session.class_name = "here"
            return await ftp("DELE in/f")

    assert asyncio.run(story()).startswith("550" if counts else "250")


def test_where_it_is_off_no_folder_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*unused: object, **also_unused: object) -> None:
        raise AssertionError("a .ftpaccess was looked for")

    monkeypatch.setattr("ftpd.dispatch.access.AccessFiles.at", never)
    assert talk("CWD in", "DELE f", conf="AllowOverride off\n", files=TREE)[1] == "250 DELE command successful"


# -- when it changes ---------------------------------------------------------------------------------------


def test_it_counts_as_soon_as_a_client_has_stored_it_and_no_longer_than_it_is_there() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files=TREE) as ftp:
            replies = [await ftp.upload("STOR in/x", b"x")]
            await ftp.upload("STOR in/.ftpaccess", DENY_STOR)
            replies.append(await ftp.upload("STOR in/y", b"y"))
            (Path(ftp.root) / "in/.ftpaccess").write_bytes(b"<Limit DELE>\nDenyAll\n</Limit>\n")
            replies += [await ftp.upload("STOR in/y", b"y"), await ftp("DELE in/y")]
            (Path(ftp.root) / "in/.ftpaccess").unlink()
            replies.append(await ftp("DELE in/y"))
            return [reply.splitlines()[-1] for reply in replies]

    assert asyncio.run(story()) == [
        "226 Transfer complete",
        "550 in/y: Operation not permitted",
        "226 Transfer complete",
        "550 in/y: Operation not permitted",
        "250 DELE command successful",
    ]


def test_it_is_read_once_as_long_as_it_does_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    from ftpd.conf import build

    read: list[str] = []
    real = build.read_ftpaccess

    def counted(file: str, text: str, modules: object, *, defines: frozenset[str]) -> object:
        read.append(file)
        return real(file, text, modules, defines=defines)  # type: ignore[arg-type]

    monkeypatch.setattr(build, "read_ftpaccess", counted)
    with_file(DENY_STOR, "CWD in", "CWD deep", "CDUP", "DELE f", "MKD x")
    assert len(read) == 1


# -- when it is faulty -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"Port 21\n", b"Umask 9x\n", b"Nonsense on\n", b"<Limit WRITE>\nDenyAll\n", b"Include /etc/passwd\n",
        b"<Limit READ>\nDeny from 300.1.2.3\n</Limit>\n", b"x" * 70000, b"\xff\xfe\x00Umask", b"LoadModule mod_x.c\n",
    ],
)  # fmt: skip
def test_with_a_faulty_line_in_it_nothing_can_be_used_there(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    conf = "<Limit READ WRITE DIRS DELE CWD>\nAllowAll\n</Limit>\n"
    replies = with_file(content, "DELE in/f", "CWD in", "RETR in/deep/g", "DELE a.txt", conf=conf)
    assert replies == [
        "550 in/f: Operation not permitted",
        "550 in: No such file or directory",
        "550 in/deep/g: Operation not permitted",
        "250 DELE command successful",
    ]
    told = [record.getMessage() for record in caplog.records if "until that is put right" in record.getMessage()]
    assert len(told) == 1 and "/in/.ftpaccess" in told[0]


def test_the_log_says_what_would_be_right(caplog: pytest.LogCaptureFixture) -> None:
    with_file(b"\nUmask 9x\n", "DELE in/f")
    assert any("/in/.ftpaccess:2: Umask: '9x'" in record.getMessage() for record in caplog.records)


def test_one_that_is_a_link_of_a_user_is_not_followed_and_shuts_the_folder(tmp_path: Path) -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files={**TREE, "out/rules": b"Umask 077\n"}) as ftp:
            link = Path(ftp.root) / "in/.ftpaccess"
            link.symlink_to("../out/rules")
            replies = [await ftp("DELE in/f")]
            if os.geteuid() == 0:
                os.chown(link, 65534, 65534, follow_symlinks=False)
                replies.append(await ftp("DELE in/deep/g"))
            return replies

    replies = asyncio.run(story())
    assert replies[0] == "250 DELE command successful"
    assert replies[1:] in ([], ["550 in/deep/g: Operation not permitted"])


def test_one_that_leads_out_of_the_root_shuts_the_folder(tmp_path: Path) -> None:
    async def story() -> str:
        async with Bench(conf=HOME, files=TREE) as ftp:
            (Path(ftp.root) / "in/.ftpaccess").symlink_to("/etc/hostname")
            return await ftp("DELE in/f")

    assert asyncio.run(story()) == "550 in/f: Operation not permitted"


def test_one_that_is_a_folder_or_a_fifo_shuts_the_folder_and_holds_nobody_up() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files={**TREE, "in/.ftpaccess/x": b""}) as ftp:
            os.mkfifo(Path(ftp.root) / "out/.ftpaccess")
            return [await ftp("DELE in/f"), await ftp("DELE out/h")]

    assert asyncio.run(story()) == ["550 in/f: Operation not permitted", "550 out/h: Operation not permitted"]


# -- far down ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("links", [False, True])
def test_a_path_of_many_folders_has_the_files_on_its_way(links: bool) -> None:
    deep = "/".join("d" * 40)
    files = {
        f"{deep}/a": b"",
        "d/d/.ftpaccess": b"<Limit DELE>\nDenyAll\n</Limit>\n",
        "/".join("d" * 39) + "/.ftpaccess": b"<Limit RMD>\nDenyAll\n</Limit>\n",
        "/".join("d" * 30) + "/x/": b"",
    }

    async def story() -> list[str]:
        async with Bench(conf=HOME, files=files) as ftp:
            if links:
                os.symlink("d", os.path.join(ftp.root, "link"))
            start = f"link/{deep[2:]}" if links else deep
            told = [await ftp(line) for line in (f"DELE {start}/a", f"MKD {start}/b", f"RMD {start}/b")]
            return [*told, await ftp("RMD " + "/".join("d" * 30) + "/x")]

    refused = "Operation not permitted"
    replies = asyncio.run(story())
    assert [reply[:3] for reply in replies] == ["550", "257", "550", "250"]
    assert refused in replies[0]


def _dig(root: str, depth: int) -> None:
    folder = os.open(root, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)


def test_a_path_of_two_thousand_folders_is_not_asked_for_the_file_in_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    lstat = LocalFiles.lstat

    def noted(self: LocalFiles, path: FilePath) -> os.stat_result:
        looked.append(str(path))
        return lstat(self, path)

    async def story() -> str:
        async with Bench(conf=f"{HOME}CommandBufferSize 8192\n") as ftp:
            _dig(ftp.root, 300)
            monkeypatch.setattr(LocalFiles, "lstat", noted)
            assert (await ftp("CWD " + "/".join("d" * 300))).startswith("250 ")
            return await ftp("CWD " + "e/" * 2000)

    assert asyncio.run(story()).startswith("550 ")
    assert len(looked) < 40


@pytest.mark.parametrize(
    "line", ["PWD", "SIZE a", "CWD d", "CWD ..", "STAT .", "MLST .", "MKD new", "SIZE {way}/a", "RMD {way}"]
)
def test_a_long_way_is_looked_at_off_the_loop(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[bool] = []
    holding = LocalFiles.holding

    def noted(self: LocalFiles, name: str, folder: str) -> tuple[list[str], bool] | None:
        looked.append(threading.current_thread() is threading.main_thread())
        return holding(self, name, folder)

    async def story() -> None:
        async with Bench(conf=f"{HOME}CommandBufferSize 8192\n") as ftp:
            _dig(ftp.root, 301)
            way = "/" + "/".join("d" * 300)
            monkeypatch.setattr(LocalFiles, "holding", noted)
            assert (await ftp(f"CWD {way}")).startswith("250 ")
            monkeypatch.setattr(access, "monotonic", lambda: monotonic() + 3600)
            await ftp(line.format(way=way))

    asyncio.run(story())
    assert len(looked) > 1
    assert not any(looked)


@pytest.mark.parametrize("override", ["on", "off"])
@pytest.mark.parametrize(("line", "deep", "ahead"), [
    ("STAT .", 300, True), ("MLST", 300, True), ("CWD .", 300, True), ("SIZE a", 300, True), ("CWD {way}", 300, True),
    ("NOOP", 300, False), ("PASV", 300, False), ("STAT .", 200, False), ("CWD /", 300, False),
])  # fmt: skip
def test_a_very_long_way_is_gone_off_the_loop_before_a_command_goes_it(
    line: str, deep: int, ahead: bool, override: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[str] = []
    lstat = LocalFiles.lstat

    def noted(self: LocalFiles, path: FilePath) -> os.stat_result:
        if threading.current_thread() is not threading.main_thread():
            gone.append(path.virtual)
        return lstat(self, path)

    async def story() -> str:
        async with Bench(conf=f"{HOME}CommandBufferSize 8192\nAllowOverride {override}\n") as ftp:
            _dig(ftp.root, deep + 1)
            way = "/" + "/".join("d" * deep)
            assert (await ftp(f"CWD {way}")).startswith("250 ")
            monkeypatch.setattr(LocalFiles, "lstat", noted)
            await ftp(line.format(way=way))
            return way

    way = asyncio.run(story())
    assert [virtual.startswith(way) for virtual in gone] == ([True] if ahead else [])


def test_what_is_found_on_a_long_way_counts_at_once_and_as_long_as_it_is_there() -> None:
    async def story() -> list[str]:
        async with Bench(conf=f"{HOME}CommandBufferSize 8192\n") as ftp:
            _dig(ftp.root, 300)
            way, file = "/" + "/".join("d" * 300), f"{ftp.root}{'/d' * 200}/.ftpaccess"
            with open(file, "w") as text:
                text.write("<Limit MKD>\nDenyAll\n</Limit>\n")
            said = [
                await ftp(line)
                for line in (f"CWD {way}", "MKD a", "MKD b", f"MKD {way}/c", "CWD " + "../" * 150, "MKD d2")
            ]
            os.unlink(file)
            return [reply[:3] for reply in (*said, await ftp("MKD e"), await ftp(f"MKD {way}/f"))]

    assert asyncio.run(story()) == ["250", "550", "550", "550", "250", "257", "257", "257"]

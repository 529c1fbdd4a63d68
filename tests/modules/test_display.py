"""Message files: where they are looked for, and what each variable in them stands for."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftpd.modules._display_cookies import _short
from ftpd.testing import Bench

CLASS = "<Class near>\nFrom 127.0.0.0/8\n</Class>\n"


def near(ftp: Bench) -> None:
    """What the engine does when a client of the class connects."""
    assert ftp.session is not None
    ftp.session.class_name = "near"


def quit_with(text: str, conf: str = "", *before: str, login: bool = True) -> str:
    """What DisplayQuit shows of a one-line text."""

    async def story() -> str:
        files = {"bye": (text + "\n").encode(), "sub/": b""}
        async with Bench(conf=f"DisplayQuit {{root}}/bye\n{conf}", files=files, login=None) as ftp:
            near(ftp)
            for line in (*(("USER tom", "PASS secret") if login else ()), *before):
                await ftp(line)
            return (await ftp("QUIT")).removeprefix("221 ")

    return asyncio.run(story())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("%C", "/sub"),
        ("%E", "me@here"),
        ("%L %R", "127.0.0.1 127.0.0.1"),
        ("%U %u", "tom UNKNOWN"),
        ("%V", "Files"),
        ("%x", "near"),
        ("%M %N", "10 1"),
        ("%z %y", "7 1"),
        ("%i %o %t %K %k", "0 0 0 0 0B"),
        ("%{total_files_in} %{total_bytes_xfer}", "0 0"),
        ("%{env:COLOUR} %{env:NO_SUCH}", "blue (none)"),
        ("%{bytes_xfer}", "0"),
        ("%{note:mod_auth.orig-user} %{note:x}", "tom (none)"),
        ("%{foo} %{} %{time}", "(none) (none) (none)"),
        ("%q %% 100% %", "%q %% 100% %"),
    ],
)
def test_a_variable_stands_for(text: str, shown: str) -> None:
    conf = (
        f"{CLASS}ServerAdmin me@here\nServerName Files\nMaxClients 10\nMaxClientsPerClass near 7\nSetEnv COLOUR blue\n"
    )
    assert quit_with(text, f"{conf}DefaultRoot ~\n", "CWD sub") == shown


def test_a_class_without_a_cap_has_that_of_the_server() -> None:
    assert quit_with("%M %z", f"{CLASS}MaxClients 10\nMaxClientsPerClass far 3\n") == "10 10"
    assert quit_with("%M %z", CLASS) == "0 0"


def test_setenv_of_the_main_server_counts_in_a_virtual_host_that_says_nothing_else() -> None:
    hosts = "<VirtualHost 127.0.0.2>\nServerAlias one.example\nDisplayQuit {root}/bye\nSetEnv B host\n</VirtualHost>\n"
    text = "%{env:A} %{env:B}"
    asked = "HOST one.example"
    conf = f"DefaultAddress 127.0.0.2\nSetEnv A main\nSetEnv B main\n{hosts}"
    assert quit_with(text, conf, login=False) == "main main"
    assert quit_with(text, conf, asked, login=False) == "main host"


def test_the_address_is_the_one_that_clients_know() -> None:
    assert quit_with("%L", "MasqueradeAddress 192.0.2.7\n") == "192.0.2.7"
    assert quit_with("%L", "MasqueradeAddress nowhere.invalid\n") == "127.0.0.1"


def test_without_a_login_there_is_neither_a_folder_nor_a_user() -> None:
    assert quit_with("%C [%U]", "", "USER tom", login=False) == "(none) []"


def test_times_are_told_as_one_likes() -> None:
    assert re.fullmatch(r"\w{3} \w{3} \d\d [\d:]{8} \d{4}", quit_with("%T"))
    assert quit_with("%{time:%Y-%m}") == time.strftime("%Y-%m")


def test_the_free_space_is_that_of_the_client_s_folder() -> None:
    free = int(quit_with("%F"))
    there = os.statvfs(tempfile.gettempdir())
    assert abs(free - (there.f_bavail * there.f_frsize >> 10)) < free / 2 + 2**20
    assert re.fullmatch(r"\d+[kMGTP]?B", quit_with("%f"))


@given(st.integers(0, 2**62))
def test_a_size_is_told_in_five_digits_at_most(size: int) -> None:
    found = re.fullmatch(r"(\d{1,5})(B|kB|MB|GB|TB|PB)", _short(size))
    assert found is not None
    unit = 1024 ** ["B", "kB", "MB", "GB", "TB", "PB"].index(found[2])
    assert 0 <= size - int(found[1]) * unit < unit


def test_the_traffic_of_the_session_is_counted() -> None:
    async def story() -> str:
        conf = "DefaultRoot ~\nDisplayQuit /bye\n"
        bye = b"%i %o %t %K %{total_bytes_in} %{total_bytes_out} %{total_files_xfer}\n"
        async with Bench(conf=conf, files={"bye": bye, "big": b"x" * 3000}) as ftp:
            await ftp("TYPE I")
            await ftp.upload("STOR up", b"12345")
            await ftp.download("RETR big")
            await ftp.download("RETR nowhere")
            listed = await ftp.download("NLST")
            return f"{await ftp('QUIT')} {len(listed)}"

    *shown, listed = asyncio.run(story()).split()
    assert shown == ["221", "1", "1", "2", "2", "5", str(3000 + int(listed)), "2"]


def test_a_folder_s_name_cannot_look_like_a_reply() -> None:
    async def story() -> str:
        async with Bench(conf="DefaultRoot ~\nDisplayChdir /say\n", files={"say": b"in %C\n", "a\n230 x/": b""}) as ftp:
            assert ftp.session is not None
            ftp.session.cwd = "/a\n230 x"
            return await ftp("CWD .")

    assert asyncio.run(story()) == "250-in /a?230 x\n250 CWD command successful"


# -- where they lie ------------------------------------------------------------------------------------


def entering(conf: str, *lines: str, files: dict[str, bytes] | None = None, user: str = "tom") -> list[str]:
    async def story() -> list[str]:
        async with Bench(conf=conf, files=files or {}, login=None) as ftp:
            await ftp(f"USER {user}")
            return [await ftp("PASS secret"), *[await ftp(line) for line in lines]]

    return asyncio.run(story())


def test_a_full_path_is_one_of_the_machine_though_the_session_has_a_root(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("hello\n")
    conf = f"DefaultRoot ~\nDisplayLogin {message}\nDisplayChdir {message}\nDisplayQuit {message}\n"
    assert entering(conf, "CWD /", "QUIT") == [
        "230-hello\n230 User tom logged in", "250-hello\n250 CWD command successful", "221 hello"
    ]  # fmt: skip


def test_what_the_machine_has_not_may_lie_in_the_root() -> None:
    conf = "DefaultRoot ~\nDisplayLogin /motd-of-tom\n"
    assert entering(conf, files={"motd-of-tom": b"hello\n"})[0] == "230-hello\n230 User tom logged in"


def test_an_area_shows_nothing_from_outside(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("outside\n")
    conf = f"DisplayLogin {message}\n<Anonymous {{root}}/area>\nUser tom\nDisplayLogin %s\n</Anonymous>\n"
    files = {"area/welcome": b"hello %U\n"}
    granted = "230 Anonymous access granted, restrictions apply"
    assert entering(conf % message, files=files)[0] == granted
    assert entering(conf % "/welcome", files=files)[0] == f"230-hello tom\n{granted}"
    assert entering(conf % "welcome", files=files)[0] == f"230-hello tom\n{granted}"


def test_a_guest_is_shown_the_goodbye_that_the_server_has_for_everybody(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_text("outside\n")
    area = "<Anonymous {root}/area>\nUser tom\n%s</Anonymous>\n"
    for outer, inner, said in (
        (f"DisplayQuit {message}\n", "", "221 outside"),
        (f"DisplayQuit {message}\n", f"DisplayQuit {message}\n", "221 Goodbye."),
        ("", f"DisplayQuit {message}\n", "221 Goodbye."),
        (f"DisplayQuit {message}\n", "DisplayQuit bye\n", "221 inside"),
    ):
        assert entering(outer + area % inner, "QUIT", files={"area/bye": b"inside\n"})[1] == said


def test_a_line_ends_at_a_nul_and_a_long_one_goes_on_in_the_next() -> None:
    files = {"motd": b"a\0b\n" + b"c" * 1500 + b"\nform\x0cfeed\n"}
    lines = entering("DisplayLogin ~/motd\n", files=files)[0].split("\n")
    assert lines == ["230-a", " " + "c" * 1023, " " + "c" * 477, " form\x0cfeed", "230 User tom logged in"]


def test_a_tilde_is_the_user_s_home() -> None:
    for conf in ("", "DefaultRoot ~\n"):
        told = entering(f"{conf}DisplayLogin ~/motd\n", files={"motd": b"hello\n"})
        assert told == ["230-hello\n230 User tom logged in"]


def test_each_folder_is_a_first_time_of_its_own(tmp_path: Path) -> None:
    """DisplayChdir with `on`: a file of the machine is shown once for each folder."""
    message = tmp_path / "message"
    message.write_text("hello\n")
    told = entering(f"DisplayChdir {message} on\n", "CWD a", "CWD ..", "CWD a", "CWD ..", files={"a/": b""})
    assert [reply.startswith("250-hello") for reply in told[1:]] == [True, True, False, False]


def test_two_clients_are_counted() -> None:
    async def story() -> list[str]:
        conf = f"{CLASS}DisplayConnect {{root}}/hello\n"
        files = {"hello": b"%N connected\n"}
        first, second = Bench(conf=conf, files=files), Bench(conf=conf, files=files, login=None)
        try:
            return [(await bench.open()).splitlines()[0] for bench in (first, second)]
        finally:
            await first.close()
            await second.close()

    assert asyncio.run(story()) == ["220-1 connected", "220-2 connected"]

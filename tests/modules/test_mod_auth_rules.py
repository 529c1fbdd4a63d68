"""The smaller rules of a login: robots in anonymous areas, ports of root's, lastlog, events for modules that ban."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from pathlib import Path

import pytest

from ftpd.api import Account, AuthAnswer, AuthBackend, Event, Module, Session
from ftpd.module.session import Address
from ftpd.modules import _auth_events, _auth_lastlog
from ftpd.testing import Bench

INCORRECT = "530 Login incorrect."
SENT_AWAY = b"User-agent: *\nDisallow: /\n"


# -- AnonAllowRobots -----------------------------------------------------------------------------------


def fetched(line: str, more: str = "", files: dict[str, bytes] | None = None, *before: str) -> tuple[str, bytes]:
    """What a guest's RETR is answered, and the bytes."""

    async def story() -> tuple[str, bytes]:
        conf = f"<Anonymous {{root}}>\nUser tom\n{more}\n</Anonymous>\n"
        async with Bench(conf=conf, files=files or {"sub/": b""}) as ftp:
            for earlier in ("TYPE I", *before):
                await ftp(earlier)
            came = await ftp.download(line)
            return ftp.replies.splitlines()[-1], came

    return asyncio.run(story())


def test_an_area_without_a_robots_txt_sends_robots_away() -> None:
    for name in ("robots.txt", "/robots.txt", "sub/../robots.txt"):
        assert fetched(f"RETR {name}") == ("226 Transfer complete", SENT_AWAY)
    assert fetched("RETR sub/robots.txt")[0].startswith("550")
    assert fetched("RETR robots.txt", "", None, "CWD sub")[0].startswith("550")


def test_robots_may_be_let_in_or_told_in_one_s_own_words() -> None:
    assert fetched("RETR robots.txt", "AnonAllowRobots on")[0] == "550 robots.txt: No such file or directory"
    own = {"robots.txt": b"Allow: /\n"}
    assert fetched("RETR robots.txt", "", own) == ("226 Transfer complete", b"Allow: /\n")


def test_what_is_sent_to_robots_obeys_limits_and_rest() -> None:
    denied = "<Limit READ>\nDenyAll\n</Limit>"
    assert fetched("RETR robots.txt", denied) == ("550 robots.txt: Operation not permitted", b"")
    assert fetched("RETR robots.txt", "", None, "REST 20") == ("226 Transfer complete", SENT_AWAY[20:])
    assert fetched("RETR robots.txt", "", None, "REST 99")[0] == "554 REST: invalid robots.txt argument"


def test_lines_end_as_the_client_asked_for() -> None:
    assert fetched("RETR robots.txt", "", None, "TYPE A")[1] == b"User-agent: *\r\nDisallow: /\r\n"


def test_users_have_the_files_that_they_have() -> None:
    async def story() -> str:
        async with Bench(conf="DefaultRoot ~\n") as ftp:
            await ftp.download("RETR robots.txt")
            return ftp.replies

    assert asyncio.run(story()) == "550 robots.txt: No such file or directory"


# -- RootRevoke ----------------------------------------------------------------------------------------


def active(rule: str, port: int) -> list[str]:
    async def story() -> list[str]:
        async with Bench(conf=f"RootRevoke {rule}\n") as ftp:
            assert ftp.session is not None
            ftp.session.local = Address("127.0.0.1", port)
            return [await ftp("PORT 127,0,0,1,100,0"), await ftp("EPRT |1|127.0.0.1|25600|"), (await ftp("PASV"))[:3]]

    return asyncio.run(story())


def test_who_gave_up_root_cannot_connect_from_its_port() -> None:
    refused = ["500 Unable to service PORT commands", "500 Unable to service EPRT commands", "227"]
    served = ["200 PORT command successful", "200 EPRT command successful", "227"]
    assert active("on", 21) == refused
    assert active("on", 2121) == served
    assert active("off", 21) == served
    assert active("UseNonCompliantActiveTransfers", 21) == served


# -- UseLastlog ----------------------------------------------------------------------------------------


def test_a_login_is_recorded_at_the_user_s_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    record = tmp_path / "lastlog"
    monkeypatch.setattr(_auth_lastlog, "LASTLOG", str(record))

    def enter(conf: str, uid: int) -> None:
        async def story() -> None:
            async with Bench(conf=conf) as ftp:
                assert ftp.session is not None
                _auth_lastlog.record_login(ftp.session, uid)

        asyncio.run(story())

    enter("", 1)
    assert not record.exists(), "a machine without a lastlog gets none"
    record.touch()
    asyncio.run(_login("UseLastlog off"))
    assert record.stat().st_size == 0
    before = int(time.time())
    enter("", 3)
    when, line, host = struct.unpack("=i32s256s", record.read_bytes()[3 * 292 : 4 * 292])
    assert before <= when <= time.time()
    assert line.startswith(b"ftpd")
    assert host.rstrip(b"\0") == b"127.0.0.1"


def test_a_lastlog_that_cannot_be_written_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_auth_lastlog, "LASTLOG", str(tmp_path))
    assert asyncio.run(_login("UseLastlog on")) == "230 User tom logged in"


async def _login(conf: str, password: str = "secret", *modules: Module, user: str = "tom") -> str:
    async with Bench(*modules, conf=conf, login=None) as ftp:
        await ftp(f"USER {user}")
        return await ftp(f"PASS {password}")


class Root(AuthBackend):
    def getpwnam(self, session: Session, user: str) -> Account | None:
        return Account("root", 0, 0, "/", "/bin/sh") if user == "root" else None


# -- events --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "conf", "password"),
    [
        (_auth_events.EMPTY_PASSWORD, "AllowEmptyPasswords off", ""),
        (_auth_events.ROOT_LOGIN, "RootLogin off", "secret"),
        (
            _auth_events.ANON_REJECT_PASSWORDS,
            "<Anonymous {root}>\nUser tom\nAnonRejectPasswords ^no$\n</Anonymous>",
            "no",
        ),
    ],
)
def test_a_module_may_hear_of_those_turned_away(event: Event[Session], conf: str, password: str) -> None:
    heard = []
    module = Module("ears", version="1.0")
    module.on(event)(lambda session: heard.append(session.remote.host))
    module.auth(Root())
    user = "root" if event is _auth_events.ROOT_LOGIN else "tom"
    assert asyncio.run(_login(conf, password, module, user=user)) in (INCORRECT, "501 Login incorrect.")
    assert heard == ["127.0.0.1"]


def test_a_module_may_hear_of_the_one_too_many() -> None:
    heard = []
    module = Module("ears", version="1.0")
    module.on(_auth_events.MAX_CLIENTS)(lambda session: heard.append(session.remote.host))

    async def story() -> str:
        conf = "MaxClients 1"
        async with Bench(module, conf=conf), Bench(module, conf=conf, login=None) as second:
            await second("USER tom")
            return await second("PASS secret")

    assert asyncio.run(story()).startswith("530 Sorry, the maximum number of allowed clients (1)")
    assert heard == ["127.0.0.1"]


# -- the length of passwords ---------------------------------------------------------------------------


def test_no_length_at_all_is_the_usual_length() -> None:
    assert asyncio.run(_login("MaxPasswordSize 0")) == "230 User tom logged in"
    assert asyncio.run(_login("MaxPasswordSize 0", "a" * 1025)) == INCORRECT
    assert asyncio.run(_login("MaxPasswordSize 5")) == INCORRECT
    assert asyncio.run(_login("MaxPasswordSize 6")) == "230 User tom logged in"


# -- AuthOrder -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "warned"),
    [
        ("mod_nosuch.c mod_bench.c", "the module mod_nosuch.c is not loaded"),
        ("mod_bench.c mod_ls.c*", "the module mod_ls.c keeps no accounts"),
        ("mod_bench.c mod_auth_file.c", ""),
    ],
)
def test_a_module_that_nobody_can_ask_is_warned_of(order: str, warned: str) -> None:
    async def story() -> str:
        async with Bench(conf=f"AuthOrder {order}\n") as ftp:
            assert ftp.generation is not None
            return "".join(fault.summary() for fault in ftp.generation.config.warnings)

    said = asyncio.run(story())
    assert warned in said if warned else not said


# -- what the log says of those turned away -------------------------------------------------------------

ROOTS_AREA = "<Anonymous {root}>\nUser zero\n</Anonymous>\n"


class _Roots(AuthBackend):
    """One account, which is root by another name."""

    def getpwnam(self, session: Session, user: str) -> Account | None:
        return Account("zero", 0, 0, "/", "/bin/sh") if user == "zero" else None

    def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer | None:
        return AuthAnswer.OK if password == "zero" else AuthAnswer.BAD_PASSWORD


ALIASED = "<Anonymous {root}>\nUser tom\nUserAlias guest tom\n%s\n</Anonymous>\n"


@pytest.mark.parametrize(
    ("conf", "user", "password", "told"),
    [
        # by the name that the client gave
        ("", "tom", "wrong", ["USER tom (Login failed): Incorrect password"]),
        ("UserAlias guest tom\n", "guest", "wrong", ["USER guest (Login failed): Incorrect password"]),
        (ALIASED % "AnonRejectPasswords ^no", "guest", "no", ["ANON guest: AnonRejectPasswords denies login"]),
        (
            ALIASED % "<Limit LOGIN>\nDenyAll\n</Limit>",
            "guest",
            "me@x",
            ["ANON guest (Login failed): Limit access denies login"],
        ),
        (
            "<Limit LOGIN>\nDenyAll\n</Limit>\n",
            "tom",
            "secret",
            ["USER tom (Login failed): Limit access denies login"],
        ),
        (
            "MaxPasswordSize 5\n",
            "tom",
            "secret",
            [
                "client-provided password size exceeds MaxPasswordSize (5), rejecting",
                "USER tom (Login failed): Incorrect password",
            ],
        ),
        ("", "x" * 257, "secret", [f"USER {'x' * 257} (Login failed): maximum USER length exceeded"]),
        (
            "Protocols ftps\n",
            "tom",
            "secret",
            ["ftp protocol denied by Protocols config"],
        ),
    ],
)
def test_the_log_has_proftpds_words_for_it(
    conf: str, user: str, password: str, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(1)
    assert asyncio.run(_login(conf, password, user=user))[:3] in ("530", "503")
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if any(word in line for word in ("USER", "ANON", "rejecting", "protocol"))] == told


@pytest.mark.parametrize("area", ["/no/such/area", "~nosuch/area/", "/etc/passwd"])
def test_the_log_names_an_area_that_cannot_be_entered_as_it_is_written(
    area: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(20)
    conf = (ALIASED % "").replace("{root}", area)
    assert asyncio.run(_login(conf, "me@x", user="guest")).startswith("530-Unable to set anonymous privileges.")
    told = [record.getMessage() for record in caplog.records if "area" in record.getMessage() or "chroot" in record.msg]
    assert f"tom: Directory {area.rstrip('/')}/ is not accessible" in [record.getMessage() for record in caplog.records]
    assert not [line for line in told if "chroot" in line]


def test_the_log_tells_of_a_link_to_an_area(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    caplog.set_level(20)
    conf = "AllowChrootSymlinks off\n" + (ALIASED % "").replace("{root}", f"{tmp_path}/link")
    assert asyncio.run(_login(conf, "me@x", user="guest")).startswith("530-")
    said = [record.getMessage() for record in caplog.records]
    wrong = f"error: <Anonymous {tmp_path}/link> is a symlink (denied by AllowChrootSymlinks config)"
    at = said.index(wrong)
    assert said[at + 1] == f"tom: Directory {tmp_path}/link/ is not accessible"


def test_the_log_tells_who_is_no_alias_and_whence(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(20)
    assert asyncio.run(_login("UserAlias bob tom\nAuthAliasOnly on\n", user="tom")) == INCORRECT
    said = [record.getMessage() for record in caplog.records]
    assert [line for line in said if line.startswith("USER tom: user is not a UserAlias from ")]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be root")
@pytest.mark.parametrize(("area", "told"), [("", ["ROOT", "USER"]), (ROOTS_AREA, ["ANON"])])
def test_roots_login_is_told_before_that_of_the_user_and_only_where_a_password_was_asked_for(
    area: str, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(20)

    async def story() -> str:
        family = Module("family", version="1.0")
        family.auth(_Roots())
        conf = f"AuthOrder mod_family.c\nRootLogin on\nUseFtpUsers off\nRequireValidShell off\n{area}"
        async with Bench(family, conf=conf, login=None) as bench:
            await bench("USER zero")
            return await bench("PASS zero")

    assert asyncio.run(story()).startswith("230")
    lines = [record.getMessage() for record in caplog.records if "ogin successful" in record.getMessage()]
    assert [line.split()[0] for line in lines] == told


def test_the_log_names_the_guest_who_has_no_password_and_the_account_that_is_not_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(1)
    assert asyncio.run(_login(ALIASED % "AllowEmptyPasswords off", "", user="guest")) == "501 Login incorrect."
    assert asyncio.run(_login("UserAlias guest nosuch", user="guest")) == INCORRECT
    said = [record.getMessage() for record in caplog.records]
    assert "Refusing empty password from user 'guest'" in said
    assert any(line.startswith("USER nosuch: no such user found from ") for line in said)


def test_the_line_of_a_password_has_no_reason_of_the_end_that_it_brings(tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = f'LogFormat f "%m|%J|%E"\nExtendedLog {log} AUTH f\nMaxClients 1\n'

    async def story() -> None:
        async with Bench(conf="MaxClients 1"), Bench(conf=conf, login=None) as second:
            await second("USER tom")
            await second("PASS")
            await second("USER tom")
            await second("PASS secret")
            assert second.wire.closed_for == "Configured policy: Denied by MaxClients"

    asyncio.run(story())
    assert log.read_text().splitlines() == ["USER|tom|", "PASS|(hidden)|", "USER|tom|", "PASS|(hidden)|"]

"""Accounts from files of one's own: who is in them, which files are taken, and how soon a change counts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from ftpd.api import (
    SESSION_CLOSE,
    SESSION_OPEN,
    Account,
    AuthAnswer,
    AuthBackend,
    ConfigError,
    Module,
    Session,
    crypt,
    types,
)
from ftpd.conf.faults import ConfigFaults
from ftpd.modules.mod_auth_file import module
from ftpd.testing import Bench

INCORRECT = "530 Login incorrect."
HASH = crypt.hash("secret", "$5$")
UID, GID = os.geteuid(), os.getegid()


class Files:
    """A passwd and a group file in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.passwd, self.group = folder / "passwd", folder / "group"
        self.home = folder

    def users(self, *lines: str, mode: int = 0o600) -> Files:
        self.passwd.write_text("\n".join(lines) + "\n")
        self.passwd.chmod(mode)
        return self

    def groups(self, *lines: str) -> Files:
        self.group.write_text("\n".join(lines) + "\n")
        return self

    def line(self, name: str = "tom", stored: str = HASH, uid: int = UID, gid: int = GID) -> str:
        return f"{name}:{stored}:{uid}:{gid}:{name}:{self.home}:/bin/sh"

    def bench(self, restriction: str = "", conf: str = "") -> Bench:
        groups = f"AuthGroupFile {self.group}\n" if self.group.exists() else ""
        lines = f"{conf}\nAuthOrder mod_auth_file.c\nAuthUserFile {self.passwd} {restriction}\n{groups}"
        return Bench(conf=lines, login=None)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


async def enter(bench: Bench, user: str = "tom", password: str = "secret") -> str:
    await bench(f"USER {user}")
    return await bench(f"PASS {password}")


def login(bench: Bench, user: str = "tom", password: str = "secret") -> str:
    async def run() -> str:
        async with bench:
            return await enter(bench, user, password)

    return asyncio.run(run())


# -- who is in the file --------------------------------------------------------------------------------


def test_a_user_of_the_file_logs_in_with_its_password(files: Files) -> None:
    files.users("# accounts", "", files.line())
    assert login(files.bench()) == "230 User tom logged in"
    assert login(files.bench(), "tom", "wrong") == INCORRECT
    assert login(files.bench(), "root", "secret") == INCORRECT


@pytest.mark.parametrize("stored", ["", "*", "!", "x", "!!", "*0", "*1", "secret", f"!{HASH}", HASH[:-3]])
def test_what_is_no_hash_lets_nobody_in(files: Files, stored: str) -> None:
    files.users(files.line(stored=stored))
    for password in ("", "secret", stored):
        assert login(files.bench(), "tom", password) == INCORRECT


def test_the_first_of_two_lines_for_one_name_counts(files: Files) -> None:
    files.users(files.line(), files.line(stored=crypt.hash("other", "$5$")))
    assert login(files.bench()) == "230 User tom logged in"
    assert login(files.bench(), "tom", "other") == INCORRECT


@pytest.mark.parametrize(
    "line", ["tom", "tom:{h}:1:1::/", "tom:{h}:-1:1::/:/bin/sh", "tom:{h}:x:1::/:/bin/sh", ":{h}:1:1::/:/bin/sh",
             "tom:{h}:4294967295:1::/:/bin/sh", "tom:{h}:²:1::/:/bin/sh"],
)  # fmt: skip
def test_a_malformed_line_is_left_out_and_the_others_hold(files: Files, line: str) -> None:
    files.users(line.format(h=HASH), files.line("ann"))
    assert login(files.bench()) == INCORRECT
    assert login(files.bench(), "ann") == "230 User ann logged in"


def test_fields_behind_the_shell_are_passed_over(files: Files) -> None:
    files.users(files.line() + ":more")
    assert login(files.bench()) == "230 User tom logged in"


def test_entries_may_be_restricted(files: Files) -> None:
    files.users(files.line())
    assert login(files.bench(f"id {UID}-{UID}")) == "230 User tom logged in"
    assert login(files.bench(f"id {UID + 1}-{UID + 9}")) == INCORRECT
    assert login(files.bench("name ^t")) == "230 User tom logged in"
    assert login(files.bench("name !^t")) == INCORRECT
    assert login(files.bench("home ^/nowhere")) == INCORRECT


def test_a_name_that_is_no_utf_8_is_a_name_like_any_other(files: Files) -> None:
    files.passwd.write_bytes(files.line("t\udcffm").encode("utf-8", "surrogateescape") + b"\n")
    files.passwd.chmod(0o600)
    assert login(files.bench(), "t\udcffm") == "230 User t\udcffm logged in".encode("utf-8", "surrogateescape").decode(
        "utf-8", "surrogateescape"
    )


# -- groups and names ----------------------------------------------------------------------------------


def groups_of(bench: Bench) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...]]:
    async def run() -> tuple[tuple[tuple[int, str], ...], tuple[int, ...]]:
        async with bench:
            assert (await enter(bench)).startswith("230")
            session = bench.session
            assert session is not None and session.identity is not None
            return session.groups, session.identity.groups

    return asyncio.run(run())


def test_groups_come_from_the_group_file(files: Files) -> None:
    files.users(files.line(gid=7000)).groups("own::7000:", "staff:x:7001:ann,tom", "others::7002:ann", "broken:7003")
    assert groups_of(files.bench()) == (((7000, "own"), (7001, "staff")), (7000, 7001))


def test_a_group_may_lack_its_last_colon(files: Files) -> None:
    files.users(files.line(gid=7000)).groups("own:x:7000", "staff:x:7001:tom", "broken:7000")
    assert groups_of(files.bench()) == (((7000, "own"), (7001, "staff")), (7000, 7001))


def test_fields_behind_the_members_of_a_group_are_passed_over(files: Files) -> None:
    files.users(files.line(gid=7000)).groups("own:x:7000:", "staff:x:7001:ann,tom:more", "others:x:7002::tom")
    assert groups_of(files.bench()) == (((7000, "own"), (7001, "staff")), (7000, 7001))


def test_without_a_group_file_a_user_has_the_primary_group_alone(files: Files) -> None:
    files.users(files.line(gid=7000))
    assert groups_of(files.bench()) == (((7000, "7000"),), (7000,))


def test_a_system_user_of_the_same_name_lends_no_groups(files: Files) -> None:
    # root's own groups on every machine are more than this
    files.users(files.line("tom", gid=7000))
    bench = files.bench()
    bench._conf = bench._conf.replace("AuthOrder mod_auth_file.c", "AuthOrder mod_auth_unix.c mod_auth_file.c")
    assert groups_of(bench)[1] == (7000,)


def test_ids_have_the_names_of_the_files(files: Files) -> None:
    files.users(files.line()).groups("own::7000:")

    async def run() -> None:
        async with files.bench() as bench:
            session = bench.session
            assert session is not None
            accounts = session.modules.accounts
            assert accounts.uid_name(session, UID) == "tom"
            assert accounts.uid_name(session, 7654321) == "7654321"
            assert accounts.gid_name(session, 7000) == "own"
            assert (accounts.name_uid(session, "tom"), accounts.name_gid(session, "own")) == (UID, 7000)
            assert accounts.name_uid(session, "nosuch") is None

    asyncio.run(run())


# -- a file that changes -------------------------------------------------------------------------------


def test_a_change_counts_at_the_next_login(files: Files) -> None:
    files.users(files.line())

    async def run() -> list[str]:
        async with files.bench() as bench:
            before = await enter(bench, "ann")
            replacement = files.passwd.with_name("new")
            replacement.write_text(files.line("ann") + "\n")
            replacement.chmod(0o600)
            replacement.rename(files.passwd)
            return [before, await enter(bench, "tom"), await enter(bench, "ann")]

    assert asyncio.run(run()) == [INCORRECT, INCORRECT, "230 User ann logged in"]


async def root_of_another(bench: Bench, password: str = "secret") -> str:
    """The next client, who logs in as tom: the session's root, or what PASS was answered."""
    before = bench.session
    assert before is not None and bench.generation is not None
    bench.generation.emit(SESSION_CLOSE, before)
    if before.files is not None:
        before.files.close()
    bench.session = after = Session(
        wire=bench.wire, modules=bench.generation, server=before.server, settings=before.server.settings,
        local=before.local, enter=before.enter,
    )  # fmt: skip
    bench.generation.emit(SESSION_OPEN, after)
    answer = await enter(bench, "tom", password)
    return answer if after.files is None else after.files.root


def test_who_was_let_in_before_is_looked_up_again_each_time(files: Files) -> None:
    """Whatever is kept of a login: the next goes by the groups, the home and the password that the files have then."""

    def put(path: Path, *lines: str) -> None:
        # a file of its own each time: not even its inode is as it was
        new = path.with_name("new")
        new.write_text("\n".join(lines) + "\n")
        new.chmod(0o600)
        new.rename(path)

    async def run() -> list[str]:
        tom = files.line()
        for name in ("area", "other"):
            (files.home / name).mkdir()
        elsewhere = tom.replace(f":{files.home}:", f":{files.home}/other:")
        roots = []
        async with files.bench(conf=f"DefaultRoot {files.home}/area staff\nDefaultRoot ~") as bench:
            roots += [await root_of_another(bench), await root_of_another(bench)]
            put(files.group, "users:x:100:", "staff:x:7001:tom")
            roots.append(await root_of_another(bench))
            put(files.group, "users:x:100:", "staff:x:7001:ann")
            roots.append(await root_of_another(bench))
            put(files.passwd, elsewhere)
            roots.append(await root_of_another(bench))
            put(files.passwd, elsewhere.replace(HASH, crypt.hash("changed", "$5$")))
            roots += [await root_of_another(bench), await root_of_another(bench, "changed")]
            put(files.passwd, files.line("ann"))
            roots.append(await root_of_another(bench, "changed"))
        return roots

    files.users(files.line()).groups("users:x:100:", "staff:x:7001:ann")
    home, area, other = (str(files.home / name) for name in ("", "area", "other"))
    assert asyncio.run(run()) == [home, home, area, home, other, INCORRECT, other, INCORRECT]


def test_a_root_that_is_another_users_home_is_looked_up_each_time(files: Files) -> None:
    async def run() -> list[str]:
        (files.home / "moved").mkdir()
        async with files.bench(conf="DefaultRoot ~ann") as bench:
            before = [await root_of_another(bench), await root_of_another(bench)]
            files.users(files.line(), files.line("ann").replace(f":{files.home}:", f":{files.home}/moved:"))
            return [*before, await root_of_another(bench)]

    files.users(files.line(), files.line("ann"))
    assert asyncio.run(run()) == [str(files.home), str(files.home), f"{files.home}/moved"]


def test_a_file_that_went_away_or_was_opened_to_all_lets_nobody_in(files: Files) -> None:
    async def run(spoil: str) -> str:
        files.users(files.line())
        async with files.bench() as bench:
            if spoil == "gone":
                files.passwd.unlink()
            else:
                files.passwd.chmod(0o602)
            return await enter(bench)

    assert asyncio.run(run("gone")) == INCORRECT
    assert asyncio.run(run("writable")) == INCORRECT


# -- which files are taken -----------------------------------------------------------------------------


def refusal(bench: Bench) -> str:
    with pytest.raises(Exception) as caught:
        login(bench)
    error = caught.value
    if isinstance(error, ConfigFaults):
        return " ".join(fault.message for fault in error.faults)
    return str(error)


def test_a_file_that_others_can_read_is_refused_unless_one_insists(files: Files) -> None:
    files.users(files.line(), mode=0o644)
    assert "unable to use world-readable AuthUserFile" in refusal(files.bench())
    assert login(files.bench(conf="AuthFileOptions InsecurePerms")) == "230 User tom logged in"
    assert login(files.users(files.line(), mode=0o640).bench()) == "230 User tom logged in"


INSECURE = "AuthFileOptions InsecurePerms\n"


def test_several_lines_of_options_add_up(files: Files) -> None:
    files.users(files.line(), mode=0o644)
    assert login(files.bench(conf="AuthFileOptions SyntaxCheck\n" + INSECURE)) == "230 User tom logged in"


async def come_and_go(conf: str) -> None:
    async with Bench(conf=conf):
        pass


def test_options_of_the_main_server_are_for_the_files_of_all_servers(files: Files) -> None:
    files.users(files.line(), mode=0o644)
    host = f"<VirtualHost 192.0.2.1>\nAuthUserFile {files.passwd}\n%s</VirtualHost>\n"
    asyncio.run(come_and_go(INSECURE + host % ""))
    asyncio.run(come_and_go(host % INSECURE))
    with pytest.raises(ConfigFaults):
        asyncio.run(come_and_go(f"<VirtualHost 192.0.2.2>\n{INSECURE}</VirtualHost>\n" + host % ""))


def test_a_file_that_others_can_write_is_refused_always(files: Files) -> None:
    files.users(files.line(), mode=0o602)
    assert "world-writable AuthUserFile" in refusal(files.bench())
    assert "world-writable AuthUserFile" in refusal(files.bench(conf="AuthFileOptions InsecurePerms"))
    files.users(files.line()).groups("own::7000:").group.chmod(0o666)
    assert "world-writable AuthGroupFile" in refusal(files.bench())


def test_a_file_in_a_folder_that_others_can_write_is_refused(files: Files) -> None:
    files.users(files.line()).home.chmod(0o777)
    assert "from world-writable directory" in refusal(files.bench())
    files.home.chmod(0o1777)
    assert login(files.bench()) == "230 User tom logged in"


def test_a_link_is_as_good_as_what_it_leads_to(files: Files, tmp_path: Path) -> None:
    files.users(files.line())
    real = files.passwd
    files.passwd = tmp_path / "link"
    files.passwd.symlink_to(real)
    assert login(files.bench()) == "230 User tom logged in"
    real.chmod(0o602)
    assert "world-writable" in refusal(files.bench())


def test_malformed_entries_may_be_refused_at_the_start(files: Files) -> None:
    files.users(files.line(), "tom:x:1")
    assert "bad entries (1) detected" in refusal(files.bench(conf="AuthFileOptions SyntaxCheck"))
    assert login(files.users(files.line()).bench(conf="AuthFileOptions SyntaxCheck")) == "230 User tom logged in"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["relative"], "unable to use relative path for AuthUserFile 'relative'"),
        (["/etc/passwd", "id", "5"], "badly formatted ID restriction parameter"),
        (["/etc/passwd", "id", "9-5"], "minimum cannot be larger than maximum"),
        (["/etc/passwd", "id", "a-b"], "badly formatted minimum ID in 'a-b'"),
        (["/etc/passwd", "id", "5-5x"], "badly formatted maximum ID in '5-5x'"),
        (["/etc/passwd", "id", "5-"], "minimum cannot be larger than maximum"),
        (["/etc/passwd", "id"], "'id' has no value behind it"),
        (["/etc/passwd", "foo", "x"], "unknown restriction 'foo'"),
        (["/etc/passwd", "name", "["], "'['"),
    ],
)
def test_a_faulty_line_is_refused(words: list[str], said: str) -> None:
    user_file = next(directive for directive in module.directives if directive.name == "AuthUserFile")
    with pytest.raises(ConfigError) as caught:
        user_file.parse(words)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "lowest", "highest"),
    [
        ("-1", 0, 1),
        ("-", 0, 0),
        ("--1", 0, 2**32 - 1),
        ("2000--1", 2000, 2**32 - 1),
        ("+5- 7", 5, 7),
        ("0-4294967296", 0, 0),
        ("0-99999999999999999999", 0, 2**32 - 1),
    ],
)
def test_odd_numbers_of_ids_are_what_they_are_in_c(text: str, lowest: int, highest: int) -> None:
    group_file = next(directive for directive in module.directives if directive.name == "AuthGroupFile")
    spec = group_file.parse(["/etc/group", "id", text])
    assert (spec.lowest, spec.highest) == (lowest, highest)
    assert types.doubts() == [(f"'{text}' is taken for {lowest}-{highest}", 2)]


def test_a_word_for_each_restriction_is_all_that_a_line_takes(files: Files) -> None:
    files.users(files.line())
    assert "wrong number of parameters" in refusal(files.bench("id 0-9 name t home / id 0-9"))
    assert "wrong number of parameters" in refusal(Bench(conf=f"AuthGroupFile {files.passwd} id 0-9 name t id 0-9"))


def test_the_words_of_options_are_spelt_as_they_are(files: Files) -> None:
    assert "unknown option 'insecureperms'" in refusal(files.bench(conf="AuthFileOptions insecureperms"))


def test_a_file_that_is_not_there_is_said_with_what_stands_in_one(files: Files) -> None:
    def right(name: str, path: object = "/no/such/file") -> tuple[str, str]:
        with pytest.raises(ConfigFaults) as wrong:
            login(Bench(conf=f"{name} {path}", login=None))
        (fault,) = wrong.value.faults
        return fault.message, fault.right

    assert right("AuthUserFile") == (
        "unable to use /no/such/file: No such file or directory",
        "a file with lines as name:hash:uid:gid:gecos:home:shell, as 'ftpasswd --passwd' makes them",
    )
    assert right("AuthGroupFile")[1] == "a file with lines as name::gid:member,member"
    assert right("AuthUserFile", files.home) == (
        f"unable to use AuthUserFile '{files.home}': not a regular file",
        "a file",
    )


def test_with_insecure_perms_the_file_may_come_later(files: Files) -> None:
    async def run() -> tuple[str, str]:
        async with files.bench(conf=INSECURE) as bench:
            before = await enter(bench)
            files.users(files.line())
            return before, await enter(bench)

    assert asyncio.run(run()) == (INCORRECT, "230 User tom logged in")
    files.passwd.unlink()
    assert "No such file" in refusal(files.bench(conf=INSECURE + "AuthFileOptions SyntaxCheck"))


def test_where_the_file_is_not_there_the_next_backend_is_asked(files: Files) -> None:
    class Others(AuthBackend):
        def getpwnam(self, session: Session, user: str) -> Account | None:
            return Account(user, UID, GID, str(files.home), "/bin/sh", source=self)

        def authenticate(self, session: Session, account: Account, password: str) -> AuthAnswer:
            return AuthAnswer.OK

    others = Module("mod_others", version="1.0")
    others.auth(Others())
    conf = f"{INSECURE}AuthUserFile {files.passwd}\nAuthOrder mod_auth_file.c mod_others.c\n"
    assert login(Bench(others, conf=conf, login=None)) == "230 User tom logged in"

"""Who is let in: root, whom lists of shells and names allow, whom <Limit LOGIN> and a backend do, and by which name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from auth_ground import GRANTED, INCORRECT, ann, fresh, login

from ftpd.api import Account, AuthBackend, Module, Session, crypt
from ftpd.core.log import Level
from ftpd.modules import _auth_lists, _auth_login
from ftpd.modules._auth_denied import Denied


def test_root_is_kept_out_unless_it_is_let_in() -> None:
    assert login(fresh("RootLogin off", ann(uid=0)), "ann") == [INCORRECT]
    if os.geteuid() == 0:
        assert login(fresh("RootLogin on", ann(uid=0)), "ann") == GRANTED


def test_a_refused_root_and_a_last_attempt_are_told_as_logins_at_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The level and the facility (AUTHPRIV) of ProFTPD, which alarms and filters of syslog go by."""
    told: list[tuple[Level, str]] = []

    def log_login(session: Session, level: Level, message: str, *args: object) -> None:
        told.append((level, message % args))

    monkeypatch.setattr(Session, "log_login", log_login)
    login(fresh("RootLogin off\nMaxLoginAttempts 1", ann(uid=0)), "ann")
    assert told == [
        (Level.NOTICE, "SECURITY VIOLATION: Root login attempted"),
        (Level.NOTICE, "Maximum login attempts (1) exceeded, connection refused"),
    ]


def test_a_shell_must_be_a_valid_one(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    shells = os.path.join(tmp_path, "shells")
    with open(shells, "w") as out:
        out.write("# shells\n/bin/fine\n")
    monkeypatch.setattr(_auth_lists, "SHELLS", shells)
    assert login(fresh("", ann(shell="/bin/fine")), "ann") == GRANTED
    for shell in ("/bin/other", "", "# shells", "/usr/sbin/nologin"):
        assert login(fresh("", ann(shell=shell)), "ann") == [INCORRECT]
    assert login(fresh("RequireValidShell off", ann(shell="/bin/other")), "ann") == GRANTED


def test_without_etc_shells_the_two_oldest_shells_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_auth_lists, "SHELLS", "/nowhere/shells")
    assert login(fresh("", ann(shell="/bin/sh")), "ann") == GRANTED
    assert login(fresh("", ann(shell="/bin/bash")), "ann") == [INCORRECT]


def test_a_file_of_shells_that_cannot_be_read_keeps_everybody_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    monkeypatch.setattr(_auth_lists, "SHELLS", str(tmp_path))
    assert login(fresh("", ann()), "ann") == [INCORRECT]


def test_whom_etc_ftpusers_names_is_kept_out(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "ftpusers")
    monkeypatch.setattr(_auth_lists, "FTPUSERS", path)
    assert login(fresh("", ann()), "ann") == GRANTED
    with open(path, "w") as out:
        out.write("#bob\nann # on leave\n")
    assert login(fresh("", ann()), "ann") == [INCORRECT]
    assert login(fresh("UseFtpUsers off", ann()), "ann") == GRANTED


@pytest.mark.parametrize("old", [1.0, -1.0])
def test_the_lists_of_shells_and_names_count_as_they_are_now(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: float
) -> None:
    """Whether they have just been written or are known from before."""
    shells, users = tmp_path / "shells", tmp_path / "ftpusers"
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    monkeypatch.setattr(_auth_lists, "FTPUSERS", str(users))
    monkeypatch.setattr(_auth_lists, "_OLD", old)
    account = Account("ann", 1000, 1000, "/", "/bin/fine")
    for words, names, objection in (
        ("/bin/fine", "bob", ""), ("/bin/sore", "bob", "Invalid shell: '/bin/fine'"), ("/bin/fine", "bob", ""),
        ("/bin/fine", "ann", f"User in {users}"), ("/bin/fine", "bob", ""),
    ):  # fmt: skip
        for path, text in (shells, words), (users, names):
            fresh_file = path.with_suffix(".new")
            fresh_file.write_text(f"{text}\n")
            fresh_file.rename(path)
        for _ in range(2):
            assert _auth_lists.objection(account, True, True) == objection
    users.unlink()
    assert not _auth_lists.objection(account, True, True)
    shells.unlink()
    assert _auth_lists.objection(account, True, True)
    shells.mkdir()
    with pytest.raises(Denied):
        _auth_lists.objection(account, True, True)


def test_a_list_that_has_not_changed_is_not_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shells, opened = tmp_path / "shells", []
    shells.write_text("/bin/fine\n")
    monkeypatch.setattr(_auth_lists, "SHELLS", str(shells))
    account = Account("ann", 1000, 1000, "/", "/bin/fine")

    def counted(path: str, **how: Any) -> Any:
        opened.append(path)
        return open(path, **how)

    monkeypatch.setattr(_auth_lists, "open", counted, raising=False)
    for old, reads in (1e9, 3), (-1.0, 1):
        monkeypatch.setattr(_auth_lists, "_OLD", old)
        opened.clear()
        for _ in range(3):
            assert not _auth_lists.objection(account, True, False)
        assert len(opened) == reads


def test_limit_login_lets_in_and_keeps_out() -> None:
    deny = "<Limit LOGIN>\nDenyUser ann\n</Limit>"
    assert login(fresh(deny, ann()), "ann") == [INCORRECT]
    assert login(fresh(deny)) == ["230 User tom logged in"]
    only = "<Limit LOGIN>\nAllowGroup staff\nDenyAll\n</Limit>"
    assert login(fresh(only, ann()), "ann") == GRANTED
    assert login(fresh(only)) == [INCORRECT]


def test_a_backend_that_breaks_denies() -> None:
    assert login(fresh("", ann()), "ann", "break") == [INCORRECT]


def test_a_backend_that_breaks_while_it_looks_for_the_name_denies() -> None:
    class Broken(AuthBackend):
        async def getpwnam(self, session: Session, user: str) -> Account | None:
            raise OSError("the directory server is gone")

    module = Module("broken", version="1.0")
    module.auth(Broken())
    assert login(fresh("AuthOrder mod_broken.c", module)) == [INCORRECT]


def test_a_module_is_in_authorder_by_its_whole_name_alone() -> None:
    assert login(fresh("AuthOrder mod_bench.c")) == ["230 User tom logged in"]
    for entry in ("mod_bench", "mod_bench*", "MOD_BENCH.C", "*", "mod_bench.c**"):
        assert login(fresh(f"AuthOrder {entry}")) == [INCORRECT]


def test_an_alias_stands_for_its_user() -> None:
    conf = "UserAlias bob tom\nUserAlias tim nosuch"
    assert login(fresh(conf), "bob") == ["230 User bob logged in"]
    assert login(fresh(conf), "tim") == [INCORRECT]
    assert login(fresh("UserAlias * tom"), "whoever") == ["230 User whoever logged in"]


def test_names_may_be_for_aliases_only() -> None:
    conf = "UserAlias bob tom\nAuthAliasOnly on"
    assert login(fresh(conf), "bob") == ["230 User bob logged in"]
    assert login(fresh(conf), "tom") == [INCORRECT]


def test_the_configuration_may_give_a_password_of_its_own() -> None:
    conf = f"UserPassword tom {crypt.hash('other', '$5$')}"
    assert login(fresh(conf), "tom", "other") == ["230 User tom logged in"]
    assert login(fresh(conf), "tom", "secret") == [INCORRECT]
    assert login(fresh("UserPassword tom !"), "tom", "!") == [INCORRECT]


@pytest.mark.parametrize(
    ("conf", "user"),
    [
        ("", "nosuch"),
        ("RootLogin off", "tom"),
        ("<Limit LOGIN>\nDenyAll\n</Limit>", "tom"),
        ("AuthAliasOnly on", "tom"),
    ],
)
def test_a_refusal_before_the_password_costs_a_hash_all_the_same(
    conf: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if conf == "RootLogin off" and os.geteuid() != 0:
        pytest.skip("the bench's user is no root here")
    spent: list[str] = []
    monkeypatch.setattr(_auth_login.crypt, "spend", spent.append)
    assert login(fresh(conf), user, "guess") == [INCORRECT]
    assert spent == ["guess"]

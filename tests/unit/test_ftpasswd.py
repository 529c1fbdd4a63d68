"""ftpasswd: what it writes, what it leaves as it is, what it refuses, and with which status."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from ftpasswd_ground import GROUP, TOM, Said, entry, mode, run

from ftpd.cli import ftpasswd, passwords
from ftpd.core import crypt
from ftpd.modules._auth_file_tables import FileSpec, Groups, Users

pytestmark = pytest.mark.usefixtures("own_folder")


# -- accounts ------------------------------------------------------------------------------------------------------


def test_an_account_is_made_for_its_owner_alone(capsys: Said) -> None:
    assert run(*TOM, say="secret\nanother line\n") == 0
    name, hashed, *rest = entry()
    assert (name, rest) == ("tom", ["2001", "2001", "", "/", "/bin/sh"])
    assert crypt.verify("secret", hashed)
    assert mode("ftpd.passwd") == 0o600
    assert os.listdir() == ["ftpd.passwd"]
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "ftpasswd: creating passwd entry for user tom",
        "ftpasswd: missing --gid: it is the same as --uid",
        "ftpasswd: entry created",
    ]


def test_the_file_is_what_the_daemon_reads() -> None:
    run(*TOM, "--gecos", "Tom Thumb", "--gid", "7", say="secret")
    users = Users(FileSpec("x"), Path("ftpd.passwd").read_text())
    account = users.by_name["tom"]
    assert (account.uid, account.gid, account.home, account.shell) == (2001, 7, "/", "/bin/sh")
    assert users.malformed == []


@pytest.mark.parametrize("scheme", passwords.SCHEMES)
def test_each_way_to_hash_makes_what_the_daemon_takes(scheme: str, capsys: Said) -> None:
    assert run("--hash", f"--{scheme}", "--stdin", say="secret\n") == 0
    hashed = capsys.readouterr().out.removeprefix("ftpasswd: ").strip()
    assert hashed.startswith(passwords.SCHEMES[scheme][0])
    assert crypt.verify("secret", hashed)
    assert not crypt.verify("Secret", hashed)


def test_the_hash_is_a_strong_one_where_none_is_named(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--hash", "--stdin", say="secret") == 0
    assert capsys.readouterr().out.startswith("ftpasswd: $y$")
    monkeypatch.setitem(passwords.SCHEMES, "yescrypt", ("$unknown$", 0))
    assert run("--hash", "--stdin", say="secret") == 0
    assert capsys.readouterr().out.startswith("ftpasswd: $6$")
    assert run("--hash", "--stdin", "--yescrypt", say="secret") == 255


def test_what_counts_of_a_password_is_told(capsys: Said) -> None:
    run("--hash", "--stdin", "--des", say="123456789")
    assert "only the first 8 bytes count with --des" in capsys.readouterr().err
    run("--hash", "--stdin", "--des", say="12345678")
    assert capsys.readouterr().err == ""


def test_all_that_is_not_meant_stays_as_it_is() -> None:
    before = b"# who is who\r\n\r\nbroken line\r\n\xe4nne:x:1:1::/:/bin/sh:more\r\nlast:!:2:2::/:/bin/sh"
    Path("ftpd.passwd").write_bytes(before)
    assert run(*TOM, say="secret") == 0
    after = Path("ftpd.passwd").read_bytes()
    assert after.startswith(before + b"\ntom:")
    assert run("--passwd", "--name", "tom", "--delete-user") == 0
    assert Path("ftpd.passwd").read_bytes() == before + b"\n"
    assert run("--passwd", "--name", "\udce4nne", "--change-home", "--home", "/tmp") == 0
    assert b"\n\xe4nne:x:1:1::/tmp:/bin/sh:more\r\n" in Path("ftpd.passwd").read_bytes()


def test_an_account_that_is_there_is_changed_where_it_stands() -> None:
    run(*TOM, "--gecos", "Tom Thumb", say="secret")
    run(*[word.replace("tom", "tim") for word in TOM], say="secret")
    assert run(*[word.replace("2001", "55") for word in TOM], say="other") == 0
    assert [line.split(":")[0] for line in Path("ftpd.passwd").read_text().splitlines()] == ["tom", "tim"]
    fields = entry()
    assert fields[2:] == ["55", "55", "Tom Thumb", "/", "/bin/sh"]
    assert crypt.verify("other", fields[1])


def test_single_fields_are_changed_alone() -> None:
    run(*TOM, say="secret")
    before = entry()
    changes = ["--change-uid", "--uid", "9", "--change-gid", "--gid", "8", "--change-shell", "--shell", "/bin/false"]
    changes += ["--change-gecos", "--gecos", "T", "--change-home", "--home", "/tmp"]
    assert run("--passwd", "--name", "tom", *changes) == 0
    assert entry() == [*before[:2], "9", "8", "T", "/tmp", "/bin/false"]


def test_a_lock_closes_and_opens_again() -> None:
    run(*TOM, say="secret")
    before = entry()[1]
    for _ in range(2):
        assert run("--passwd", "--name", "tom", "--lock") == 0
        assert entry()[1] == f"!{before}"
        assert not crypt.verify("secret", entry()[1])
    for _ in range(2):
        assert run("--passwd", "--name", "tom", "-u") == 0
        assert entry()[1] == before


def test_a_new_password_does_not_open_a_lock(capsys: Said) -> None:
    run(*TOM, say="secret")
    run("--passwd", "--name", "tom", "-l")
    assert run("--passwd", "--name", "tom", "--change-password", "--stdin", say="secret") == 2
    assert run("--passwd", "--name", "tom", "--change-password", "--stdin", say="other") == 0
    assert "tom stays locked" in capsys.readouterr().err
    assert entry()[1].startswith("!$y$")
    run("--passwd", "--name", "tom", "-u")
    assert crypt.verify("other", entry()[1])


def test_an_account_without_a_password_is_not_unlocked_into_one_that_is_open() -> None:
    for hashed in ("!", ""):
        Path("ftpd.passwd").write_text(f"tom:{hashed}:1:1::/:/bin/sh\n")
        assert run("--passwd", "--name", "tom", "--unlock") == 255
        assert entry()[1] == hashed
    assert run("--passwd", "--name", "tom", "--lock") == 0
    assert entry()[1] == "!"


def test_a_second_entry_does_not_come_to_light_when_an_account_is_removed() -> None:
    Path("ftpd.passwd").write_text("tom:a:1:1::/:/bin/sh\ntim:a:1:1::/:/bin/sh\ntom:b:1:1::/:/bin/sh\n")
    assert run("--passwd", "--name", "tom", "--delete-user") == 0
    assert Path("ftpd.passwd").read_text() == "tim:a:1:1::/:/bin/sh\n"


@pytest.mark.parametrize("words", [["--lock"], ["--unlock"], ["--delete-user"], ["--change-password", "--stdin"],
                                   ["--change-home", "--home", "/"]])  # fmt: skip
def test_who_is_not_there_is_status_1_and_no_file(words: list[str], capsys: Said) -> None:
    assert run("--passwd", "--name", "nobody", *words, say="secret") == 1
    assert capsys.readouterr().err == "ftpasswd: error: no such user nobody in ./ftpd.passwd\n"
    assert os.listdir() == []


def test_the_password_from_before_is_status_2() -> None:
    run(*TOM, say="secret")
    before = Path("ftpd.passwd").read_bytes()
    assert run("--passwd", "--name", "tom", "--change-password", "--stdin", say="secret") == 2
    assert run(*TOM, "--not-previous-password", say="secret") == 2
    assert Path("ftpd.passwd").read_bytes() == before
    assert run(*TOM, "--not-previous-password", say="other") == 0


def test_the_password_of_the_system_is_status_4(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word.replace("tom", "root") for word in TOM]
    shadow = passwords.shadow_of
    monkeypatch.setattr(passwords, "shadow_of", lambda name: type("Shadow", (), {"password": crypt.hash("secret")}))
    assert run(*words, "--not-system-password", say="secret") == 4
    assert run(*words, "--not-system-password", say="other") == 0

    def unreadable(name: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(passwords, "shadow_of", unreadable)
    assert run(*words, "--not-system-password", say="other") == 255
    monkeypatch.setattr(passwords, "shadow_of", shadow)
    assert run(*[word.replace("tom", "nosuchuser") for word in TOM], "--not-system-password", say="secret") == 0


def test_a_relative_home_is_status_8(capsys: Said) -> None:
    assert run(*[word if word != "/" else "home" for word in TOM], say="secret") == 8
    assert run("--passwd", "--name", "tom", "--change-home", "--home", "home") == 8
    assert os.listdir() == []


def test_a_home_or_shell_that_may_not_do_is_told_of(capsys: Said) -> None:
    words = [word.replace("/bin/sh", "/bin/nosuch") if word != "/" else "/no/where" for word in TOM]
    assert run(*words, say="secret") == 0
    said = capsys.readouterr().err
    assert "there is no folder /no/where yet: CreateHome on makes it" in said
    assert "/bin/nosuch is not in /etc/shells: it takes RequireValidShell off" in said


# -- groups --------------------------------------------------------------------------------------------------------


def test_a_group_and_its_members() -> None:
    assert run(*GROUP, "--gid", "77", "-m", "tom,tim", "--member", "ann") == 0
    assert Path("ftpd.group").read_text() == "staff:x:77:tom,tim,ann\n"
    assert mode("ftpd.group") == 0o600
    assert run(*GROUP, "--gid", "78") == 0
    assert run(*GROUP, "--add-member", "bob", "--add-member", "tom", "--delete-member", "tim") == 0
    assert Path("ftpd.group").read_text() == "staff:x:78:tom,ann,bob\n"
    assert Groups(FileSpec("x"), Path("ftpd.group").read_text()).by_name == {"staff": 78}
    assert run(*GROUP, "--gid", "78", "-m", "bob") == 0
    assert entry("staff", "ftpd.group")[3] == "bob"
    assert run(*GROUP, "--delete-group") == 0
    assert Path("ftpd.group").read_text() == ""


def test_the_password_of_a_group_outlives_a_change() -> None:
    assert run(*GROUP, "--gid", "7", "--enable-group-passwd", "--stdin", "--sha256", say="secret") == 0
    hashed = entry("staff", "ftpd.group")[1]
    assert hashed.startswith("$5$")
    assert run(*GROUP, "--gid", "8", "-m", "tom") == 0
    assert entry("staff", "ftpd.group") == ["staff", hashed, "8", "tom"]


def test_a_group_that_is_not_there_is_status_1(capsys: Said) -> None:
    assert run(*GROUP, "--add-member", "tom") == 1
    assert run(*GROUP, "--delete-group") == 1
    assert capsys.readouterr().err == "ftpasswd: error: no such group staff in ./ftpd.group\n" * 2
    assert run(*GROUP, "--gid", "5", "--add-member", "tom") == 0
    assert Path("ftpd.group").read_text() == "staff:x:5:tom\n"


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "missing required --passwd, --group or --hash"),
        (["--passwd", "--group"], "please use one of"),
        (["--passwd"], "--passwd: missing required argument: --name"),
        (["--passwd", "--name", "a"], "--passwd: missing required argument: --home"),
        (["--passwd", "--name", "a", "--home", "/"], "missing required argument: --uid"),
        (["--passwd", "--name", "a", "--home", "/", "--uid", "1"], "missing required argument: --shell"),
        (["--passwd", "--name", "a", "--change-home"], "--change-home: missing required argument: --home"),
        (["--group", "--name", "a"], "--group: missing required argument: --gid"),
        (["--passwd", "--lock", "--unlock", "--name", "a"], "--lock and --unlock do not go together"),
        (["--passwd", "--lock", "--name", "a", "--force"], "--force has no meaning with --lock"),
        (["--passwd", "--lock", "--name", "a", "--uid", "5"], "--uid has no meaning with --lock"),
        (["--passwd", "--delete-group", "--name", "a"], "--delete-group has no meaning with --passwd"),
        (["--hash", "--name", "a"], "--name has no meaning with --hash"),
        (["--hash", "--md5", "--des"], "please name one way to hash"),
        (["--hash", "--bogus"], "option --bogus not recognized"),
        (["--passwd", "--lock", "--name", "a:b"], "--name has a colon or a control character in it"),
        (["--passwd", "--lock", "--name", "a\nb"], "--name has a colon or a control character in it"),
        (["--passwd", "--lock", "--name", "#a"], "--name takes a name that neither"),
        (["--passwd", "--lock", "--name", ""], "--name takes a name that neither"),
        (["--group", "--name", "a", "--gid", "5", "-m", "x:y"], "--member takes a name"),
        (["--group", "--name", "a", "--gid", "5", "-m", "x\ny"], "--member takes a name"),
        (["--group", "--name", "a", "--gid", "-1"], "--gid takes a number from 0 to 4294967294"),
        (["--group", "--name", "a", "--gid", "4294967295"], "--gid takes a number from 0 to 4294967294"),
        ([*TOM[:-2], "--gecos", "a:b"], "--gecos has a colon"),
        ([*TOM[:-2], "--gecos", "a\rb"], "--gecos has a colon"),
    ],
)
def test_what_makes_no_sense_is_status_255(words: list[str], told: str, capsys: Said) -> None:
    assert run(*words) == 255
    assert told in capsys.readouterr().err
    assert os.listdir() == []


@pytest.mark.parametrize(
    "words",
    [
        "-group -name staff -gid 5 -m=tom -member=tim",
        "--GROUP --Name staff --GID=5 -m tom -mtim",
        "--gr --na staff --gi 5 --membe tom,tim",
        "--group --name staff --gid 5 --member tom --member=tim",
    ],
)
def test_options_may_be_spelled_as_perl_takes_them(words: str) -> None:
    assert run(*words.split()) == 0
    assert Path("ftpd.group").read_text() == "staff:x:5:tom,tim\n"


def test_what_belongs_to_an_option_is_none() -> None:
    assert run(*TOM, "--gecos", "-HASH", say="secret") == 0
    assert entry()[4] == "-HASH"
    assert run(*TOM, "--gecos", "--use-cracklib", say="secret") == 0
    assert entry()[4] == "--use-cracklib"
    assert run("--passwd", "--name=tom", "--lock", "--", "word") == 255


def test_a_password_on_the_command_line_is_refused_and_not_repeated(capsys: Said) -> None:
    assert run("--hash", "--stdin", "hunter2", say="secret") == 255
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err


@pytest.mark.parametrize("password", ["", "\n", "a\0b", "x" * 600])
def test_what_cannot_be_a_password_makes_no_account(password: str) -> None:
    assert run(*TOM, say=password) == 255
    assert os.listdir() == []


def test_help_and_version(capsys: Said) -> None:
    assert run("--help") == 0
    assert capsys.readouterr().out == ftpasswd.USAGE
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith("1.3.8 (ftpd ")


# -- cracklib ------------------------------------------------------------------------------------------------------


def test_without_cracklib_nothing_is_called_good(capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_LIBRARY", "libnosuch.so.7")
    assert run("--hash", "--stdin", "--use-cracklib", say="secret") == 255
    assert "--use-cracklib needs libnosuch.so.7" in capsys.readouterr().err


def test_what_cracklib_says_counts(capsys: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(password: bytes, dictionary: bytes) -> bytes | None:
        assert dictionary == os.fsencode(tmp_path / "cracklib_dict")
        return b"it is based on a dictionary word" if password == b"secret" else None

    library = type("Library", (), {"FascistCheck": staticmethod(check)})
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    option = f"--use-cracklib={tmp_path}"
    assert run("--hash", "--stdin", option, say="other") == 255
    assert f"{tmp_path}/cracklib_dict.pwd cannot be read" in capsys.readouterr().err
    for suffix in ("pwd", "pwi"):
        Path(f"cracklib_dict.{suffix}").touch()
    monkeypatch.setattr(crypt, "hash", lambda *words: "hash")
    assert run("--hash", "--stdin", option, say="secret") == 255
    assert "this password is weak: it is based on a dictionary word" in capsys.readouterr().err
    assert run("--hash", "--stdin", option, say="other") == 0

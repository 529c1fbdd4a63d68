"""ftpasswd: what it writes, what it leaves as it is, what it refuses, and with which status."""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ftpd.cli import accounts, ftpasswd, passwords
from ftpd.core import crypt
from ftpd.modules._auth_file_tables import FileSpec, Groups, Users

TOM = ["--passwd", "--name", "tom", "--uid", "2001", "--home", "/", "--shell", "/bin/sh", "--stdin", "--md5"]
GROUP = ["--group", "--name", "staff"]
Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the default files lie."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, say: str = "") -> int:
    """The command with these lines on standard input."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(say))))
        return ftpasswd.main(list(words))


def entry(name: str = "tom", path: str = "ftpd.passwd") -> list[str]:
    return next(line for line in Path(path).read_text().splitlines() if line.startswith(f"{name}:")).split(":")


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


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


# -- the file ------------------------------------------------------------------------------------------------------


def test_anew_means_with_this_entry_alone(capsys: Said) -> None:
    Path("other").write_text("tim:x:1:1::/:/bin/sh\n")
    assert run(*TOM, "-F", "--file", "other", say="") == 255
    assert entry("tim", "other")
    assert run(*TOM, "-F", "--file", "other", say="secret") == 0
    assert [line.split(":")[0] for line in Path("other").read_text().splitlines()] == ["tom"]
    assert "ftpasswd: using alternate file: other\n" in capsys.readouterr().err
    assert os.listdir() == ["other"]


def test_the_mode_stays_but_for_what_everybody_may(capsys: Said) -> None:
    Path("ftpd.passwd").write_text("")
    for before, after in ((0o440, 0o440), (0o640, 0o640), (0o644, 0o640)):
        os.chmod("ftpd.passwd", before)
        assert run(*TOM, say="secret") == 0
        assert mode("ftpd.passwd") == after
    assert capsys.readouterr().err.count("was open to everybody (mode 0644); its mode is 0640 now") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays() -> None:
    Path("ftpd.passwd").write_text("")
    os.chown("ftpd.passwd", 12345, 54321)
    assert run(*TOM, say="secret") == 0
    now = os.stat("ftpd.passwd")
    assert (now.st_uid, now.st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_who_cannot_leave_a_file_to_its_owner_leaves_it_alone(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-") or folder == tmp_path:
            folder.chmod(0o711)
    tmp_path.chmod(0o777)
    Path("ftpd.group").write_text("staff:x:5:tom\n")
    Path("ftpd.group").chmod(0o644)
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        os._exit(ftpasswd.main([*GROUP, "--gid", "6"]))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 255
    assert Path("ftpd.group").read_text() == "staff:x:5:tom\n"
    assert os.listdir() == ["ftpd.group"]


def test_a_link_stays_a_link() -> None:
    Path("real").mkdir()
    Path("ftpd.passwd").symlink_to("real/passwd")
    assert run(*TOM, say="secret") == 0
    assert Path("ftpd.passwd").is_symlink()
    assert entry("tom", "real/passwd")
    assert os.listdir("real") == ["passwd"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make somebody else's link")
def test_a_link_that_somebody_else_has_made_is_not_followed(capsys: Said) -> None:
    Path("shadow").write_text("root:x:1:1::/:/bin/sh\n")
    Path("ftpd.passwd").symlink_to("shadow")
    os.lchown("ftpd.passwd", 12345, 12345)
    assert run(*TOM, say="secret") == 255
    assert "is a link that uid 12345 has made" in capsys.readouterr().err
    assert Path("shadow").read_text() == "root:x:1:1::/:/bin/sh\n"


def test_what_is_no_file_is_not_replaced() -> None:
    os.mkfifo("ftpd.passwd")
    assert run(*TOM, say="secret") == 255
    assert stat.S_ISFIFO(os.stat("ftpd.passwd").st_mode)
    assert run(*TOM, "--file", "no/where", say="secret") == 255


def test_a_disk_that_fails_leaves_the_file_as_it_was(monkeypatch: pytest.MonkeyPatch, capsys: Said) -> None:
    run(*TOM, say="secret")
    before = Path("ftpd.passwd").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(accounts.os, "fsync", full)
    assert run(*TOM, say="other") == 255
    assert "is left as it was: No space left on device" in capsys.readouterr().err
    assert Path("ftpd.passwd").read_bytes() == before
    assert os.listdir() == ["ftpd.passwd"]


def test_a_malformed_entry_is_named_and_left(capsys: Said) -> None:
    Path("ftpd.passwd").write_text("# x\ntom:x:1\n")
    assert run("--passwd", "--name", "tom", "--lock") == 255
    assert "line 2, the entry of tom, is malformed" in capsys.readouterr().err
    assert run("--passwd", "--name", "tom", "--delete-user") == 0
    assert Path("ftpd.passwd").read_text() == "# x\n"


def test_a_folder_that_everybody_may_write_to_is_told_of(tmp_path: Path, capsys: Said) -> None:
    tmp_path.chmod(0o777)
    assert run(*TOM, say="secret") == 0
    assert "everybody may write to" in capsys.readouterr().err
    tmp_path.chmod(0o1777)
    assert run(*TOM, say="secret") == 0
    assert "everybody may write to" not in capsys.readouterr().err


def test_a_change_waits_for_another_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.setattr(accounts, "PATIENCE", 0.05)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(*TOM, say="secret") == 255
        assert "something holds a lock on" in capsys.readouterr().err
        assert os.listdir() == []
    finally:
        os.close(held)
    assert run(*TOM, say="secret") == 0


def test_of_many_at_once_none_is_lost() -> None:
    code = (
        "import sys; from ftpd.cli.ftpasswd import main; "
        "sys.exit(any(main(['--group', '--name', f'{sys.argv[1]}{n}', '--gid', '5']) for n in range(20)))"
    )
    all_of = [subprocess.Popen([sys.executable, "-c", code, name], stderr=subprocess.DEVNULL) for name in "abcd"]
    assert [one.wait(120) for one in all_of] == [0, 0, 0, 0]
    assert len(Path("ftpd.group").read_text().splitlines()) == 80
    assert os.listdir() == ["ftpd.group"]


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

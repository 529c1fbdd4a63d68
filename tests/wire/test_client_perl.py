"""Perl's Net::FTP: PORT unless told otherwise, and FEAT, HELP ALLO, ALLO and STOU for a unique name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.wire.clients import AWKWARD_NAMES, kill_while_downloading, kill_while_uploading, need, run
from tests.wire.daemon import Daemon

need("perl")
if subprocess.run(["perl", "-MNet::FTP", "-e", "1"], capture_output=True, check=False).returncode:
    pytest.skip("the client Net::FTP of Perl is not installed", allow_module_level=True)

OPENING = """
use strict; use warnings; use utf8; use Net::FTP;
my ($host, $port, $user, $password, $passive, @names) = @ARGV;
my $ftp = Net::FTP->new($host, Port => $port, Timeout => 5, Passive => $passive) or die $@;
sub must { my ($done) = @_; die $ftp->message unless $done; return $done }
must($ftp->login($user, $password)); must($ftp->binary);
"""


def command(server: Daemon, script: str, *names: str, passive: bool = True, login: str = "alice secret") -> list[str]:
    user, password = login.split()
    where = [server.host, str(server.port), user, password, "1" if passive else "0"]
    return ["perl", "-e", OPENING + script, *where, *names]


@pytest.mark.parametrize("passive", [True, False])
def test_gets_and_puts_byte_by_byte(server: Daemon, here: Path, content: bytes, passive: bool) -> None:
    (here / "up").write_bytes(content)
    script = "must($ftp->put('up', 'put.bin')); must($ftp->get('put.bin', 'down')); $ftp->quit"
    run(*command(server, script, passive=passive))
    assert (server.home / "put.bin").read_bytes() == content
    assert (here / "down").read_bytes() == content


def test_names_survive_the_way_there_and_back(server: Daemon, here: Path) -> None:
    (here / "up").write_bytes(b"content")
    script = (
        "for my $name (@names) { must($ftp->put('up', $name)); must($ftp->get($name)); print \"$_\\n\" for $ftp->ls }"
    )
    printed = run(*command(server, script, *AWKWARD_NAMES))
    for name in AWKWARD_NAMES:
        assert (server.home / name).read_bytes() == (here / name).read_bytes() == b"content"
        assert name in printed.splitlines()


def test_resumes_a_download_and_appends(server: Daemon, here: Path, content: bytes) -> None:
    server.give("resumed.bin", content)
    (here / "resumed.bin").write_bytes(content[:1_000_000])
    (here / "rest").write_bytes(content[1_000_000:])
    server.give("half.bin", content[:1_000_000])
    script = "must($ftp->get('resumed.bin', 'resumed.bin', 1_000_000)); must($ftp->append('rest', 'half.bin'))"
    run(*command(server, script))
    assert (here / "resumed.bin").read_bytes() == content
    assert (server.home / "half.bin").read_bytes() == content


def test_lets_the_server_choose_a_name(server: Daemon, here: Path) -> None:
    (here / "up").write_bytes(b"unique")
    before = set(server.home.iterdir())
    # unique_name() knows other wordings than "FILE: name" (RFC 1123, 4.1.2.9), but the reply of the end has it
    script = "for (1, 2) { must($ftp->put_unique('up')); print(($ftp->message)[0]) }"
    told = run(*command(server, script))
    made = set(server.home.iterdir()) - before
    assert [path.read_bytes() for path in made] == [b"unique", b"unique"]
    assert set(told.split()) == {"FILE:", *(path.name for path in made)}


def test_makes_renames_and_removes(server: Daemon) -> None:
    server.give("old name.txt", b"")
    run(
        *command(
            server,
            "must($ftp->mkdir('one/two', 1)); must($ftp->rename('old name.txt', 'one/two/new name.txt'));"
            "must($ftp->cwd('one/two')); print $ftp->pwd; must($ftp->delete('new name.txt')); must($ftp->cdup);"
            "must($ftp->cdup); must($ftp->rmdir('one', 1))",
        )
    )
    assert not (server.home / "one").exists()


def test_asks_for_facts(server: Daemon) -> None:
    server.give("facts.txt", b"1234567")
    printed = run(
        *command(
            server,
            "print must($ftp->size('facts.txt')), ' ', must($ftp->mdtm('facts.txt')) > time - 100, ' ',"
            "$ftp->supported('MLST'), \"\\n\"; print \"$_\\n\" for $ftp->dir('facts.txt')",
        )
    )
    facts, listed = printed.splitlines()
    assert facts == "7 1 1"
    assert listed.startswith("-rw") and listed.endswith(" facts.txt")


def test_stops_in_the_middle_and_goes_on(server: Daemon, here: Path) -> None:
    server.give_huge("huge.bin")
    server.give("next.txt", b"next")
    # closing a data connection that has more to come makes Net::FTP send ABOR
    script = (
        "my $data = must($ftp->retr('huge.bin')); my $some; must($data->read($some, 1000));"
        "$data->abort; must($ftp->get('next.txt'))"
    )
    run(*command(server, script))
    assert (here / "next.txt").read_bytes() == b"next"
    server.assert_well()


def test_is_refused_with_a_wrong_password(server: Daemon) -> None:
    assert "Login incorrect." in run(*command(server, "", login="alice wrong"), fails=True)


def test_a_visitor_reads_and_cannot_write(server: Daemon, here: Path) -> None:
    (server.anonymous / "public.txt").write_bytes(b"for all")
    script = "must($ftp->get('public.txt')); print $ftp->put('public.txt', 'new.txt') ? 'taken' : $ftp->code"
    assert run(*command(server, script, login="anonymous me@example.com")) == "550"
    assert (here / "public.txt").read_bytes() == b"for all"


def test_killed_in_a_download(server: Daemon) -> None:
    server.give_huge("huge.bin")
    kill_while_downloading(*command(server, "$ftp->get('huge.bin', \\*STDOUT)"))
    server.assert_well()


def test_killed_in_an_upload(server: Daemon) -> None:
    kill_while_uploading(server.home / "endless.bin", *command(server, "$ftp->put(\\*STDIN, 'endless.bin')"))
    server.assert_well()


def test_sees_the_end_of_a_listing_or_a_small_file_together_with_its_last_byte(server: Daemon) -> None:
    """Closing a data connection whose end it has not seen, Net::FTP sends ABOR: scripts that list so meet it often."""
    server.give("a.txt", b"content")
    script = """
    for (1 .. 40) {
        my $file = must($ftp->retr('a.txt')); $file->read(my $text, 8192, 5); die $text unless $text eq 'content';
        must($file->close); die $ftp->message unless $ftp->message =~ /Transfer complete/;
        my $data = must($ftp->nlst()); $data->read(my $names, 8192, 5); die $names unless $names =~ /a.txt/;
        must($data->close); die $ftp->message unless $ftp->message =~ /Transfer complete/;
    }
    print "forty listings\n"
    """
    assert "forty listings" in run(*command(server, script))

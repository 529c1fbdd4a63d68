"""Every verb in every state of a session, with any number of words: one answer each, and the session lives on.

Half a data connection and what is said during a transfer are such states too (S21, S22, S81, S84).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.wire.daemon import Daemon
from tests.wire.hostile import Raw, answers_others, descriptors, everything, pid, until_descriptors

pytestmark = pytest.mark.usefixtures("ends_alive")

VERBS = """
    ABOR ACCT ALLO APPE AUTH CCC CDUP CLNT CONF CSID CWD DELE ENC EPRT EPSV FEAT HELP HOST LANG LIST MDTM MFF MFMT MIC
    MKD MLSD MLST MODE NLST NOOP OPTS PASS PASV PBSZ PORT PROT PWD RANG REIN REST RETR RMD RNFR RNTO SIZE SITE SMNT STAT
    STOR STOU STRU SYST TYPE USER XCUP XCWD XMKD XPWD XRMD SITE\tHELP SITE\tCHMOD SITE\tCHGRP SITE\tNONE OPTS\tUTF8
    OPTS\tMLST OPTS\tNONE SITE\tCPFR SITE\tCPTO SITE\tCOPY SITE\tMKDIR SITE\tRMDIR SITE\tSYMLINK SITE\tUTIME
    HASH XCRC XMD5 OPTS\tHASH
""".replace("\n", " ").split(" ")
VERBS = [verb.replace("\t", " ") for verb in VERBS if verb]
ARGUMENTS = ["", "x", "a b c d e f", '""', "%n%s%n{0.__class__}${x}%{env:PATH}", "-1", "~", "*[", "\xff" * 20]
LIBEXEC = Path(__file__).parents[2] / "libexec"
CONF = f"""\
ModulePath {LIBEXEC}
LoadModule mod_copy.c
LoadModule mod_site_misc.c
LoadModule mod_digest.c
TimeoutStalled 2
TimeoutNoTransfer 4
MaxLoginAttempts 1000
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("daemon"), CONF) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("slow"), "TransferRate STOR 40\n") as daemon:
        yield daemon


# -- verbs, states and words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["new", "after USER", "logged in", "with a data port"])
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_each_verb_has_one_answer_in_each_state(server: Daemon, state: str, argument: str) -> None:
    with Raw(server) as client:
        if state in ("logged in", "with a data port"):
            client.login()
        for verb in VERBS:
            if state == "after USER":
                client.ask(f"USER {server.user}")
            if state == "with a data port":
                client.port_for_data()
                if verb in ("LIST", "NLST", "MLSD", "STOU", "STOR", "APPE", "RETR"):
                    continue  # they would wait for the connection
            answer = client.ask(f"{verb} {argument}".rstrip().encode("latin-1") + b"\r\n")
            assert answer[:3].isdigit() and answer[0] in "2345", (verb, answer)
            assert not answer.startswith("451"), (verb, answer)
            for told in ("__class__ ", "/usr/bin", "<class"):
                assert told not in answer, (verb, answer)
            if verb in ("PASV", "EPSV", "PORT"):
                client.ask("ABOR")
            # whatever else it was, there is nothing more to come
            assert client.ask("NOOP")[:3] in ("200", "501"), verb
            if verb == "RNFR" and answer.startswith("350"):
                # a NOOP may stand between the two, but no port
                client.ask("RNTO nowhere/at/all")


@pytest.mark.parametrize(
    "verb", ["SITE CHMOD 777 x", "SITE HELP x", "STAT /", "SIZE /etc/passwd", "MDTM /", "RNFR /etc"]
)
def test_before_the_login_nothing_is_told_of_the_machine(server: Daemon, verb: str) -> None:
    with Raw(server) as client:
        answer = client.ask(verb)
        if not verb.startswith("SITE HELP"):
            assert answer == "530 Please login with USER and PASS"
        for told in ("0.1.0", "passwd", "alice", "root:"):
            assert told not in answer


# -- while a transfer runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["USER bob", "REIN", "NOOP", "MKD a", "SIZE b"])
def test_what_is_said_during_a_transfer_is_answered_after_it(server: Daemon, verb: str) -> None:
    server.give_huge("huge.bin")
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096):
            client.send("RETR huge.bin")
            assert client.reply().startswith("150")
            client.send(verb)
            # STAT overtakes, so it shows that the other is not answered yet
            assert client.ask("STAT").startswith("211-")
        assert client.reply().startswith("426")
        assert client.reply()[0] in "2345"
        client.ask("ABOR")
        assert client.transfer("NLST")[0].startswith("226")


@pytest.mark.parametrize(
    "verb", ["PASV", "EPSV", "PORT 127,0,0,1,200,10", "EPRT |1|127.0.0.1|5000|", "RNFR a", "RNTO b", "STOR b", "LIST"]
)
def test_what_would_prepare_another_transfer_is_refused_while_one_goes_on(server: Daemon, verb: str) -> None:
    server.give("long.bin", b"x" * 2_000_000)
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096) as data:
            client.send("RETR long.bin")
            assert client.reply().startswith("150")
            client.send(verb)
            assert client.reply() == f"450 {verb.split()[0]}: data transfer in progress"
            assert len(everything(data)) == 2_000_000
        assert client.reply().startswith("226")
        assert client.transfer("NLST")[0].startswith("226")


def test_a_client_need_not_have_read_the_226_before_it_speaks(slow: Daemon) -> None:
    slow.give("short.txt", b"x" * 1000)
    with Raw(slow) as client:
        client.login()
        with client.passive():
            # nothing is read: all of the file waits in the client's own buffers, while it is asked for the next one
            client.send("RETR short.txt")
            client.send("PASV")
            answers = [client.reply()[:3] for _ in range(3)]
        assert answers == ["150", "226", "227"]


def test_a_client_that_has_all_is_waited_for_until_it_closes_and_what_it_says_meanwhile_is_not_refused(
    server: Daemon,
) -> None:
    # TimeoutStalled is short here: a download lasts until the client has closed its side
    server.give("short.txt", b"x" * 1000)
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("RETR short.txt")
            assert client.reply().startswith("150")
            assert len(everything(data)) == 1000
            client.send("PASV")
            sleep(0.8)
        assert [client.reply()[:3] for _ in range(2)] == ["226", "227"]


def test_what_came_with_the_transfer_it_waits_for_is_not_refused(server: Daemon) -> None:
    server.give_huge("huge.bin")
    with Raw(server) as client:
        client.login()
        with client.passive(window=4096):
            client.send("RETR huge.bin\r\nPASV")
            assert client.reply().startswith("150")
            # longer than the time after which it would have been
            sleep(0.8)
            assert client.ask("STAT").startswith("211-")
        assert client.reply().startswith("426")
        assert client.reply().startswith("227")


def test_an_upload_that_the_client_has_ended_is_waited_for(slow: Daemon) -> None:
    with Raw(slow) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR slow.bin")
            assert client.reply().startswith("150")
            data.sendall(b"x" * 60_000)
        # all is said: it is the server that still takes it in, at 40 KiB a second
        client.send("EPSV")
        assert client.reply().startswith("226")
        assert client.reply().startswith("229")


def test_an_upload_that_goes_on_lets_no_other_begin(slow: Daemon) -> None:
    with Raw(slow) as client:
        client.login()
        with client.passive() as data:
            client.send("STOR going.bin")
            assert client.reply().startswith("150")
            data.sendall(b"x")
            client.send("EPSV")
            assert client.reply() == "450 EPSV: data transfer in progress"
        assert client.reply().startswith("226")


OVERTAKING = ("ABOR", "STAT", "QUIT")


def test_each_verb_has_one_answer_while_a_transfer_runs(server: Daemon) -> None:
    content = b"x" * 600_000
    server.give("running.bin", content)
    with Raw(server) as client:
        client.login()
        for verb in (verb for verb in VERBS if verb not in OVERTAKING):
            with client.passive(window=4096) as data:
                client.send("RETR running.bin")
                assert client.reply().startswith("150")
                client.send(f"{verb} x".encode() + b"\r\nNOOP\r\n")
                assert everything(data) == content, verb
            # the verb may be answered before the transfer's end or after it, but once, and never is the 226 missing
            answers: list[str] = []
            while len(answers) < 3:
                answer = client.reply()
                if not answer.startswith("1"):
                    answers.append(answer)
            assert "226 Transfer complete" in answers, (verb, answers)
            assert all(answer[0] in "2345" and not answer.startswith("451") for answer in answers), (verb, answers)
            # what RNFR began, a NOOP has ended; and nothing more comes
            client.codes("ABOR", "TYPE I")
            assert client.ask("NOOP").startswith("200"), verb


def test_quit_during_a_transfer_waits_for_its_end(server: Daemon) -> None:
    server.give("some.txt", b"x" * 2_000_000)
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            client.send("RETR some.txt")
            assert client.reply().startswith("150")
            client.send("QUIT")
            assert len(everything(data)) == 2_000_000
        assert [line[:3] for line in client.rest().splitlines()] == ["226", "221"]


# -- half a data connection ----------------------------------------------------------------------------------------


def test_a_data_connection_that_is_half_there_ends_by_its_timer(server: Daemon) -> None:
    server.give_huge("huge.bin")
    server.give("small.txt", b"small")
    before = descriptors(server)
    asleep = [Raw(server).login() for _ in range(3)]
    never, unread, unsent = asleep
    began = monotonic()
    never.port_for_data()
    never.send("RETR huge.bin")
    reading = unread.passive(window=4096)
    unread.send("RETR huge.bin")
    writing = unsent.passive()
    unsent.send("STOR new.bin")
    answers_others(server)
    assert unread.reply().startswith("150") and unsent.reply().startswith("150")
    for client in (unread, unsent):
        assert "421" in client.rest()
    assert "421" in never.rest() or "425" in never.rest()
    assert monotonic() - began < 30
    for sock in (reading, writing, *(client.sock for client in asleep)):
        sock.close()
    until_descriptors(server, before)


def test_a_client_that_has_said_all_on_its_data_connection_still_gets_the_file(server: Daemon) -> None:
    server.give("half.txt", b"x" * 100_000)
    with Raw(server) as client:
        client.login()
        with client.passive() as data:
            data.shutdown(socket.SHUT_WR)
            client.send("RETR half.txt")
            assert client.reply().startswith("150")
            assert len(everything(data)) == 100_000
        assert client.reply() == "226 Transfer complete"


# -- before the login ----------------------------------------------------------------------------------------------


def test_many_who_say_nothing_keep_nobody_from_being_served(server: Daemon) -> None:
    before = descriptors(server)
    crowd = []
    try:
        for _ in range(300):
            sock = socket.socket()
            sock.connect((server.host, server.port))
            crowd.append(sock)
        for sock in crowd[::2]:
            sock.send(b"U")
        answers_others(server)
        for sock in crowd[::2]:
            sock.send(b"S")
        answers_others(server)
    finally:
        for sock in crowd:
            sock.close()
    until_descriptors(server, before)
    assert pid(server)

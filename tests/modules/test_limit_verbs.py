"""Every verb under a <Limit> that names it, its group or ALL: what the client hears, and what leaves the verb alone."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from core_ground import talk

GROUPS = ("READ", "WRITE", "DIRS")


class Row(NamedTuple):
    """One line of a client: the words of <Limit> that deny it, and the refusal."""

    line: str
    words: str
    refusal: str
    before: str = ""


# The replies are those of ProFTPD 1.3.8; what deviates is told in doc/modules/mod_core.md.
LIMITED = [
    Row("PWD", "PWD XPWD DIRS ALL", "550 PWD: Permission denied"),
    Row("XPWD", "PWD XPWD DIRS ALL", "550 XPWD: Permission denied"),
    Row("CWD d", "CWD DIRS ALL", "550 d: No such file or directory"),
    Row("XCWD d", "CWD XCWD DIRS ALL", "550 d: No such file or directory"),
    Row("CDUP", "CDUP XCUP DIRS ALL", "550 ..: No such file or directory"),
    Row("XCUP", "CDUP XCUP DIRS ALL", "550 ..: No such file or directory"),
    Row("MDTM a.txt", "MDTM DIRS ALL", "550 a.txt: Operation not permitted"),
    Row("SIZE a.txt", "SIZE READ ALL", "550 a.txt: Operation not permitted", "TYPE I"),
    Row("RETR a.txt", "RETR READ ALL", "550 a.txt: Operation not permitted"),
    Row("STOR new", "STOR WRITE ALL", "550 new: Operation not permitted"),
    Row("APPE a.txt", "APPE WRITE ALL", "550 a.txt: Operation not permitted"),
    Row("STOU", "STOU WRITE ALL", "550 ftp......: Operation not permitted"),
    Row("DELE a.txt", "DELE WRITE ALL", "550 a.txt: Operation not permitted"),
    Row("MKD new", "MKD XMKD WRITE ALL", "550 new: Permission denied"),
    Row("XMKD new", "MKD XMKD WRITE ALL", "550 new: Permission denied"),
    Row("RMD d", "RMD XRMD WRITE ALL", "550 d: Permission denied"),
    Row("XRMD d", "RMD XRMD WRITE ALL", "550 d: Permission denied"),
    Row("RNFR a.txt", "RNFR WRITE ALL", "550 a.txt: Operation not permitted"),
    Row("RNTO b.txt", "RNTO", "550 b.txt: Operation not permitted", "RNFR a.txt"),
    Row("SITE CHMOD 644 a.txt", "SITE_CHMOD WRITE ALL", "550 CHMOD 644 a.txt: Permission denied"),
    Row("SITE CHMOD 644  a.txt", "SITE_CHMOD WRITE ALL", "550 CHMOD 644  a.txt: Permission denied"),
    Row("SITE CHGRP 2500 a.txt", "SITE_CHGRP WRITE ALL", "550 a.txt: Permission denied"),
    Row("SITE HELP", "SITE_HELP", "501 HELP: Permission denied"),
    Row("SITE HELP CHMOD", "SITE_HELP", "501 HELP: Permission denied"),
    Row("RANG 1 5", "RANG ALL", "552 RANG: Operation not permitted", "TYPE I"),
    Row("NOOP", "NOOP ALL", "550 Operation not permitted"),
    Row("FEAT", "FEAT ALL", "550 FEAT: Operation not permitted"),
    Row("HELP", "HELP ALL", "501 HELP: Permission denied"),
    Row("OPTS UTF8 ON", "OPTS_UTF8", "550 OPTS UTF8: Permission denied"),
    Row("OPTS UTF8 on on", "OPTS_UTF8", "550 OPTS UTF8: Permission denied"),
    Row("OPTS MLST type;", "OPTS_MLST", "550 OPTS MLST: Permission denied"),
    Row("PASV", "PASV", "501 PASV: Operation not permitted"),
    Row("EPSV", "EPSV", "501 EPSV: Operation not permitted"),
    Row("PORT 127,0,0,1,100,1", "PORT", "501 PORT: Operation not permitted"),
    Row("EPRT |1|127.0.0.1|20000|", "EPRT", "501 EPRT: Operation not permitted"),
]
BEFORE_LOGIN = [
    Row("HOST localhost", "HOST ALL", "504 localhost: Permission denied"),
    Row("HOST 127.0.0.1", "HOST ALL", "504 127.0.0.1: Permission denied"),
    Row("LANG", "LANG ALL", "500 Unable to handle command"),
    Row("LANG en_US", "LANG ALL", "500 Unable to handle command"),
    Row("NOOP", "NOOP ALL", "550 Operation not permitted"),
    Row("FEAT", "FEAT ALL", "550 FEAT: Operation not permitted"),
    Row("HELP", "HELP ALL", "501 HELP: Permission denied"),
    Row("SITE HELP", "SITE_HELP", "501 HELP: Permission denied"),
    Row("OPTS UTF8 ON", "OPTS_UTF8", "550 OPTS UTF8: Permission denied"),
    Row("OPTS MLST type;", "OPTS_MLST", "550 OPTS MLST: Permission denied"),
]
UNLIMITED = {
    "CLNT x": "200 OK",
    "CSID Name=x;": "200 name=ProFTPD;version=1.3.8;casesensitive=1;",
    "SYST": "215 UNIX Type: L8",
    "TYPE I": "200 Type set to I",
    "MODE S": "200 Mode set to S",
    "STRU F": "200 Structure set to F",
    "ABOR": "226 Abort successful",
    "ALLO 10": "200 ALLO command successful",
    "REST 0": "350 Restarting at 0. Send STORE or RETRIEVE to initiate transfer",
    "ACCT x": "502 ACCT command not implemented",
    "REIN": "502 REIN command not implemented",
    "SMNT x": "502 SMNT command not implemented",
    "FOO": "500 FOO not understood",
    "SITE": "500 'SITE' requires parameters",
    "QUIT": "221 Goodbye.",
}
"""No <Limit> reaches these, by whatever word, as in ProFTPD."""


def answer(word: str, row: Row, **bench: object) -> str:
    conf = f"AllowOverwrite on\n<Limit {word}>\nDenyAll\n</Limit>\n"
    files = {"a.txt": b"hello\n", "d/": b""}
    return talk(*([row.before] if row.before else []), row.line, conf=conf, files=files, **bench)[-1]


def is_refused(row: Row, reply: str) -> bool:
    return re.fullmatch(re.escape(row.refusal).replace(r"\.\.\.\.\.\.", "......"), reply) is not None


@pytest.mark.parametrize(("row", "word"), [(row, word) for row in LIMITED for word in row.words.split()])
def test_a_word_of_limit_denies_a_verb(row: Row, word: str) -> None:
    reply = answer(word, row)
    assert is_refused(row, reply), reply


@pytest.mark.parametrize("row", LIMITED, ids=lambda row: row.line)
def test_every_other_word_leaves_the_verb_alone(row: Row) -> None:
    others = sorted({*GROUPS, "LOGOUT", "SITE", "OPTS", *row.line.split()[:1]} - set(row.words.split()) - {"RNTO"})
    if row.line.startswith("RNTO"):
        # its RNFR would be denied first
        others.remove("WRITE")
    for word in others:
        assert not is_refused(row, answer(word, row)), word


@pytest.mark.parametrize(("row", "word"), [(row, word) for row in BEFORE_LOGIN for word in row.words.split()])
def test_a_word_of_limit_denies_a_verb_before_login(row: Row, word: str) -> None:
    assert answer(word, row, login=None) == row.refusal


@pytest.mark.parametrize("row", BEFORE_LOGIN, ids=lambda row: row.line)
def test_a_verb_before_login_is_left_alone_otherwise(row: Row) -> None:
    assert answer("READ", row, login=None) != row.refusal


@pytest.mark.parametrize("line", UNLIMITED)
def test_some_verbs_no_limit_reaches(line: str) -> None:
    for word in (line.split()[0], "ALL"):
        assert answer(word, Row(line, "", "")) == UNLIMITED[line]


def test_a_limit_may_name_several_words() -> None:
    conf = "<Limit STOR,DELE MKD>\nDenyAll\n</Limit>\n"
    assert talk("DELE a.txt", "MKD x", "SITE CHMOD 600 a.txt", conf=conf, files={"a.txt": b""}) == [
        "550 a.txt: Operation not permitted",
        "550 x: Permission denied",
        "200 SITE CHMOD command successful",
    ]


def test_a_second_blank_makes_the_mode_empty_and_all_of_the_rest_the_name() -> None:
    replies = talk("SITE CHMOD  644 a.txt", "SITE CHMOD 600  a.txt", "SITE CHGRP  0 a.txt", files={"a.txt": b""})
    assert replies == [
        "550 644 a.txt: No such file or directory",
        "200 SITE CHMOD command successful",
        "550 0 a.txt: No such file or directory",
    ]


def test_what_a_denyall_hides_is_denied_as_if_its_owner_had_said_so() -> None:
    conf = "<Directory ~/d>\nDenyAll\n</Directory>\n"
    files = {"d/f": b"", "f": b""}
    replies = talk("RETR d/f", "DELE d/f", "RNFR d/f", "CWD d", "MKD d/x", "DELE f", conf=conf, files=files)
    assert replies[:3] == ["550 d/f: Permission denied"] * 3
    assert replies[3:] == [
        "550 d: No such file or directory",
        '257 "/d/x" - Directory successfully created',
        "250 DELE command successful",
    ]


def test_the_filters_of_a_limit_see_all_that_follows_the_verb() -> None:
    conf = "<Limit SITE_CHMOD>\nDenyFilter ^CHMOD.7\n</Limit>\n"
    assert talk("SITE CHMOD 700 a.txt", "SITE CHMOD 600 a.txt", conf=conf, files={"a.txt": b""}) == [
        "550 CHMOD 700 a.txt: Permission denied",
        "200 SITE CHMOD command successful",
    ]

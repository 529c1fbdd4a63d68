"""Whatever the configuration: ``explain`` says "may" of just those commands that a session is then let use."""

from __future__ import annotations

import asyncio
import os
import shlex
from functools import cache

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftpd.daemon.explain import explain, question
from ftpd.testing import Bench

TREE = {"f": b"f", "a/f": b"f", "a/b/f": b"f", "a/b/x.exe": b"f", "c/f": b"f", "c/hidden": b"f"}
PATHS = ["f", "new", "a", "a/f", "a/new", "a/b", "a/b/f", "a/b/new", "a/b/x.exe", "c/f", "c/hidden", "c/new", "link/f"]
VERBS = [
    "RETR",
    "STOR",
    "APPE",
    "DELE",
    "MKD",
    "RMD",
    "CWD",
    "RNFR",
    "SITE CHMOD",
    "SIZE",
    "MDTM",
    "MLST",
    "MFMT",
    "NLST",
]
WORDS = [*(verb.replace(" ", "_") for verb in VERBS), "READ", "WRITE", "DIRS", "ALL", "STOU", "XMKD"]
RULES = [
    "DenyAll", "AllowAll", "DenyUser tom", "AllowUser tom", "DenyUser !tom", "AllowUser ann", "DenyGroup tom",
    "Deny from 127.0.0.1",
    "Allow from 127.0.0.0/8", "Allow from 10.0.0.0/8", "Order deny,allow", "DenyClass here", "AllowClass !here",
    "AllowClass OR here,there", "DenyUser regex ^t", "IgnoreHidden on", "DenyFilter x$", "AllowFilter ^[a-z/]+$",
]  # fmt: skip
PLACES = [
    "~",
    "~/a",
    "~/a/b",
    "~/c",
    "~/*",
    "~/*/b",
    "{root}/a",
    "{root}/*",
    "/",
    "{root}/a/*",
    "~/a/b/f",
    "{root}/link",
]
SETTINGS = [
    "Umask 077", "AllowOverride off", "DenyAll", "AllowAll", "HideFiles ^hid", "PathDenyFilter new$", "HideNoAccess on",
    "AllowOverride on", "AllowOverwrite off", "AllowStoreRestart off",
    "HideUser tom",
]  # fmt: skip

limits = st.builds(
    lambda words, rules: "<Limit {}>\n{}\n</Limit>".format(" ".join(words), "\n".join(rules)),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True),
)
inside = st.lists(st.one_of(limits, st.sampled_from(SETTINGS)), min_size=1, max_size=3, unique=True)
directories = st.builds(
    lambda place, lines: f"<Directory {place}>\n" + "\n".join(lines) + "\n</Directory>",
    st.sampled_from(PLACES),
    inside,
)


def place_of(section: str) -> str:
    """A place may have one section only; <Limit> may be repeated."""
    return next((line for line in section.splitlines() if line.startswith("<Directory")), section)


servers = st.lists(
    st.one_of(limits, directories, directories, st.builds("<Global>\n{}\n</Global>".format, directories)),
    max_size=4,
    unique_by=place_of,
)
ftpaccess = st.dictionaries(
    st.sampled_from([".ftpaccess", "a/.ftpaccess", "a/b/.ftpaccess", "c/.ftpaccess"]),
    st.lists(
        st.one_of(limits, st.sampled_from(["HideFiles ^hid", "Umask 077", "Nonsense on"])), min_size=1, max_size=2
    ),
    max_size=2,
)
START = """\
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
<Class here>
From 127.0.0.1
</Class>
<Class there>
From 192.0.2.0/24
</Class>
"""


async def said(ftp: Bench, verb: str, path: str) -> str:
    """What the client reads; a fresh session asks each time, so that nothing of one question is left for the next."""
    await ftp("TYPE I")
    line = {"SITE CHMOD": f"SITE CHMOD 644 {path}", "MFMT": f"MFMT 20200101000000 {path}"}.get(verb, f"{verb} {path}")
    if verb in ("STOR", "APPE"):
        return await ftp.upload(line, b"x")
    if verb in ("RETR", "NLST"):
        await ftp.download(line)
        return ftp.replies
    return await ftp(line)


async def story(conf: str, files: dict[str, bytes], verb: str, path: str) -> tuple[str, str]:
    """The verdict of explain, and what is said when it is tried."""
    async with Bench(conf=conf, files=files) as ftp:
        assert ftp.generation is not None and ftp.session is not None
        # what the engine does when a client of the class connects
        ftp.session.class_name = "here"
        os.symlink("a", f"{ftp.root}/link")
        told = await explain(ftp.generation, question([f"tom {shlex.quote(path)} {verb}"]))
        return "\n".join(told), await said(ftp, verb, path)


@cache
def possible(verb: str, path: str) -> bool:
    """Whether it can be done at all: the file is there, the folder is empty, and so on."""
    return asyncio.run(story(START, TREE, verb, path))[1][0] in "123"


@settings(max_examples=150)
@given(servers, ftpaccess, st.sampled_from(VERBS), st.sampled_from(PATHS))
def test_explain_and_the_session_come_to_the_same(
    sections: list[str], overrides: dict[str, list[str]], verb: str, path: str
) -> None:
    files = TREE | {name: ("\n".join(lines) + "\n").encode() for name, lines in overrides.items()}
    assume(possible(verb, path))
    told, reply = asyncio.run(story(START + "\n".join(sections) + "\n", files, verb, path))
    allowed = reply[0] in "123"
    assert told.startswith("tom may not") != allowed, f"{verb} {path}: {reply}\n{told}"

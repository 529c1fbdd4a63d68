"""CWD, CDUP, PWD, MKD, RMD and their twins, as a client meets them."""

from __future__ import annotations

import asyncio
import os
import stat
import time

import pytest
from core_ground import HOME, last, talk

from ftpd.api import Identity
from ftpd.fs.local import LocalFiles
from ftpd.testing import Bench

TREE = {"a.txt": b"hello", "sub/deep/x.txt": b"x", 'we"ird/': b""}


def test_a_client_walks_in_and_out() -> None:
    assert talk("PWD", "CWD sub", "PWD", "CDUP", "XPWD", "XCWD sub", "XCUP", files=TREE) == [
        '257 "/" is the current directory',
        "250 CWD command successful",
        '257 "/sub" is the current directory',
        "250 CDUP command successful",
        '257 "/" is the current directory',
        "250 XCWD command successful",
        "250 XCUP command successful",
    ]


def test_dots_and_slashes_in_a_path_are_tidied() -> None:
    assert last("CWD ./../sub/deep//", "PWD", files=TREE) == '257 "/sub/deep" is the current directory'


def test_nobody_walks_above_the_root() -> None:
    assert last("CWD ../../..", "PWD", files=TREE) == '257 "/" is the current directory'


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("CWD", "501 Invalid number of parameters"),
        ("CWD nope", "550 nope: No such file or directory"),
        ("CWD nope/nope", "550 nope/nope: No such file or directory"),
        ("CWD a.txt", "550 a.txt: Not a directory"),
        ("CWD a.txt/x", "550 a.txt/x: No such file or directory"),
        ("CWD *", "550 *: No such file or directory"),
        ("CWD  sub", "550  sub: No such file or directory"),
        ("CDUP x", "501 Invalid number of parameters"),
        ("PWD x", "501 Invalid number of parameters"),
    ],
)
def test_what_cannot_be_entered_is_named(line: str, reply: str) -> None:
    assert last(line, files=TREE) == reply


def test_behind_a_folder_that_one_may_not_enter_there_is_nothing() -> None:
    """Itself it is told, and what is behind it is not looked for, in ProFTPD's words."""

    async def story() -> list[str]:
        async with Bench(conf=HOME, files={"shut/in/": b"", "read/in/": b"", "read/f": b"x"}) as ftp:
            await ftp("NOOP")
            assert ftp.session is not None
            os.chmod(f"{ftp.root}/shut", 0o000)
            os.chmod(f"{ftp.root}/read", 0o444)
            os.chmod(os.path.dirname(ftp.root), 0o711)
            os.chmod(ftp.root, 0o755)
            if os.geteuid() == 0:
                ftp.session.files = LocalFiles(Identity(2101, 2101), ftp.root, 0o022)
            told = [await ftp(f"CWD {name}") for name in ("shut", "shut/in", "read", "read/in", "read/f", "read/nope")]
            os.chmod(f"{ftp.root}/shut", 0o700)
            os.chmod(f"{ftp.root}/read", 0o700)
            return told

    nothing = "No such file or directory"
    assert asyncio.run(story()) == [
        "550 shut: Permission denied",
        f"550 shut/in: {nothing}",
        "550 read: Permission denied",
        f"550 read/in: {nothing}",
        f"550 read/f: {nothing}",
        f"550 read/nope: {nothing}",
    ]


def test_quotes_in_a_folder_are_doubled() -> None:
    assert last('CWD we"ird', "PWD", files=TREE) == '257 "/we""ird" is the current directory'


def test_a_symbolic_link_shows_where_it_leads() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME, files=TREE) as ftp:
            os.symlink("sub/deep", os.path.join(ftp.root, "link"))
            os.symlink("loop", os.path.join(ftp.root, "loop"))
            os.symlink("/etc", os.path.join(ftp.root, "out"))
            os.symlink("nowhere", os.path.join(ftp.root, "broken"))
            return [
                await ftp(line) for line in ("CWD link", "PWD", "CDUP", "PWD", "CWD /loop", "CWD /out", "CWD /broken")
            ]

    assert asyncio.run(story()) == [
        "250 CWD command successful",
        '257 "/sub/deep" is the current directory',
        "250 CDUP command successful",
        '257 "/sub" is the current directory',
        "550 /loop: Too many levels of symbolic links",
        # the link is one inside the user's root, and there is no /etc in it
        "550 /out: No such file or directory",
        "550 /broken: No such file or directory",
    ]


def test_a_link_does_not_lead_past_a_limit() -> None:
    conf = "<Directory {root}/sub>\n<Limit CWD>\nDenyAll\n</Limit>\n</Directory>\n"

    async def story() -> list[str]:
        async with Bench(conf=HOME + conf, files=TREE) as ftp:
            os.symlink("sub", os.path.join(ftp.root, "link"))
            return [await ftp("CWD sub"), await ftp("CWD link"), await ftp('CWD we"ird')]

    assert asyncio.run(story()) == [
        "550 sub: No such file or directory",
        "550 link: No such file or directory",
        "250 CWD command successful",
    ]


def test_limit_on_all_hides_folders_and_refuses_pwd() -> None:
    conf = "<Limit ALL>\nDenyAll\n</Limit>\n"
    assert talk("PWD", "CWD sub", "CDUP", "MKD n", "RMD sub", files=TREE, conf=conf) == [
        "550 PWD: Permission denied",
        "550 sub: No such file or directory",
        "550 ..: No such file or directory",
        "550 n: Permission denied",
        "550 sub: Permission denied",
    ]


def test_cdpath_finds_what_is_not_here() -> None:
    conf = "CDPath /nowhere\nCDPath /sub\n"
    assert talk("CWD deep", "PWD", "CWD nope", "CWD is.txt", files={**TREE, "sub/is.txt": b""}, conf=conf) == [
        "250 CWD command successful",
        '257 "/sub/deep" is the current directory',
        "550 nope: No such file or directory",
        "550 is.txt: No such file or directory",
    ]


def test_cdpath_is_asked_whatever_keeps_one_out_and_for_longer_paths_as_well() -> None:
    conf = f"{HOME}CDPath /other\n<Directory {{root}}/sub>\n<Limit CWD>\nDenyAll\n</Limit>\n</Directory>\n"
    files = {**TREE, "a.txt": b"", "other/a.txt/x": b"", "other/sub/deep/x": b""}
    lines = ("CWD a.txt", "PWD", "CWD /", "CWD sub", "PWD", "CWD /sub/deep", "PWD", "CWD nope")
    assert talk(*lines, files=files, conf=conf) == [
        "250 CWD command successful",
        '257 "/other/a.txt" is the current directory',
        "250 CWD command successful",
        "250 CWD command successful",
        '257 "/other/sub" is the current directory',
        "250 CWD command successful",
        '257 "/other/sub/deep" is the current directory',
        "550 nope: No such file or directory",
    ]


def test_a_tilde_is_the_home() -> None:
    async def story(conf: str) -> list[str]:
        async with Bench(conf=conf, files=TREE) as ftp:
            lines = ("CWD /", "CWD ~", "PWD", "CWD ~/sub", "PWD")
            return [(await ftp(line)).replace(ftp.root, "HOME") for line in lines]

    assert asyncio.run(story(""))[1:] == [
        "250 CWD command successful",
        '257 "HOME" is the current directory',
        "250 CWD command successful",
        '257 "HOME/sub" is the current directory',
    ]
    # in the root as well, where it is seen from inside
    assert asyncio.run(story(HOME))[2::2] == ['257 "/" is the current directory', '257 "/sub" is the current directory']


# -- MKD, RMD ----------------------------------------------------------------------------------------


def test_a_folder_that_is_there_is_made_already_but_a_link_to_one_is_none() -> None:
    async def story() -> tuple[list[str], int]:
        async with Bench(conf=HOME, files=TREE) as ftp:
            os.chmod(f"{ftp.root}/sub", 0o700)
            os.symlink("sub", f"{ftp.root}/link")
            replies = [await ftp(line) for line in ("MKD sub", "MKD link", "MKD a.txt")]
            return replies, os.stat(f"{ftp.root}/sub").st_mode

    replies, mode = asyncio.run(story())
    assert replies == [
        '257 "/sub" - Directory successfully created',
        "550 link: File exists",
        "550 a.txt: File exists",
    ]
    assert stat.S_IMODE(mode) == 0o700


def test_a_folder_is_made_and_removed() -> None:
    assert talk(
        "MKD new", "MKD new", "CWD sub", "XMKD two words", "CDUP", "RMD sub/two words", "XRMD new", files=TREE
    ) == [
        '257 "/new" - Directory successfully created',
        '257 "/new" - Directory successfully created',
        "250 CWD command successful",
        '257 "/sub/two words" - Directory successfully created',
        "250 CDUP command successful",
        "250 RMD command successful",
        "250 XRMD command successful",
    ]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MKD", "501 Invalid number of parameters"),
        ('MKD qu"o"te', '257 "/qu""o""te" - Directory successfully created'),
        ("MKD trailing/", '257 "/trailing" - Directory successfully created'),
        ("MKD %d%s", '257 "/%d%s" - Directory successfully created'),
        # white space of Unicode's, which is none of C's: a no-break space, a line separator, a unit separator
        ("MKD \xa0", '257 "/\xa0" - Directory successfully created'),
        ("MKD \u2028", '257 "/\u2028" - Directory successfully created'),
        ("MKD \x1f", '257 "/\x1f" - Directory successfully created'),
        ("MKD no/such", "550 no/such: No such file or directory"),
        ("MKD a.txt", "550 a.txt: File exists"),
        ("MKD a.txt/z", "550 a.txt/z: Not a directory"),
        ("MKD .", '257 "/" - Directory successfully created'),
        ("MKD /", '257 "/" - Directory successfully created'),
        ("MKD a*b", "550 a*b: Invalid directory name"),
        ("RMD sub", "550 sub: Directory not empty"),
        ("RMD a.txt", "550 a.txt: Not a directory"),
        ("RMD a.txt/z", "550 a.txt/z: Not a directory"),
        ("RMD nope", "550 nope: No such file or directory"),
        ("RMD *", "550 *: No such file or directory"),
    ],
)
def test_what_mkd_and_rmd_say(line: str, reply: str) -> None:
    assert last(line, files=TREE) == reply


def test_the_second_word_of_umask_is_for_folders() -> None:
    async def story() -> tuple[int, int]:
        async with Bench(conf=HOME + "Umask 077 027\n") as ftp:
            await ftp("MKD made")
            await ftp.upload("STOR file", b"")
            modes = [os.stat(os.path.join(ftp.root, name)).st_mode for name in ("made", "file")]
            return stat.S_IMODE(modes[0]), stat.S_IMODE(modes[1])

    assert asyncio.run(story()) == (0o750, 0o600)


def test_a_folder_with_a_umask_of_one_word_keeps_that_of_folders_from_further_out() -> None:
    async def story() -> list[int]:
        conf = HOME + "Umask 077 027\n<Directory {root}/sub>\nUmask 000\n</Directory>\n"
        async with Bench(conf=conf, files={"sub/": b""}) as ftp:
            await ftp("MKD sub/made")
            await ftp.upload("STOR sub/file", b"")
            return [stat.S_IMODE(os.stat(os.path.join(ftp.root, "sub", name)).st_mode) for name in ("made", "file")]

    assert asyncio.run(story()) == [0o750, 0o666]


# -- DisplayChdir --------------------------------------------------------------------------------------

MESSAGE = {"sub/.message": b"welcome to %C\n100%% of it, %U\n", "other/": b""}


def test_a_folder_shows_its_message() -> None:
    replies = talk("CWD sub", "CDUP", "CWD sub", files=MESSAGE, conf="DisplayChdir .message\n")
    shown = "250-welcome to /sub\n 100%% of it, tom\n250 CWD command successful"
    assert replies == [shown, "250 CDUP command successful", shown]


def test_a_message_can_be_shown_once_in_a_session() -> None:
    async def story() -> list[str]:
        async with Bench(conf=HOME + "DisplayChdir .message on\n", files=MESSAGE) as ftp:
            heard = [await ftp("CWD /sub"), await ftp("CWD /sub")]
            ftp.write("sub/.message", b"news\n")
            later = time.time() + 5
            os.utime(os.path.join(ftp.root, "sub/.message"), (later, later))
            return [*heard, await ftp("CWD /sub"), await ftp("CWD /other")]

    heard = asyncio.run(story())
    assert heard[0].startswith("250-welcome")
    assert heard[1] == "250 CWD command successful"
    assert heard[2] == "250-news\n250 CWD command successful"
    assert heard[3] == "250 CWD command successful"


@pytest.mark.parametrize(("shown", "here", "back"), [("on", "/bar/baz", "/bar"), ("off", "/foo/baz", "/foo")])
def test_a_client_who_is_shown_no_links_goes_back_the_way_it_came(shown: str, here: str, back: str) -> None:
    async def story() -> list[str]:
        async with Bench(conf=f"DefaultRoot ~\nShowSymlinks {shown}\n", files={"foo/": b"", "bar/baz/": b""}) as ftp:
            os.symlink("../bar/baz", os.path.join(ftp.root, "foo/baz"))
            return [await ftp(line) for line in ("CWD foo/baz", "PWD", "CDUP", "PWD")]

    _, there, _, then = asyncio.run(story())
    assert (there, then) == (f'257 "{here}" is the current directory', f'257 "{back}" is the current directory')


def test_a_link_on_the_way_that_is_not_shown_leads_past_no_limit() -> None:
    conf = "DefaultRoot ~\nShowSymlinks off\n<Directory {root}/bar>\n<Limit READ>\nDenyAll\n</Limit>\n</Directory>\n"

    async def story() -> list[str]:
        async with Bench(conf=conf, files={"foo/": b"", "bar/baz/secret": b"x", "free/open": b"x"}) as ftp:
            os.symlink("../bar/baz", os.path.join(ftp.root, "foo/baz"))
            os.symlink("../free", os.path.join(ftp.root, "foo/free"))
            first = [await ftp("CWD /foo/baz"), await ftp("RETR secret")]
            return [*first, await ftp("CWD /foo/free"), await ftp("TYPE I"), await ftp("SIZE open")]

    entered, fetched, *_, free = asyncio.run(story())
    assert entered.startswith("250")
    assert fetched == "550 secret: Operation not permitted"
    assert free == "213 1"

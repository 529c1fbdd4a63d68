"""Of a path through symbolic links: which verbs mean the link, and which <Directory> the configuration is asked for."""

from __future__ import annotations

import stat
from collections.abc import Callable

ON_THE_LINK = frozenset(
    [
        "DELE", "MKD", "RMD", "RNFR", "RNTO", "STOU", "XMKD", "XRMD",
        "SITE COPY", "SITE CPTO", "SITE MKDIR", "SITE RMDIR", "SITE SYMLINK",
    ]
)  # fmt: skip
"""The verbs that change a link itself, where the last name is one; all others change what it leads to."""

_WHERE_IT_LEADS = frozenset(
    [
        "APPE", "CWD", "MDTM", "MKD", "NLST", "RETR", "RMD", "RNTO", "SIZE", "STOR", "XCWD", "XMKD", "XRMD",
        "SITE CHGRP", "SITE CHMOD",
    ]
)  # fmt: skip


def asked_for(verb: str, virtual: str, places: tuple[str, ...], mode: Callable[[], int]) -> tuple[str, ...]:
    """The paths at all of which <Limit> has to let the verb be used.

    ``places`` are where the path lies with its links followed, if that is not as it is written, and ``mode`` tells
    what is there, 0 for nothing.  As in ProFTPD most verbs are asked for where the path leads alone, whatever is said
    of the folder that the link lies in; not so where a link leads to what is still to be made.  All others are asked
    for as the path is written as well, and ProFTPD leaves out where it leads.
    """
    if places:
        if verb in _WHERE_IT_LEADS and (places[0] == places[-1] or mode()):
            return places[-1:]
        if verb == "LIST" and stat.S_ISDIR(mode()):
            return places[-1:]
    return tuple(dict.fromkeys((virtual, *places)))

"""Whatever stands behind a verb, there is one reply, and it is never that of a fault of our own."""

from __future__ import annotations

import re

from core_ground import talk
from hypothesis import given, settings
from hypothesis import strategies as some

VERBS = ("CWD", "MKD", "RMD", "DELE", "RNFR", "RNTO", "SIZE", "MDTM", "PORT", "EPRT", "EPSV", "PASV", "HELP", "OPTS")
VERBS += ("OPTS UTF8", "HOST", "LANG", "FEAT", "SITE", "SITE HELP", "SITE CHMOD", "SITE CHGRP", "CLNT", "CSID")

digits = some.text("0123456789,|.:-+_ \u0661\u00b2%[]", max_size=40)
anything = some.text(some.characters(exclude_characters="\r\n\0"), max_size=40)
lines = some.lists(some.tuples(some.sampled_from(VERBS), digits | anything), min_size=1, max_size=60)


@settings(max_examples=25, deadline=None)
@given(lines, some.booleans())
def test_one_true_reply(said: list[tuple[str, str]], logged_in: bool) -> None:
    replies = talk(*(f"{verb} {argument}" for verb, argument in said), login="tom" if logged_in else None)
    for (verb, argument), reply in zip(said, replies, strict=True):
        first, *_, last = reply.split("\n") if "\n" in reply else (reply, reply)
        assert re.match(r"[2-5]\d\d[ -]", first), (verb, argument, reply)
        assert re.match(rf"{first[:3]} ", last), (verb, argument, reply)
        assert first[:3] != "451", (verb, argument, reply)

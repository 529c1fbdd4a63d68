"""mod_lang -- the language of replies and the charset of names: LANG, OPTS UTF8, and what FEAT says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ftpd.api import (
    GLOBAL,
    SERVER,
    SESSION_OPEN,
    VHOST,
    Command,
    ConfigError,
    Module,
    Multi,
    Outcome,
    Recode,
    Refuse,
    Session,
    codec_named,
    types,
)

module = Module("mod_lang", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}([._@-][A-Za-z0-9-]{1,16})*")
_UTF8 = "utf-8"


@types.takes(1, 1)
def _language(words: list[str]) -> str:
    if not _LANGUAGE.fullmatch(words[0]):
        raise ConfigError(f"'{words[0]}' is not the name of a language", right="a name such as en_US", word=0)
    return words[0]


@dataclass(frozen=True, slots=True)
class Charsets:
    """A line of UseEncoding: the charset of the disk and that of the client."""

    local: str = _UTF8
    client: str = _UTF8
    chosen: bool = False
    """The administrator has named them."""
    fixed: bool = False
    """``on`` and ``off``: OPTS UTF8 may not change it."""
    on: bool = True


@types.takes(1, 2)
def _encoding(words: list[str]) -> Charsets:
    """``on`` or ``off``, or the charset of the disk and that of the client."""
    if len(words) == 1:
        return Charsets(fixed=True, on=types.to_boolean(words[0]))
    found = []
    for index, word in enumerate(words):
        codec = codec_named(word)
        if codec is None:
            raise ConfigError(
                f"'{word}' is not the name of a charset for file names",
                right="UTF-8, KOI8-R, CP1251, ISO-8859-1 and the like, in which ASCII is ASCII",
                word=index,
            )
        found.append(codec)
    return Charsets(found[0], found[1], chosen=True)


lang_engine = module.directive(
    "LangEngine", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether LANG is answered, and FEAT tells of LANG and UTF8.",
)  # fmt: skip
lang_default = module.directive(
    "LangDefault", _language, default="en_US", contexts=_SERVERS,
    usage="language", doc="The language of replies, as FEAT names it; the replies themselves are English.",
)  # fmt: skip
lang_options = module.directive_list(
    "LangOptions", types.flags("PreferServerEncoding", "RequireValidEncoding"), contexts=_SERVERS,
    usage="PreferServerEncoding|RequireValidEncoding ...",
    doc="Clients cannot choose UTF-8 by OPTS UTF8; names that are none in the client's charset are refused.",
)  # fmt: skip
module.directive(
    "LangPath", types.path, contexts=SERVER, multi=Multi.LAST, inert=True,
    usage="path", doc="Where the translations of replies are.",
)  # fmt: skip
use_encoding = module.directive(
    "UseEncoding", _encoding, default=Charsets(), contexts=_SERVERS,
    usage="on|off|local-charset client-charset",
    doc="How names on disk become those that clients see; on and off keep OPTS UTF8 from changing it.",
)  # fmt: skip


def _option(session: Session, name: str) -> bool:
    return any(name in chosen for chosen in session.settings[lang_options])


# -- the charset of a session ----------------------------------------------------------------------------


@module.on(SESSION_OPEN)
def begin(session: Session) -> None:
    _speak(session, session.settings[use_encoding].client)


@module.post("HOST")
def begin_anew(cmd: Command) -> None:
    """Another virtual host, another UseEncoding."""
    begin(cmd.session)


def _speak(session: Session, client: str | None) -> None:
    """From now on the client's names are in this charset; None: they are bytes, and nobody knows of what."""
    charsets, strict = session.settings[use_encoding], _option(session, "RequireValidEncoding")
    if client is None or not charsets.on or (client == charsets.local and not strict):
        session.recode = None
    else:
        session.recode = Recode(charsets.local, client, strict=strict)


def _changeable(session: Session) -> bool:
    return not session.settings[use_encoding].fixed and not _option(session, "PreferServerEncoding")


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[lang_engine]:
        # a tag of RFC 1766, as RFC 2640 wants it there, has hyphens
        yield f"LANG {session.settings[lang_default].replace('_', '-')}*"
        if _changeable(session) or session.settings[use_encoding].client == _UTF8:
            yield "UTF8"


@module.opts("UTF8")
def use_utf8(cmd: Command) -> Outcome | None:
    """Off is back to the charset that the server has named for clients; old clients send no ON and expect a 200."""
    session = cmd.session
    try:
        on = types.to_boolean(cmd.argument or "on")
    except ConfigError:
        raise Refuse(501, "'OPTS UTF8' not understood") from None
    charsets = session.settings[use_encoding]
    if _changeable(session):
        _speak(session, _UTF8 if on else charsets.client if charsets.chosen else None)
    elif on is not (charsets.on and charsets.client == _UTF8):
        raise Refuse(451, "Unable to accept OPTS UTF8")
    return cmd.ok(200, f"UTF8 set to {'on' if on else 'off'}")


# -- the language --------------------------------------------------------------------------------------


@module.cmd("LANG", auth=False)
def choose_language(cmd: Command) -> Outcome | None:
    """RFC 2640 4.1: without an argument back to the default; there is one language to choose."""
    settings = cmd.session.settings
    if not settings[lang_engine]:
        return None
    # ProFTPD takes it before login only, when the files of a language can still be reached
    if cmd.session.user is not None or not cmd.allowed():
        raise Refuse(500, "Unable to handle command")
    language = settings[lang_default]
    if not cmd.argument:
        return cmd.ok(200, f"Using default language {language}")
    asked, ours = (name.lower().replace("-", "_") for name in (cmd.argument, language))
    # "en" is any English (RFC 1766)
    if asked not in (ours, ours.partition("_")[0]):
        raise Refuse(504, f"Language {cmd.argument} not supported")
    return cmd.ok(200, f"Using language {language}")

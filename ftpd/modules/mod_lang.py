"""mod_lang -- the language of replies and the encoding of names: LANG, OPTS UTF8, and what FEAT says of them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ftpd.api import GLOBAL, SERVER, VHOST, Command, ConfigError, Module, Multi, Outcome, Refuse, Session, types

module = Module("mod_lang", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}([._@-][A-Za-z0-9-]{1,16})*")
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}")


@types.takes(1, 1)
def _language(words: list[str]) -> str:
    if not _LANGUAGE.fullmatch(words[0]):
        raise ConfigError(f"'{words[0]}' is not the name of a language", right="a name such as en_US", word=0)
    return words[0]


@types.takes(1, 2)
def _encoding(words: list[str]) -> tuple[str, ...]:
    """``on`` or ``off``, or the charset of the disk and that of the client."""
    if len(words) == 1:
        types.boolean(words)
        return tuple(words)
    for index, word in enumerate(words[:2]):
        if not _CHARSET.fullmatch(word):
            raise ConfigError(f"'{word}' is not the name of a charset", right="UTF-8 ISO-8859-1", word=index)
    return tuple(words[:2])


lang_engine = module.directive(
    "LangEngine", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether LANG and OPTS UTF8 are answered.",
)  # fmt: skip
lang_default = module.directive(
    "LangDefault", _language, default="en_US", contexts=_SERVERS,
    usage="language", doc="The language of replies, as FEAT names it; the replies themselves are English.",
)  # fmt: skip
module.directive_list(
    "LangOptions", types.flags("PreferServerEncoding", "RequireValidEncoding"), contexts=_SERVERS, inert=True,
    usage="PreferServerEncoding|RequireValidEncoding ...", doc="How strict the encoding of names is.",
)  # fmt: skip
module.directive(
    "LangPath", types.path, contexts=SERVER, multi=Multi.LAST, inert=True,
    usage="path", doc="Where the translations of replies are.",
)  # fmt: skip
module.directive(
    "UseEncoding", _encoding, contexts=_SERVERS, inert=True,
    usage="on|off|local-charset client-charset", doc="How names on disk become those that clients see.",
)  # fmt: skip


@module.feat
def features(session: Session) -> Iterable[str]:
    if session.settings[lang_engine]:
        yield f"LANG {session.settings[lang_default]}*"
        yield "UTF8"


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
    if cmd.argument.lower().replace("-", "_") != language.lower().replace("-", "_"):
        raise Refuse(504, f"Language {cmd.argument} not supported")
    return cmd.ok(200, f"Using language {language}")


@module.opts("UTF8")
def use_utf8(cmd: Command) -> Outcome | None:
    """Names are bytes from end to end, so both answers are true; old clients send no ON and expect a 200."""
    if not cmd.session.settings[lang_engine]:
        return None
    try:
        on = types.to_boolean(cmd.argument or "on")
    except ConfigError:
        raise Refuse(501, "'OPTS UTF8' not understood") from None
    return cmd.ok(200, f"UTF8 set to {'on' if on else 'off'}")

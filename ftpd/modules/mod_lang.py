"""mod_lang -- the language of replies and the charset of names: LANG, OPTS UTF8, and what FEAT says of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from ftpd.api import (
    GLOBAL,
    SERVER,
    SESSION_OPEN,
    VHOST,
    Catalogue,
    Command,
    Config,
    ConfigError,
    ConfigWarning,
    Directive,
    Module,
    Multi,
    Outcome,
    Recode,
    Refuse,
    Session,
    codec_named,
    dataclass,
    debug,
    types,
)
from ftpd.modules._lang_catalogue import NAME, PLACE, add_reasons, languages, read, shortened
from ftpd.modules._lang_languages import ENGLISH, Languages, languages_of, without_codeset

module = Module("mod_lang", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_UTF8 = "utf-8"


@types.takes(1, 1)
def _language(words: list[str]) -> str:
    name = words[0].replace("-", "_", 1)
    if not NAME.fullmatch(name):
        types.doubt(f"'{words[0]}' is not the name of a language: replies are in {ENGLISH}", word=0)
        return ENGLISH
    return name


@dataclass(frozen=True, slots=True)
class Charsets:
    """A line of UseEncoding: the charset of the disk and that of the client."""

    local: str = _UTF8
    client: str = _UTF8
    chosen: bool = False
    """The administrator has named them."""
    fixed: bool = False
    """``on`` and ``off``, or ``strict`` behind the charsets: OPTS UTF8 may not change it."""
    on: bool = True


@types.takes(1, 3, strict=True)
def _encoding(words: list[str]) -> Charsets:
    """``on`` or ``off``, or the charset of the disk and that of the client, and perhaps ``strict``."""
    if len(words) == 1:
        return Charsets(fixed=True, on=types.to_boolean(words[0]))
    if len(words) == 3 and words[2].lower() != "strict":
        raise ConfigError(f"unknown UseEncoding keyword '{words[2]}'", right="strict, or nothing", word=2)
    found = []
    for index, word in enumerate(words[:2]):
        codec = codec_named(word)
        if codec is None:
            types.doubt(
                f"'{word}' is not the name of a charset for file names: they go to clients and come from them as they"
                " are; UTF-8, KOI8-R, CP1251, ISO-8859-1 and the like can be translated, in which ASCII is ASCII",
                word=index,
            )
            return Charsets(fixed=len(words) == 3, on=False)
        found.append(codec)
    return Charsets(found[0], found[1], chosen=True, fixed=len(words) == 3)


lang_engine = module.directive(
    "LangEngine", types.boolean, default=True, contexts=_SERVERS,
    usage="on|off", doc="Whether LANG is answered, and FEAT tells of LANG and UTF8.",
)  # fmt: skip
lang_default = module.directive(
    "LangDefault", _language, contexts=_SERVERS,
    usage="language", doc="The language of replies until a client asks for another; en_US unless set.",
)  # fmt: skip
lang_options = module.directive_list(
    "LangOptions", types.flags("PreferServerEncoding", "RequireValidEncoding", exact=True), contexts=_SERVERS,
    usage="PreferServerEncoding|RequireValidEncoding ...",
    doc="Clients cannot choose UTF-8 by OPTS UTF8; names that are none in the client's charset are refused.",
)  # fmt: skip
lang_path = module.directive(
    "LangPath", types.path, contexts=SERVER, multi=Multi.LAST,
    usage="path", doc="The folder of the translations of replies: path/language/LC_MESSAGES/proftpd.mo.",
)  # fmt: skip
use_encoding = module.directive(
    "UseEncoding", _encoding, default=Charsets(), contexts=_SERVERS,
    usage="on|off|local-charset client-charset [strict]",
    doc="How names on disk become those that clients see; on, off and strict keep OPTS UTF8 from changing it.",
)  # fmt: skip


def _option(session: Session, name: str) -> bool:
    return any(name in chosen for chosen in session.settings[lang_options])


# -- when the configuration is read ----------------------------------------------------------------------

_languages = Directive("languages", types.string, default=Languages(), contexts=SERVER)
"""The key to what LangPath and LangDefault have come to at a server; no line of a configuration sets it."""
_USUAL_PATH = "/usr/share/locale"
"""Where packages put catalogues; the C library's are there in any case."""


@module.check
def read_catalogues(config: Config) -> Iterator[ConfigError]:
    """Only here are files read: what a client asks for is looked up among the languages found, and leads to no path."""
    servers = [server for server in config.servers if server.settings[lang_engine]]
    folder = config.main.settings[lang_path]
    catalogues: dict[str, Catalogue | None] = {}
    if folder is not None and servers:
        at = config.main.where[lang_path][-1]
        for complaint in _read_all(folder, catalogues):
            yield ConfigWarning(complaint, word=0, directive=lang_path.name, at=at)
    for server in servers:
        chosen = server.settings[lang_default]
        try:
            found = languages_of(catalogues, chosen)
        except LookupError as missing:
            found = languages_of(catalogues, None)
            yield ConfigWarning(
                f"there is no catalogue of '{missing.args[0]}': replies are in {found.default}",
                right=_where_to_look(str(missing.args[0]), folder), word=0, directive=lang_default.name,
                at=server.where[lang_default][0] if lang_default in server.where else None,
            )  # fmt: skip
        server.settings[_languages] = found


def _read_all(folder: str, catalogues: dict[str, Catalogue | None]) -> Iterator[str]:
    """Fill the catalogues by the name of their languages; gives what is wrong with any."""
    try:
        names = list(languages(folder))
    except OSError as error:
        yield f"there are no translations: {error.strerror}"
        return
    for name in names:
        path = os.path.join(folder, name, PLACE)
        if without_codeset(name) in catalogues:
            debug(3, "mod_lang: %s is passed over, as the language has been read already", path)
            continue
        try:
            catalogue, faults = read(path)
        except (OSError, ValueError) as error:
            yield f"{path} is not used: {error.strerror if isinstance(error, OSError) else error}"
            continue
        # ProFTPD's own en_US says what the replies say
        catalogues[without_codeset(name)] = catalogue if len(catalogue) else None
        system = add_reasons(catalogue, _USUAL_PATH, without_codeset(name)) if len(catalogue) else ""
        debug(5, "mod_lang: %s has %d translations, %s those of failures", path, len(catalogue), system or "no file")
        if faults:
            yield f"in {path} texts that stay English: {len(faults)}; {shortened(faults)}"


def _where_to_look(language: str, folder: str | None) -> str:
    """What would bring the language: where a package of ProFTPD's has it, LangPath alone."""
    if folder != _USUAL_PATH and os.path.exists(os.path.join(_USUAL_PATH, language, PLACE)):
        return f"LangPath {_USUAL_PATH}"
    if folder is None:
        return f"LangPath with a folder that has {language}/{PLACE}"
    return f"a file {os.path.join(folder, language, PLACE)}, as msgfmt makes it"


# -- the charset of a session ----------------------------------------------------------------------------


def _begins_otherwise(config: Config) -> bool:
    """Whether any session begins with names that are translated, or in another language than a new one has anyway."""
    return any(
        server.settings[use_encoding] != Charsets()
        or server.settings[lang_options]
        or (server.settings[lang_engine] and any(server.settings[_languages].known.values()))
        for server in config.servers
    )


@module.on(SESSION_OPEN, needed=_begins_otherwise)
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
    _translate(session)


def _changeable(session: Session) -> bool:
    return not session.settings[use_encoding].fixed and not _option(session, "PreferServerEncoding")


def features(session: Session) -> Iterable[str]:
    if session.settings[lang_engine]:
        yield f"LANG {_known(session).tags(_current(session))}"
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


@dataclass(slots=True)
class Choice:
    """What the client has asked for by LANG."""

    language: str = ""


_choice = module.session_state(Choice)


def _has_chosen_nothing(session: Session) -> bool:
    return _choice not in session or not session[_choice].language


module.feat(features, alike=_has_chosen_nothing)


def _known(session: Session) -> Languages:
    # asked of the server: what LangPath has come to flows nowhere
    return session.server.settings[_languages]


def _current(session: Session) -> str:
    known = _known(session)
    chosen = session[_choice].language if _choice in session else ""
    return chosen if chosen in known.known else known.default


def _translate(session: Session) -> None:
    """From now on replies are in the language chosen, in the client's charset."""
    charset = session.settings[use_encoding].local if session.recode is None else session.recode.client
    catalogue = _known(session).known.get(_current(session)) if session.settings[lang_engine] else None
    session.translation = None if catalogue is None else catalogue.spoken_in(charset)


@module.cmd("LANG", auth=False)
def choose_language(cmd: Command) -> Outcome | None:
    """RFC 2640 4.1: without an argument back to the default."""
    session = cmd.session
    if not session.settings[lang_engine]:
        return None
    # ProFTPD takes it before login only, when the files of a language can still be reached
    if session.user is not None or not cmd.allowed():
        raise Refuse(500, "Unable to handle command")
    if len(cmd.words) > 1:
        raise Refuse(501, "Invalid number of parameters")
    known = _known(session)
    language = known.find(cmd.argument) if cmd.argument else known.default
    if language is None:
        raise Refuse(504, f"Language {cmd.argument} not supported")
    session[_choice].language = language
    _translate(session)
    return cmd.ok(200, f"Using {'' if cmd.argument else 'default '}language {language}")

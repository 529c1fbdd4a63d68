"""The directives of mod_ls: which flags listings have, how far they go, and whose names they show."""

from __future__ import annotations

import re

from ftpd.api import ANON, DIRECTORY, FTPACCESS, GLOBAL, SERVER, VHOST, ConfigError, Module, Reading, dataclass, types

module = Module("mod_ls", version="1.0")

_SESSIONS = SERVER | GLOBAL | VHOST | ANON
_EVERYWHERE = _SESSIONS | DIRECTORY | FTPACCESS

_KEYWORDS = {
    word.lower(): word
    for word in (
        "AdjustedSymlinks", "LISTOnly", "NLSTOnly", "NoAdjustedSymlinks", "NoErrorIfAbsent", "SortedNLST", "strict",
    )
}  # fmt: skip
_COUNTS = ("maxdepth", "maxdirs", "maxfiles")


@dataclass(frozen=True, slots=True)
class Listing:
    """A line of ListOptions."""

    flags: str = ""
    """The letters that are set for everybody."""
    denied: str = ""
    """The letters behind a ``+``: they are never in force, whoever asks for them."""
    words: frozenset[str] = frozenset()
    most_files: int | None = None
    most_depth: int | None = None
    most_folders: int | None = None
    unheard: str = ""
    """What stands where the flags belong and is none."""

    @property
    def counts(self) -> bool:
        return self.most_files is not None or self.most_folders is not None

    @property
    def names_alone(self) -> bool:
        """``+l``, ``+1`` and ``+C`` are one to ProFTPD: each takes all three, and what is left are names."""
        return not frozenset("l1C").isdisjoint(self.denied)

    def counts_for(self, verb: str) -> bool:
        if "LISTOnly" in self.words:
            return verb == "LIST"
        return verb == "NLST" or "NLSTOnly" not in self.words


NO_LIMITS = Listing()


@types.takes(1)
def list_options(words: list[str]) -> Listing:
    """``"-la +R" strict maxfiles 1000 ...``: the first word is the flags, whatever it is, and the others are none."""
    flags, denied, unheard = _flags(words[0])
    chosen: set[str] = set()
    counts: dict[str, int] = {}
    rest = iter(enumerate(words[1:], 1))
    for index, word in rest:
        name = word.lower()
        if name in _COUNTS:
            _, text = next(rest, (index, ""))
            if not text:
                raise ConfigError(f"'{word}' has no number behind it", right=f"{name} 1000", word=index)
            counts[name] = types.to_leading_integer(text, 1, word=index + 1)
        elif name in _KEYWORDS:
            chosen.add(_KEYWORDS[name])
        else:
            raise ConfigError(
                f"unknown option '{word}'",
                right=f'flags first, as "-a", then {", ".join([*_KEYWORDS.values(), *_COUNTS])}',
                word=index,
            )
    return Listing(
        flags, denied, frozenset(chosen), counts.get("maxfiles"), counts.get("maxdepth"), counts.get("maxdirs"),
        unheard,
    )  # fmt: skip


def _flags(text: str) -> tuple[str, str, str]:
    """The letters behind a ``-``, those behind a ``+``, and what is not read any more, as ProFTPD does.

    >>> _flags("-la -t +R"), _flags(" -a strict"), _flags("+R -a"), _flags("strict")
    (('lat', 'R', ''), ('a', '', 'strict'), ('', 'R', '-a'), ('', '', 'strict'))
    """
    at = _blanks(text, 0) if text.lstrip(_BLANKS)[:1] == "-" else 0
    given, at = _letters(text, at, "-")
    denied, at = _letters(text, at, "+")
    return given, denied, text[at:].strip(_BLANKS)


_BLANKS = " \t\n\v\f\r"


def _blanks(text: str, at: int) -> int:
    """Where the blanks end that begin there."""
    return len(text) - len(text[at:].lstrip(_BLANKS))


def _letters(text: str, at: int, sign: str) -> tuple[str, int]:
    """Those of all the words with that sign, and where ProFTPD goes on: two blanks are one too many for it."""
    found = ""
    while text[at : at + 1] == sign:
        at += 1
        while text[at : at + 1].isascii() and text[at : at + 1].isalnum():
            found += text[at]
            at += 1
        ahead = _blanks(text, at)
        if text[ahead : ahead + 1] != sign and text[at:] and text[at + 1 : at + 2] == " ":
            return found, at + 1
        at = ahead
    return found, at


def _tell_unheard(reading: Reading, value: Listing) -> None:
    """As with ProFTPD it is no fault, and does nothing."""
    if value.unheard:
        reading.warn(
            f"'{value.unheard}' has no effect: the first word is flags, with a - in front, and then a +", word=0
        )


@types.takes(1, 2, strict=True)
def fake_name(words: list[str]) -> str | None:
    """``off``, or ``on`` and the name that is shown, blanks in it as ``_``; ``~`` is the client's own."""
    if not types.to_boolean(words[0]):
        return None
    name = words[1] if len(words) > 1 else "ftp"
    if not re.fullmatch(r"[^\x00-\x1f\x7f]{1,255}", name):
        raise ConfigError(f"'{name}' cannot stand in a column of a listing", right="a name, or ~", word=1)
    if " " in name:
        types.doubt(f"'{name}' is shown as '{name.replace(' ', '_')}': clients count columns by blanks", word=1)
    return name


@types.takes(1, 1)
def fake_mode(words: list[str]) -> int:
    """The permissions that are shown."""
    if not words[0]:
        types.doubt("'' is taken for 0: what is listed shows no permissions", word=0)
    return types.to_octal(words[0] or "0")


options = module.directive(
    "ListOptions", list_options, default=Listing(), contexts=_EVERYWHERE, act=_tell_unheard,
    usage='"flags" [strict] [maxdepth n] [maxfiles n] [maxdirs n] [LISTOnly] [NLSTOnly] [NoErrorIfAbsent]'
    " [AdjustedSymlinks] [NoAdjustedSymlinks] [SortedNLST]",
    doc="The flags that listings have, and how much one listing may show.",
)  # fmt: skip
fake_user = module.directive(
    "DirFakeUser", fake_name, contexts=_EVERYWHERE, usage="off|on [display-name]",
    doc="The user whom listings show as the owner of everything.",
)  # fmt: skip
fake_group = module.directive(
    "DirFakeGroup", fake_name, contexts=_EVERYWHERE, usage="off|on [display-name]",
    doc="The group that listings show for everything.",
)  # fmt: skip
fake_permissions = module.directive(
    "DirFakeMode", fake_mode, contexts=_EVERYWHERE, usage="display-mode",
    doc="The permissions that listings show for everything; folders get x where they have r.",
)  # fmt: skip
list_style = module.directive(
    "ListStyle", types.one_of("Unix", "Windows"), default="Unix", contexts=_SESSIONS, usage="Unix|Windows",
    doc="Whether LIST writes the lines of ls or those of a Windows server.",
)  # fmt: skip
show_symlinks = module.directive(
    "ShowSymlinks", types.boolean, default=True, contexts=_SESSIONS, usage="on|off",
    doc="Whether symbolic links are shown as links, or as what they lead to.",
)  # fmt: skip
use_globbing = module.directive(
    "UseGlobbing", types.boolean, default=True, contexts=_SESSIONS, usage="on|off",
    doc="Whether * ? [ ] { } in the argument of LIST and NLST are patterns.",
)  # fmt: skip

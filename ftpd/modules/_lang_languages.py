"""The languages of one server: which there are, which is the default, and what a client means by a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ftpd.api import Catalogue, dataclass

ENGLISH = "en_US"


def without_codeset(name: str) -> str:
    """A catalogue is read in whatever charset it is in, and said in the client's: ``fr_FR.UTF-8`` is ``fr_FR``."""
    language, dot, rest = name.partition(".")
    return language + (f"@{rest.partition('@')[2]}" if dot and "@" in rest else "")


def is_english(name: str) -> bool:
    return _plain(name).partition("_")[0] == "en"


def _plain(name: str) -> str:
    """As names are compared: tags of RFC 1766 have hyphens, and case says nothing."""
    return without_codeset(name.lower().replace("-", "_"))


@dataclass(frozen=True, slots=True)
class Languages:
    """``known`` are the languages by their names, in the order of the alphabet; English may be without a catalogue."""

    default: str = ENGLISH
    known: Mapping[str, Catalogue | None] = field(default_factory=lambda: {ENGLISH: None})

    def find(self, asked: str) -> str | None:
        """The name of the one that is meant; ``fr`` is any French, the default's before others (RFC 1766)."""
        plain = _plain(asked)
        by_name = {_plain(name): name for name in self.known}
        if plain in by_name:
            return by_name[plain]
        kin = (name for name in (self.default, *self.known) if _plain(name).partition("_")[0] == plain)
        return next(kin, None)

    def tags(self, current: str) -> str:
        """What FEAT says: ``de-DE;en-US*;fr-FR``, the one in use marked (RFC 2640 4.3)."""
        return ";".join(f"{name.replace('_', '-')}{'*' if name == current else ''}" for name in self.known)


def languages_of(catalogues: Mapping[str, Catalogue | None], default: str | None) -> Languages:
    """Those of a server whose LangDefault is ``default``; LookupError when there is no such.

    English needs no catalogue: it is there under the name of LangDefault, where that is some English, or as en_US.
    """
    name = without_codeset(default or ENGLISH)
    english = name if is_english(name) else ENGLISH
    found = Languages(english, dict(sorted({english: None, **catalogues}.items())))
    if is_english(name):
        return found
    meant = found.find(name)
    if meant is None:
        raise LookupError(name)
    return Languages(meant, found.known)

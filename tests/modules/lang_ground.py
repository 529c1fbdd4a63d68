"""Catalogues for the tests: .mo files made without gettext's tools, and a LangPath to put them in."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path

HEADER = "Content-Type: text/plain; charset={}\n"


def mo(texts: Mapping[str, str], charset: str = "utf-8", *, order: str = "<", header: str | None = None) -> bytes:
    """What msgfmt makes of these texts (gettext's manual, "The Format of GNU MO Files"), without the hash table."""
    whole = {"": HEADER.format(charset) if header is None else header, **texts}
    pairs = sorted((english.encode(charset), said.encode(charset)) for english, said in whole.items())
    tables, strings, at = [b"", b""], b"", 28 + 16 * len(pairs)
    for which in (0, 1):
        for pair in pairs:
            tables[which] += struct.pack(f"{order}2I", len(pair[which]), at + len(strings))
            strings += pair[which] + b"\0"
    head = struct.pack(f"{order}7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 28 + 16 * len(pairs))
    return head + b"".join(tables) + strings


def lay(folder: Path, language: str, content: Mapping[str, str] | bytes, charset: str = "utf-8") -> Path:
    """Put a catalogue where LangPath has it."""
    path = folder / language / "LC_MESSAGES" / "proftpd.mo"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else mo(content, charset))
    path.chmod(0o644)
    return path


def texts_of(po: str) -> dict[str, str]:
    """The entries of a .po file that has each of its texts on one line."""
    pairs = re.findall(r'^msgid "(.*)"\nmsgstr "(.*)"$', po, re.MULTILINE)
    return {english.replace(r"\"", '"'): said.replace(r"\"", '"') for english, said in pairs if english}


GERMAN = {
    "NOOP command successful": "NOOP war erfolgreich",
    "%s command successful": "Befehl %s war erfolgreich",
    "%s not understood": "%s ist unbekannt",
    "%s: No such file or directory": "%s: Datei oder Verzeichnis nicht gefunden",
    "Opening %s mode data connection for %s (%lu bytes)": "Datenverbindung f\u00fcr %2$s (%3$lu Bytes, %1$s)",
    '"%s" is the current directory': '"%s" ist das aktuelle Verzeichnis',
    "Language %s not supported": "Sprache %s gibt es nicht",
    "Using language %s": "Sprache: %s",
    "Using default language %s": "\u00dcbliche Sprache: %s",
    "User %s logged in": "Benutzer %s ist angemeldet",
    "Password required for %s": "Kennwort f\u00fcr %s?",
    "Connected from %s (%s)": "Verbunden mit %s (%s)",
    "End of status": "Ende",
    "Features:\n ": "F\u00e4higkeiten:\n ",
    "Entering Passive Mode (%u,%u,%u,%u,%u,%u).": "Passiv (%6$u,%5$u,%4$u,%3$u,%2$u,%1$u).",
    "%s - Limit": "",
}
RUSSIAN = {"NOOP command successful": "\u0433\u043e\u0442\u043e\u0432\u043e"}

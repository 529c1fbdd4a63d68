"""Replies in other languages: LangPath's catalogues, LangDefault and LANG that choose, and what a faulty one does."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest
from core_ground import banner, last, talk
from lang_ground import GERMAN, RUSSIAN, lay, mo, texts_of

from ftpd.api import Catalogue, Reply
from ftpd.modules import mod_lang
from ftpd.testing import Bench

HOWTO = Path(__file__).parents[2] / "doc" / "howto" / "Languages.md"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A LangPath with German and Russian."""
    folder = tmp_path / "locale"
    lay(folder, "de_DE", GERMAN)
    lay(folder, "ru_RU", RUSSIAN, "koi8-r")
    return folder


def path(folder: Path) -> str:
    return f"LangPath {folder}\n"


def warnings(conf: str) -> str:
    """What the start tells of this configuration without refusing it."""

    async def main() -> str:
        async with Bench(conf=conf, login=None) as ftp:
            assert ftp.generation is not None
            return "\n".join(fault.render() for fault in ftp.generation.config.warnings)

    return asyncio.run(main())


# -- choosing --------------------------------------------------------------------------------------------


def test_lang_chooses_among_those_that_are_there(there: Path) -> None:
    lines = ("NOOP", "LANG de-DE", "NOOP", "LANG fr", "LANG RU", "NOOP", "LANG", "NOOP")
    assert talk(*lines, conf=path(there), login=None) == [
        "200 NOOP command successful",
        "200 Sprache: de_DE",
        "200 NOOP war erfolgreich",
        "504 Sprache fr gibt es nicht",
        "200 Using language ru_RU",
        "200 \u0433\u043e\u0442\u043e\u0432\u043e",
        "200 Using default language en_US",
        "200 NOOP command successful",
    ]


def test_feat_lists_them_and_marks_the_one_in_use(there: Path) -> None:
    before, _, after = talk("FEAT", "LANG de", "FEAT", conf=path(there), login=None)
    assert "\n LANG de-DE;en-US*;ru-RU\n" in before
    assert "\n LANG de-DE*;en-US;ru-RU\n" in after
    assert after.startswith("211-F\u00e4higkeiten:\n")


@pytest.mark.parametrize("name", ["de_DE", "de", "de-DE", "DE_de", "de_DE.UTF-8"])
def test_langdefault_is_what_a_client_hears_first(there: Path, name: str) -> None:
    conf = path(there) + f"LangDefault {name}\n"
    assert talk("NOOP", "LANG en", "NOOP", "LANG", conf=conf, login=None) == [
        "200 NOOP war erfolgreich",
        "200 Using language en_US",
        "200 NOOP command successful",
        "200 \u00dcbliche Sprache: de_DE",
    ]


def test_the_greeting_is_in_the_default_language(there: Path) -> None:
    lay(there, "de_DE", {"%s Server (%s) [%s]": "%s-Server \u201e%s\u201c [%s]"})
    conf = path(there) + "ServerName files\n"
    assert banner(conf).startswith("220 ProFTPD Server (files) [")
    assert banner(conf + "LangDefault de\n").startswith("220 ProFTPD-Server \u201efiles\u201c [")


def test_langdefault_without_a_catalogue_is_told_and_replies_are_english(there: Path) -> None:
    conf = path(there) + "LangDefault xx_YY\n"
    assert "LangDefault: there is no catalogue of 'xx_YY': replies are in en_US" in warnings(conf)
    assert f"right: a file {there}/xx_YY/LC_MESSAGES/proftpd.mo" in warnings(conf)
    assert last("LANG", conf=conf, login=None) == "200 Using default language en_US"
    assert "right: LangPath with a folder that has xx_YY/LC_MESSAGES/proftpd.mo" in warnings("LangDefault xx_YY\n")


def test_english_needs_no_catalogue_and_may_have_one(there: Path) -> None:
    assert warnings(path(there) + "LangDefault en_GB\n") == ""
    lay(there, "en_US", {"NOOP command successful": "Done nothing, as told"})
    assert last("NOOP", conf=path(there), login=None) == "200 Done nothing, as told"


def test_a_virtual_host_has_its_own_default(there: Path) -> None:
    conf = f"{path(there)}<VirtualHost 127.0.0.1>\nServerAlias ftp.example.de\nLangDefault de_DE\n</VirtualHost>\n"
    first, moved, asked, chosen = talk("NOOP", "HOST ftp.example.de", "NOOP", "LANG ru", conf=conf, login=None)
    assert first == "200 NOOP command successful"
    assert moved.startswith("220 ")
    assert asked == "200 NOOP war erfolgreich"
    assert chosen == "200 Using language ru_RU"


def test_what_the_client_chose_survives_host(there: Path) -> None:
    conf = f"{path(there)}<VirtualHost 127.0.0.1>\nServerAlias ftp.example.org\n</VirtualHost>\n"
    assert last("LANG de", "HOST ftp.example.org", "NOOP", conf=conf, login=None) == "200 NOOP war erfolgreich"


def test_langengine_off_reads_nothing_and_says_english(there: Path) -> None:
    lay(there, "fr_FR", b"no catalogue")
    conf = path(there) + "LangDefault de_DE\nLangEngine off\n"
    assert warnings(conf) == ""
    assert talk("LANG de", "NOOP", conf=conf, login=None) == ["500 LANG not understood", "200 NOOP command successful"]


def test_two_words_are_too_many(there: Path) -> None:
    assert last("LANG de en", conf=path(there), login=None) == "501 Invalid number of parameters"


OUTSIDE = ["../../etc", "../etc", "/etc", ".", "..", "de_DE/LC_MESSAGES", "de_DE/../ru_RU", "de\udcff", "%s%n"]


@pytest.mark.parametrize("asked", OUTSIDE)
def test_what_a_client_asks_for_leads_to_no_file(there: Path, asked: str) -> None:
    for place in (there.parent / "etc", there, there.parent):
        lay(place, ".", {"NOOP command successful": "from outside"})

    async def main() -> tuple[str, str]:
        async with Bench(conf=path(there), login=None) as ftp:
            # what was read at the start is all there is
            lay(there, "de_DE", {"NOOP command successful": "read late"})
            assert await ftp("LANG de") == "200 Sprache: de_DE"
            return await ftp(f"LANG {asked}"), await ftp("NOOP")

    assert asyncio.run(main()) == (f"504 Sprache {asked} gibt es nicht", "200 NOOP war erfolgreich")


# -- what is said ----------------------------------------------------------------------------------------


def test_what_stands_at_the_places_stays(there: Path) -> None:
    conf = path(there) + "LangDefault de\n"
    replies = talk("XYZ", "CWD f\u00fcnf", "PWD", "SIZE %s%d", "DELE a (1 bytes): No such file or directory", conf=conf)
    assert replies[0] == "500 XYZ ist unbekannt"
    assert replies[1] == "550 f\u00fcnf: Datei oder Verzeichnis nicht gefunden"
    assert replies[2] == '257 "/" ist das aktuelle Verzeichnis'
    assert replies[4] == ("550 a (1 bytes): No such file or directory: Datei oder Verzeichnis nicht gefunden")


def test_places_in_another_order(there: Path) -> None:
    async def main() -> str:
        async with Bench(conf=path(there) + "LangDefault de\n", files={"a (b": b"four"}) as ftp:
            await ftp("TYPE I")
            await ftp.download("RETR a (b")
            return ftp.replies

    assert asyncio.run(main()).startswith("150 Datenverbindung f\u00fcr a (b (4 Bytes, BINARY)\n226 ")


def test_what_programs_read_is_never_translated(there: Path) -> None:
    conf = path(there) + "LangDefault de\n"
    assert last("PASV", conf=conf).startswith("227 Entering Passive Mode (127,0,0,1,")


def test_names_in_replies_of_several_lines_stay(there: Path) -> None:
    name = "x: No such file or directory"
    conf = path(there) + "LangDefault de\n"
    facts, listing, status = talk(f"MLST {name}", "STAT .", "STAT", conf=conf, files={name: b""})
    assert f" /{name}\n" in facts
    assert f" {name}\n" in listing
    assert listing.endswith("\n212 Ende")
    assert " Verbunden mit " in status


def test_the_systems_reasons_are_those_of_the_c_library(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lay(there, "ru", {"Permission denied": "\u043d\u0435\u0442", "File exists": "a\rb", "Usage:": "-"})
    file.rename(file.with_name("libc.mo"))
    monkeypatch.setattr(mod_lang, "_USUAL_PATH", str(there))
    conf = path(there) + "LangDefault ru\n<Directory />\n<Limit MKD>\nDenyAll\n</Limit>\n</Directory>\n"
    assert warnings(conf) == ""
    assert talk("MKD a", "DELE a", conf=conf) == [
        "550 a: \u043d\u0435\u0442",
        "550 a: No such file or directory",
    ]


def test_logs_are_in_english(there: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    conf = f'{path(there)}LangDefault de\nLogFormat said "%m %s %S"\nExtendedLog {log} ALL said\n'
    assert last("NOOP", conf=conf) == "200 NOOP war erfolgreich"
    assert "NOOP 200 NOOP command successful\n" in log.read_text()


# -- charsets --------------------------------------------------------------------------------------------


def test_a_catalogue_is_said_in_the_clients_charset(there: Path) -> None:
    word = RUSSIAN["NOOP command successful"]

    async def main() -> list[bytes]:
        async with Bench(conf=path(there) + "UseEncoding koi8-r cp1251\n", login=None) as ftp:
            await ftp("LANG ru")
            replies = [await ftp(line) for line in ("NOOP", "OPTS UTF8 ON", "NOOP", "OPTS UTF8 OFF", "NOOP")]
            return [reply.encode("utf-8", "surrogateescape") for reply in replies[::2]]

    assert asyncio.run(main()) == [f"200 {word}".encode(charset) for charset in ("cp1251", "utf-8", "cp1251")]


def test_names_and_words_meet_in_it(there: Path) -> None:
    async def main() -> bytes:
        async with Bench(conf=path(there) + "LangDefault de\nUseEncoding utf-8 iso-8859-1\n") as ftp:
            await ftp("TYPE I")
            await ftp.upload("STOR caf\udce9", b"xy")
            await ftp.download("RETR caf\udce9")
            assert ftp.exists("caf\u00e9")
            return ftp.replies.encode("utf-8", "surrogateescape")

    assert asyncio.run(main()).startswith(
        "150 Datenverbindung f\u00fcr caf\u00e9 (2 Bytes, BINARY)\n".encode("iso-8859-1")
    )


def test_what_the_clients_charset_has_no_letters_for_stays_english(there: Path) -> None:
    conf = path(there) + "LangDefault ru\nUseEncoding utf-8 iso-8859-1\n"
    assert last("NOOP", conf=conf) == "200 NOOP command successful"


# -- faulty catalogues -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too short"),
        (b"msgid and msgstr, as in a .po file" * 2, "wrong magic number"),
        (mo(GERMAN)[:300], "damaged"),
        (mo(GERMAN)[:40], "damaged"),
        (mo(GERMAN)[:8] + b"\xff\xff\xff\xff" + mo(GERMAN)[12:], "damaged"),
        (mo(GERMAN)[:4] + b"\0\0\2\0" + mo(GERMAN)[8:], "revision 2"),
        (mo({}, header="charset=martian\n"), "its charset 'martian' is not known"),
        (mo({}, header="charset=utf-16\n"), "its charset 'utf-16' is not known"),
        (b"\0" * (5 << 20), "more than 4194304 bytes"),
    ],
)
def test_a_file_that_is_none_is_told_and_the_others_serve(there: Path, content: bytes, reason: str) -> None:
    file = lay(there, "fr_FR", content)
    told = warnings(path(there))
    assert "LangPath: " in told and f"{file} is not used: it" in told and reason in told
    assert talk("LANG fr", "LANG de", conf=path(there), login=None) == [
        "504 Language fr not supported",
        "200 Sprache: de_DE",
    ]


def test_a_file_that_others_can_write_or_that_is_none_is_not_read(there: Path) -> None:
    lay(there, "fr_FR", GERMAN).chmod(0o666)
    os.mkfifo(lay(there, "it_IT", b"").with_suffix(".fifo"))
    (there / "it_IT/LC_MESSAGES/proftpd.fifo").rename(there / "it_IT/LC_MESSAGES/proftpd.mo")
    (there / "es_ES/LC_MESSAGES/proftpd.mo").mkdir(parents=True)
    begun = time.monotonic()
    told = warnings(path(there))
    assert time.monotonic() - begun < 5
    assert "fr_FR/LC_MESSAGES/proftpd.mo is not used: everybody may write to it" in told
    assert "it_IT/LC_MESSAGES/proftpd.mo is not used: it is no regular file" in told
    assert "es_ES/LC_MESSAGES/proftpd.mo is not used: " in told
    assert " LANG de-DE;en-US*;ru-RU\n" in last("FEAT", conf=path(there))


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert "LangPath: there are no translations: No such file or directory" in warnings(path(tmp_path / "none"))
    assert last("LANG", conf=path(tmp_path / "none"), login=None) == "200 Using default language en_US"


def test_folders_that_are_no_languages_are_passed_over(there: Path) -> None:
    lay(there, "de_DE.UTF-8", RUSSIAN)
    lay(there, "not-a-language", RUSSIAN)
    lay(there, "x\ny", RUSSIAN)
    assert warnings(path(there)) == ""
    assert "\n LANG de-DE;en-US*;ru-RU\n" in last("FEAT", conf=path(there))
    assert last("LANG de", "NOOP", conf=path(there), login=None) == "200 NOOP war erfolgreich"


FAULTY = [
    ("NOOP command successful", "a\r\n221 Goodbye.", "control character"),
    ("NOOP command successful", "a\u0085b", "control character"),
    ("NOOP command successful", "a\x1b[31mb", "control character"),
    ("NOOP command successful", "a\tb", "tab"),
    ("NOOP command successful", "x" * 3000, "longer than"),
    ("%s command successful", "erfolgreich", "places"),
    ("%s command successful", "%s %s erfolgreich", "places"),
    ("%s command successful", "%2$s erfolgreich", "places"),
    ("%s command successful", "%d erfolgreich", "places"),
    ("%s command successful", "%s erfolgreich %", "no place"),
    ("%s command successful", "%*s erfolgreich", "no place"),
    ("%s command successful", "%n erfolgreich", "no place"),
    ("%s of %s", "%1$s von %s", "numbered"),
    ("%2$s command successful", "%2$s erfolgreich", "not numbered one by one"),
    ('"%s" is the current directory', 'aktuell: "%s"', "clients look for the path"),
]


@pytest.mark.parametrize(("english", "said", "reason"), FAULTY)
def test_a_faulty_text_is_told_and_stays_english(there: Path, english: str, said: str, reason: str) -> None:
    file = lay(there, "de_DE", {english: said, "%s not understood": "%s ist unbekannt"})
    told = warnings(path(there))
    assert f"in {file} texts that stay English: 1; " in told and reason in told
    conf = path(there) + "LangDefault de\n"
    assert talk("NOOP", "TYPE I", "PWD", "XYZ", conf=conf) == [
        "200 NOOP command successful",
        "200 Type set to I",
        '257 "/" is the current directory',
        "500 XYZ ist unbekannt",
    ]


def test_many_faults_of_a_file_are_one_line(there: Path) -> None:
    lay(there, "de_DE", {f"text {n}": "a\rb" for n in range(9)})
    assert "texts that stay English: 9; 'text 0': " in warnings(path(there))
    assert ", and 6 more" in warnings(path(there))


def test_a_text_that_is_none_in_its_charset_stays_english(there: Path) -> None:
    lay(there, "de_DE", mo({"NOOP command successful": "\u00e9"}, "iso-8859-1", header="charset=utf-8\n"))
    assert "it is no text in utf-8" in warnings(path(there))
    assert last("LANG de", "NOOP", conf=path(there), login=None) == "200 NOOP command successful"


def test_the_other_byte_order_and_msginits_charset_are_read(there: Path) -> None:
    lay(there, "de_DE", mo(GERMAN, order=">"))
    lay(there, "ru_RU", mo(RUSSIAN, header="charset=CHARSET\n"))
    assert warnings(path(there)) == ""
    assert talk("LANG de", "NOOP", "LANG ru", "NOOP", conf=path(there), login=None)[1::2] == [
        "200 NOOP war erfolgreich",
        "200 \u0433\u043e\u0442\u043e\u0432\u043e",
    ]


# -- the example -------------------------------------------------------------------------------------------


def test_the_catalogue_of_the_howto_does_what_it_says(tmp_path: Path) -> None:
    po = HOWTO.read_text().partition("```po\n")[2].partition("```")[0]
    texts = texts_of(po)
    assert len(texts) >= 4
    catalogue = Catalogue()
    for english, said in texts.items():
        catalogue.add(english, said)
    assert len(catalogue) == len(texts)
    lay(tmp_path, "de_DE", texts)
    conf = path(tmp_path) + "LangDefault de_DE\n"
    said = talk("PWD", "CWD none", "QUIT", conf=conf)
    for reply in said:
        assert reply in HOWTO.read_text()
    told = catalogue.spoken_in("utf-8").told(Reply(221, ("Goodbye.",)), None)
    assert told == f"{said[-1]}\r\n".encode()

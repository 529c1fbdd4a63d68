"""A client hears its language from a real daemon, and a new catalogue is heard after SIGHUP."""

from __future__ import annotations

import ftplib
import os
import signal
from pathlib import Path

from lang_ground import GERMAN, lay

from tests.wire.daemon import Daemon, until
from tests.wire.hostile import Raw


def test_a_client_hears_its_language(tmp_path: Path) -> None:
    locale = tmp_path / "locale"
    lay(locale, "de_DE", GERMAN)
    lay(locale, "fr_FR", b"no catalogue")
    daemon = Daemon(tmp_path, f"LangPath {locale}\n")
    daemon.start()
    try:
        with Raw(daemon) as client, Raw(daemon) as other:
            assert client.ask("LANG de") == "200 Sprache: de_DE"
            client.login()
            assert client.ask("PWD") == '257 "/" ist das aktuelle Verzeichnis'
            # a client that knows no German finds what it looks for
            with ftplib.FTP() as ftp:
                ftp.connect(daemon.host, daemon.port)
                ftp.encoding = "utf-8"
                ftp.sendcmd("LANG de")
                ftp.login(daemon.user, daemon.password)
                assert ftp.pwd() == "/"
                ftp.mkd("f\u00fcnf")
                assert ftp.nlst() == ["f\u00fcnf"]
            assert other.ask("NOOP") == "200 NOOP command successful"
            assert "fr_FR/LC_MESSAGES/proftpd.mo is not used: it is too short" in daemon.log()
            lay(locale, "fr_FR", {"NOOP command successful": "rien"})
            os.kill(int((tmp_path / "run/pid").read_text()), signal.SIGHUP)

            def hears_french() -> bool:
                with Raw(daemon) as late:
                    return late.ask("LANG fr").startswith("200 ") and late.ask("NOOP") == "200 rien"

            until("the new catalogue is heard", hears_french)
            # who was there before keeps what it has
            assert client.ask("NOOP") == "200 NOOP war erfolgreich"
    finally:
        daemon.stop()

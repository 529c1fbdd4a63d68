"""Whatever stands in a configuration file, reading it ends in a configuration or in faults that can be shown."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftpd.conf import build
from ftpd.conf.acl import LIMIT_DIRECTIVES
from ftpd.conf.directive import ConfigError, DirectiveTable, Reading
from ftpd.conf.faults import ConfigFaults
from ftpd.conf.lexer import logical_lines, quote, split
from ftpd.conf.patterns import compile_pattern

PIECES = [
    "<Limit ALL>", "</Limit>", "<Directory /x>", "<Directory ", "</Directory>", "<Global>", "</Global>", "<Class c>",
    "</Class>", "<Anonymous ~ftp>", "</Anonymous>", "<VirtualHost x>", "</VirtualHost>", "<IfModule mod_x.c>",
    "<IfModule !mod_x.c>", "</IfModule>", "<IfDefine X>", "</IfDefine>", "<IfVersion 1>", "Define X",
    "Include /nonexistent/*",
    "Order deny,allow", "Allow from 10.0.0.0/8", "Deny from !1.2.3.4", "AllowUser regex ^(", "From x", "Satisfy all",
    "DenyAll", "Allow", "%{env:X}", '"', "\\", "#", ">", "<", "\r", "\t", "\0", "\udc80", "é", "[", "*", "~", "!",
]  # fmt: skip
texts = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8), st.sampled_from(["\n", " ", "\n"]))).map(
    "".join
)


class Host:
    """A module host with nothing but the language."""

    path = "/nonexistent"

    def __init__(self) -> None:
        self.directives = DirectiveTable()
        self.directives.add(LIMIT_DIRECTIVES)

    def load(self, name: str, reading: Reading) -> None:
        raise ConfigError("no modules here")

    def is_loaded(self, name: str) -> bool:
        return False

    def can_load(self, name: str) -> bool:
        return False


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_a_file_is_read_or_its_faults_are_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "proftpd.conf"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        warnings = build.read(str(file), Host(), environment={"X": "a b"}).warnings
    except ConfigFaults as wrong:
        warnings = (*wrong.faults, *wrong.warnings)
    for fault in warnings:
        lines = fault.render().split("\n")
        assert len(lines) <= 4
        # the caret never points beyond the line that it marks
        if len(lines) > 2 and lines[2].lstrip().startswith("^"):
            assert len(lines[2]) <= max(len(lines[1]), 5)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_ftpaccess_of_a_stranger_harms_nothing(text: str) -> None:
    for fault in build.read_ftpaccess("/srv/.ftpaccess", text, Host())[1]:
        assert fault.render()


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=12), min_size=1))
def test_quoted_words_are_read_back(words: list[str]) -> None:
    if any("%{env:" in word for word in words):
        return
    (line,) = logical_lines("f", "Name " + " ".join(map(quote, words)))
    assert split(line, {}).words == ["Name", *words]


@settings(deadline=None)
@given(st.text(st.sampled_from("[]^:alph-&|~\\(){}*+?.$,1 "), max_size=20))
def test_a_pattern_is_compiled_or_refused(pattern: str) -> None:
    try:
        compile_pattern(pattern)
    except ConfigError as wrong:
        assert pattern in wrong.message

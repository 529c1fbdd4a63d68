"""mod_facl -- POSIX ACLs of files: the kernel judges every access by them, since it is done as the user."""

from __future__ import annotations

from ftpd.api import SERVER, Module, Multi, Reading, types

module = Module("facl", version="1.0")


def _always(reading: Reading, value: bool) -> None:
    if not value:
        reading.warn("has no effect: the kernel judges by the ACLs of the files, with or without this module")


module.directive(
    "FACLEngine", types.boolean, default=True, contexts=SERVER, multi=Multi.LAST, act=_always,
    usage="on|off", doc="Whether ACLs count; they always do.",
)  # fmt: skip

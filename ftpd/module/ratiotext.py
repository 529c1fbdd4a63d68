"""What a client is told of its ratios: behind replies, in folders, when a download is refused, and when it asks."""

from __future__ import annotations

from typing import NamedTuple

from ftpd.core.reply import Refuse
from ftpd.module.ratios import Counts, Standing, mb


class Messages(NamedTuple):
    """FileRatioErrMsg, ByteRatioErrMsg and LeechRatioMsg, as they are in force somewhere."""

    files: str
    bytes: str
    leech: str


def behind_reply(standing: Standing, messages: Messages) -> tuple[str, ...]:
    lines = [standing.summary(messages.leech)]
    if standing.rates.files and standing.files < 0:
        lines.append(messages.files)
    if standing.rates.bytes and standing.bytes < 0:
        lines.append(messages.bytes)
    return tuple(lines)


def on_arrival(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Those of CwdRatioMsg that are told: an empty one ends the list."""
    return lines[: lines.index("")] if "" in lines else lines


def check_download(standing: Standing, asked: str, size: int, mine: Counts, messages: Messages) -> None:
    """Refuse a download of so many bytes; the numbers told are those of ``mine``, without what is under way."""
    if standing.rates.files and standing.files < 1:
        why = f"FILE RATIO: {standing.file_text}  Down: {mine.fetched}  Up: only {mine.stored}!"
        raise Refuse(550, messages.files, f"{asked}: {why}")
    if standing.rates.bytes and standing.bytes < size:
        down, up = mb(mine.bytes_fetched), mb(mine.bytes_stored)
        why = f"BYTE RATIO: {standing.byte_text}  Down: {down}mb  Up: only {up}mb!"
        raise Refuse(550, messages.bytes, f"{asked}: {why}")


def report(standing: Standing) -> list[str]:
    """All of it, as SITE RATIO answers."""
    rates, c = standing.rates, standing.counts
    lines = [f"Current Ratio: ( {standing.figures()} )"]
    if rates.files:
        noun = "file" if standing.files == 1 else "files"
        lines.append(f"Files: {standing.file_text}  Down: {c.fetched}  Up: {c.stored}  CR: {standing.files} {noun}")
    if rates.bytes:
        down, up = mb(c.bytes_fetched), mb(c.bytes_stored)
        lines.append(f"Bytes: {standing.byte_text}  Down: {down}mb  Up: {up}mb  CR: {mb(standing.bytes)} Mbytes")
    return lines

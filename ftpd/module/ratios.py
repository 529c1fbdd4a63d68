"""What somebody has stored and fetched, at which rates, and what is left by that; as ProFTPD tells it and keeps it."""

from __future__ import annotations

from typing import NamedTuple


class Rates(NamedTuple):
    """What one stored file, and one stored byte, let a client fetch; the credit of bytes is in units of 1024.

    A rate below 0 is how much has to be stored for one, and 0 is no rate at all.
    """

    files: int = 0
    file_credit: int = 0
    bytes: int = 0
    byte_credit: int = 0


class Counts(NamedTuple):
    """Files stored and fetched, bytes stored and fetched."""

    stored: int = 0
    fetched: int = 0
    bytes_stored: int = 0
    bytes_fetched: int = 0

    def plus(self, more: Counts) -> Counts:
        return Counts(*map(sum, zip(self, more, strict=True)))


NOTHING = Counts()


def mb(number: int) -> int:
    """Whole units of 1024 * 1024, cut towards 0."""
    return -(-number >> 20) if number < 0 else number >> 20


def _side(rate: int, given: int, credit: int, taken: int, unit: str) -> tuple[int, str]:
    """What is left, and the rate as it is told."""
    if rate < 0:
        return given // -rate + credit - taken, f"{-rate}:1{unit}"
    return rate * given + credit - taken, f"1:{rate}{unit}"


class Standing:
    """What somebody may still fetch: files and bytes, and the texts that ProFTPD has for it."""

    def __init__(self, rates: Rates | None, counts: Counts) -> None:
        self.rates, self.counts = r, c = rates or Rates(), counts
        self.files, self.file_text = _side(r.files, c.stored, r.file_credit, c.fetched, "F")
        self.bytes, self.byte_text = _side(r.bytes, c.bytes_stored, r.byte_credit * 1024, c.bytes_fetched, "B")
        if rates is None:
            self.files = self.bytes = 0

    @property
    def enforced(self) -> bool:
        return bool(self.rates.files or self.rates.bytes)

    def figures(self, *, rates: bool = True) -> str:
        """``-1/0 +2/3 (1 5 0 0) = 6/0``: fetched, stored, the rates, and what is left."""
        stored, fetched, bytes_stored, bytes_fetched = self.counts
        parts = [f"-{fetched}/{mb(bytes_fetched)} +{stored}/{mb(bytes_stored)}"]
        if rates:
            parts.append("({} {} {} {})".format(*self.rates))
        parts.append(f"= {self.files}/{mb(self.bytes)}")
        if self.rates.files and self.files < 1:
            parts.append("[NO F]")
        if self.rates.bytes and mb(self.bytes) < 5:
            parts.append("[LO B]")
        return " ".join(parts)

    def summary(self, nothing: str) -> str:
        """Stored and fetched, and what is left; ``nothing`` where no rate holds."""
        stored, fetched, bytes_stored, bytes_fetched = self.counts
        said = f"Down: {fetched} Files ({mb(bytes_fetched)}mb)  Up: {stored} Files ({mb(bytes_stored)}mb)"
        if not self.enforced:
            return f"{said}  {nothing}"
        if self.rates.files:
            said += f"   {self.file_text} CR: {self.files}"
        if self.rates.bytes:
            said += f"   {self.byte_text} CR: {mb(self.bytes)}"
        return said


class Lines:
    """``name|files|KB|files|KB``, stored and fetched, as ProFTPD has it, and the bytes that are no whole KB.

    Implements :class:`ftpd.module.ledger.Lines`.
    """

    width = 4

    def read(self, line: bytes) -> tuple[str, tuple[int, ...]] | None:
        name, *texts = line.rstrip().split(b"|")
        if not name or len(texts) not in (4, 6) or not all(text.isdigit() and len(text) < 19 for text in texts):
            return None
        stored, kb_stored, fetched, kb_fetched, *over = map(int, texts)
        up, down = over or (0, 0)
        counts = stored, fetched, (kb_stored << 10) + up, (kb_fetched << 10) + down
        return name.decode("utf-8", "surrogateescape"), counts

    def write(self, name: str, counts: tuple[int, ...]) -> bytes:
        stored, fetched, up, down = counts
        text = f"{name}|{stored}|{up >> 10}|{fetched}|{down >> 10}|{up & 1023}|{down & 1023}\n"
        return text.encode("utf-8", "surrogateescape")

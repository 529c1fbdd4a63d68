"""An FTP daemon for people who know ProFTPD."""

__version__ = "0.1.0"
"""Written here and nowhere else: pyproject.toml reads it, so that a start need not read the package's metadata."""

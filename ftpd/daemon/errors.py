"""What keeps the daemon from starting."""


class StartError(Exception):
    """Why the daemon cannot start, in one line that says what and where."""

"""The ftpdctl command: one request to the running daemon, and what it answered."""

from __future__ import annotations

import errno
import os
import socket
import sys

from ftpd.core import ctrlwire
from ftpd.core.ctrlwire import Answer, MalformedError, Request
from ftpd.module.build import BuildError, build_record

USAGE = """\
usage: ftpdctl [options] action [...]
  -h\tdisplays this message
  -s\tspecify an alternate local socket
  -v\tdisplays more verbose information

"ftpdctl help" asks the daemon which actions there are.
"""
_REMEDIES = {
    errno.ENOENT: "is the daemon running, and is that its ControlsSocket? -s says another",
    errno.ECONNREFUSED: "no daemon listens there any more; is that its ControlsSocket? -s says another",
    errno.EACCES: "who may come so far is said by ControlsSocketOwner and the folders that the socket is in",
}
_INTERRUPTED = 130
_MOST_STATUS = 10


def main(words: list[str] | None = None) -> int:
    """Run with these words (default: those of the command line); the status is 0, or what kind of refusal it was."""
    try:
        return _run(sys.argv[1:] if words is None else words)
    except BuildError as error:
        return _complain(f"fatal: {error}")
    except BrokenPipeError:
        # whoever read our output has seen enough; Python would complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(words: list[str]) -> int:
    path, verbose = "", False
    # what stands behind the action is the action's
    while words and words[0].startswith("-") and words[0] != "-":
        option, words = words[0], words[1:]
        if option == "--":
            break
        if option == "--help":
            option = "-h"
        if option.startswith("-s"):
            if not option[2:] and not words:
                return _complain("option requires an argument: s")
            path, words = (option[2:], words) if option[2:] else (words[0], words[1:])
            if not path.startswith("/"):
                return _complain("alternate socket path must be an absolute path")
            continue
        for letter in option[1:]:
            if letter == "h":
                print(USAGE, end="")
                return 0
            if letter == "v":
                verbose = True
            else:
                _say(f"unknown option: {letter}")
    if not words:
        _say("missing required action")
        return 1
    return _ask(path or build_record().control_socket, words, verbose=verbose)


def _ask(path: str, words: list[str], *, verbose: bool) -> int:
    if verbose:
        for word in words:
            _say(f'adding "{word}" to reqargv')
        _say(f"contacting server using '{path}'")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(path)
        except OSError as error:
            _complain(f"error contacting server using '{path}': {error.strerror or error}")
            return _complain(_REMEDIES[error.errno]) if error.errno in _REMEDIES else 1
        if verbose:
            _say(f"sending '{words[0]}' control request ({len(words) - 1} args)")
        try:
            sock.sendall(Request(words).encode())
        except OSError as error:
            return _complain(f"error sending request: {error.strerror}")
        if verbose:
            _say("receiving control response")
        try:
            answer = _received(sock)
        except (OSError, MalformedError) as error:
            _say(f"error receiving response: {getattr(error, 'strerror', None) or error}")
            return 1
    if verbose:
        _say(f"received response status: {answer.status}")
    for line in answer.lines:
        _say(line)
    if not answer.lines:
        _say("no response from server")
    return -answer.status if -_MOST_STATUS <= answer.status <= 0 else int(answer.status < 0)


def _received(sock: socket.socket) -> Answer:
    parts = ctrlwire.read_answer()
    with sock.makefile("rb") as stream:
        wanted = next(parts)
        while True:
            data = stream.read(wanted)
            if len(data) < wanted:
                raise MalformedError("the server closed the connection")
            try:
                wanted = parts.send(data)
            except StopIteration as whole:
                answer: Answer = whole.value
                return answer


def _say(line: str) -> None:
    # what is no UTF-8 is shown as its bytes
    print("ftpdctl: " + line.encode("utf-8", "backslashreplace").decode(), flush=True)


def _complain(line: str) -> int:
    print(f"ftpdctl: {line}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())

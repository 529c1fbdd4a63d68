"""The ftpd command: serve, or say what would be served."""

from __future__ import annotations

import errno
import gc
import os
import sys
import time

from ftpd.daemon import doorstep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ftpd.cli.options import CommandLine
    from ftpd.dispatch.registry import Generation
    from ftpd.module.build import BuildRecord

_INTERRUPTED = 130
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def main(words: list[str] | None = None) -> int:
    """Run with these words (default: those of the command line); gives the exit status."""
    _open_what_is_closed()
    try:
        words = sys.argv[1:] if words is None else words
        # before all that takes time to import
        doorstep.open_early(words)
        try:
            status = _run(words)
        finally:
            doorstep.keep(())
        sys.stdout.flush()
        return status
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            if error.errno not in _NO_ROOM or error.filename is not None:
                raise
            _complain(f"the output could not be written: {error.strerror}")
        # whoever read it (head, a pager) has seen enough, or there is no room for it; Python would complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED


def _open_what_is_closed() -> None:
    """Have the three standard streams lead to /dev/null where whoever started us (cron, a supervisor) closed them.

    Else the first sockets would get their numbers, and what is said to the terminal would go to a client.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _run(words: list[str]) -> int:
    from ftpd.cli.options import UsageError, parse, usage
    from ftpd.module.build import BuildError, build_record

    program = os.path.basename(sys.argv[0]).removesuffix(".py").replace("__main__", "ftpd")
    try:
        line = parse(words)
        record = build_record()
        return _act(line, record, program)
    except UsageError as error:
        _complain(str(error))
        if error.usage:
            print(usage(program))
    except BuildError as error:
        _complain(f"fatal: {error}")
    return 1


def _act(line: CommandLine, record: BuildRecord, program: str) -> int:
    match line.act:
        case "help":
            from ftpd.cli.options import usage

            print(usage(program))
        case "list":
            print("Compiled-in modules:")
            for name in record.static:
                print(f"  {name}.c")
        case "settings":
            from ftpd.cli import show

            print(show.settings(record))
        case "version" if line.verbose == 1:
            from ftpd.module.build import ftpd_version

            print(f"ProFTPD Version {ftpd_version()}")
        case _:
            return _with_configuration(line, record)
    return 0


def _with_configuration(line: CommandLine, record: BuildRecord) -> int:
    # what imports make stays: the collector would look through it again and again; the daemon calls it back
    gc.disable()
    # the rest of the daemon is imported only by who needs it: -v and -l answer at once
    from ftpd.conf.directive import ConfigError
    from ftpd.conf.faults import ConfigFaults
    from ftpd.daemon import beforehand, inetd, logs
    from ftpd.daemon.errors import StartError
    from ftpd.daemon.plan import Options, read
    from ftpd.daemon.process import hold_hangups
    from ftpd.daemon.server import Daemon
    from ftpd.engine.pool import Pools

    logs.to_terminal(line.debug or 0)
    tell, complain = (_to_log, _to_log) if inetd.keep_messages_from_the_client() else (_to_stderr, _complain)
    options = Options(
        config=line.config or record.configuration,
        foreground=line.foreground or line.one_session,
        quiet=line.quiet,
        debug=line.debug,
        defines=tuple(line.defines),
        address=line.address,
        ipv6=line.ipv6,
        one_session=line.one_session,
        check_collisions=line.check_collisions,
    )
    if line.act == "configtest":
        print("Checking syntax of configuration file", flush=True)
    if not line.act:
        hold_hangups()
    pools = Pools()
    try:
        plan = read(options, record, pools)
        wrong = [] if line.act == "version" else beforehand.obstacles(plan.generation.config, terminal=plan.to_terminal)
        if wrong:
            raise ConfigFaults(wrong, plan.warnings)
        for warning in plan.warnings:
            tell(f"warning: {warning.render()}")
        if line.act == "configtest":
            for warning in beforehand.doubts(plan):
                tell(f"warning: {warning.render()}")
            print("Syntax check complete.", flush=True)
            return 0 if line.question is None else _explain(plan.generation, line.question)
        if line.act == "version":
            from ftpd.cli import show

            print(show.loaded(options.config, plan.generation, directives=line.verbose > 2))
            return 0
        return Daemon(plan, pools).run()
    except ConfigFaults as found:
        if found.config is not None:
            found.faults += beforehand.obstacles(found.config, terminal=options.foreground and not options.quiet)
        for fault in found.by_line():
            tell(fault.render())
        for warning in found.warnings:
            tell(f"warning: {warning.render()}")
        count = len(found.faults)
        complain(f"fatal: {count} {'fault' if count == 1 else 'faults'} in the configuration {options.config}")
    except ConfigError as error:
        complain(f"fatal: {error}{f'; {error.right}' if error.right else ''}")
    except StartError as error:
        complain(f"fatal: {error}")
    finally:
        gc.enable()
    return 1


def _explain(generation: Generation, asked: str) -> int:
    """Answer ``--explain``; gives 0 when there was an answer, whichever it is."""
    import asyncio

    from ftpd.daemon import explain

    try:
        lines = asyncio.run(explain.explain(generation, explain.question([asked])))
    except explain.Unclear as unclear:
        _complain(f"fatal: --explain: {unclear}")
        return 1
    print("", *lines, sep="\n", flush=True)
    return 0


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _to_log(text: str) -> None:
    from ftpd.core.log import Level, log

    for line in text.splitlines():
        log(Level.ERROR, "%s", line)


def _complain(message: str) -> None:
    """One line on stderr in the layout of the log."""
    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{int(now * 1000) % 1000:03d}"
    _to_stderr(f"{stamp} {os.uname().nodename} proftpd[{os.getpid()}]: {message}")

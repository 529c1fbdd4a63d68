"""What one reading of the configuration decides, at the start or at SIGHUP: modules, settings, addresses, identity."""

from __future__ import annotations

from ftpd.conf.faults import ConfigFaults, Fault
from ftpd.core.identity import Identity, acting_as_daemon
from ftpd.core.record import dataclass
from ftpd.daemon import rights
from ftpd.daemon.listen import Bindings, bindings, unresolved
from ftpd.daemon.values import DaemonSettings, daemon_settings
from ftpd.dispatch.assemble import Changes, assemble
from ftpd.dispatch.registry import Generation
from ftpd.module.build import BuildRecord
from ftpd.module.command import Pool


@dataclass(frozen=True)
class Options:
    """What the command line decided."""

    config: str
    foreground: bool = False
    quiet: bool = False
    debug: int | None = None
    defines: tuple[str, ...] = ()
    address: str | None = None
    ipv6: bool | None = None
    one_session: bool = False
    check_collisions: bool = True


@dataclass(frozen=True)
class Plan:
    """A configuration that is whole, and nothing has been done about it yet."""

    options: Options
    record: BuildRecord
    generation: Generation
    settings: DaemonSettings
    bindings: Bindings
    identity: Identity | None
    """Who to serve as; None where that cannot be chosen."""
    changes: Changes
    """What insmod and rmmod made of the modules."""

    @property
    def warnings(self) -> tuple[Fault, ...]:
        return (*self.generation.config.warnings, *self.bindings.warnings)

    @property
    def to_terminal(self) -> bool:
        """Whether the log goes to standard error; the client of inetd may be there."""
        return self.options.foreground and not self.options.quiet and not self.settings.inetd


def read(options: Options, record: BuildRecord, pool: Pool, changes: Changes | None = None) -> Plan:
    """Read the configuration with the daemon's own rights; ConfigFaults or StartError with what is wrong."""
    changes = changes or Changes()
    with acting_as_daemon():
        try:
            generation = assemble(options.config, record, pool, defines=options.defines, changes=changes)
        except ConfigFaults as wrong:
            if wrong.config is not None:
                # whoever mends these would come upon those next
                wrong.faults += unresolved(wrong.config, ipv6=options.ipv6)
            raise
        try:
            settings = daemon_settings(generation, record, ipv6=options.ipv6)
            found = bindings(
                generation, settings, main_address=options.address, check_collisions=options.check_collisions
            )
            generation.routes = found
            return Plan(options, record, generation, settings, found, rights.chosen(settings), changes)
        except BaseException:
            generation.forget()
            raise

"""Static modules and a configuration file in, a whole generation out, or every reason why not."""

from __future__ import annotations

import os
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from importlib import import_module
from typing import TYPE_CHECKING

from ftpd.conf import build
from ftpd.conf.directive import ConfigError, ConfigWarning, DirectiveTable, Reading
from ftpd.conf.faults import ConfigFaults, Fault, of_check
from ftpd.conf.known import is_dispensable
from ftpd.conf.tree import Config
from ftpd.core import turns
from ftpd.core.fault import is_interrupt
from ftpd.core.record import dataclass
from ftpd.dispatch.auth import vain_entries
from ftpd.dispatch.registry import Generation
from ftpd.module import loader
from ftpd.module.build import CORE_MODULES, BuildRecord
from ftpd.module.command import Pool
from ftpd.module.names import module_name
from ftpd.module.table import Module

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint


@dataclass(frozen=True)
class Changes:
    """What insmod and rmmod have made of the modules that build and configuration name; SIGHUP starts without any."""

    added: tuple[str, ...] = ()
    removed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The modules taken out, and the names of their directives, whose lines are then passed over."""
    path: str = ""
    """The ModulePath in which to look for those that were added."""
    in_service: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    """The sources of shared modules that go on as they are where their files will not do any more."""

    def after(
        self, running: Generation, add: Collection[str], remove: Collection[str], renew: Collection[str] = ()
    ) -> Changes:  # fmt: skip
        """These changes and some more; the running generation knows what a module that goes has declared.

        Those to be renewed are to be what their files are now, or nothing is changed.
        """
        names = {module.name: frozenset(d.name.lower() for d in module.directives) for module in running.modules}
        kept = tuple(name for name in self.added if name not in remove and name not in add)
        removed = {name: names for name, names in self.removed.items() if name not in add}
        removed |= {name: names[name] for name in remove if name in names}
        sources = {module.name: module.source for module in running.modules if module.namespace}
        in_service = {name: source for name, source in sources.items() if name not in renew}
        return Changes((*kept, *add), removed, running.module_path, in_service)


_NO_CHANGES = Changes()


def static_modules(record: BuildRecord) -> list[Module]:
    """The modules that the build record calls static, in its order: ours, those of packages, and plain files."""
    others = [name for name in record.static if name not in CORE_MODULES]
    # no other package takes the place of a core module, and most builds have no others: a scan would take 10 ms
    found = _packaged() if others else {}
    missing = [name for name in others if name not in found and not _has_file(record.static_folder, name)]
    if missing:
        raise ConfigError(
            f"the build names {', '.join(missing)} as static, but no installed package brings it",
            right="install the package, or configure without it",
        )
    modules: list[Module] = []
    try:
        for name in record.static:
            if name in CORE_MODULES:
                module: Module = import_module(f"ftpd.modules.{name}").module
            else:
                module = found[name].load() if name in found else loader.load(record.static_folder, name)
            modules.append(module)
            if absent := [need for need in module.needs if need not in {other.name for other in modules}]:
                raise ConfigError(
                    f"the static module {name} needs {', '.join(absent)}, which is not built in before it",
                    right=f"configure --with-modules={':'.join((*absent, name))}",
                )
    except BaseException:
        _forget(modules)
        raise
    return modules


def _packaged() -> dict[str, EntryPoint]:
    """The modules that installed packages bring."""
    from importlib_metadata import entry_points

    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group="ftpd.modules"):
        found.setdefault(entry.name, entry)
    return found


def _has_file(folder: str, name: str) -> bool:
    return folder != "" and os.path.isfile(os.path.join(folder, f"{name}.py"))


def _forget(modules: Sequence[Module]) -> None:
    for module in modules:
        if module.namespace:
            loader.unload(module.namespace)


class Assembly:
    """Implements :class:`ftpd.conf.directive.ModuleHost` while a configuration is read."""

    def __init__(self, static: Sequence[Module], libexec: str, changes: Changes = _NO_CHANGES) -> None:
        self.path = libexec
        self._modules: list[Module] = []
        self._added: list[Module] = []
        self._lacking: set[str] = set()
        self._removed = frozenset(changes.removed)
        self._in_service = changes.in_service
        self._table = DirectiveTable()
        self._table.left_out = frozenset().union(*changes.removed.values())
        _forget([module for module in static if module.name in self._removed])
        for module in static:
            if module.name not in self._removed:
                self._heed_core(module)
                self._add(module)
        try:
            for name in changes.added:
                # before the file is read, so that its lines may use it; static modules are there already
                if not self.is_loaded(name):
                    module = self._loaded(changes.path, name)
                    self._heed_core(module)
                    self._table.add(module.directives)
                    self._added.append(module)
        except BaseException:
            self.discard()
            raise

    @property
    def modules(self) -> list[Module]:
        """Those of the build and of the file in their order, then those of insmod: loaded last, asked first."""
        return [*self._modules, *self._added]

    @property
    def directives(self) -> DirectiveTable:
        return self._table

    def is_loaded(self, name: str) -> bool:
        try:
            bare = module_name(name)
        except ValueError:
            return False
        return any(module.name == bare for module in self.modules)

    def can_load(self, name: str) -> bool:
        """Whether there is LoadModule, and ModulePath has a file for it."""
        return self.is_loaded("mod_dso") and _has_file(self.path, module_name(name))

    def is_lacking(self, name: str) -> bool:
        try:
            return module_name(name) in self._lacking
        except ValueError:
            return False

    def load(self, name: str, reading: Reading) -> None:
        if module_name(name) in self._removed or any(module.name == module_name(name) for module in self._added):
            # rmmod and insmod have the last word until the next SIGHUP
            return
        if self.is_loaded(name):
            reading.warn(f"{module_name(name)}.c is loaded already", word=0)
            return
        bare = module_name(name)
        if is_dispensable(bare) and bare not in CORE_MODULES and not self.can_load(name):
            self._lacking.add(bare)
            reading.warn(f"this ftpd has no {bare}: the line is passed over, as no other is for that module", word=0)
            return
        module = self._loaded(self.path, name)
        missing = [need for need in module.needs if not self.is_loaded(need)]
        if missing:
            loader.unload(module.namespace)
            raise ConfigError(
                f"{module.name} needs {', '.join(missing)}, which is not loaded yet",
                right="; ".join(f"LoadModule {need}.c above this line" for need in missing),
                word=0,
            )
        self._heed_core(module)
        self._add(module)

    def _loaded(self, folder: str, name: str) -> Module:
        return loader.load(folder, name, in_service=self._in_service.get(module_name(name)))

    def _heed_core(self, module: Module) -> None:
        """ConfigError for a module that declares a directive of the core's: its lines would be read as that one's."""
        if module.name in CORE_MODULES:
            return
        core = {d.name.lower(): one.name for one in self._modules if one.name in CORE_MODULES for d in one.directives}
        taken = [f"{d.name} of {core[d.name.lower()]}" for d in module.directives if d.name.lower() in core]
        if taken:
            if module.namespace:
                loader.unload(module.namespace)
            raise ConfigError(
                f"{module.name} declares {', '.join(taken)}: no other module may have the core's directives",
                right=f"another name for it in {module.name}",
                word=0,
            )

    def order(self, names: Sequence[str]) -> None:
        """Have the modules of build and file in this order; those of insmod come after them in any case."""
        wanted = [module_name(name) for name in names]
        missing = [module.name for module in self._modules if module.name not in wanted]
        if missing:
            raise ConfigError(
                f"does not name {', '.join(f'{name}.c' for name in missing)}, which is loaded too",
                right="every loaded module once, the one to be asked last in front",
            )
        ordered = sorted(self._modules, key=lambda module: wanted.index(module.name))
        if ordered[0].name != self._modules[0].name:
            core = self._modules[0].name
            raise ConfigError(
                f"{core}.c is the ground of all others and has to stay in front", right=f"{core}.c", word=0
            )
        for index, module in enumerate(ordered):
            before = {other.name for other in ordered[:index]}
            if late := [need for need in module.needs if need not in before]:
                raise ConfigError(f"{module.name}.c needs {', '.join(late)} before it", word=wanted.index(module.name))
        for module in self._modules:
            self._table.remove(module.directives)
        self._modules.clear()
        for module in ordered:
            self._add(module)

    def _add(self, module: Module) -> None:
        self._table.add(module.directives)
        self._modules.append(module)

    def check_added(self) -> None:
        """ConfigError when a module of insmod needs one that the file has not loaded."""
        for module in self._added:
            if missing := [need for need in module.needs if not self.is_loaded(need)]:
                raise ConfigError(
                    f"{module.name} needs {', '.join(missing)}, which is not loaded",
                    right=f"insmod {' '.join(f'{need}.c' for need in missing)} before it",
                )

    def discard(self) -> None:
        """Forget what was loaded for a configuration that failed."""
        _forget(self.modules)


def assemble(
    path: str,
    record: BuildRecord,
    offload: Pool,
    *,
    defines: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    static: Sequence[Module] | None = None,
    changes: Changes = _NO_CHANGES,
) -> Generation:
    """Read the configuration and build the generation that it describes; ConfigFaults with all faults.

    ``static`` replaces the build record's static modules.
    """
    assembly = Assembly(static_modules(record) if static is None else static, record.libexec, changes)
    try:
        config = _read(path, assembly, defines, dict(os.environ if environment is None else environment))
        assembly.check_added()
        config = replace(config, warnings=(*config.warnings, *vain_entries(config, assembly.modules)))
    except BaseException:
        assembly.discard()
        raise
    return Generation(assembly.modules, config, offload, assembly.path, assembly.directives.left_out)


def _bring_together(modules: Sequence[Module]) -> None:
    """Give every module what the others offer it."""
    for module in modules:
        for wanted, taken in module.takers:
            taken[:] = [value for other in modules for key, value in other.offers if key is wanted]


def _failed(path: str, module: Module, error: BaseException) -> Fault:
    """The fault that stands for whatever else than ConfigError a check raised."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    what = f"cannot check the configuration: {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
    return Fault(path, 0, module.name, what)


def _read(path: str, assembly: Assembly, defines: Iterable[str], environment: dict[str, str]) -> Config:
    """Read the file and let the modules look at the whole; all that is wrong is told together."""
    faults: list[Fault] = []
    warnings: list[Fault] = []
    try:
        config = build.read(path, assembly, defines=defines, environment=environment)
    except ConfigFaults as wrong_lines:
        if wrong_lines.config is None:
            raise
        config, faults = wrong_lines.config, list(wrong_lines.faults)
    _bring_together(assembly.modules)
    for owner, check in [(module, check) for module in assembly.modules for check in module.checks]:
        turns.rest()
        found: list[Fault] = []
        try:
            for wrong in check(config) or ():
                (warnings if isinstance(wrong, ConfigWarning) else found).append(of_check(wrong, path))
        except ConfigError as wrong:
            found = [of_check(wrong, path)]
        except BaseException as error:
            if is_interrupt(error):
                raise
            # a check need not be ready for a configuration that is known to be faulty
            found = [] if faults else [_failed(path, owner, error)]
        # what stands in <Global> may be found at every server
        faults += [fault for index, fault in enumerate(found) if fault not in faults and fault not in found[:index]]
    config = replace(config, warnings=(*config.warnings, *dict.fromkeys(warnings)))
    if faults:
        raise ConfigFaults(faults, config.warnings, config)
    return config

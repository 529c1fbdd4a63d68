"""Control actions: what ``ftpdctl`` can ask a module to do, who may, and what the daemon does for it."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ftpd.conf.directive import ConfigError, Directive
from ftpd.conf.types import doubt, items, takes
from ftpd.core.record import dataclass

if TYPE_CHECKING:
    from ftpd.conf.tree import Config
    from ftpd.module.table import Module


class Status(enum.IntEnum):
    """What the exit status of ftpdctl says, with its sign turned."""

    OK = 0
    FAILED = -1
    ACCESS_DENIED = -2
    WRONG_PARAMETERS = -3
    NOT_FOUND = -4
    DENIED = -5
    IGNORED = -6
    UNSUPPORTED = -7
    INTERNAL = -8


class ControlError(Exception):
    """Ends an action that did not go well; the lines stand below those that it has yielded before."""

    def __init__(self, status: Status, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.status = status
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, as the kernel says; the names are empty where the system knows none."""

    uid: int
    gid: int
    user: str
    group: str

    def __str__(self) -> str:
        return f"{self.user or self.uid}/{self.group or self.gid}"


@dataclass(frozen=True, slots=True)
class ControlRule:
    """A line of an ACL: the actions (empty: all of them), and who of the users or groups."""

    actions: frozenset[str]
    allow: bool
    groups: bool
    names: frozenset[str]

    def covers(self, action: str) -> bool:
        return not self.actions or action in self.actions

    def holds(self, asker: Asker) -> bool:
        name = asker.group if self.groups else asker.user
        if not name:
            # whom the system does not know cannot be told from those that the line denies
            return self.allow and "*" in self.names
        return (name in self.names or "*" in self.names) == self.allow


def permitted(rules: Sequence[ControlRule], action: str, asker: Asker) -> bool:
    """Whether the rule for users or that for groups lets this one in; nobody where there is no rule.

    Of several rules for the same action and kind the last one counts.
    """
    last: dict[bool, ControlRule] = {rule.groups: rule for rule in rules if rule.covers(action)}
    return any(rule.holds(asker) for rule in last.values())


def control_rules(*actions: str) -> Callable[[list[str]], ControlRule]:
    """The parser of ``actions|all allow|deny user|group list``, for a directive_list; no actions: any name is one."""

    @takes(4, 4)
    def parse(words: list[str]) -> ControlRule:
        asked = ["all" if action.lower() == "all" else action for action in items(words[0])]
        for action in asked:
            if not action or (actions and action not in (*actions, "all")):
                right = f"{', '.join(actions)} or all" if actions else "names of actions with commas between, or all"
                raise ConfigError(f"unknown action: '{action}'", right=right, word=0)
        if not asked:
            doubt("'' is no action: the line says nothing", word=0)
        every = () if "all" in asked else (asked or ("",))
        return _rule(frozenset(every), words[1:], ("second", "third"), 1, exact=True)

    return parse


@takes(3, 3)
def socket_rule(words: list[str]) -> ControlRule:
    """``allow|deny user|group list``, of every action."""
    return _rule(frozenset(), words, ("first", "second"), 0, exact=False)


def _rule(
    actions: frozenset[str], words: list[str], places: tuple[str, str], at: int, *, exact: bool
) -> ControlRule:  # fmt: skip
    kind, whose = words[:2] if exact else (words[0].lower(), words[1].lower())
    if kind not in ("allow", "deny"):
        raise ConfigError(f"{places[0]} parameter must be 'allow' or 'deny'", right="allow or deny", word=at)
    if whose not in ("user", "group"):
        raise ConfigError(f"{places[1]} parameter must be 'user' or 'group'", right="user or group", word=at + 1)
    names = frozenset(name for name in items(words[2]) if name)
    if not names:
        told = "everybody" if kind == "deny" else "nobody"
        doubt(f"'{words[2]}' names nobody, so that the line lets {told} in", word=at + 2)
    return ControlRule(actions, kind == "allow", whose == "group", names)


class Steering(Protocol):
    """What the daemon does for an action."""

    disabled: set[str]
    """Actions that rmctrl took out of service, until the configuration is read again."""

    @property
    def modules(self) -> tuple[Module, ...]:
        """Those that new sessions get, in the order of loading."""

    @property
    def controls(self) -> Mapping[str, Control]:
        """Their actions by name, the disabled ones among them."""

    @property
    def config(self) -> Config:
        """The configuration that new sessions get."""

    async def explain(self, words: list[str]) -> list[str]:
        """``USER PATH COMMAND [from ADDRESS] [at SERVER]``: what would be decided, and why.

        ControlError where that is unclear.
        """

    async def swap(
        self, *, add: Collection[str] = (), remove: Collection[str] = (), renew: Collection[str] = ()
    ) -> None:  # fmt: skip
        """Read the configuration and every shared module again, with these modules more or less, and put all of it
        into service; ControlError says why not, and then nothing has changed.

        A shared module whose file will not do any more goes on as it is, unless it is one to ``add`` or ``renew``."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an action is given: the words behind its name, who asks, and the daemon."""

    words: list[str]
    asker: Asker
    daemon: Steering


Lines = Iterable[str] | AsyncIterable[str]


async def one_by_one(lines: Lines) -> AsyncIterator[str]:
    """The lines of an action, whether it waits for something or not."""
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            yield line
    else:
        for line in lines:
            yield line


@dataclass(frozen=True, slots=True)
class Control:
    """An action: its name, one line of help, and the function that yields the lines of the answer.

    ``acl`` is the directive_list that says who may; without one it is ControlsACLs. ``parts`` are the words of which
    the first behind the name must be one, where that directive names these instead of the action.
    """

    action: str
    help: str
    run: Callable[[Asked], Lines]
    module: str
    acl: Directive[Any] | None = None
    parts: tuple[str, ...] = ()

    def named(self, words: Sequence[str]) -> tuple[str, ...]:
        """What a rule has to cover for these words behind the name; of several, one is enough."""
        if not self.parts:
            return (self.action,)
        # what is no part is for the action itself to refuse, to whoever may anything of it
        return (words[0],) if words and words[0] in self.parts else self.parts

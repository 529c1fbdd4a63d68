"""The directives of mod_facts, and which facts a session has chosen."""

from __future__ import annotations

from ftpd.api import GLOBAL, SERVER, VHOST, ConfigError, Module, Session, dataclass, mlsx, types

module = Module("mod_facts", version="1.0")

_SERVERS = SERVER | GLOBAL | VHOST
_NAMES = frozenset({"UNIX.groupname", "UNIX.ownername"})
UNABLE = (550, "Unable to handle command")
"""What ProFTPD answers where <Limit> denies MLSD, MLST, MFF and MFMT, whatever is there."""

_BY_NAME = {name.lower(): name for name in mlsx.FACTS}


@types.takes(1)
def fact_names(words: list[str]) -> tuple[str, ...]:
    """Names of facts; media-type is one of ProFTPD's, which it knows only with another module's help."""
    chosen = []
    for index, word in enumerate(words):
        name = _BY_NAME.get(word.lower())
        if name is None and word.lower() != "media-type":
            raise ConfigError(f"unknown fact '{word}'", right=", ".join(mlsx.FACTS), word=index)
        if name is not None:
            chosen.append(name)
    return tuple(chosen)


advertise = module.directive(
    "FactsAdvertise", types.boolean, default=True, contexts=_SERVERS, usage="on|off",
    doc="Whether FEAT tells of MLST, MLSD, MFF and MFMT.",
)  # fmt: skip
default_facts = module.directive(
    "FactsDefault", fact_names, contexts=_SERVERS, usage="fact ...",
    doc="The facts that a client gets which does not choose any with OPTS MLST.",
)  # fmt: skip
facts_options = module.directive_list(
    "FactsOptions", types.flags("UseSlink", "AdjustedSymlinks", "NoAdjustedSymlinks", "NoNames", exact=True),
    contexts=_SERVERS, usage="UseSlink|AdjustedSymlinks|NoAdjustedSymlinks|NoNames ...",
    doc="How links are shown, and whether owners are shown by name.",
)  # fmt: skip


def option(session: Session, name: str) -> bool:
    lines = session.settings[facts_options]
    return bool(lines) and any(name in chosen for chosen in lines)


@dataclass(slots=True)
class _Choice:
    facts: tuple[str, ...] | None = None


_choice = module.session_state(_Choice)


def offered(session: Session) -> tuple[str, ...]:
    """All facts that there are for the session, in their order."""
    if option(session, "NoNames"):
        return tuple(name for name in mlsx.FACTS if name not in _NAMES)
    return mlsx.FACTS


def chosen(session: Session) -> frozenset[str]:
    """The facts that lines show now."""
    facts = session[_choice].facts if _choice in session else None
    if facts is None:
        facts = session.settings[default_facts]
    return frozenset(offered(session) if facts is None else facts)


def has_chosen_nothing(session: Session) -> bool:
    return _choice not in session or session[_choice].facts is None


def choose(session: Session, text: str) -> tuple[str, ...]:
    """OPTS MLST: the known ones among the names, in the client's order, and no others from now on."""
    wanted = dict.fromkeys(_BY_NAME[name.lower()] for name in text.split(";") if name.lower() in _BY_NAME)
    session[_choice].facts = facts = tuple(wanted)
    return facts

"""The directives that say how accounts are found in a database, and what they get where it does not say."""

from __future__ import annotations

from ftpd.conf import types
from ftpd.conf.directive import GLOBAL, SERVER, VHOST, Directive
from ftpd.core.record import dataclass
from ftpd.module.table import Module
from ftpd.sql.accounts import MAX_ID
from ftpd.sql.lines import Columns, authenticate_line, columns_line

_SERVERS = SERVER | GLOBAL | VHOST
_USERS = "user-table user-name passwd uid gid home-dir shell"
_GROUPS = "group-table group-name gid members"


@dataclass(frozen=True)
class AccountLines:
    """The directives of users and groups, by their names."""

    auth_types: Directive[tuple[str, ...]]
    authenticate: Directive[frozenset[str]]
    default_gid: Directive[int]
    default_home: Directive[str | None]
    default_uid: Directive[int]
    group_info: Directive[Columns]
    group_key: Directive[str | None]
    group_where: Directive[str | None]
    min_gid: Directive[int]
    min_id: Directive[int | None]
    min_uid: Directive[int]
    negative_cache: Directive[bool]
    user_info: Directive[Columns]
    user_key: Directive[str | None]
    user_where: Directive[str | None]


def account_lines(module: Module) -> AccountLines:
    """Have the module declare them; they are its own."""
    return AccountLines(
        auth_types=module.directive(
            "SQLAuthTypes", types.words, default=(), contexts=_SERVERS, usage="type ...",
            doc="In which ways passwords are stored, in the order in which they are tried.",
        ),
        authenticate=module.directive(
            "SQLAuthenticate", authenticate_line, default=authenticate_line(["on"]), contexts=_SERVERS,
            usage="on|off|[users] [groups] [userset[fast]] [groupset[fast]]", doc="What is looked up in the database.",
        ),
        default_gid=module.directive(
            "SQLDefaultGID", types.integer(0, MAX_ID), default=65533, contexts=_SERVERS, usage="gid",
            doc="The gid of accounts that have none, or one that is too small.",
        ),
        default_home=module.directive(
            "SQLDefaultHomedir", types.path, contexts=_SERVERS, usage="path",
            doc="The home of accounts that have none.",
        ),
        default_uid=module.directive(
            "SQLDefaultUID", types.integer(0, MAX_ID), default=65533, contexts=_SERVERS, usage="uid",
            doc="The uid of accounts that have none, or one that is too small.",
        ),
        group_info=module.directive(
            "SQLGroupInfo", columns_line(3, _GROUPS, 5), default=Columns("groups", ("groupname", "gid", "members")),
            contexts=_SERVERS, usage=f"{_GROUPS} | custom:/by-name/by-id/by-member[/all-names[/all]]",
            doc="The table of the groups and its columns, or the queries in its place.",
        ),
        group_key=module.directive(
            "SQLGroupPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
            doc="What of the group's row is kept as %{note:sql.group-primary-key}.",
        ),
        group_where=module.directive(
            "SQLGroupWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
            doc="A condition that every row of the group table has to meet.",
        ),
        min_gid=module.directive(
            "SQLMinUserGID", types.integer(0, MAX_ID), default=999, contexts=_SERVERS, usage="gid",
            doc="The smallest gid that an account may have.",
        ),
        min_id=module.directive(
            "SQLMinID", types.integer(0, MAX_ID), contexts=_SERVERS, usage="id",
            doc="The smallest uid and gid that an account may have; "
            "SQLMinUserUID and SQLMinUserGID are not heard beside it.",
        ),
        min_uid=module.directive(
            "SQLMinUserUID", types.integer(0, MAX_ID), default=999, contexts=_SERVERS, usage="uid",
            doc="The smallest uid that an account may have.",
        ),
        negative_cache=module.directive(
            "SQLNegativeCache", types.boolean, default=False, contexts=_SERVERS, usage="on|off",
            doc="Whether it is remembered for long that an id has no name.",
        ),
        user_info=module.directive(
            "SQLUserInfo", columns_line(6, _USERS, 4),
            default=Columns("users", ("userid", "passwd", "uid", "gid", "homedir", "shell")), contexts=_SERVERS,
            usage=f"{_USERS} | custom:/by-name[/by-id[/all-names[/all]]]",
            doc="The table of the accounts and its columns, or the queries in its place.",
        ),
        user_key=module.directive(
            "SQLUserPrimaryKey", types.string, contexts=_SERVERS, usage="column|custom:/named-query",
            doc="What of the user's row is kept as %{note:sql.user-primary-key}.",
        ),
        user_where=module.directive(
            "SQLUserWhereClause", types.string, contexts=_SERVERS, usage="where-clause", keeps_variables=True,
            doc="A condition that every row of the user table has to meet.",
        ),
    )  # fmt: skip

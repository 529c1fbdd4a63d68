"""The index of <Directory> sections finds what a walk over all of them, as ProFTPD does it, finds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ftpd.conf.directive import DIRECTORY, SERVER
from ftpd.conf.places import Places, _arrange, _Node
from ftpd.conf.tree import Scope

_NAMES = st.sampled_from(["a", "b", "ab", "*", "a*", "?", "*b", "[ab]"])
_SECTIONS = st.lists(
    st.one_of(st.just("/"), st.lists(_NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))),
    unique=True,
    max_size=8,
)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=5).map(lambda parts: "/" + "/".join(parts))


def walked(nodes: list[_Node], path: str) -> list[Scope]:
    for node in nodes:
        if node.matches(path):
            return [*walked(node.inner, path), node.scope]
    return []


@settings(max_examples=300, deadline=None)
@given(_SECTIONS, _PATHS)
def test_the_index_finds_what_a_walk_finds(sections: list[str], path: str) -> None:
    top = Scope(SERVER, "", [], "f", 0, None)
    scopes = [Scope(DIRECTORY, "<Directory>", [where], "f", line, top) for line, where in enumerate(sections)][::-1]
    nodes = _arrange([_Node(scope.args[0], scope) for scope in scopes])
    assert list(Places(scopes).at(path)) == walked(nodes, path)


@settings(max_examples=200, deadline=None)
@given(_SECTIONS, _PATHS)
def test_what_is_beside_the_chain_matches_and_is_not_in_it(sections: list[str], path: str) -> None:
    top = Scope(SERVER, "", [], "f", 0, None)
    scopes = [Scope(DIRECTORY, "<Directory>", [where], "f", line, top) for line, where in enumerate(sections)][::-1]
    places = Places(scopes)
    chain, beside = places.at(path), places.beside(path)
    assert not set(chain) & set(beside)
    matching = {scope for scope in scopes if _Node(scope.args[0], scope).matches(path)}
    assert matching == {scope for scope in (*chain, *beside) if scope in matching}

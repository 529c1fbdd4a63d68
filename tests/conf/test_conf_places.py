"""The index of <Directory> sections finds what a walk over all of them, as ProFTPD does it, finds."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ftpd.conf.directive import DIRECTORY, SERVER
from ftpd.conf.levels import Level, Node, arrange
from ftpd.conf.places import Places
from ftpd.conf.tree import Scope

_NAMES = st.sampled_from(["a", "b", "ab", "*", "a*", "?", "*b", "[ab]"])
_SECTIONS = st.lists(
    st.one_of(st.just("/"), st.lists(_NAMES, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))),
    unique=True,
    max_size=8,
)
_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=5).map(lambda parts: "/" + "/".join(parts))


def walked(nodes: list[Node], path: str) -> list[Scope]:
    for node in nodes:
        if node.matches(path):
            return [*walked(node.inner, path), node.scope]
    return []


@settings(max_examples=300, deadline=None)
@given(_SECTIONS, _PATHS)
def test_the_index_finds_what_a_walk_finds(sections: list[str], path: str) -> None:
    top = Scope(SERVER, "", [], "f", 0, None)
    scopes = [Scope(DIRECTORY, "<Directory>", [where], "f", line, top) for line, where in enumerate(sections)][::-1]
    nodes = arrange([Node(scope.args[0], scope) for scope in scopes])
    assert list(Places(scopes).at(path)) == walked(nodes, path)


@settings(max_examples=200, deadline=None)
@given(_SECTIONS, _PATHS)
def test_what_is_beside_the_chain_matches_and_is_not_in_it(sections: list[str], path: str) -> None:
    top = Scope(SERVER, "", [], "f", 0, None)
    scopes = [Scope(DIRECTORY, "<Directory>", [where], "f", line, top) for line, where in enumerate(sections)][::-1]
    places = Places(scopes)
    chain, beside = places.at(path), places.beside(path)
    assert not set(chain) & set(beside)
    matching = {scope for scope in scopes if Node(scope.args[0], scope).matches(path)}
    assert matching == {scope for scope in (*chain, *beside) if scope in matching}


def sections(*paths: str) -> list[Scope]:
    """Sections as the file has them, in the order in which they are asked: the last line first."""
    top = Scope(SERVER, "", [], "f", 0, None)
    return [Scope(DIRECTORY, "<Directory>", [path], "f", line, top) for line, path in enumerate(paths)][::-1]


def texts(places: Places, path: str, home: str = "") -> list[str]:
    return [scope.args[0] for scope in places.at(path, home, "tom")]


def test_relative_sections_of_an_anonymous_lie_in_its_slash() -> None:
    places = Places(sections("pub", "/", "pub/in", "*/in/x"), "/srv/ftp")
    assert texts(places, "/srv/ftp/pub/in/a") == ["pub/in", "pub", "/"]
    assert texts(places, "/srv/ftp/pub/a") == ["pub", "/"]
    assert texts(places, "/srv/ftp/a") == ["/"]


def test_what_is_written_behind_a_section_of_the_home_and_holds_it_has_a_say_there_too() -> None:
    assert texts(Places(sections("~/pub", "~")), "/home/tom/pub/a", "/home/tom") == ["~/pub", "~"]
    assert texts(Places(sections("~/pub", "/")), "/home/tom/pub/a", "/home/tom") == ["~/pub", "/"]
    assert texts(Places(sections("/home/tom/pub", "~")), "/home/tom/pub/a", "/home/tom") == ["/home/tom/pub", "~"]
    assert texts(Places(sections("~", "~/pub")), "/home/tom/pub/a", "/home/tom") == ["~/pub"]
    assert texts(Places(sections("~/pub", "~/in")), "/home/tom/pub/a", "/home/tom") == ["~/pub"]


def test_a_section_of_the_home_is_about_where_a_link_leads_when_a_session_begins(tmp_path: Path) -> None:
    home = str(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    link = tmp_path / "www"
    link.symlink_to("a")
    places = Places(sections("~/www", "~/www/*.cgi"))
    places.learn(home, "tom")
    assert texts(places, f"{home}/a/x", home) == texts(places, f"{home}/www/x", home) == ["~/www"]
    assert texts(places, f"{home}/a/x.cgi", home) == texts(places, f"{home}/www/x.cgi", home) == ["~/www/*.cgi"]
    assert texts(places, f"{home}/b/x", home) == []
    link.unlink()
    link.symlink_to("b")
    assert texts(places, f"{home}/a/x", home) == ["~/www"], "what a user does to the link is not asked in the session"
    places.learn(home, "tom")
    assert texts(places, f"{home}/b/x", home) == ["~/www"]
    assert texts(places, f"{home}/a/x", home) == []


# -- many sections -----------------------------------------------------------------------------------------------------

PARTS = ["a", "b", "ab", "*", "a*", "?", "[ab]", "[a/b]", "x"]
some_sections = st.lists(
    st.builds(
        lambda start, parts: start + "/".join(parts),
        st.sampled_from(["/", "/srv/", "~/", "/home/*/", "/home/%u/"]),
        st.lists(st.sampled_from(PARTS), min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=8,
    unique=True,
)
some_paths = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["/", "/srv/", "/home/tom/", "/home/ann/"]),
    st.lists(st.sampled_from(["a", "b", "ab", "x", "a b", "[ab]", "*"]), min_size=1, max_size=5),
)


@given(some_sections, some_paths)
def test_no_section_that_matches_is_overlooked_for_the_sake_of_speed(sections: list[str], path: str) -> None:
    level = Level()
    nodes = []
    for order, text in enumerate(sections):
        whole = text.replace("~", "/home/tom").replace("%u", "tom")
        node = Node(whole, Scope(DIRECTORY, "<Directory>", [whole], "", 0, None))
        nodes.append((order, node))
        level.add(order, node)
    found = sorted({order for order, _ in level.matching(path)})
    assert found == [order for order, node in nodes if node.matches(path)]
    first = level.find(path)
    assert (None if first is None else first[0]) == (found[0] if found else None)

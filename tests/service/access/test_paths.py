"""A prefix that a proxy sends never leads to another server, and into no header but its own."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.paths import below, prefix_of, root_of, route_path

PARTS = ["/", "\\", "..", ".", "//", "evil.example", "sampler", "%2f", "\r\n", "\t", ";", ",", " ", "?", "#", "@", "é"]


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        ("/sampler", "/sampler"),
        ("/sampler/", "/sampler"),
        ("/team/a-b_c~1.2", "/team/a-b_c~1.2"),
        ("", ""),
        ("/", ""),
    ],
)
def test_a_path_of_plain_names_is_a_prefix(value: str, prefix: str) -> None:
    assert prefix_of(value) == prefix


@pytest.mark.parametrize(
    "value",
    [
        "sampler",
        "//evil.example",
        "/\\evil.example",
        "/a//b",
        "/..",
        "/a/../b",
        "/.",
        "/a\r\nset-cookie: b=c",
        "/a\n",
        "/a; secure",
        "/a, /b",
        "/a?b",
        "/%2fevil.example",
        "/é",
        "https://evil.example",
        "/" + "a" * 300,
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected a path such as /sampler"):
        prefix_of(value)


@given(value=st.lists(st.sampled_from(PARTS), max_size=6).map("".join) | st.text(max_size=20))
def test_a_redirect_below_a_prefix_stays_on_this_server(value: str) -> None:
    try:
        prefix = prefix_of(value)
    except ValueError:
        return
    target = urlsplit(urljoin("https://here.example/x/y", f"{prefix}/explore/0"))
    assert (target.netloc, target.path) == ("here.example", f"{prefix}/explore/0")
    assert not set(prefix) & set("\r\n\t ;,\"'<>\\%")


def test_a_request_below_a_prefix_has_the_route_that_it_had_before() -> None:
    scope = {"type": "http", "path": "/explore/0", "raw_path": b"/explore/0", "root_path": ""}
    inner = below(scope, "/sampler")
    assert (root_of(inner), route_path(inner)) == ("/sampler", "/explore/0")
    assert (inner["path"], inner["raw_path"]) == ("/sampler/explore/0", b"/sampler/explore/0")
    assert scope["path"] == "/explore/0"

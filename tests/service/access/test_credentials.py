"""The token and the cookie that stands for it."""

import pytest

from service.access.credentials import Credentials
from service.access.urls import has_token, without_tokens

TOKEN = "correct-horse~battery+staple/42=="
CREDENTIALS = Credentials(TOKEN)


def test_the_cookie_is_the_same_after_a_restart_and_another_for_another_token() -> None:
    again, other = Credentials(TOKEN), Credentials(TOKEN + "x")
    assert (again.cookie, again.cookie_name) == (CREDENTIALS.cookie, CREDENTIALS.cookie_name)
    assert other.cookie != CREDENTIALS.cookie
    assert other.cookie_name != CREDENTIALS.cookie_name, "servers on other ports of a host share its cookies"
    assert TOKEN not in CREDENTIALS.cookie + CREDENTIALS.cookie_name


def test_the_cookie_is_found_among_others() -> None:
    name, value = CREDENTIALS.cookie_name, CREDENTIALS.cookie
    for cookies in (f"{name}={value}", f"a=b; {name}={value};c", f"{name}=old; {name}={value}"):
        assert CREDENTIALS.accept_cookie(cookies.encode())
    for cookies in ("", f"{name}", f"{name}=", f"{name}={value}0", f"x{name}={value}", f"{name}={TOKEN}", "é=ü"):
        assert not CREDENTIALS.accept_cookie(cookies.encode())
    assert not CREDENTIALS.accept_cookie(None)


def test_the_token_alone_may_write() -> None:
    cookie = {b"cookie": f"{CREDENTIALS.cookie_name}={CREDENTIALS.cookie}".encode()}
    token = {b"authorization": f"Bearer {TOKEN}".encode()}
    assert [CREDENTIALS.accept(method, cookie) for method in ("GET", "HEAD", "POST", "DELETE")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert all(CREDENTIALS.accept(method, token) for method in ("GET", "POST"))


@pytest.mark.parametrize(
    "query",
    [f"token={TOKEN}", "access_token=other", "seed=1&api-key=x", "APIKEY=x", "a;Token=x", f"digest={TOKEN}",
     "digest=" + "".join(f"%{ord(char):02x}" for char in TOKEN), "Bearer_Token=x", "key=x"],
)  # fmt: skip
def test_tokens_in_queries_are_found_and_hidden(query: str) -> None:
    assert has_token(query, CREDENTIALS)
    shown = without_tokens(query, CREDENTIALS)
    assert "[hidden]" in shown
    assert TOKEN not in shown
    assert not shown.endswith(("x", "other"))


@pytest.mark.parametrize("query", ["indices=1,2,3&seed=7", "digest=key", "batch_size=4&layout=dense", ""])
def test_other_queries_are_shown_as_they_are(query: str) -> None:
    assert not has_token(query, CREDENTIALS)
    assert without_tokens(query, CREDENTIALS) == without_tokens(query, None) == query

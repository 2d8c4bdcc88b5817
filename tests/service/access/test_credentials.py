"""The token and the cookie that stands for it."""

from urllib.parse import quote

import pytest

from service.access.credentials import Credentials
from service.access.urls import has_token, loggable, names_token

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


NAMED = ["token={}", "access_token=other", "seed=1&api-key=x", "APIKEY=x", "a;Token=x", "Bearer_Token=x", "key=x"]
ENCODED = "".join(f"%{ord(char):02x}" for char in TOKEN)


@pytest.mark.parametrize("query", [query.format(TOKEN) for query in NAMED])
@pytest.mark.parametrize("trusted", [True, False])
def test_parameters_that_are_meant_for_tokens_are_found_and_hidden(query: str, trusted: bool) -> None:
    assert names_token(query)
    for credentials in (CREDENTIALS, None):
        shown = loggable(f"/v1/spec?{query}", credentials, trusted=trusted)
        assert shown.startswith(("/v1/spec?", "[hidden]"))
        assert "[hidden]" in shown
        assert not shown.endswith(("x", "other"))


@pytest.mark.parametrize("target", [f"/{TOKEN}", f"/v1/spec?digest={TOKEN}", f"/a/b?x={ENCODED}", f"/v1/x?{TOKEN}"])
@pytest.mark.parametrize("trusted", [True, False])
def test_a_token_anywhere_else_is_hidden(target: str, trusted: bool) -> None:
    shown = loggable(target, CREDENTIALS, trusted=trusted)
    assert "[hidden]" in shown
    assert all(part not in shown for part in (TOKEN, ENCODED, "correct-horse"))


@pytest.mark.parametrize("times", [1, 2, 3, 20])
def test_a_token_in_a_query_within_the_query_is_found_and_hidden(times: int) -> None:
    value = f"category={TOKEN}"
    for _ in range(times):
        value = quote(value, safe="")
    assert has_token(f"search={value}", CREDENTIALS)
    assert loggable(f"/explore/3/next-match?search={value}", CREDENTIALS, trusted=True) == "[hidden]"


def test_of_requests_without_the_token_only_short_parts_are_shown() -> None:
    target = "/v1/batches?indices=1,2,3&seed=7&digest=0123456789abcdef0123456789abcdef"
    assert loggable(target, CREDENTIALS, trusted=True) == loggable(target, None, trusted=False) == target
    assert loggable(target, CREDENTIALS, trusted=False) == "/v1/batches?indices=1,2,3&seed=7&digest=[hidden]"


@pytest.mark.parametrize("query", ["indices=1,2,3&seed=7", "digest=key", "batch_size=4&layout=dense", ""])
def test_other_queries_name_no_token(query: str) -> None:
    assert not names_token(query)
    assert not has_token(query, CREDENTIALS)

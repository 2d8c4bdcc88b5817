"""Origins: pages of the server itself and programs are served, pages of other sites are not."""

import pytest

from service.access.origins import check_origin
from service.errors.problems import ServiceError

HOST = {b"host": b"cpu-host:8000"}
CROSS = {b"sec-fetch-site": b"cross-site"}
LINK = {b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"document"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        HOST | {b"origin": b"http://cpu-host:8000"},
        HOST | {b"origin": b"HTTP://CPU-HOST:8000"},
        {b"host": b"cpu-host", b"origin": b"https://cpu-host"},
        {b"host": b"cpu-host:443", b"origin": b"https://cpu-host"},
        {b"host": b"cpu-host", b"origin": b"http://cpu-host:80"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"http://name-of-the-proxy"} | HOST,
        {b"sec-fetch-site": b"none"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_programs_and_pages_of_the_server_are_served(method: str, headers: dict[bytes, bytes]) -> None:
    check_origin(method, headers)


@pytest.mark.parametrize(
    "headers",
    [
        HOST | {b"origin": b"http://evil.example"},
        HOST | {b"origin": b"http://cpu-host:3000"},
        HOST | {b"origin": b"http://cpu-host:80000"},
        HOST | {b"origin": b"null"},
        HOST | {b"origin": b""},
        HOST | {b"origin": b"\xff"},
        {b"host": b"cpu-host:443", b"origin": b"http://cpu-host"},
        {b"origin": b"http://cpu-host:8000"},
        CROSS,
        CROSS | {b"sec-fetch-mode": b"no-cors", b"sec-fetch-dest": b"image"},
        CROSS | {b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"iframe"},
        CROSS | {b"sec-fetch-mode": b"navigate"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"something new"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_sites_are_refused(method: str, headers: dict[bytes, bytes]) -> None:
    with pytest.raises(ServiceError) as raised:
        check_origin(method, headers)
    assert raised.value.kind == "foreign-origin"


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_a_link_from_another_site_may_be_followed_but_no_form_sent(site: bytes) -> None:
    followed = {b"sec-fetch-site": site} | LINK
    check_origin("GET", followed)
    with pytest.raises(ServiceError):
        check_origin("POST", followed | {b"origin": b"http://evil.example"})

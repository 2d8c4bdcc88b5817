"""The page that documents the endpoints."""

from service.app import create_app
from service.explorer.api.page import api_page, code_spans
from tests.support.pages import page_request


def test_the_page_shows_every_endpoint_with_its_parameters() -> None:
    document = create_app().openapi()
    page = bytes(api_page(page_request("/docs"), document).body).decode()
    for path, methods in document["paths"].items():
        for method in methods.keys() - {"head"}:  # every GET has one
            assert f"<code>{method.upper()} {path}</code>" in page
    for text in ("<code>batch_size</code>", "list of integer", "compact or sparse or dense", "integer, at least 1"):
        assert text in page
    assert "18446744073709551615" in page
    assert "Responses: 200 (application/json); problems: 400, 401, 403, 408, 414, 421, 422, 431, 500, 503<" in page


def test_names_in_backticks_are_code_and_everything_is_escaped() -> None:
    assert code_spans("a `b<c` & `d`") == "a <code>b&lt;c</code> &amp; <code>d</code>"

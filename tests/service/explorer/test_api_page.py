"""The page that documents the endpoints."""

from service.app import create_app
from service.explorer.api_page import api_page, code_spans
from tests.support.pages import Elements


def test_the_page_shows_every_endpoint_with_its_parameters() -> None:
    document = create_app().openapi()
    page = api_page(document)
    for path, methods in document["paths"].items():
        for method in methods.keys() - {"head"}:  # every GET has one
            assert f"<code>{method.upper()} {path}</code>" in page
    for text in ("<code>batch_size</code>", "list of integer", "compact or sparse or dense", "integer, at least 1"):
        assert text in page
    assert "18446744073709551615" in page
    assert "Responses: 200 (application/json); problems: 400, 401, 403, 408, 414, 421, 422, 431, 500, 503<" in page


def test_the_page_loads_nothing_and_its_links_begin_with_the_path_of_a_proxy() -> None:
    elements = Elements(api_page(create_app().openapi(), "/sampler"))
    assert [link["href"] for link in elements.all("a")] == ["/sampler/explore/0", "/sampler/openapi.json"]
    assert not elements.all("script")
    assert not elements.all("img")


def test_names_in_backticks_are_code_and_everything_is_escaped() -> None:
    assert code_spans("a `b<c` & `d`") == "a <code>b&lt;c</code> &amp; <code>d</code>"

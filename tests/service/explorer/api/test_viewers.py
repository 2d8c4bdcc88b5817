"""Swagger UI and ReDoc, from files of this server."""

import pytest

from service.explorer.api.viewers import redoc_page, swagger_page
from service.explorer.shell.assets import assets
from tests.support.pages import Elements, page_request


def test_the_viewers_load_their_scripts_and_the_document_from_below_the_path_of_a_proxy() -> None:
    for make, name in ((swagger_page, "swagger-ui-bundle.js"), (redoc_page, "redoc.standalone.js")):
        elements = Elements(bytes(make(page_request("/docs", root="/sampler")).body).decode())
        scripts = [str(script["src"]) for script in elements.all("script")]
        assert f"/sampler{assets().path(f'viewers/{name}')}" in scripts
        assert all(script.startswith("/sampler/assets/") for script in scripts)
        (place,) = (found for found in elements.all("div") if found.get("id") == "viewer")
        assert place["data-document"] == "/sampler/openapi.json"


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"])
def test_no_viewer_loads_a_picture_or_font_from_another_host(name: str) -> None:
    body = assets().files[f"viewers/{name}"].body
    assert len(body) > 100_000
    for host in (b"//cdn.", b"//fonts.", b"url(http", b'src:"http'):
        assert host not in body


def test_only_the_page_with_redoc_may_make_styles_in_the_browser() -> None:
    swagger, redoc = (make(page_request()).headers["content-security-policy"] for make in (swagger_page, redoc_page))
    assert "unsafe" not in swagger
    assert "style-src 'self' 'unsafe-inline'" in redoc
    assert "script-src 'self';" in redoc

"""What all pages share: the frame, the files they load, and the policy that keeps others out."""

import re

import pytest
from jinja2 import UndefinedError

from service.explorer.shell.assets import assets
from service.explorer.shell.login import login_response
from service.explorer.shell.navigation import links
from service.explorer.shell.templates import page
from tests.support.pages import Elements, page_request
from tests.support.processes import output_of


def login(root: str = "") -> Elements:
    request = page_request("/explore/3", "seed=7", root, token="a-token-of-some-length")
    return Elements(bytes(login_response(request.scope).body).decode())


def test_a_page_loads_files_of_its_server_only_and_has_no_script_or_style_inline() -> None:
    elements = login("/sampler")
    loaded = [found["src"] for tag in ("script", "img") for found in elements.all(tag)]
    loaded += [found["href"] for found in elements.all("link")]
    assert len(loaded) >= 3
    assert all(str(path).startswith(f"/sampler/assets/{assets().version}/shell/") for path in loaded)
    assert not elements.all("style")
    assert not any("style" in attributes for _, attributes in elements.found)


def test_the_policy_of_a_page_allows_no_inline_script_and_no_other_host() -> None:
    response = login_response(page_request().scope)
    policy = dict(rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert not re.search(r"unsafe|https?:|\*", response.headers["content-security-policy"])


def test_a_page_that_names_a_file_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"shell/other\.js"):
        page(page_request(), "shell/login.html", title="", scripts=("shell/other.js",), message="", destination="/")


def test_a_template_that_lacks_a_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="message"):
        page(page_request(), "shell/login.html", title="")


def test_the_navigation_marks_the_current_page_and_keeps_what_its_targets_know() -> None:
    found = list(links("/sampler", "/explore/3", {"dataset": "a b", "seed": "7", "epoch": "2"}))
    assert [link.name for link in found if link.is_current] == ["Sample"]
    targets = {link.name: link.target for link in found}
    assert targets["Sample"] == "/sampler/explore/0?dataset=a+b&seed=7"
    assert targets["API"] == "/sampler/api"
    compared = {link.name: link.target for link in links("", "/compare", {"left_seed": "7", "right_seed": "8"})}
    assert compared["Statistics"] == "/stats?seed=7"


def test_only_styles_scripts_and_pictures_are_assets() -> None:
    names = assets().files.keys()
    assert {"shell/style.css", "shell/shell.js", "shell/favicon.svg", "sample/page.js"} <= names
    assert not [name for name in names if name.endswith((".html", ".py", ".pyc"))]


def test_what_pages_need_is_loaded_before_the_first_one() -> None:
    found = output_of(
        "import sys; from service.explorer.loading import load_pages; load_pages(); loaded = set(sys.modules)\n"
        "from service.explorer.shell import errors, login, templates\n"
        "from service.explorer.sample.page import sample_page\n"
        "print(len(templates._environment().cache) >= 15, [name for name in sys.modules if name.endswith('.page')"
        " and name not in loaded])"
    )
    assert found == "True []"

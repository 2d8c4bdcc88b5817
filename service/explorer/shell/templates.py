"""Pages for people: HTML in a common frame. A page loads only files of this server, and runs only their scripts."""

from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from sampler.stream.keys import EPOCH_LIMIT, SEED_LIMIT
from sampler.version import VERSION
from service.access.paths import root_of, route_path
from service.explorer.shell.assets import FAVICON, assets
from service.explorer.shell.headers import page_headers
from service.explorer.shell.navigation import links
from service.words import count

STYLE = "shell/style.css"
SCRIPT = "shell/shell.js"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service", "explorer"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["counted"] = count
    environment.globals |= {"last_seed": SEED_LIMIT - 1, "last_epoch": EPOCH_LIMIT - 1}
    return environment


def load_templates() -> None:
    """Compile all templates, which otherwise happens when the first page needs them."""
    environment = _environment()
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)


def page(
    request: Request,
    template: str,
    *,
    title: str,
    scripts: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
    status: int = 200,
    policy: dict[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return the response with a page.

    Besides `values`, which are escaped, its template gets `title`; `root`, with which every link to this server begins;
    `asset(name)`, the URL of a file; `navigation`; `may_log_out`; and `version`. All templates know `last_seed` and
    `last_epoch`.

    Args:
        request: The request for the page. Its parameters `dataset` and `seed`, if any, are kept by the navigation.
        template: Path of the template, such as `sample/page.html`; it extends `shell/base.html`.
        title: The beginning of the title in the browser's tab.
        scripts: Paths of the page's own scripts, which are modules, such as `sample/page.js`.
        styles: Paths of the page's own styles.
        status: Of the response.
        policy: Directives of the content security policy that differ from `POLICY`.
        **values: What the template shows.
    """
    root = root_of(request.scope)
    known = assets()

    def asset(name: str) -> str:
        return root + known.path(name)

    html = _environment().get_template(template).render(
        title=title, root=root, asset=asset, favicon=asset(FAVICON), version=VERSION,
        styles=[asset(name) for name in (STYLE, *styles)], scripts=[asset(name) for name in (SCRIPT, *scripts)],
        navigation=list(links(root, route_path(request.scope), request.query_params if status < 400 else {})),
        may_log_out=request.app.state.access.credentials is not None, **values,
    )  # fmt: skip
    return HTMLResponse(html, status, page_headers(policy or {}))

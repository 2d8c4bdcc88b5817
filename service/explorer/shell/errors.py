"""The page that a person gets in place of a problem document: what is wrong, and what to do about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from sampler.wire.problem_types import TYPE_PREFIX
from service.access.paths import root_of, route_path
from service.errors.problems import Problem
from service.explorer.shell.navigation import ENTRIES
from service.explorer.shell.templates import page

ADVICE = {
    "invalid-request": "Correct the address, or follow one of these links.",
    "digest-mismatch": "The dataset, config or images of this server differ from those that the address names. Without "
    "the digest, the page shows what the server has now.",
    "not-found": "Check the address for typing errors. The links at the top of this page lead to all pages.",
    "method": "This path is for programs, which send another kind of request. The API documentation says which.",
    "overloaded": "Training comes first, and the server is at its limit. Reload the page in a few seconds.",
    "shutting-down": "Reload the page when the server has started again.",
    "not-ready": "The server is starting, or waits for its workers. Reload the page in a few seconds.",
    "image": "Open another sample. The command saccade-sampler verify checks all images of a dataset.",
    "storage": "Reload the page in a few seconds. If it stays like this, the server's log says what fails.",
    "worker": "The server's log has the cause, under the request id below.",
    "internal": "The server's log has the cause, under the request id below.",
}
"""What to do, by problem type; nothing for the others, whose details say all that can be done."""

UNEXPLAINED = frozenset({"not-found", "method"})
"""Types whose details are for programs only."""

DIGESTS = frozenset({"digest", "pixels", "substitutes"})
"""Parameters that a server refuses if it has other data."""


@dataclass(frozen=True, slots=True)
class WayOut:
    """A link to a page that works."""

    text: str
    target: str


def error_page(request: Request, problem: Problem, headers: Mapping[str, str]) -> HTMLResponse:
    """Return the page about a problem, with its status. headers: those of the response with the document."""
    kind = str(problem["type"]).removeprefix(TYPE_PREFIX)
    status = int(problem["status"])
    response = page(
        request, "shell/error.html", title=str(problem["title"]), styles=("shell/error.css",), status=status,
        problem=problem, rows=problem.get("errors", ()), detail="" if kind in UNEXPLAINED else problem["detail"],
        advice=ADVICE.get(kind, ""), ways_out=list(_ways_out(request, problem)),
        request_id=getattr(request.state, "request_id", "") if status >= 500 else "",
    )  # fmt: skip
    response.headers.update(headers)
    response.headers["cache-control"] = "no-store"
    response.headers["vary"] = "accept"
    return response


def _ways_out(request: Request, problem: Problem) -> Iterator[WayOut]:
    root, path = root_of(request.scope), route_path(request.scope)
    unwanted = {str(row["field"]) for row in problem.get("errors", ())} or DIGESTS
    parameters = request.query_params.multi_items()
    kept = [(name, value) for name, value in parameters if name not in unwanted]
    if problem["status"] in (412, 422) and kept != parameters:
        names = dict.fromkeys(name for name, _ in parameters if name in unwanted)
        query = f"?{urlencode(kept)}" if kept else ""
        yield WayOut(f"This page without {' and '.join(names)}", f"{root}{path}{query}")
    for entry in ENTRIES:
        if path.startswith(entry.below) and path != entry.path:
            yield WayOut("Step 0" if entry.name == "Steps" else entry.name, root + entry.path)
    if problem["status"] >= 500:
        yield WayOut("Status", f"{root}/status")
    yield WayOut("Home", f"{root}/")

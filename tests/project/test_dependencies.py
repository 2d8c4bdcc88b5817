"""What a training node has to install for the client."""

import importlib.metadata
import tomllib

from packaging.requirements import Requirement

from tests.support.paths import ROOT

MOST = 13
"""Distributions, this project included."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needed(requirements: list[str]) -> set[str]:
    """The names of the distributions that requirements without extras lead to, as they are installed here."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.name not in found:
            found.add(requirement.name)
            waiting += [Requirement(line) for line in importlib.metadata.requires(requirement.name) or ()]
    return found


def test_the_client_needs_few_packages() -> None:
    found = needed(PROJECT["dependencies"])
    assert {"numpy", "msgpack", "httpx", "stamina", "xxhash"} <= found
    assert len(found) + 1 <= MOST, sorted(found)
    assert not found & {"typer", "rich", "click", "pydantic"}


def test_a_server_has_all_commands() -> None:
    extras = PROJECT["optional-dependencies"]
    assert "saccade-sampler[cli]" in extras["server"]
    assert {Requirement(line).name for line in extras["cli"]} == {"typer", "rich"}

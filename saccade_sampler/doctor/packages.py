"""Checks of the installed packages: those that each extra needs, in the versions that it needs."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata

from saccade_sampler.doctor.finding import Finding, ok, problem, skipped, warning

DISTRIBUTION = "saccade-sampler"
PACKAGES = "packages"

MARKS = {
    "cli": "typer",
    "server": "simplejpeg",
    "compiled": "numba",
    "torch": "torch",
    "stateful": "torchdata",
    "lightning": "lightning",
    "pictures": "pillow",
    "cloud": "obstore",
    "ray": "ray",
}
"""Extras that are used when they are installed, each with its package that hardly anything else brings.

The others are for development.
"""

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?\s*(>=\s*(?P<bound>[0-9.]+))?\s*(;(?P<marker>.*))?")
_EXTRA = re.compile(r"extra == ['\"](?P<extra>[a-z]+)['\"]")


@dataclass(frozen=True, slots=True)
class Need:
    """A package that the project or one of its extras needs. extra: empty if it is always needed."""

    name: str
    bound: str
    extra: str


def needs(requirements: Iterable[str]) -> Iterator[Need]:
    """Yield the packages in a distribution's requirements, without those of some systems only."""
    for line in requirements:
        match = _REQUIREMENT.fullmatch(line.strip())
        if match is None or match["name"] == DISTRIBUTION:
            continue
        marker = match["marker"] or ""
        extra = _EXTRA.search(marker)
        if not marker or (extra is not None and "platform" not in marker):
            yield Need(match["name"], match["bound"] or "0", extra["extra"] if extra else "")


def check_packages(found: Iterable[Need], installed: Callable[[str], str | None]) -> Iterator[Finding]:
    """Check what is always needed, and each extra.

    Args:
        found: The needs.
        installed: Returns the version of an installed package, or None.
    """
    rows = list(found)
    for extra in ("", *MARKS):
        wanted = [need for need in rows if need.extra == extra]
        if wanted:
            yield _check(extra, wanted, {need.name: installed(need.name) for need in wanted})


def check_version(installed: str | None, running: str) -> Finding:
    """Check that the installed distribution is the running code."""
    if installed is None:
        return skipped(PACKAGES, f"{DISTRIBUTION} {running} runs from its source folder and is not installed")
    if installed != running:
        found = f"{DISTRIBUTION} {installed} is installed, but the code that runs is that of {running}"
        return warning(PACKAGES, found, "reinstall it, and start commands outside its source folder")
    return ok(PACKAGES, f"{DISTRIBUTION} {running}")


def installed_version(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def installed_requirements() -> list[str]:
    """Return what the installed distribution requires; nothing if it is not installed."""
    try:
        return metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return []


def _check(extra: str, wanted: list[Need], versions: dict[str, str | None]) -> Finding:
    check = f"extra {extra}" if extra else PACKAGES
    command = f"pip install '{DISTRIBUTION}[{extra}]'" if extra else f"pip install {DISTRIBUTION}"
    missing = [need.name for need in wanted if versions[need.name] is None]
    old = [
        f"{need.name} {versions[need.name]} (needs {need.bound})"
        for need in wanted
        if _is_older(versions[need.name], need.bound)
    ]
    if extra and versions.get(MARKS[extra]) is None:
        return skipped(check, f"not installed; if it is needed here: {command}")
    if old or (missing and not extra):
        return problem(check, "; ".join(filter(None, [_listed("missing", missing), _listed("too old", old)])), command)
    if missing:
        return warning(check, _listed("missing", missing), f"{command}, if it is needed here")
    return ok(check, ", ".join(f"{name} {version}" for name, version in versions.items()))


def _listed(what: str, names: list[str]) -> str:
    return f"{what}: {', '.join(names)}" if names else ""


def _is_older(version: str | None, bound: str) -> bool:
    return version is not None and _release(version) < _release(bound)


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version, without zeros at their end."""
    match = re.match(r"[0-9]+(\.[0-9]+)*", version)
    numbers = [int(part) for part in match[0].split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)

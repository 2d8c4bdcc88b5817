"""All checks, in order: this host as a server, then as a training node."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saccade_sampler.doctor.clock import check_synchronised
from saccade_sampler.doctor.examine_client import examine_client
from saccade_sampler.doctor.finding import Finding, ok, problem, skipped
from saccade_sampler.doctor.host import HostFacts, host_facts
from saccade_sampler.doctor.kernels import check_kernels
from saccade_sampler.doctor.packages import (
    check_packages,
    check_version,
    installed_requirements,
    installed_version,
    needs,
)
from sampler.cli.errors import CommandError, needs_extra
from sampler.errors import SamplerError
from sampler.version import VERSION

SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined.

    Attributes:
        options: Settings of the command line, by field.
        settings_file: Further settings of a server.
        urls: Of servers; empty for those in `SAMPLER_URL`.
        batch: Samples of a batch of one rank.
        dataset: Name of a dataset of the servers; None for the first.
        ca: PEM file of the CA of the servers; None for the CAs of the system.
        token_file: File of the token for the servers; None for that of the environment.
    """

    options: Mapping[str, Any]
    settings_file: Path | None = None
    urls: Sequence[str] = ()
    batch: int = 48
    dataset: str | None = None
    ca: Path | None = None
    token_file: Path | None = None


def examine(subject: Subject, show: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Make all checks. show: shows what is waited for."""
    # A host may have the same token file as a server and as a training node, which need not be reported twice.
    return list(dict.fromkeys(_findings(subject, show)))


def _findings(subject: Subject, show: Callable[[str], None]) -> Iterator[Finding]:
    host = host_facts()
    yield check_version(installed_version("saccade-sampler"), VERSION)
    yield from check_packages(needs(installed_requirements()), installed_version)
    yield check_synchronised()
    yield from _server(subject, host)
    yield from examine_client(subject.urls, host, subject.batch, subject.dataset, subject.ca, subject.token_file, show)


def _server(subject: Subject, host: HostFacts) -> Iterator[Finding]:
    try:
        with needs_extra("a server", "server"):
            from saccade_sampler.doctor.examine_server import examine_server  # training nodes lack what it needs
            from service.settings.load import SettingsError, load_settings  # which needs pydantic
    except CommandError as error:
        yield skipped(SETTINGS, f"those of a server are not checked: {error}")
        yield check_kernels(None)
        return
    try:
        settings = load_settings(subject.options, subject.settings_file)
    except SamplerError as error:  # such as a user without a home folder, where the cache folder would be
        for text in error.problems if isinstance(error, SettingsError) else (str(error),):
            yield problem(SETTINGS, text, "correct it; `saccade-sampler settings` shows all settings")
        yield skipped("server's needs", "the settings are invalid")
        yield check_kernels(None)
        return
    yield ok(SETTINGS, "valid; `saccade-sampler settings` shows them")
    yield check_kernels(settings.cache_dir / "kernels")
    yield from examine_server(settings, host)

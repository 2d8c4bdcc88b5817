"""The checks of a host that runs a server: facts of the host against the needs of the settings."""

import warnings
from collections.abc import Iterator
from pathlib import Path

from saccade_sampler.doctor.files import TOKEN, check_cache_folder, check_images, check_readable
from saccade_sampler.doctor.finding import Finding, ok, problem, skipped
from saccade_sampler.doctor.host import HostFacts, shared_memory_error
from saccade_sampler.doctor.memory import check_address_space, check_memory, check_shared_memory
from saccade_sampler.doctor.needs import ServerNeeds
from saccade_sampler.doctor.paths import readable, writable
from saccade_sampler.doctor.processes import check_cpus, check_instructions, check_processes, check_server_descriptors
from saccade_sampler.doctor.tokens import examine_token_file
from sampler.config.cornernet_lite import IgnoredKeysWarning, load_config
from sampler.errors import ConfigError
from service.arena import warm_bytes
from service.batches.plan import DECODED_RUNS, STORED_RUNS
from service.descriptors import descriptor_limit
from service.server.connection_cap import connection_cap
from service.server.tls import TlsError, server_context
from service.settings.datasets import DatasetSettings
from service.settings.limits import MEGABYTE
from service.settings.load import SettingsError
from service.settings.server import Settings


def examine_server(settings: Settings, host: HostFacts) -> Iterator[Finding]:
    """Check whether this host can run a server with these settings."""
    needs = server_needs(settings)
    yield check_memory(host, needs)
    yield check_address_space(host, needs)
    yield check_shared_memory(needs, shared_memory_error(max(needs.arena, needs.image_cache)))
    yield check_cpus(host, settings.workers)
    yield check_processes(host, settings.workers)
    yield check_instructions(host)
    yield _descriptors(settings)
    yield _cache_folder(settings)
    for name, dataset in settings.served.items():
        yield from _dataset(f" of {name}" if name else "", dataset)
    yield from _token(settings)
    yield from _certificate(settings)


def server_needs(settings: Settings) -> ServerNeeds:
    """Return what a server with these settings takes of its host."""
    buffer, cached = settings.buffer_mb * MEGABYTE, min(settings.batch_cache_mb, settings.buffer_mb) * MEGABYTE
    reserve = settings.max_requests * max(DECODED_RUNS.bytes, STORED_RUNS.bytes)
    return ServerNeeds(
        workers=settings.workers,
        arena=buffer + reserve,
        image_cache=settings.decoded_cache_mb * MEGABYTE,
        warm=min(warm_bytes(cached), buffer),
    )


def _descriptors(settings: Settings) -> Finding:
    limit = descriptor_limit()
    try:
        return check_server_descriptors(limit, connection_cap(settings.max_connections, settings.workers, limit), "")
    except SettingsError as error:
        return check_server_descriptors(limit, None, str(error))


def _cache_folder(settings: Settings) -> Finding:
    files = {file for dataset in settings.served.values() for file in dataset.annotations or ()}
    return check_cache_folder(writable(settings.cache_dir), sum(readable(file).size for file in files))


def _dataset(of: str, dataset: DatasetSettings) -> Iterator[Finding]:
    if dataset.annotations is None or dataset.images is None:
        yield ok("dataset", "SAMPLER_ANNOTATIONS and SAMPLER_IMAGES are not set: the demo dataset is served")
        return
    for file in dataset.annotations:
        yield check_readable(f"annotations{of}", readable(file), "SAMPLER_ANNOTATIONS")
    for location in dataset.images:
        check = f"images{of}"
        if isinstance(location, Path):
            yield check_images(check, readable(location))
        else:
            yield skipped(check, f"{location} is in object storage; `saccade-sampler verify` reads it")
    for name in ("subset", "substitute"):
        file = getattr(dataset, name)
        if file is not None:
            yield check_readable(f"{name}{of}", readable(file), f"SAMPLER_{name.upper()}")
    yield _config(of, dataset.config)


def _config(of: str, name: str) -> Finding:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", IgnoredKeysWarning)  # `serve` shows them
            config = load_config(name)
    except ConfigError as error:
        return problem(f"config{of}", str(error), "set SAMPLER_CONFIG to a preset or the path of a CornerNet-Lite file")
    return ok(f"config{of}", config.name)


def _token(settings: Settings) -> Iterator[Finding]:
    if settings.token_file is None:
        state = "SAMPLER_TOKEN is set" if settings.token else "none is set: only this host can use the server"
        yield ok(TOKEN, "none is set, and SAMPLER_OPEN lets other hosts use the server" if settings.open else state)
        return
    yield examine_token_file(settings.token_file)


def _certificate(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None:
        return
    try:
        server_context(settings.tls_cert, settings.tls_key)
    except TlsError as error:
        found, _, advice = str(error).partition("; ")
        yield problem("certificate", found, advice or "see the page Serving, section HTTPS")
        return
    yield ok("certificate", f"{settings.tls_cert} and its key can be used")

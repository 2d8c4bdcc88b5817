"""The checks of a training node: its servers, as a client reaches them, and the memory of a loader."""

import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from client.access import access_to
from client.credentials import TOKEN_FILE_VARIABLE, read_token
from client.errors import ClientError
from client.fleet.addresses import URL_VARIABLE, ServerAddresses
from client.loading.loader import AHEAD
from client.loading.slots import SlotForm
from saccade_sampler.doctor.contact import ServerFacts, contact_settings, server_facts
from saccade_sampler.doctor.finding import Finding, problem, skipped
from saccade_sampler.doctor.host import HostFacts
from saccade_sampler.doctor.memory import LOADER_MEMORY, check_dev_shm, check_loader_memory
from saccade_sampler.doctor.processes import check_client_descriptors
from saccade_sampler.doctor.servers import SERVER, TOKEN, check_servers
from saccade_sampler.doctor.tokens import examine_token_file
from sampler.errors import InvalidRequestError, SamplerError
from sampler.version import VERSION

SLOTS = AHEAD + 2
"""Slots of a loop that keeps no batch."""


def examine_client(
    urls: Sequence[str],
    host: HostFacts,
    batch: int,
    dataset: str | None,
    ca: Path | None,
    token_file: Path | None,
    show: Callable[[str], None] = lambda _: None,
) -> Iterator[Finding]:
    """Check servers and what a loader needs.

    Args:
        urls: Of the servers; empty for those in `SAMPLER_URL`.
        host: This host.
        batch: Samples of a batch of one rank.
        dataset: Name of a dataset of the servers; None for the first.
        ca: As for clients.
        token_file: File of the token; None for that of the environment.
        show: Shows what is waited for.
    """
    yield check_client_descriptors(host)
    file = token_file or _token_file_of_environment()
    if file is not None:
        token = examine_token_file(file)
        yield token
        if token.status == "problem":
            yield skipped(SERVER, "not contacted, because there is no valid token")
            return
    if not urls and not os.environ.get(URL_VARIABLE, "").strip():
        yield skipped(SERVER, f"no URL is given, and {URL_VARIABLE} is not set")
        return
    try:
        addresses = ServerAddresses.parse(urls or None)
        access = access_to(((base.url, base.proxy) for base in addresses.bases), read_token(token_file), ca)
        current = addresses.current()
    except InvalidRequestError as error:
        check = TOKEN if "TOKEN" in error.field.upper() else SERVER
        yield problem(check, str(error), "correct this value")
        return
    except (ClientError, SamplerError) as error:
        yield problem(SERVER, str(error), "correct the URL, or the variable that the message names")
        return
    show(f"contacting {', '.join(address.shown for address in current)}")
    servers = server_facts(current, contact_settings(access, dataset))
    yield from check_servers(servers, VERSION, has_token=access.token is not None)
    yield from _loader(servers, host, batch)


def _token_file_of_environment() -> Path | None:
    file = os.environ.get(TOKEN_FILE_VARIABLE)
    return Path(file).expanduser() if file else None


def _loader(servers: Sequence[ServerFacts], host: HostFacts, batch: int) -> Iterator[Finding]:
    spec = next((server.spec for server in servers if server.spec is not None), None)
    if spec is None:
        yield skipped(LOADER_MEMORY, "no server has said how large a batch is")
        return
    slot = SlotForm.of(spec, batch, render=True).size
    yield check_loader_memory(host, SLOTS, slot, batch)
    if find_spec("torch") is not None:
        yield check_dev_shm(host, slot, batch)

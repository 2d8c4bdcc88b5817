"""Checks of servers."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from client.errors import DigestMismatchError
from client.protocol.proxies import is_loopback
from client.protocol.target import Pins
from saccade_sampler.doctor.contact import ServerFacts
from saccade_sampler.doctor.finding import Finding, ok, problem, skipped, warning

SERVER = "server"
TOKEN = "token"
DIGEST = "digest"
CLOCK = "clock"
PROXY = "proxy"
VERSION = "version"

SLOW_SECONDS = 0.1
"""A round trip that makes single batches slow."""

SKEWED_SECONDS = 5.0
"""Difference of two clocks that times in logs cannot be compared with."""

WRONG_SECONDS = 300.0
"""Difference at which certificates and signed requests to object storage are refused."""

_UNREACHABLE = (
    "check the URL, that the server runs there with --host 0.0.0.0 (it listens at 127.0.0.1 by default), and that no "
    "firewall blocks it"
)


def check_servers(servers: Sequence[ServerFacts], client_version: str, *, has_token: bool) -> Iterator[Finding]:
    """Check each server, and whether all of them serve the same samples.

    Args:
        servers: The servers.
        client_version: Version of the client.
        has_token: Whether the client sends a token.
    """
    for server in servers:
        yield from _check_one(server, client_version, has_token)
    yield from _check_digests([server for server in servers if server.spec is not None])


def _check_one(server: ServerFacts, client_version: str, has_token: bool) -> Iterator[Finding]:
    if server.address.proxy is not None:
        proxy = server.address.proxy
        yield warning(PROXY, f"requests to {server.address.shown} go through {proxy.named}", proxy.remedy)
    if server.unreachable:
        yield problem(SERVER, server.unreachable, _UNREACHABLE)
        return
    if server.not_ready:
        advice = "wait until it has started; if that lasts, see the log of the server"
        yield warning(SERVER, server.not_ready, advice)
    if server.latency is not None:
        yield _check_latency(server, server.latency)
    yield _check_access(server, has_token)
    if server.answered:
        yield _check_clock(server)
    if server.version is not None:
        yield _check_version(server, client_version)


def _check_latency(server: ServerFacts, latency: float) -> Finding:
    found = f"{server.address.shown} is ready; a round trip takes {latency * 1000:.1f} ms"
    if latency > SLOW_SECONDS:
        return warning(SERVER, found, "use a server in the same network, or loaders with a larger `ahead`")
    return ok(SERVER, found)


def _check_access(server: ServerFacts, has_token: bool) -> Finding:
    where = server.address.shown
    if server.needs_token:
        state = "the token is not that of the server" if has_token else "the server demands a token, and none is set"
        advice = "set SAMPLER_TOKEN or SAMPLER_TOKEN_FILE here as on the server"
        return problem(TOKEN, f"{where}: {state}", advice)
    if server.refusal:
        return problem(SERVER, server.refusal, "follow the advice in the message; the page Troubleshooting explains it")
    parts = urlsplit(server.address.url)
    if has_token and parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        advice = "serve https (serve --tls-cert), unless the network is trusted"
        return warning(TOKEN, f"{where} accepts the token, which travels unencrypted", advice)
    return ok(TOKEN, f"{where} accepts {'the token' if has_token else 'requests without a token'}")


def _check_clock(server: ServerFacts) -> Finding:
    where, offset = server.address.shown, server.clock_offset
    if offset is None:
        return skipped(CLOCK, f"{where} sends no date")
    found = f"the clock of {where} is {abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} that of this host"
    advice = "synchronise both clocks (chrony, or systemd-timesyncd: timedatectl set-ntp true)"
    if abs(offset) >= WRONG_SECONDS:
        return problem(CLOCK, f"{found}: certificates and signed requests may be refused", advice)
    if abs(offset) >= SKEWED_SECONDS:
        return warning(CLOCK, found, advice)
    return ok(CLOCK, f"{where} has the same time as this host")


def _check_version(server: ServerFacts, client_version: str) -> Finding:
    where = server.address.shown
    if server.version == client_version:
        return ok(VERSION, f"{where} and this host have version {client_version}")
    found = f"{where} has version {server.version}, this host {client_version}"
    return warning(VERSION, found, "install the same version on both")


def _check_digests(servers: Sequence[ServerFacts]) -> Iterator[Finding]:
    if not servers:
        yield skipped(DIGEST, "no server has given its digest")
        return
    first, *others = servers
    assert first.spec is not None, "only servers with a spec are compared"
    different = [text for server in others if (text := _difference(first, server))]
    advice = "serve the same annotations, config and images with the same version of saccade-sampler on all"
    yield from (problem(DIGEST, text, advice) for text in different)
    if different:
        return
    spec = first.spec
    shared = "" if not others else f"; all {len(servers)} servers have it"
    pixels = spec.pixels or "not recorded"
    yield ok(DIGEST, f"{spec.digest} ({spec.size} images, config {spec.config.name}, pixels {pixels}){shared}")


def _difference(first: ServerFacts, other: ServerFacts) -> str:
    """Return how the samples of another server differ from those of the first; empty if they do not."""
    assert first.spec is not None, "only servers with a spec are compared"
    assert other.spec is not None, "only servers with a spec are compared"
    try:
        Pins.of(first.spec).require(other.spec, other.address.shown, f"that of {first.address.shown}")
    except DigestMismatchError as error:
        return str(error)
    return ""

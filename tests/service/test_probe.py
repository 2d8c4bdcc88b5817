"""The health check of containers."""

from pathlib import Path

import pytest

from tests.support.certificates import make_certificates
from tests.support.processes import run_python
from tests.support.raw_server import always, raw_server, with_length

READY = with_length(b"ready")
BUSY = READY.replace(b" 200 OK", b" 503 Service Unavailable", 1)


def probe(port: int, **variables: str) -> tuple[int, str]:
    """Return status and output of the check; a proxy that cannot be reached is set, as some hosts do in containers."""
    proxies = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = run_python("-m", "service.probe", "/readyz", str(port), variables=proxies | variables, check=False)
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(("response", "status"), [(READY, 0), (BUSY, 1)])
def test_the_probe_tells_whether_the_server_is_ready(response: bytes, status: int) -> None:
    with raw_server(always(response)) as server:
        assert probe(server.port) == (status, "ready")


def test_the_probe_speaks_tls_as_the_server_does(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, "cpu-host")
    with raw_server(always(READY), files.server()) as server:
        assert probe(server.port, SAMPLER_TLS_CERT=str(files.certificate)) == (0, "ready")


def test_a_server_that_does_not_respond_is_not_ready() -> None:
    status, output = probe(1)
    assert (status, output) == (1, "no response at port 1: [Errno 111] Connection refused")

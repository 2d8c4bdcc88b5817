"""Servers as a training node sees them: real ones, and scripted ones with faults."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from threading import Barrier
from time import time

import pytest

from saccade_sampler.doctor import contact
from saccade_sampler.doctor.contact import clock_offset
from saccade_sampler.doctor.examine_client import examine_client
from saccade_sampler.doctor.finding import Finding
from tests.saccade_sampler.doctor.hosts import HOST
from tests.support.certificates import make_certificates
from tests.support.live_server import LiveServer
from tests.support.scripted_server import Answer, ScriptedServer, document, problem, scripted


def found(*urls: str, ca: Path | None = None, dataset: str | None = None) -> dict[str, Finding]:
    """Return the last finding of each check."""
    return {finding.check: finding for finding in examine_client(urls, HOST, 48, dataset, ca, None)}


@pytest.fixture
def other() -> Iterator[ScriptedServer]:
    with scripted() as server:
        yield server


@pytest.fixture
def faulty() -> Iterator[ScriptedServer]:
    with scripted() as server:
        yield server


def test_a_server_that_works_has_no_problem(server: LiveServer) -> None:
    findings = found(server.url)
    assert {check: finding.status for check, finding in findings.items() if finding.status != "ok"} == {}
    assert set(findings) >= {"server", "token", "clock", "version", "digest", "memory of a loader"}
    assert "24 images, config cornernet_saccade" in findings["digest"].found


def test_without_a_url_servers_are_not_checked() -> None:
    assert found()["server"].status == "skipped"


def test_the_servers_of_the_variable_are_checked(other: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMPLER_URL", other.url)
    assert found()["server"].status == "ok"
    monkeypatch.setenv("SAMPLER_URL", "cpu-host:8000")
    wrong = found()["server"]
    assert wrong.status == "problem"
    assert wrong.found.startswith("SAMPLER_URL = 'cpu-host:8000'")


def test_a_server_that_cannot_be_reached_is_a_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    finding = found(url)["server"]
    assert finding.status == "problem"
    assert url in finding.found
    assert "--host 0.0.0.0" in finding.remedy
    assert "clock" not in found(url)


def test_all_servers_are_contacted_at_once() -> None:
    together = Barrier(3)

    def ready(_: object) -> Answer:
        together.wait(30)  # breaks unless all three have been asked
        return document({"status": "ok", "workers": 1})

    with scripted() as one, scripted() as two, scripted() as three:
        servers = [one, two, three]
        for server in servers:
            server.script("/readyz", ready)
        findings = list(examine_client([server.url for server in servers], HOST, 48, None, None, None))
    assert [finding.status for finding in findings if finding.check == "server"] == ["ok"] * 3


def test_a_slow_server_is_asked_once(faulty: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contact, "SLOW_SECONDS", 0.0)
    found(faulty.url)
    assert len(faulty.asked_at("/readyz")) == 1


def test_what_is_waited_for_is_shown(other: ScriptedServer) -> None:
    shown: list[str] = []
    list(examine_client([other.url], HOST, 48, None, None, None, shown.append))
    assert shown == [f"contacting {other.url}"]


def test_a_host_name_that_is_unknown_is_a_problem() -> None:
    assert found("dns+http://no-such-host.invalid:8000")["server"].status == "problem"


def test_something_else_at_the_address_is_a_problem(faulty: ScriptedServer) -> None:
    page = Answer([b"<html>hello</html>"], headers={"Content-Type": "text/html"})
    faulty.script("/v1/spec", page)
    finding = found(faulty.url)["server"]
    assert finding.status == "problem"
    assert "text/html" in finding.found
    for other in (page, document({}), document(["ok"]), document({"status": "ok"})):
        faulty.script("/readyz", other)
        findings = list(examine_client([faulty.url], HOST, 48, None, None, None))
        server = [finding for finding in findings if finding.check == "server"]
        assert [finding.status for finding in server] == ["problem"]
        assert "not that of a sampling server" in server[0].found
        assert found(faulty.url)["server"].status == "ok"
    faulty.script("/v1/spec", document(["something", "else"]), document({**faulty.spec.as_dict(), "version": 3}))
    assert found(faulty.url)["server"].status == "problem"
    assert "version" not in found(faulty.url)


def test_a_server_that_is_not_ready_is_a_warning(faulty: ScriptedServer) -> None:
    faulty.script("/readyz", problem(503, "none of 4 workers is ready", {"Date": formatdate(usegmt=True)}))
    findings = found(faulty.url)
    assert findings["server"].status == "warning"
    assert "none of 4 workers is ready" in findings["server"].found
    assert findings["digest"].status == "ok"


def test_a_token_that_the_server_refuses_is_a_problem(faulty: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty.script("/v1/spec", problem(401, "no token"), problem(401, "no token"))
    missing = found(faulty.url)["token"]
    assert (missing.status, missing.found) == (
        "problem", f"{faulty.url}: the server demands a token, and none is set",
    )  # fmt: skip
    monkeypatch.setenv("SAMPLER_TOKEN", "0123456789abcdef")
    assert found(faulty.url)["token"].found == f"{faulty.url}: the token is not that of the server"
    accepted = found(faulty.url)["token"]
    assert (accepted.status, accepted.found) == ("ok", f"{faulty.url} accepts the token")
    monkeypatch.setenv("SAMPLER_TOKEN", "short")
    invalid = found(faulty.url)["token"]
    assert invalid.status == "problem"
    assert "SAMPLER_TOKEN" in invalid.found
    assert "short" not in invalid.found


def test_a_server_with_other_samples_is_a_problem(other: ScriptedServer) -> None:
    with scripted(digest="d2") as second:
        finding = found(other.url, second.url)["digest"]
        assert finding.status == "problem"
        assert finding.found == f"{second.url}: digest d2: expected d1, that of {other.url}"
        second.spec = replace(second.spec, digest="d1")
        assert found(other.url, second.url)["digest"].found.endswith("all 2 servers have it")
        other.spec, second.spec = replace(other.spec, pixels="p1"), replace(second.spec, pixels="p2")
        assert "pixels p2: expected p1" in found(other.url, second.url)["digest"].found


def test_each_server_with_other_samples_is_named(other: ScriptedServer) -> None:
    with scripted(digest="d2") as second, scripted(digest="d3") as third, scripted() as same:
        servers = [other, second, third, same]
        findings = list(examine_client([server.url for server in servers], HOST, 48, None, None, None))
    different = [finding.found for finding in findings if finding.check == "digest"]
    assert [text.partition(": ")[0] for text in different] == [second.url, third.url]


@pytest.mark.parametrize(("ahead", "status"), [(3600, "problem"), (-3600, "problem"), (30, "warning"), (0, "ok")])
def test_a_clock_that_differs_is_found(ahead: int, status: str, faulty: ScriptedServer) -> None:
    def dated(_: object) -> Answer:
        answer = document(faulty.spec.as_dict())
        return replace(answer, headers=answer.headers | {"Date": formatdate(time() + ahead, usegmt=True)})

    faulty.script("/v1/spec", dated)
    finding = found(faulty.url)["clock"]
    assert finding.status == status
    assert not ahead or ("ahead of" if ahead > 0 else "behind") in finding.found


def test_a_server_without_a_usable_date_has_no_clock(faulty: ScriptedServer) -> None:
    assert found(faulty.url)["clock"].status == "skipped"
    assert clock_offset("yesterday", 10.0, 11.0) is None


def test_the_way_and_whole_seconds_are_no_difference() -> None:
    date = formatdate(1_000, usegmt=True)
    assert clock_offset(date, 1_000.9, 1_000.95) == 0
    assert clock_offset(date, 999.0, 1_005.0) == 0
    assert clock_offset(date, 1_003.0, 1_003.1) == -2.0
    assert clock_offset(date, 990.0, 991.0) == 9.0


def test_another_version_is_a_warning(faulty: ScriptedServer) -> None:
    faulty.script("/v1/spec", document({**faulty.spec.as_dict(), "version": "0.0.9"}))
    finding = found(faulty.url)["version"]
    assert finding.status == "warning"
    assert "0.0.9" in finding.found


def test_a_certificate_that_is_not_trusted_is_a_problem(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with scripted(trust=files.server()) as server:
        refused = found(server.url)["server"]
        assert refused.status == "problem"
        assert "not trusted" in refused.found
        assert found(server.url, ca=files.ca)["server"].status == "ok"
        plain = found(server.url.replace("https", "http"))["server"]
        assert "speaks https" in plain.found


def test_a_proxy_is_named(other: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", other.url)
    url = "http://cpu-host.invalid:8000"
    finding = found(url)["proxy"]
    assert finding.status == "warning"
    assert finding.found == f"requests to {url} go through the proxy {other.url} (HTTP_PROXY)"
    assert "NO_PROXY" in finding.remedy
    monkeypatch.setenv("HTTP_PROXY", "ftp://proxy")
    assert found(url)["server"].found.startswith("HTTP_PROXY = 'ftp://proxy'")


def test_a_dataset_that_no_server_has_is_a_problem(other: ScriptedServer) -> None:
    finding = found(other.url, dataset="val")["server"]
    assert finding.status == "problem"
    assert "no such dataset" in finding.found

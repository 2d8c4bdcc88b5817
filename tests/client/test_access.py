"""The token of a client: where it comes from, where it goes, and that nothing shows it."""

import copy
import logging
import multiprocessing
import pickle
import traceback
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import client
from client import AsyncSamplerClient, ClientError, RequestRefusedError, SamplerClient
from client.credentials import Access, Token
from client.loading.messages import LoaderJob, decode_job, encode
from client.loading.settings import LoaderSettings
from client.protocol.proxies import is_loopback
from client.protocol.requests import stream_request
from client.protocol.target import Pins
from client.transport.direct import DirectTransport
from tests.support.client_twins import clients
from tests.support.loading import load
from tests.support.processes import run_python
from tests.support.scripted_server import ScriptedServer, problem, scripted

SECRET = "s3cret-Token_0.~+/="
UNUSABLE = ["", "short", "two words, and long enough", "0123456789abcdef\n", "a" * 513, "\xf6" * 20, b"0" * 20, 591]
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def sent_tokens(server: ScriptedServer) -> set[str | None]:
    return {asked.headers.get("authorization") for asked in server.asked}


def settings_with(token: str | None) -> LoaderSettings:
    request = stream_request(seed=1, batch_size=4, layout="compact")
    return LoaderSettings(url="http://cpu-host:8000", request=request, token=None if token is None else Token(token))


# --- where it comes from ---


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_request_carries_the_token(kind: str) -> None:
    with scripted() as server, clients(kind) as make:
        there = make(server.url, token=SECRET)
        assert there.ready()
        there.batch([1])
        there.images([1])
        assert sent_tokens(server) == {f"Bearer {SECRET}"}
        assert {asked.path for asked in server.asked} == {"/readyz", "/v1/spec", "/v1/batches", "/v1/images"}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_token_of_the_environment_is_the_default(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file-0123\n")
    with scripted() as server, clients(kind) as make:
        monkeypatch.setenv("SAMPLER_TOKEN_FILE", str(file))
        make(server.url).spec()
        monkeypatch.setenv("SAMPLER_TOKEN_FILE", "")
        monkeypatch.setenv("SAMPLER_TOKEN", "from-a-variable-1")
        make(server.url).spec()
        make(server.url, token="an-argument-01234").spec()
        monkeypatch.delenv("SAMPLER_TOKEN")
        make(server.url).spec()
        found = [asked.headers.get("authorization") for asked in server.asked]
    assert found == ["Bearer from-a-file-0123", "Bearer from-a-variable-1", "Bearer an-argument-01234", None]


@pytest.mark.parametrize("value", UNUSABLE)
def test_an_unusable_token_is_refused_and_not_shown(value: Any) -> None:
    for make in (SamplerClient, client.AsyncSamplerClient, lambda url, token: load(url, token=token)):
        with pytest.raises(RequestRefusedError, match=r"^token = '…': expected 16 to 512 letters") as caught:
            make("http://127.0.0.1:1", token=value)
        assert str(value) not in str(caught.value) or not value
        assert caught.value.errors[0]["value"] == "…"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SAMPLER_TOKEN": "with space"}, r"SAMPLER_TOKEN = '…': expected 16 to 512"),
        ({"SAMPLER_TOKEN": SECRET, "SAMPLER_TOKEN_FILE": "b"}, "either SAMPLER_TOKEN or SAMPLER_TOKEN_FILE, not both"),
        ({"SAMPLER_TOKEN_FILE": "absent"}, r"SAMPLER_TOKEN_FILE = 'absent': expected a file with the token: No such"),
        (
            {"SAMPLER_TOKEN_FILE": "empty"},
            r"FILE = 'empty': expected a file with the token: 0 characters",
        ),
    ],
)
def test_an_unusable_variable_is_named_when_a_client_or_loader_is_made(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n")
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for make in (SamplerClient, load):
        with pytest.raises(RequestRefusedError, match=message) as caught:
            make("http://127.0.0.1:1")
        assert "with space" not in str(caught.value)


# --- where it goes ---


def test_a_loader_and_its_process_send_the_token_and_no_command_line_shows_it() -> None:
    with scripted() as server, load(server.url, token=SECRET, stop=3) as batches:
        next(batches)
        assert batches.process_id is not None
        assert SECRET not in " ".join(psutil.Process(batches.process_id).cmdline())
        assert SECRET not in repr(psutil.Process(batches.process_id).environ())
        assert [batch.step for batch in batches] == [1, 2]
        assert sent_tokens(server) == {f"Bearer {SECRET}"}
        shown = (repr(batches), repr(batches.state_dict()), repr(batches.statistics), repr(batches._settings))
        assert SECRET not in "".join(shown)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_redirect_is_not_followed_so_no_other_host_gets_the_token(kind: str) -> None:
    with scripted() as server, scripted() as other, clients(kind) as make:
        server.script("/v1/spec", problem(307, "moved", {"Location": f"{other.url}/v1/spec"}))
        with pytest.raises(ClientError, match="status 307"):
            make(server.url, token=SECRET).spec()
        assert not other.asked


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_http_proxy_gets_a_token(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with clients(kind) as make:
        with pytest.raises(RequestRefusedError, match=r"127.0.0.1:1 \(http_proxy\), which could read it: use https://"):
            make("http://cpu-host:8000", token=SECRET)
        make("https://cpu-host:8000", token=SECRET)
        make("http://cpu-host:8000")
        monkeypatch.setenv("no_proxy", "cpu-host")
        make("http://cpu-host:8000", token=SECRET)


def test_a_token_goes_with_no_other_credentials() -> None:
    with pytest.raises(RequestRefusedError, match="no token with a URL that has a user name") as caught:
        SamplerClient("http://me:password@127.0.0.1:1", token=SECRET)
    assert "password" not in str(caught.value)


# --- what is said of it ---


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_refused_token_is_one_error_that_names_the_variables(kind: str) -> None:
    detail = "the request has no token; send the header Authorization: Bearer TOKEN"
    refusal = problem(401, detail, {"WWW-Authenticate": "Bearer"})
    with scripted() as server, clients(kind) as make:
        server.script("/v1/spec", refusal)
        with pytest.raises(
            RequestRefusedError, match=r"status 401: the request has no token: set SAMPLER_TOKEN or SAMPLER_TOKEN_FILE"
        ) as one:
            make(server.url, token=SECRET).spec()
        assert one.value.attempts == 1
        assert SECRET not in str(one.value)
        assert len(server.asked) == 1


def test_a_token_that_others_can_read_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://cpu-host"):
            SamplerClient(url, token=SECRET)
        SamplerClient("http://cpu-host:8000")
        load("http://cpu-host:8000", token=SECRET)
        assert not caplog.records
        SamplerClient("http://cpu-host:8000", token=SECRET)
    assert [record.getMessage() for record in caplog.records] == [
        "the token for cpu-host travels unencrypted: use https:// unless the network is trusted"
    ]


def test_the_process_of_a_loader_does_not_repeat_the_warning() -> None:
    script = """
import client.access, client.loading.worker.main as worker, logging, socket
from client.loading.messages import LoaderJob, encode
from client.loading.settings import LoaderSettings
from client.protocol.proxies import is_loopback
from client.protocol.requests import stream_request
from client.protocol.target import Pins
from sampler.ipc.frames import FrameSocket
request = stream_request(seed=1, batch_size=4, layout="compact")
settings = LoaderSettings(url="http://192.0.2.1:9", request=request, attempts=1, timeout=0.1)
here, there = socket.socketpair()
FrameSocket(here).send(encode(LoaderJob(settings, Pins(), True, -1, 0, "secret-0123456789")))
worker.serve(FrameSocket(there))
"""
    done = run_python("-c", script)
    assert (done.stdout, done.stderr) == ("", "")


def test_loopback_hosts() -> None:
    for host in ("localhost", "a.localhost", "127.0.0.1", "127.255.0.9", "::1"):
        assert is_loopback(host), host
    for host in ("cpu-host", "localhost.example", "128.0.0.1", "::2", "0.0.0.0", ""):
        assert not is_loopback(host), host


# --- copies ---


def test_neither_repr_nor_pickle_shows_a_token() -> None:
    token = Token(SECRET)
    for thing in (
        token,
        Access(token),
        settings_with(SECRET),
        LoaderJob(settings_with(SECRET), Pins(), True, 0, 1, SECRET),
    ):
        assert SECRET not in repr(thing)
    for thing in (token, Access(token), settings_with(SECRET), load("http://cpu-host:8000", token=SECRET)._settings):
        assert SECRET.encode() not in pickle.dumps(thing)


def test_an_unpickled_loader_takes_the_token_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = pickle.loads(pickle.dumps(settings_with(SECRET)))
    assert settings == settings_with(None)
    with scripted() as server:
        monkeypatch.setenv("SAMPLER_TOKEN", "of-this-process-0")
        elsewhere: LoaderSettings = pickle.loads(pickle.dumps(load(server.url, token=SECRET)._settings))
        with elsewhere.client() as there:
            there.spec()
        assert sent_tokens(server) == {"Bearer of-this-process-0"}


@pytest.mark.parametrize("kind", [SamplerClient, client.AsyncSamplerClient])
def test_a_pickled_client_is_without_the_token_and_a_copied_one_has_it(kind: Any) -> None:
    made = kind("http://127.0.0.1:1", token=SECRET)
    assert SECRET.encode() not in pickle.dumps(made)
    assert pickle.loads(pickle.dumps(made))._arguments["token"] is None
    assert copy.deepcopy(made)._arguments["token"].reveal() == SECRET
    assert SECRET not in repr(made)


def reveal(token: Token, queue: Any) -> None:
    queue.put(token.reveal())


def test_a_process_that_multiprocessing_spawns_gets_the_token() -> None:
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=reveal, args=(Token(SECRET), queue))
    process.start()
    try:
        assert queue.get() == SECRET
    finally:
        process.join(30)


def test_a_copy_of_the_settings_keeps_the_token() -> None:
    settings = settings_with(SECRET)
    for copied in (copy.copy(settings), copy.deepcopy(settings), settings.at(5)):
        assert copied.token is settings.token


def test_the_job_of_a_loader_worker_carries_the_token() -> None:
    job = decode_job(encode(LoaderJob(settings_with(SECRET), Pins(), True, 0, 1, SECRET)))
    assert job.settings.token is not None
    assert job.settings.token.reveal() == SECRET
    assert decode_job(encode(LoaderJob(settings_with(None), Pins(), True, 0, 1))).settings.token is None


def test_the_value_of_a_header_is_not_quoted_in_errors() -> None:
    with httpx.Client(transport=DirectTransport()) as http, scripted() as server:
        with pytest.raises(httpx.LocalProtocolError, match="in the head of a request") as caught:
            http.get(server.url, headers={"Authorization": f"Bearer {SECRET}\n"})
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_no_message_or_repr_shows_the_credentials_of_a_url(kind: str) -> None:
    with scripted() as server, clients(kind) as make:
        url = server.url.replace("://", "://me:password@")
        server.script("/v1/spec", problem(401, "no"))
        with pytest.raises(RequestRefusedError) as caught:
            make(url).spec()
        assert "password" not in f"{caught.value} {load(url)!r}"
        assert server.asked[0].headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "url", ["http://me:pa55word@host:99999", "http://me:pa55/word@host", "ftp://me:pa55word@host", "me:pa55word@host"]
)
def test_no_message_or_cause_shows_the_credentials_of_an_invalid_url(url: str) -> None:
    for make in (SamplerClient, AsyncSamplerClient, load):
        with pytest.raises(RequestRefusedError, match="expected a URL such as") as caught:
            make(url)
        assert "pa55" not in "".join(traceback.format_exception(caught.value))

"""`/metrics` of a running server follows the conventions of Prometheus, and counts while things happen."""

import re
import shutil
import subprocess

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from sampler.version import VERSION
from service.metrics import METRICS
from tests.support.live_server import LiveServer, until

PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module")
def text(server: LiveServer) -> str:
    """The metrics after a batch, a page and some refused requests."""
    for path in ("/v1/batches?indices=1,2,3", "/nowhere/1", "/v1/batches?indices=x", "/debug/samples/3"):
        httpx.get(server.url + path, timeout=60)
    httpx.get(f"{server.url}/v1/spec", headers={"host": "foreign.example"})
    return httpx.get(f"{server.url}/metrics").text


def test_each_metric_has_its_kind_help_and_labels(text: str) -> None:
    found = {family.name: family for family in parse(text)}
    for metric in METRICS:
        family = found.pop(metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name)
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(metric.labels)
    assert {name for name in found if not name.startswith(("process_", "python_gc_"))} == set()


def test_names_follow_the_conventions() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"sampler(_[a-z]+)+", metric.name)
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        assert metric.kind != "histogram" or metric.name.endswith("_seconds")
        assert not metric.help.endswith(".")


def test_the_time_that_pages_take_is_counted(server: LiveServer) -> None:
    before = server.metric("sampler_page_rendering_seconds_total")
    page = httpx.get(f"{server.url}/steps/0", headers={"accept": "text/html"}, timeout=60)
    assert page.status_code == 200
    assert server.metric("sampler_page_rendering_seconds_total") > before


def test_no_series_says_when_a_counter_was_created(text: str) -> None:
    assert "_created" not in text


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool: install the package prometheus")
def test_promtool_has_no_complaint(text: str) -> None:
    checked = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=text, text=True, capture_output=True, timeout=60, check=False
    )
    assert (checked.stdout + checked.stderr, checked.returncode) == ("", 0)


def test_a_client_may_ask_for_openmetrics(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = parse_openmetrics(response.text)  # type: ignore[no-untyped-call] # the package has no types for it
    assert "sampler_requests" in {family.name for family in families}


def test_version_python_and_digests_are_labels(server: LiveServer) -> None:
    spec = httpx.get(f"{server.url}/v1/spec").json()
    assert server.metric(f'sampler_build_info{{version="{VERSION}"}}') == 1
    name, digest = spec["config"]["name"], spec["digest"]
    assert server.metric(f'sampler_dataset_info{{config="{name}",digest="{digest}"}}') == 1


def test_no_route_label_has_a_path_that_a_client_chose(text: str, server: LiveServer) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    named = set(re.findall(r'route="([^"]*)"', text))
    assert "unmatched" in named
    assert named & set(document["paths"]) >= {"/v1/batches", "/v1/spec", "/debug/samples/{index}"}
    assert "/nowhere/1" not in named


def test_a_refused_request_has_the_name_of_its_route(text: str) -> None:
    assert re.search(r'sampler_requests_total\{route="/v1/spec",status="(400|403|421)"\} [1-9]', text)


def test_a_stream_is_counted_while_it_flows(server: LiveServer) -> None:
    stream = '{route="/v1/stream"}'

    def values() -> tuple[float, ...]:
        names = ("sampler_requests_started_total", "sampler_open_requests", "sampler_sent_bytes_total")
        return tuple(server.metric(name + stream) for name in names)

    with httpx.stream("GET", f"{server.url}/v1/stream?seed=11&batch_size=4", timeout=60) as response:
        received, pieces = 0, response.iter_raw()
        while received < 3_000_000:
            received += len(next(pieces))
        started, now_open, sent = values()
        assert started >= 1
        assert now_open >= 1
        assert sent >= received
        assert server.metric("sampler_samples_total") >= 12
    until(lambda: server.metric("sampler_open_requests" + stream) < now_open)


def test_what_may_go_wrong_is_shown_before_it_does(server: LiveServer) -> None:
    shown = httpx.get(f"{server.url}/metrics").text
    for problem in ("image", "storage", "worker", "internal"):
        assert re.search(rf'sampler_failed_samples_total{{dataset="[^"]+",problem="{problem}"}} ', shown)
    for reason in ("workers", "client", "place"):
        assert re.search(rf'sampler_waiting_seconds_total{{dataset="[^"]+",reason="{reason}"}} ', shown)


def test_waiting_and_making_are_separate_histograms(server: LiveServer) -> None:
    before = [server.metric(f"sampler_{name}_seconds_count") for name in ("sample_making", "run_wait")]
    httpx.get(f"{server.url}/v1/batches?seed=77&indices=5,6,7,8,9", timeout=60)
    assert server.metric("sampler_sample_making_seconds_count") >= before[0] + 5
    assert server.metric("sampler_run_wait_seconds_count") > before[1]
    assert server.metric("sampler_sample_making_seconds_sum") > 0
    assert server.metric('sampler_worker_busy_seconds_total{work="samples"}') > 0

"""The responses of the endpoints."""

import json
import re
from pathlib import Path

import httpx
import pytest

from sampler.stream.keys import SampleKey
from sampler.stream.shards import STEP_LIMIT, Shard, step_keys
from sampler.wire.reader import BatchReader
from tests.support.live_server import SERVE, LiveServer, running
from tests.support.wire_client import batches, body, get_spec, one_batch

JSON = {"content-type": "application/json"}


def test_the_spec_names_dataset_config_digest_arrays_and_limits(server: LiveServer) -> None:
    document = httpx.get(f"{server.url}/v1/spec").json()
    assert document["dataset"]["size"] == 24
    assert document["dataset"]["categories"] == ["kind 2", "kind 5", "kind 9"]
    assert document["config"]["name"] == "cornernet_saccade"
    assert {row["name"]: row["shape"] for row in document["arrays"]["dense"]}["tl_heats"] == [3, 64, 64]
    assert document["limits"] == {"max_batch": 1024, "max_body_bytes": 1024 * 1024}
    assert len(document["digest"]) == 32


def test_a_batch_by_index_has_the_samples_in_the_requested_order(server: LiveServer) -> None:
    batch = one_batch(server.url, "indices=3,17,5,3&seed=7&epoch=2")
    assert [sample.key for sample in batch.samples] == [SampleKey(7, 2, index) for index in (3, 17, 5, 3)]
    assert batch.header.step is None


def test_a_batch_by_seed_has_the_keys_of_the_stream(server: LiveServer) -> None:
    batch = one_batch(server.url, "seed=7&step=3&batch_size=10&rank=1&world_size=3")
    assert [sample.key for sample in batch.samples] == step_keys(24, 7, 3, Shard(10, 1, 3))
    assert batch.header.step == 3


def test_a_batch_posted_as_json_is_the_batch_got_by_url(server: LiveServer) -> None:
    asked = {"indices": list(range(24)) * 2, "seed": 1}
    posted = httpx.post(f"{server.url}/v1/batches", json=asked, timeout=60)
    assert posted.status_code == 200
    assert posted.content == body(server.url, f"indices={','.join(map(str, asked['indices']))}&seed=1")  # type: ignore[call-overload]


def test_a_stream_is_its_steps_one_after_another(server: LiveServer) -> None:
    streamed = list(batches(server.url, "/v1/stream?seed=7&start=4&stop=8&batch_size=7"))
    assert [batch.header.step for batch in streamed] == [4, 5, 6, 7]
    for batch in streamed:
        alone = one_batch(server.url, f"seed=7&step={batch.header.step}&batch_size=7")
        assert [sample.key for sample in batch.samples] == [sample.key for sample in alone.samples]
        assert all(
            (a.arrays["crop"] == b.arrays["crop"]).all() for a, b in zip(batch.samples, alone.samples, strict=True)
        )


def test_a_stream_without_stop_goes_on_past_the_epoch(server: LiveServer) -> None:
    endless = batches(server.url, "/v1/stream?seed=7&batch_size=16")
    taken = [next(endless) for _ in range(5)]
    endless.close()  # type: ignore[attr-defined] # batches is a generator
    assert [sample.key.epoch for sample in taken[-1].samples] == [2] * 8 + [3] * 8


def test_asking_twice_gives_the_same_bytes(server: LiveServer) -> None:
    query = "seed=9&step=1&batch_size=12&layout=sparse"
    assert body(server.url, query) == body(server.url, query)


def test_without_augmentation_the_seed_does_not_matter(server: LiveServer) -> None:
    one, other = (one_batch(server.url, f"indices=1,2&seed={seed}&augment=false") for seed in (1, 2))
    for a, b in zip(one.samples, other.samples, strict=True):
        assert a.recipe == b.recipe
        assert not a.recipe.flip
        assert (a.arrays["crop"] == b.arrays["crop"]).all()


def test_a_batch_url_is_revalidated_while_the_server_does_not_know_its_images(server: LiveServer) -> None:
    digest = get_spec(server.url).digest
    for query in ("indices=1", f"indices=1&digest={digest}", f"indices=1&digest={digest}&pixels={'a' * 32}"):
        response = httpx.get(f"{server.url}/v1/batches?{query}")
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-cache")
        again = httpx.get(f"{server.url}/v1/batches?{query}", headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(f"{server.url}/v1/batches?indices=2&digest={digest}")
    assert other.headers["etag"] != response.headers["etag"]


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ("indices=3,24", "indices[1]", "an integer from 0 to 23"),
        ("indices=-1", "indices[0]", "an integer from 0 to 23"),
        ("indices=3,x", "indices.1", "integer"),
        ("indices=", "indices.0", "integer"),
        ("indices=1&step=2", "step", "no value together with indices"),
        ("seed=1", "step", "a value, or indices"),
        ("step=-1&batch_size=4", "step", "greater than or equal to 0"),
        ("step=1.5&batch_size=4", "step", "integer"),
        ("step=1", "batch_size", "a value"),
        ("step=1&batch_size=0", "batch_size", "greater than or equal to 1"),
        ("step=1&batch_size=4&rank=2&world_size=2", "rank", "an integer from 0 to 1"),
        ("step=1&batch_size=4&world_size=5", "world_size", "an integer from 1 to batch_size = 4"),
        ("step=1&batch_size=4&epoch=1", "epoch", "no value together with step"),
        ("step=1&batch_size=1025", "batch_size", "at most 1024 samples"),
        ("step=4611686018427387904&batch_size=100", "step", "at most"),
        ("indices=1&seed=18446744073709551616", "seed", "less than 18446744073709551616"),
        ("indices=1&layout=jpeg", "layout", "'compact', 'sparse' or 'dense'"),
        ("indices=1&colour=no", "colour", "no such parameter"),
        ("indices=1&augment=perhaps", "augment", "true or false"),
    ],
)
def test_an_invalid_batch_parameter_is_named_with_value_and_range(
    server: LiveServer, query: str, field: str, expected: str
) -> None:
    response = httpx.get(f"{server.url}/v1/batches?{query}")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["type"] == "urn:saccade-sampler:problem:invalid-request"
    assert problem["errors"][0]["field"] == field
    assert expected in problem["errors"][0]["expected"]
    assert "value" in problem["errors"][0]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/stream?batch_size=4&start=5&stop=5", "stop"),
        ("/v1/stream?batch_size=4&start=-1", "start"),
        ("/v1/stream", "batch_size"),
        ("/v1/stream?batch_size=4&rank=4&world_size=4", "rank"),
        ("/v1/stream?batch_size=100000", "batch_size"),
        ("/v1/stream?batch_size=4&indices=3", "indices"),
        ("/debug/samples/24", "index"),
        ("/debug/samples/-1", "index"),
        ("/debug/samples/x", "index"),
        ("/debug/samples/24.png", "index"),
        ("/debug/samples/1?layout=dense", "layout"),
        ("/explore/24", "index"),
    ],
)
def test_an_invalid_value_of_other_endpoints_is_named(server: LiveServer, path: str, field: str) -> None:
    response = httpx.get(server.url + path)
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_an_empty_index_list_is_refused(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches", json={"indices": []})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"field": "indices", "value": [], "expected": "1 to 1024 indices"}]


def test_more_indices_than_the_limit_are_refused(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches", json={"indices": [0] * 1025})
    assert response.status_code == 422
    assert response.json()["errors"][0] == {
        "field": "indices", "value": 1025, "expected": "at most 1024 samples in one request of one rank",
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/v1/batches?indices=1", "/v1/stream?batch_size=2", "/debug/samples/1?seed=1"])
def test_another_digest_is_refused_with_both_digests(server: LiveServer, path: str) -> None:
    response = httpx.get(f"{server.url}{path}&digest=0123")
    assert response.status_code == 412
    assert response.json()["expected"] == "0123"
    assert response.json()["actual"] == get_spec(server.url).digest


def test_a_body_that_is_not_json_is_refused(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches", content=b'{"indices": [1,', headers=JSON)
    assert response.status_code == 422
    assert "JSON" in response.json()["detail"]


def test_a_body_with_wrong_types_names_the_field(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches", json={"indices": [1], "seed": [2]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "seed"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_the_limit_is_refused(server: LiveServer, announced: bool) -> None:
    large = json.dumps({"indices": [0] * 600_000}).encode()
    pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    response = httpx.post(f"{server.url}/v1/batches", content=large if announced else pieces, headers=JSON)
    assert response.status_code == 413
    assert response.json()["limit"] == 1024 * 1024


def test_an_unknown_path_is_a_problem_document(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/v2/batches")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_the_debug_document_tells_key_recipe_boxes_and_arrays(server: LiveServer) -> None:
    document = httpx.get(f"{server.url}/debug/samples/2?seed=7").json()
    sample = one_batch(server.url, "indices=2&seed=7").samples[0]
    assert document["key"] == {"seed": 7, "epoch": 0, "index": 2}
    assert document["recipe"] == sample.recipe.as_dict()
    assert document["arrays"]["tl_heats"]["shape"] == [3, 64, 64]


def test_the_debug_picture_is_a_png(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/debug/samples/2.png?seed=7")
    assert response.headers["content-type"] == "image/png"
    assert response.content.startswith(b"\x89PNG")


def test_the_root_redirects_to_the_first_step(server: LiveServer) -> None:
    response = httpx.get(server.url, follow_redirects=True)
    assert response.status_code == 200
    assert "Step 0" in response.text
    assert httpx.get(f"{server.url}/?seed=7&augment=false").headers["location"] == "/steps/0?seed=7&augment=false"


def test_the_interactive_documentation_describes_every_endpoint(server: LiveServer) -> None:
    paths = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    assert set(paths) >= {
        "/v1/spec", "/v1/batches", "/v1/stream", "/debug/samples/{index}", "/debug/samples/{index}.png",
        "/healthz", "/readyz", "/metrics",
    }  # fmt: skip
    assert httpx.get(f"{server.url}/docs").status_code == 200


def test_health_and_readiness(server: LiveServer) -> None:
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ok", "workers": 2}


def test_metrics_count_requests_samples_bytes_and_workers(server: LiveServer) -> None:
    before = httpx.get(f"{server.url}/metrics").text
    one_batch(server.url, "indices=1,2,3")
    after = httpx.get(f"{server.url}/metrics").text
    title = re.findall('sampler_dataset_images{dataset="(.*)"}', after)[0]
    samples = f'sampler_samples_total{{dataset="{title}",layout="compact"}}'
    assert _value(after, samples) >= 3 + _value(before, samples)
    assert _value(after, 'sampler_requests_total{route="/v1/batches",status="200"}') >= 1
    assert _value(after, 'sampler_sent_bytes_total{route="/v1/batches"}') > 3 * 255 * 255 * 3
    for name in ("sampler_workers_alive", "sampler_worker_restarts_total", "sampler_queued_samples"):
        assert re.search(rf"\n{name}[ {{]", after)
    assert "sampler_request_seconds_bucket" in after


def _value(text: str, name: str) -> float:
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)


def test_each_request_is_one_log_line_with_its_id(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/v1/batches?indices=1", headers={"x-request-id": "job-7.step-12"})
    assert response.headers["x-request-id"] == "job-7.step-12"
    lines = [line for line in server.log.splitlines() if "job-7.step-12" in line]
    assert len(lines) == 1
    assert "GET /v1/batches?indices=1 200" in lines[0]


def test_an_id_that_could_disturb_the_log_is_replaced(server: LiveServer) -> None:
    response = httpx.get(f"{server.url}/healthz", headers={"x-request-id": "a b"})
    assert response.headers["x-request-id"] != "a b"


def test_a_truncated_response_is_no_batch(server: LiveServer) -> None:
    spec = get_spec(server.url)
    whole = body(server.url, "indices=1,2")
    reader = BatchReader(spec.config, spec.categories, "compact")
    assert list(reader.feed(whole[:-10])) == []
    assert reader.incomplete


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "true", "1.5", '"3"', "null", "[1]"])
def test_a_value_in_a_body_that_is_no_integer_is_refused_by_name(server: LiveServer, value: str) -> None:
    for content in (f'{{"indices": [1], "seed": {value}}}', f'{{"indices": [{value}]}}'):
        response = httpx.post(f"{server.url}/v1/batches", content=content, headers=JSON)
        assert response.status_code == 422, content
        assert response.json()["errors"][0]["field"] in ("seed", "indices.0", "body")


@pytest.mark.parametrize(
    "body",
    ['{"indices": [' + '"",' * 200_000 + "0]}", json.dumps({f"name{number}": 0 for number in range(40_000)})],
    ids=["bad indices", "unknown names"],
)
def test_a_body_full_of_invalid_values_gets_a_short_response(server: LiveServer, body: str) -> None:
    response = httpx.post(f"{server.url}/v1/batches", content=body, headers=JSON)
    assert response.status_code == 422
    assert len(response.content) < 10_000


def test_invalid_values_past_the_first_twenty_are_counted(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches", json={f"name{number}": 0 for number in range(25)})
    assert len(response.json()["errors"]) == 20
    assert response.json()["detail"].endswith("; and 5 more")


@pytest.mark.parametrize("path", ["/v1/batches?indices=1&seed=1&seed=2", "/v1/stream?batch_size=2&batch_size=3",
                                  "/debug/samples/1?seed=1&seed=1"])  # fmt: skip
def test_a_repeated_parameter_is_refused(server: LiveServer, path: str) -> None:
    response = httpx.get(server.url + path)
    assert response.status_code == 422
    assert response.json()["errors"][0]["expected"] == "one value"


def test_indices_may_be_repeated(server: LiveServer) -> None:
    once, twice = (httpx.get(f"{server.url}/v1/batches?{query}") for query in ("indices=1,2", "indices=1&indices=2"))
    assert once.content == twice.content


def test_parameters_in_the_url_of_a_post_are_refused(server: LiveServer) -> None:
    response = httpx.post(f"{server.url}/v1/batches?digest=0123", json={"indices": [1]})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "digest"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_a_stream_ends_with_the_last_possible_step(server: LiveServer, batch_size: int) -> None:
    last = min(STEP_LIMIT, (1 << 63) // batch_size - 1)
    got = list(batches(server.url, f"/v1/stream?batch_size={batch_size}&start={last - 1}"))
    assert [batch.header.step for batch in got] == [last - 1, last]
    assert "Traceback" not in server.log


@pytest.mark.parametrize(("query", "field"), [
    ("start=4611686018427387904&batch_size=2", "start"),
    ("start=0&stop=4611686018427387904&batch_size=4", "stop"),
])  # fmt: skip
def test_a_stream_past_the_last_possible_step_is_refused(server: LiveServer, query: str, field: str) -> None:
    response = httpx.get(f"{server.url}/v1/stream?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_links_of_the_page_include_the_path_of_a_proxy(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path: Path
) -> None:
    annotations, images = scenes
    settings = {"annotations": annotations, "images": images, "cache_dir": cache_dir, "workers": 1}
    with running(tmp_path, settings, [*SERVE, "--root-path", "/sampler"]) as server:
        assert httpx.get(server.url).headers["location"] == "/sampler/steps/0"
        page = httpx.get(f"{server.url}/explore/3").text
    for quoted in ('"/explore', '"/debug', '"/docs', '"/v1', '"/metrics'):
        assert quoted not in page
    assert 'data-root="/sampler"' in page

"""Images with their annotations, as the client returns them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from client import Annotation, DigestMismatchError, ImageInfo, ProtocolError, RequestRefusedError
from client.protocol.images import IMAGES_PER_REQUEST
from tests.support.client_twins import Make
from tests.support.scripted_server import Answer, Asked, ScriptedServer, document, problem, scripted

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted() as running:
        yield running


def test_images_have_the_values_that_the_server_sends(server: ScriptedServer, make: Make) -> None:
    row = {"id": -5, "category_id": 90, "bbox": [0.1, 2.0, 30.7, 1e-3], "area": 0.1 + 0.2, "crowd": True}
    image = {"index": 3, "id": "a/ü\n", "file_name": "sub/3.jpg", "height": 48, "width": 64, "annotations": [row]}
    server.script("/v1/images", document({"images": [image]}))
    assert make(server.url).images([3]) == (
        ImageInfo(3, "a/ü\n", "sub/3.jpg", 48, 64, (Annotation(-5, 90, (0.1, 2.0, 30.7, 1e-3), 0.1 + 0.2, True),)),
    )


def test_images_come_in_the_order_of_the_indices(server: ScriptedServer, make: Make) -> None:
    for indices in ([5, 3, 5], np.array([5, 3, 5])):
        images = make(server.url).images(indices)
        assert [image.index for image in images] == [5, 3, 5]
        assert [len(image.annotations) for image in images] == [5, 3, 5]


def test_any_number_of_images_is_requested_in_parts(server: ScriptedServer, make: Make) -> None:
    server.spec = replace(server.spec, max_batch=1 << 20)
    indices = [place % 10 for place in range(2 * IMAGES_PER_REQUEST + 3)]
    assert [image.index for image in make(server.url).images(indices)] == indices
    parts = [asked.params["indices"].count(",") + 1 for asked in server.asked_at("/v1/images")]
    assert parts == [IMAGES_PER_REQUEST, IMAGES_PER_REQUEST, 3]


def test_no_part_is_larger_than_the_servers_limit(server: ScriptedServer, make: Make) -> None:
    server.spec = replace(server.spec, max_batch=4)
    assert len(make(server.url).images(range(10))) == 10
    assert [len(asked.params["indices"].split(",")) for asked in server.asked_at("/v1/images")] == [4, 4, 2]


def test_no_images_take_no_request(server: ScriptedServer, make: Make) -> None:
    assert make(server.url).images([]) == ()
    assert server.asked_at("/v1/images") == []


def test_an_image_is_a_value_that_cannot_be_changed(server: ScriptedServer, make: Make) -> None:
    [image] = make(server.url).images([3])
    assert hash(image) == hash(replace(image))
    with pytest.raises(FrozenInstanceError):
        image.height = 1  # type: ignore[misc] # what is to fail


@pytest.mark.parametrize("indices", [[0, 10], [0, -1], [0, 1.5], [0, True], [0, "3"]])
def test_an_invalid_index_is_named_by_its_place(server: ScriptedServer, make: Make, indices: list[Any]) -> None:
    with pytest.raises(RequestRefusedError, match="an integer from 0 to 9") as caught:
        make(server.url).images(indices)
    assert caught.value.errors[0]["field"] == "indices[1]"


def test_a_failing_request_is_tried_again(server: ScriptedServer, make: Make) -> None:
    server.script("/v1/images", problem(503, "busy"), Answer([b"{"], headers=JSON, ending="reset"))
    assert [image.index for image in make(server.url).images([4])] == [4]


def test_images_of_another_digest_are_refused(server: ScriptedServer, make: Make) -> None:
    client = make(server.url)
    client.spec()
    server.spec = replace(server.spec, digest="d2")
    with pytest.raises(DigestMismatchError):
        client.images([3])


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Asked], Answer]:
    """A response with a changed first image."""

    def script(asked: Asked) -> Answer:
        with scripted() as honest:
            image = honest.image(int(asked.params["indices"]))
        change(image)
        return document({"images": [image]})

    return script


@pytest.mark.parametrize(
    "response",
    [
        Answer([b"["], headers=JSON),
        document([]),
        document({}),
        document({"images": 3}),
        document({"images": []}),
        document({"images": [None]}),
        changed(lambda image: image.update(index=4)),
        changed(lambda image: image.update(id=1.5)),
        changed(lambda image: image.update(file_name=None)),
        changed(lambda image: image.update(height=0)),
        changed(lambda image: image.pop("annotations")),
        changed(lambda image: image["annotations"][0].update(bbox=[1, 2, 3])),
        changed(lambda image: image["annotations"][0].update(bbox=[1, 2, 3, "4"])),
        changed(lambda image: image["annotations"][0].update(crowd=0)),
        changed(lambda image: image["annotations"][0].update(area="1")),
    ],
)
def test_another_document_is_a_protocol_error(server: ScriptedServer, make: Make, response: Any) -> None:
    server.script("/v1/images", response)
    with pytest.raises(ProtocolError, match="/v1/images"):
        make(server.url).images([3])


def test_a_document_larger_than_a_spec_may_be_is_accepted(server: ScriptedServer, make: Make) -> None:
    image = server.image(3) | {"file_name": "x" * (17 << 20)}
    server.script("/v1/images", Answer([json.dumps({"images": [image]}).encode()], headers=JSON))
    assert len(make(server.url).images([3])[0].file_name) == 17 << 20

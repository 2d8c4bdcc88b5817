"""Requests of all kinds that a server gets while its memory is measured."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from sampler.arrays import LAYOUTS

BATCH = 48


@contextmanager
def other_requests(url: str) -> Iterator[None]:
    """Request batches of each layout, pictures and annotations from a server, one after another, during the block.

    Raises httpx.HTTPError at the end of the block if the server refused one.
    """
    stopped = threading.Event()
    failures: list[httpx.HTTPError] = []

    def request() -> None:
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                images = client.get("/v1/spec").raise_for_status().json()["dataset"]["size"]
                for path in _paths(images):
                    client.get(path).raise_for_status()
                    if stopped.is_set():
                        return
        except httpx.HTTPError as error:
            failures.append(error)

    thread = threading.Thread(target=request)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
    if failures:
        raise failures[0]


def _paths(images: int) -> Iterator[str]:
    step = 0
    while True:
        for layout in LAYOUTS:
            yield f"/v1/batches?seed=2&step={step}&batch_size={BATCH}&layout={layout}"
        index = step % images
        yield f"/debug/samples/{index}.png?seed=2"
        yield f"/debug/samples/{index}?seed=2"
        yield f"/v1/images?indices={index}"
        step += 1

"""A small HTTP server on a real socket: correct by default, faulty where a test scripts it.

It makes samples with the sampler, from computed images, so that it needs no files.
"""

import json
import socket
import ssl
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from sampler.arrays import Layout
from sampler.config.presets import preset
from sampler.config_schema import AttentionMap, SamplerConfig
from sampler.image_part import ImagePart, Region
from sampler.layouts.convert import lay_out
from sampler.ops.boxes import Boxes
from sampler.ops.targets import untagged
from sampler.sample.sample import make_sample
from sampler.stream.keys import SampleKey
from sampler.stream.shards import Shard, step_keys
from sampler.wire.content_digest import content_digest
from sampler.wire.messages import (
    MEDIA_TYPE,
    Header,
    PayloadDigest,
    WireSample,
    encode_header,
    encode_sample,
    encode_trailer,
)
from sampler.wire.spec import ServiceSpec

SMALL_SACCADE = replace(
    preset("cornernet_saccade"),
    input_size=(63, 63),
    output_size=(16, 16),
    max_objects=6,
    attention=(AttentionMap((4, 4), 16, (24, 63)), AttentionMap((8, 8), 8, (0, 24))),
)
SMALL_CORNERNET = replace(
    preset("cornernet_squeeze"), input_size=(63, 63), output_size=(8, 8), border=16, max_objects=6
)
PROBLEM_TYPE = "application/problem+json"


class Pictures:
    """A dataset of computed pictures; picture 0 has no boxes, picture 1 more than there is room for."""

    def __init__(self, count: int = 10, categories: int = 3) -> None:
        self.count, self.categories = count, categories

    def _random(self, index: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=index))

    def image_of(self, key: SampleKey) -> int:
        return key.index

    def size(self, index: int) -> tuple[int, int]:
        return 90 + 3 * index, 120 + 2 * index

    def read(self, index: int, region: Region | None = None) -> ImagePart:  # noqa: ARG002 - all pixels are there
        return ImagePart(self._random(index).integers(0, 256, (*self.size(index), 3), np.uint8))

    def boxes(self, index: int, keep_crowd: bool = True) -> Boxes:  # noqa: ARG002 - as a dataset has it
        count = (0, 12)[index] if index < 2 else index
        random = self._random(index)
        height, width = self.size(index)
        starts = random.uniform(0, 0.6, (count, 2)) * (width, height)
        ends = starts + random.uniform(0.1, 0.39, (count, 2)) * (width, height)
        category = random.integers(1, self.categories + 1, (count, 1))
        return np.concatenate([starts, ends, category], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Asked:
    """A received request."""

    method: str
    path: str
    params: Mapping[str, Any]
    headers: Mapping[str, str]

    def integer(self, name: str, default: int = 0) -> int:
        return int(self.params.get(name, default))


@dataclass
class Answer:
    """A response: chunks of a body, and how it ends: "whole", "cut" (no last chunk), or "reset" (a TCP reset)."""

    pieces: Iterable[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": MEDIA_TYPE})
    ending: str = "whole"
    raw: bytes = b""
    """Chunks that are framed already."""


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> Answer:
    """A problem document as an answer."""
    document = {"type": "urn:test", "title": "a title", "status": status, "detail": detail, **members}
    return Answer([json.dumps(document).encode()], status, {"Content-Type": PROBLEM_TYPE, **(headers or {})})


def document(content: object) -> Answer:
    """A JSON document as an answer."""
    body = json.dumps(content).encode()
    return Answer([body], headers={"Content-Type": "application/json"} | content_digest(body))


Script = Callable[[Asked], Answer]


class ScriptedServer:
    """The server. `asked` lists what was asked; `script(path, …)` plans the next answers at a path."""

    def __init__(
        self,
        config: SamplerConfig = SMALL_SACCADE,
        digest: str = "d1",
        port: int = 0,
        trust: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._trust = trust
        self.pictures = Pictures()
        names = tuple(f"category {number}" for number in range(self.pictures.categories))
        self.spec = ServiceSpec(digest, "dataset", self.pictures.count, names, config, 64, 1 << 20)
        self.asked: list[Asked] = []
        self._plans: dict[str, deque[Script]] = defaultdict(deque)
        self._open: set[socket.socket] = set()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family)
        self.port: int = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'http' if trust is None else 'https'}://{shown}:{self.port}"
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def script(self, path: str, *steps: Script | Answer) -> None:
        """Plan the next responses at a path; later ones are correct again."""
        self._plans[path] += [step if callable(step) else _always(step) for step in steps]

    def forget(self) -> None:
        """Drop what is planned and was not asked for."""
        self._plans.clear()

    def asked_at(self, path: str) -> list[Asked]:
        """What was asked at a path."""
        return [asked for asked in self.asked if asked.path == path]

    @property
    def open_connections(self) -> int:
        """How many connections clients hold open."""
        return len(self._open)

    def close(self) -> None:
        """Stop listening, and break every connection."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    # --- honest answers ---

    def answer(self, asked: Asked) -> Answer:
        """The honest answer."""
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        if asked.path == "/v1/spec":
            return document(self.spec.as_dict())
        if asked.path == "/readyz":
            return document({"status": "ok", "workers": 1})
        if asked.path == "/v1/images":
            return document({"images": [self.image(int(index)) for index in asked.params["indices"].split(",")]})
        return Answer(message for batch in self.batches(asked) for message in batch)

    def _refusal(self, asked: Asked) -> Answer | None:
        """The problem of a request for another dataset, or with another digest."""
        if asked.params.get("dataset") not in (None, self.spec.dataset_name):
            return problem(422, "no such dataset", errors=[{"field": "dataset"}])
        if asked.path in ("/v1/spec", "/readyz"):
            return None
        digest, pixels = asked.params.get("digest"), asked.params.get("pixels")
        if digest != self.spec.digest:
            return problem(412, "the digest is another", expected=digest, actual=self.spec.digest)
        if None not in (pixels, self.spec.pixels) and pixels != self.spec.pixels:
            return problem(412, "the pixels are others", field="pixels", expected=pixels, actual=self.spec.pixels)
        return None

    def image(self, index: int) -> dict[str, Any]:
        """One image with its annotations, as a document has it."""
        height, width = self.pictures.size(index)
        boxes = self.pictures.boxes(index).tolist()
        annotations = [
            {"id": row, "category_id": int(category), "bbox": [x0, y0, x1 - x0, y1 - y0], "area": None, "crowd": False}
            for row, (x0, y0, x1, y1, category) in enumerate(boxes)
        ]
        place = {"index": index, "id": 100 + index, "file_name": f"{index}.jpg"}
        return {**place, "height": height, "width": width, "annotations": annotations}

    def batches(self, asked: Asked) -> Iterator[list[bytes]]:
        """The messages of each batch that is asked for."""
        if asked.path == "/v1/stream":
            step, stop = asked.integer("start"), asked.params.get("stop")
            while stop is None or step < int(stop):
                yield self.messages(asked, step)
                step += 1
        else:
            yield self.messages(asked, asked.integer("step") if "step" in asked.params else None)

    def messages(self, asked: Asked, step: int | None) -> list[bytes]:
        """Header, samples and trailer of one batch."""
        layout: Layout = asked.params["layout"]
        augment = asked.params["augment"] in (True, "true")
        keys = self._keys(asked, step)
        samples = [self.sample(position, key, layout, augment) for position, key in enumerate(keys)]
        header = Header(self.spec.digest, layout, augment, len(keys), step)
        return sealed([encode_header(header), *map(encode_sample, samples)])

    def sample(self, position: int, key: SampleKey, layout: Layout, augment: bool = True) -> WireSample:
        """One sample as it travels."""
        config = self.spec.config
        made = make_sample(self.pictures, config, key, augment=augment)
        arrays = lay_out(made, layout, config, self.spec.categories)
        return WireSample(position, key, made.recipe, untagged(made.objects, config), arrays)

    def _keys(self, asked: Asked, step: int | None) -> list[SampleKey]:
        if step is not None:
            shard = Shard(asked.integer("batch_size"), asked.integer("rank"), asked.integer("world_size", 1))
            return step_keys(self.spec.size, asked.integer("seed"), step, shard)
        indices = asked.params["indices"]
        listed = indices.split(",") if isinstance(indices, str) else indices
        return [SampleKey(asked.integer("seed"), asked.integer("epoch"), int(index)) for index in listed]

    # --- HTTP ---

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._trust is not None:
                self._open.discard(connection)
                connection = self._trust.wrap_socket(connection, server_side=True)
                self._open.add(connection)
            with connection, connection.makefile("rb") as stream:
                while (asked := _read_request(stream)) is not None and not self._closing.is_set():
                    self.asked.append(asked)
                    plan = self._plans[asked.path]
                    answer = plan.popleft()(asked) if plan else self.answer(asked)
                    if not self._send(connection, answer):
                        return
        except (OSError, UnicodeDecodeError):
            pass  # the client went away, which tests see in `open_connections`, or it tried TLS
        finally:
            self._open.discard(connection)

    def _send(self, connection: socket.socket, answer: Answer) -> bool:
        headers = {"X-Request-Id": f"request-{len(self.asked)}", "Transfer-Encoding": "chunked", **answer.headers}
        lines = [f"HTTP/1.1 {answer.status} Scripted", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for piece in answer.pieces:
            if self._closing.is_set():
                return False
            if piece:
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.sendall(answer.raw)
        if answer.ending == "whole":
            connection.sendall(b"0\r\n\r\n")
            return True
        if answer.ending == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


def sealed(messages: list[bytes]) -> list[bytes]:
    """Return the messages followed by a trailer with their digest."""
    digest = PayloadDigest()
    for message in messages:
        digest.update(message)
    return [*messages, encode_trailer(len(messages) - 1, digest.hexdigest())]


def _always(answer: Answer) -> Script:
    return lambda _: answer


def _read_request(stream: BinaryIO) -> Asked | None:
    line = stream.readline().split()
    if len(line) != 3:
        return None
    headers = {}
    while (row := stream.readline().strip()) != b"":
        name, _, value = row.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    url = urlsplit(line[1].decode())
    params: dict[str, Any] = dict(parse_qsl(url.query))
    return Asked(line[0].decode(), url.path, params | (json.loads(body) if body else {}), headers)


@contextmanager
def scripted(
    config: SamplerConfig = SMALL_SACCADE,
    digest: str = "d1",
    port: int = 0,
    trust: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> Iterator[ScriptedServer]:
    """Run a server for the length of the block. trust: to serve https. host: its address, 127.x.y.z or ::1."""
    server = ScriptedServer(config, digest, port, trust, host)
    try:
        yield server
    finally:
        server.close()

"""The dataset that a client is bound to: its server, its name there, and the digests pinned at first contact."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from client.errors import DigestMismatchError
from client.protocol.proxies import Proxy
from sampler.errors import InvalidRequestError
from sampler.printable import printable
from sampler.wire.spec import MAX_DIGEST, ServiceSpec

NO_REMEDIES: Mapping[str, str] = MappingProxyType({})
FIRST_CONTACT = "as at first contact"
"""Says in the message of `Pins.require` where the expected digest comes from."""
GIVEN = "as given with digest="
"""The same, for a digest that a client was made with."""


@dataclass(frozen=True, slots=True)
class Pins:
    """The digests that a dataset must have.

    Attributes:
        digest: of annotations, config and sampler version; None for any.
        pixels: of the image files; None for any. It is compared only if both sides have one: a server has none unless
            its image files were hashed.
        substitutes: the number of images that others replace; None for any. It is compared because a server without
            substitutes may have no `pixels`.
    """

    digest: str | None = None
    pixels: str | None = None
    substitutes: int | None = None

    @classmethod
    def of(cls, spec: ServiceSpec) -> Self:
        """Return the digests of a server's dataset."""
        return cls(spec.digest, spec.pixels, spec.substitutes)

    def require(
        self,
        spec: ServiceSpec,
        place: str,
        origin: str,
        request_id: str | None = None,
        remedies: Mapping[str, str] = NO_REMEDIES,
    ) -> None:
        """Raise `DigestMismatchError` if the server's dataset has other digests.

        place: the URL or exchange that gave the spec. origin: where these digests come from. remedies: what to do, by
        field. All are for the message.
        """
        for field in ("digest", "pixels", "substitutes"):
            expected, found = getattr(self, field), getattr(spec, field)
            if expected is not None and found is not None and expected != found:
                remedy = f"; {remedies[field]}" if field in remedies else ""
                message = f"{place}: {field} {printable(str(found))}: expected {expected}, {origin}{remedy}"
                raise DigestMismatchError(
                    message, request_id=request_id, field=field, expected=str(expected), actual=str(found)
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expectation:
    """Digests that a dataset must have, and what `Pins.require` says about them: see there."""

    pins: Pins
    origin: str = FIRST_CONTACT
    remedies: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def require(self, spec: ServiceSpec, place: str, request_id: str | None = None) -> None:
        """Raise `DigestMismatchError` if the server's dataset has other digests."""
        self.pins.require(spec, place, self.origin, request_id, self.remedies)


@dataclass(frozen=True, slots=True)
class Target:
    """What a request names besides its samples.

    Attributes:
        base_url: of the server, without a slash at its end.
        digest: the server refuses the request unless it has this digest.
        pixels: the same for the digest of the image files; None if it is not known.
        dataset: name of one of the server's datasets; None for the first.
        substitutes: the server refuses the request unless it replaces as many images; 0 is not sent.
        proxy: that requests go through.
        host: for the Host header and TLS, if `base_url` has an address of this name; None for that of `base_url`.
    """

    base_url: str
    digest: str
    pixels: str | None = None
    dataset: str | None = None
    substitutes: int = 0
    proxy: Proxy | None = None
    host: str | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the request. Absent ones are left out: older servers refuse names that they do not know."""
        substitutes = str(self.substitutes) if self.substitutes else None
        given = {"digest": self.digest, "pixels": self.pixels, "substitutes": substitutes, "dataset": self.dataset}
        return {name: value for name, value in given.items() if value is not None}


def require_digest(digest: object) -> str | None:
    """Return `digest` if it can be the digest of a dataset, or None; raise `InvalidRequestError` otherwise."""
    if digest is None or (isinstance(digest, str) and 0 < len(digest) <= MAX_DIGEST and digest.isprintable()):
        return digest
    raise InvalidRequestError("digest", digest, "the digest of a dataset, as `spec().digest` has it, or None for any")


def require_dataset(dataset: object) -> str | None:
    """Return `dataset` if it can be the name of a dataset, or None; raise `InvalidRequestError` otherwise."""
    if dataset is None or (isinstance(dataset, str) and dataset):
        return dataset
    raise InvalidRequestError("dataset", dataset, "the name of one of the server's datasets, or None for the first")

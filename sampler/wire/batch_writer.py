"""Makes a whole batch: the bytes of a response that carries it, without a server."""

from collections.abc import Callable, Sequence
from itertools import zip_longest

from sampler.config_schema import SamplerConfig
from sampler.kernels.interface import Kernels
from sampler.kernels.reference import REFERENCE
from sampler.sample.sample import SampleSource, plan_samples
from sampler.stream.keys import SampleKey
from sampler.wire.messages import Header, PayloadDigest, encode_header, encode_trailer
from sampler.wire.sample_writer import largest_message, write_sample


def write_batch(
    header: Header,
    keys: Sequence[SampleKey],
    dataset: SampleSource,
    config: SamplerConfig,
    categories: int,
    kernels: Kernels = REFERENCE,
    between: Callable[[], None] | None = None,
) -> bytes:
    """Return header, samples and trailer of a batch, the same bytes as a server's response.

    header: its count is that of `keys`. categories: C, of the dataset. between: called before each sample. Raises
    InvalidRequestError and ImageError like `make_sample`.
    """
    parts = [encode_header(header)]
    plans = plan_samples(dataset, config, keys, header.augment, kernels)
    for position, (key, planned) in enumerate(zip_longest(keys, plans)):
        if between is not None:
            between()
        boxes = 0 if planned is None else len(planned.boxes)
        memory = bytearray(largest_message(header.layout, config, categories, boxes))
        length = write_sample(
            memoryview(memory), position, dataset, config, categories, key,
            augment=header.augment, layout=header.layout, kernels=kernels, planned=planned,
        )  # fmt: skip
        parts.append(bytes(memory[:length]))
    digest = PayloadDigest()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, encode_trailer(header.count, digest.hexdigest())])

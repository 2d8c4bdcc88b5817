"""A batch written without a server has the bytes of a server's response."""

from pathlib import Path

import httpx
import pytest

from sampler.arrays import LAYOUTS, Layout
from sampler.config.digest import sample_digest
from sampler.config.presets import preset
from sampler.dataset.dataset import open_dataset
from sampler.stream.shards import Shard, step_keys
from sampler.wire.batch_writer import write_batch
from sampler.wire.messages import Header
from tests.support.live_server import LiveServer


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_written_batch_has_the_bytes_of_a_servers_response(
    layout: Layout, scenes: tuple[Path, Path], cache_dir: Path, server: LiveServer
) -> None:
    dataset = open_dataset(*scenes, cache_dir)
    config = preset("cornernet_saccade").fit(dataset.category_count)
    shard = Shard(9, rank=1, world_size=2)
    keys = step_keys(len(dataset), 7, 4, shard)
    header = Header(sample_digest(dataset.digest, config), layout, True, len(keys), 4)
    query = {"seed": 7, "step": 4, "batch_size": 9, "rank": 1, "world_size": 2, "layout": layout}
    response = httpx.get(f"{server.url}/v1/batches", params=query)
    assert write_batch(header, keys, dataset, config, config.planes(dataset.category_count)) == response.content

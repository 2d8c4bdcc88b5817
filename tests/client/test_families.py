"""A server of a detector family from outside the project, and clients that allow it or do not."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import client
from client import Batch, SamplerClient
from sampler.array_table import allocate
from sampler.arrays import LAYOUTS, Layout
from sampler.config.cornernet_lite import load_config
from sampler.dataset.dataset import open_dataset
from sampler.layouts.convert import lay_out
from sampler.sample.sample import make_sample
from tests.support.live_server import LiveServer, live_server
from tests.support.processes import run_python
from tests.support.toy_family import PATH


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("toy") / "toy.json"
    file.write_text(json.dumps({"system": {"sampling_function": PATH}, "db": {"gaussian_radius": 3}}))
    return file


@pytest.fixture(scope="module")
def toy_server(scenes: tuple[Path, Path], cache_dir: Path, config_file: Path) -> Iterator[LiveServer]:
    annotations, images = scenes
    with live_server(
        config_file.parent, annotations=annotations, images=images, cache_dir=cache_dir, config=config_file, workers=1
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def registered() -> None:
    client.register_family(PATH)


def assert_made_here(batch: Batch, scenes: tuple[Path, Path], cache_dir: Path, config_file: Path) -> None:
    """The batch is what `make_sample` gives in this process."""
    dataset, config = open_dataset(*scenes, cache_dir), load_config(str(config_file))
    assert list(batch.arrays) == list(allocate(config, 3)) == ["images", "counts", "centres"]
    for row, key in enumerate(batch.keys):
        expected = lay_out(make_sample(dataset, config, key), "dense", config, dataset.category_count)
        for name, array in expected.items():
            assert batch.arrays[name][row].tobytes() == array.tobytes(), name
    assert batch.ys[0] is batch.arrays["centres"]
    assert batch.ys[1][0] is batch.arrays["counts"]
    assert batch.arrays["counts"].any()
    with pytest.raises(AttributeError, match="tl_heats: not an array of this batch, which has images, counts, centres"):
        _ = batch.tl_heats


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_client_gets_the_samples_that_are_made_here(
    layout: Layout, toy_server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, config_file: Path
) -> None:
    with SamplerClient(toy_server.url, attempts=3, layout=layout) as opened:
        batch = opened.batch(seed=7, step=1, batch_size=9)
    assert_made_here(batch, scenes, cache_dir, config_file)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_loader_worker_knows_the_families_of_its_trainer(
    layout: Layout, toy_server: LiveServer, scenes: tuple[Path, Path], cache_dir: Path, config_file: Path
) -> None:
    with client.loader(toy_server.url, seed=7, batch_size=5, stop=2, layout=layout, log_every=None) as loaded:
        batches = list(loaded)
    assert [batch.step for batch in batches] == [0, 1]
    for batch in batches:
        assert_made_here(batch, scenes, cache_dir, config_file)


def test_tensors_have_the_order_of_the_family(toy_server: LiveServer) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    with SamplerClient(toy_server.url, attempts=3) as opened:
        batch = opened.batch(seed=7, step=0, batch_size=4)
    with client.loader(toy_server.url, seed=7, batch_size=4, stop=1, device="cpu", log_every=None) as loaded:
        (tensors,) = loaded
    centres, (counts,) = tensors.ys
    assert np.array_equal(centres.numpy(), batch.ys[0])
    assert np.array_equal(counts.numpy(), batch.ys[1][0])


def test_a_client_that_has_not_allowed_the_family_imports_nothing_and_says_what_to_do(toy_server: LiveServer) -> None:
    program = f"""
import sys
import client
url = {toy_server.url!r}
for use in (client.SamplerClient(url).spec, client.loader(url, seed=1, batch_size=2).__next__):
    try:
        use()
    except client.ClientError as error:
        print(error)
print("tests.support.toy_family" in sys.modules)
"""
    done = run_python("-c", program)
    *refused, imported = done.stdout.splitlines()
    assert imported == "False"
    assert len(refused) == 2
    for message in refused:
        assert f"config.kind = {PATH!r}: this detector family is not registered in this process" in message
        assert f"call register_family({PATH!r}) first" in message


def test_a_family_that_cannot_be_imported_is_an_error_of_the_client() -> None:
    with pytest.raises(client.ClientError, match="family 'nowhere:FAMILY' cannot be imported"):
        client.register_family("nowhere:FAMILY")

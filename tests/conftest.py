"""Fixtures that many tests share, and what holds for every test."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from service.demo.dataset import DemoDataset, ensure_demo
from tests.support.child_coverage import measured_as_needed
from tests.support.live_server import LiveServer, live_server
from tests.support.object_store import ObjectStore, object_store
from tests.support.paths import SHARED
from tests.support.process_marker import starts_processes
from tests.support.processes import independent_of_the_shell, kill_at_end
from tests.support.scenes import write_scenes

# The same examples in every run and on every machine.
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("suite")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start processes."""
    for item in items:
        if isinstance(item, pytest.Function) and starts_processes(item):
            item.add_marker("processes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage in the processes of a test only where it shows something; module fixtures are part of this."""
    with measured_as_needed(item.nodeid):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _independent_of_the_shell() -> Iterator[None]:
    with independent_of_the_shell():
        yield


@pytest.fixture(autouse=True)
def _kill_at_end() -> Iterator[None]:
    with kill_at_end():
        yield


@pytest.fixture(scope="session")
def running_store() -> Iterator[ObjectStore]:
    """One S3 server for all tests of a run."""
    with object_store() as store:
        yield store


@pytest.fixture
def store(running_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An S3 server without latency and trouble, which clients in this process find."""
    for name, value in running_store.variables.items():
        monkeypatch.setenv(name, value)
    running_store.settle()
    yield running_store
    running_store.settle()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder next to the project with real COCO images and the output of the published sampler."""
    if not (SHARED / "coco-tiny").is_dir():
        pytest.skip("the folder ../shared with real COCO images is absent")
    return SHARED


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for indexes and the demo dataset, shared by all processes of a test run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def demo(cache_dir: Path) -> DemoDataset:
    """The complete demo dataset, made once by the first test process that needs it."""
    return ensure_demo(cache_dir)


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Annotation file and image folder of a small dataset with boxes of all sizes; see `tests.support.scenes`."""
    return write_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def server(
    scenes: tuple[Path, Path], cache_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A shared server of the small dataset. Tests that harm a server start their own."""
    annotations, images = scenes
    with live_server(
        tmp_path_factory.mktemp("server"), annotations=annotations, images=images, cache_dir=cache_dir, workers=2
    ) as running:
        yield running

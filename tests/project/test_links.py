"""Links that leave the image folder are refused, listed and explained, and followed only if a setting says so."""

from pathlib import Path

import httpx
import pytest

from tests.support.coco_files import write_dataset
from tests.support.live_server import launch, live_server
from tests.support.processes import run_python
from tests.support.wire_client import one_batch


@pytest.fixture
def linked(tmp_path: Path) -> dict[str, object]:
    """A dataset whose first image is a link to another folder."""
    annotations, images = write_dataset(tmp_path)
    first = sorted(images.iterdir())[0]
    (tmp_path / "elsewhere").mkdir()
    first.rename(tmp_path / "elsewhere" / first.name)
    first.symlink_to(tmp_path / "elsewhere" / first.name)
    return {"annotations": annotations, "images": images, "cache_dir": tmp_path / "cache"}


@pytest.mark.parametrize("command", [["verify"], ["decode"], ["index", "--hash-images"]])
def test_a_command_lists_the_link_unless_it_may_follow_it(command: list[str], linked: dict[str, object]) -> None:
    refused = run_python("-m", "sampler", *command, settings=linked, check=False)
    assert refused.returncode == 1
    (line,) = [line for line in refused.stdout.splitlines() if line.startswith("outside") and ".jpg" in line]
    assert "SAMPLER_FOLLOW_LINKS" in line
    run_python("-m", "sampler", *command, "--follow-links", settings=linked)
    run_python("-m", "sampler", *command, settings={**linked, "follow_links": "true"})


def test_a_server_refuses_the_samples_of_the_link_unless_it_may_follow_it(
    linked: dict[str, object], tmp_path: Path
) -> None:
    with live_server(tmp_path, **linked, workers=1) as server:
        document = httpx.get(f"{server.url}/debug/samples/0").json()
        assert document["kind"] == "outside"
        assert len(one_batch(server.url, "indices=1,2").samples) == 2
    with live_server(tmp_path, **linked, workers=1, follow_links="true") as server:
        assert len(one_batch(server.url, "indices=0").samples) == 1


def test_a_server_of_links_only_does_not_start_and_names_the_setting(linked: dict[str, object], tmp_path: Path) -> None:
    images = Path(str(linked["images"]))
    images.rename(tmp_path / "real")
    images.mkdir()
    for file in (tmp_path / "real").iterdir():
        (images / file.name).symlink_to(file)
    process, _ = launch(tmp_path / "server.log", {**linked, "workers": 1})
    assert process.wait(60) == 2
    (line,) = [line for line in (tmp_path / "server.log").read_text().splitlines() if "cannot start: " in line]
    assert "SAMPLER_FOLLOW_LINKS=true" in line

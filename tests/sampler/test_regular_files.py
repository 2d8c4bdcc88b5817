"""Files that users name are regular files: a FIFO would block for ever, and /dev/zero has no end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from client.access import access_to
from client.credentials import read_token as clients_token
from saccade_sampler.planning.measurement import read_measurement
from sampler.access_token import read_token
from sampler.config.cornernet_lite import load_config
from sampler.dataset.image_ids import read_image_ids
from sampler.dataset.index.cache import ensure_index
from sampler.regular_files import read_regular
from sampler.replay import load_cases
from sampler.text_files import read_text
from service.server.tls import server_context
from service.settings.load import load_settings

SERVERS = [("https://cpu-host", None)]
READERS: dict[str, Callable[[Path], object]] = {
    "text": read_text,
    "token": read_token,
    "token of a client": clients_token,
    "CA of a client": lambda file: access_to(SERVERS, None, file),
    "settings": lambda file: load_settings({}, file),
    "config": lambda file: load_config(str(file)),
    "image ids": read_image_ids,
    "cases": load_cases,
    "measurement": read_measurement,
    "certificate": lambda file: server_context(file, None),
    "annotations": lambda file: ensure_index((file,), file.parent / "cache"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("reader", READERS)
def test_neither_a_fifo_nor_a_device_is_opened(reader: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for file in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(Exception, match="Not a regular file"):
            READERS[reader](file)


def test_a_file_may_have_a_limited_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match="the file has more than 4 bytes"):
        read_regular(tmp_path / "file", 4)


@pytest.mark.timeout(60)
def test_a_pipe_that_the_process_has_already_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"a-token-of-a-command\n")
    os.close(writing)
    try:
        token = clients_token(Path(f"/dev/fd/{reading}"))
        assert token is not None
        assert token.reveal() == "a-token-of-a-command"
    finally:
        os.close(reading)


def test_a_link_to_a_regular_file_is_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 5) == b"12345"
    with pytest.raises(IsADirectoryError):
        read_regular(tmp_path, 5)

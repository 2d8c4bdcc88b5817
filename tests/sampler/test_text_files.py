"""Files that are not UTF-8 text are named as what they are."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from sampler.config.cornernet_lite import load_config
from sampler.errors import CaseError, ConfigError
from sampler.replay import load_cases
from sampler.text_files import HEAD, decode_text, encoding_fault, foreign_format, read_text
from service.settings.load import SettingsError, load_settings

TEXT = json.dumps({"images": [], "name": "x"})


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("instances.json", data)
    return stream.getvalue()


def tarred(data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("instances.json")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 12345\n"
FILES = {
    "UTF-16LE text": "\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le"),
    "UTF-16BE text": "\ufeff".encode("utf-16-be") + TEXT.encode("utf-16-be"),
    "UTF-32LE text": "\ufeff".encode("utf-32-le") + TEXT.encode("utf-32-le"),
    "UTF-32BE text": "\ufeff".encode("utf-32-be") + TEXT.encode("utf-32-be"),
    "Git LFS pointer": LFS_POINTER,
    "git-annex pointer": b"/annex/objects/SHA256E-s31390--f50d7ac4.json\n",
    "HTML page": b"\n<!DOCTYPE html>\n<html><body>404</body></html>",
    "XML": b'<?xml version="1.0"?><annotation/>',
    "empty": b"",
    "zero bytes": bytes(100),
    "gzip": gzip.compress(TEXT.encode()),
    "bzip2": bz2.compress(TEXT.encode()),
    "xz": lzma.compress(TEXT.encode()),
    "zip archive": zipped(TEXT.encode()),
    "tar archive": tarred(TEXT.encode()),
    "pickle": pickle.dumps({}),
    "an image": b"\xff\xd8\xff\xe0\x00\x10JFIF",
}


@pytest.mark.parametrize(("name", "data"), FILES.items(), ids=FILES)
def test_a_file_of_another_format_is_named_with_a_remedy(name: str, data: bytes) -> None:
    found = foreign_format(data[:HEAD])
    assert name in found
    assert "; " in found, "the remedy"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [TEXT, "[1]", "[]", "\n {}"])
def test_utf_16_and_32_are_recognised_without_a_byte_order_mark(encoding: str, text: str) -> None:
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert foreign_format(text.encode(encoding)).startswith(f"{name} text, expected UTF-8; convert it")


@pytest.mark.parametrize("text", [TEXT, "", "\ufeff{}", "1", "é", "[datasets.train]\n", "日本語", "version = 1", "BZ"])
def test_utf_8_text_is_read(text: str) -> None:
    data = text.encode()
    if data:
        assert foreign_format(data) == ""
        assert decode_text(data) == text.removeprefix("\ufeff")
    assert encoding_fault(data) is None


@pytest.mark.parametrize(
    ("text", "encoding", "named"),
    [
        ("Café ", "latin1", "Latin-1"),
        ("Größe", "cp1252", "Latin-1"),
        (": 自行车", "gbk", "GBK"),
        ("猫の写真", "shift_jis", "not UTF-8"),
    ],
)
def test_another_encoding_is_named_with_the_first_wrong_byte(text: str, encoding: str, named: str) -> None:
    start = '{"a": "ü'.encode()
    data = start + text.encode(encoding) + b'"}'
    offset = next(place for place in range(len(start), len(data)) if data[place] >= 0x80)
    with pytest.raises(ValueError, match=f"byte {offset}: not UTF-8: byte 0x{data[offset]:02x}") as caught:
        decode_text(data)
    assert named in str(caught.value)
    assert "iconv" in str(caught.value)


def test_a_file_that_ends_within_a_character_is_truncated() -> None:
    assert encoding_fault("né".encode()[:-1]) == (
        1,
        "the file ends within a character; copy, download or export it again",
    )


@pytest.mark.parametrize(
    "data", [LFS_POINTER, TEXT.encode("utf-16"), b'{"x": "\xe9"}'], ids=["lfs", "utf-16", "latin1"]
)
def test_configs_recorded_samples_and_settings_name_what_they_were_given(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r".") as expected:
        read_text(file)
    cause = str(expected.value)
    with pytest.raises(ConfigError) as config:
        load_config(str(file))
    with pytest.raises(CaseError) as case:
        load_cases(file)
    monkeypatch.setenv("SAMPLER_SETTINGS", str(file))
    with pytest.raises(SettingsError) as settings:
        load_settings()
    for caught in (config, case, settings):
        assert str(caught.value) == f"{file}: {cause}"


def test_configs_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    content = '{"system": {"sampling_function": "cornernet_saccade"}, "db": {"input_size": [255, 255]}}'
    file.write_text(f"\ufeff{content}", encoding="utf-8")
    assert load_config(str(file)).name == "config"

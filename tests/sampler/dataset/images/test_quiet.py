"""Messages of libjpeg and libpng do not appear on stderr, and nothing else is lost."""

import io
import os
import threading
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from sampler.dataset.images.decode import decode_image
from sampler.dataset.images.header import DecodeError
from sampler.dataset.images.quiet import without_libjpeg_warnings
from tests.support.coco_files import photo
from tests.support.processes import run_python


@pytest.mark.parametrize("orientation", [1, 6])
def test_decoding_a_damaged_jpeg_prints_nothing(orientation: int, capfd: pytest.CaptureFixture[str]) -> None:
    file, tags = io.BytesIO(), Image.Exif()
    tags[0x0112] = orientation
    Image.fromarray(photo(320, 240)).save(file, "JPEG", exif=tags)
    data = file.getvalue()[: len(file.getvalue()) // 2] + b"\xff\xd9"
    for size in ((240, 320), (320, 240)) if orientation == 6 else ((240, 320),):
        assert decode_image(data, size).notes
    assert capfd.readouterr().err == ""


def damaged_png() -> bytes:
    """A PNG whose pixels are damaged although its checksums match, as an attacker or a broken encoder writes it."""
    data = bytearray(cv2.imencode(".png", photo(64, 48))[1].tobytes())
    start = data.find(b"IDAT")
    length = int.from_bytes(data[start - 4 : start])
    data[start + 6] |= 6  # a kind of block that deflate does not have
    data[start + 4 + length : start + 8 + length] = zlib.crc32(data[start : start + 4 + length]).to_bytes(4)
    return bytes(data)


def test_decoding_a_damaged_png_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    data = damaged_png()
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None
    assert "libpng error" in capfd.readouterr().err, "what libpng prints by itself"
    with pytest.raises(DecodeError, match="truncated or damaged"):
        decode_image(data, None)
    assert capfd.readouterr().err == ""


def test_a_png_is_decoded_quietly_while_another_thread_catches_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    def decode() -> None:
        with pytest.raises(DecodeError):
            decode_image(damaged_png(), None)

    with without_libjpeg_warnings() as warnings:
        thread = threading.Thread(target=decode)
        thread.start()
        thread.join(timeout=20)
        assert not thread.is_alive(), "it does not wait for the other thread"
    assert (warnings, capfd.readouterr().err) == ([], "")


def test_what_others_print_meanwhile_appears_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    def print_line() -> None:
        os.write(2, b"a line of another thread\n")

    with without_libjpeg_warnings() as warnings:
        os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
        thread = threading.Thread(target=print_line)
        thread.start()
        thread.join()
        os.write(2, b"Premature end of JPEG file\nthe end\n")
    os.write(2, b"later\n")
    assert warnings == ["Corrupt JPEG data: premature end of data segment", "Premature end of JPEG file"]
    assert capfd.readouterr().err == "a line of another thread\nthe end\nlater\n"


def test_many_threads_decode_damaged_files_and_stderr_stays_open(capfd: pytest.CaptureFixture[str]) -> None:
    file = io.BytesIO()
    Image.fromarray(photo(320, 240)).save(file, "JPEG")
    data = file.getvalue()[:-500] + b"\xff\xd9"
    expected = decode_image(data, (240, 320)).pixels
    same: list[bool] = []

    def decode() -> None:
        same.extend(np.array_equal(decode_image(data, (240, 320)).pixels, expected) for _ in range(20))

    threads = [threading.Thread(target=decode) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"still there\n")
    assert same == [True] * 80
    assert capfd.readouterr().err == "still there\n"


def test_it_works_without_stderr() -> None:
    code = (
        "import os; os.close(2)\n"
        "from sampler.dataset.images.quiet import without_libjpeg_warnings\n"
        "with without_libjpeg_warnings(): print('done')"
    )
    assert run_python("-c", code, coverage=False).stdout == "done\n"

"""Files of image ids. What they are used for is tested with subsets and substitutes."""

from pathlib import Path

import pytest

from sampler.dataset.image_ids import ImageId, as_integer, read_image_ids
from sampler.errors import ImageListError


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("[1, -2, 3]", (1, -2, 3)),
        ('["a b", "1"]', ("a b", "1")),
        ("1\n\n 2 \r\nx y\n", ("1", "2", "x y")),
        ("\ufeff7\n", ("7",)),
    ],
)
def test_ids_are_read_from_a_list_or_from_lines(text: str, ids: tuple[ImageId, ...], tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_bytes(text.encode())
    assert read_image_ids(file) == ids


@pytest.mark.parametrize(
    ("image_id", "number"),
    [(5, 5), ("5", 5), ("0005", 5), ("-5", -5), ("+5", 5), ("", None), ("5.0", None), ("x", None), ("٥", None),
     ("9" * 1000, None)],
)  # fmt: skip
def test_text_of_digits_is_an_integer(image_id: ImageId, number: int | None) -> None:
    assert as_integer(image_id) == number


def test_a_number_of_thousands_of_digits_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "ids.json"
    file.write_text(f"[{'1' * 5000}]", encoding="utf-8")
    with pytest.raises(ImageListError, match=r"ids.json: not JSON: .*4300 digits"):
        read_image_ids(file)

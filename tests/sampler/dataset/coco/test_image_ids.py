"""Ids of images, integers or strings, in columns."""

import pytest

from sampler.dataset.coco.image_ids import IdColumn, ranks, rows_of
from sampler.dataset.image_ids import ImageId


def column(*pieces: list[ImageId]) -> IdColumn:
    ids = IdColumn()
    for piece in pieces:
        ids.add(piece)
    return ids


def test_a_column_of_integers_stays_one_of_integers() -> None:
    ids = column([3, 1], [], [2**62])
    assert not ids.has_text
    assert ids.integers().tolist() == [3, 1, 2**62]
    assert ids.texts() == ["3", "1", str(2**62)]


def test_one_string_makes_all_ids_text_and_each_is_found_as_it_was_given() -> None:
    ids = column([3, 1], ["a", 7])
    assert ids.has_text
    assert ids.texts() == ["3", "1", "a", "7"]
    assert [ids.at(row) for row in range(4)] == [3, 1, "a", 7]
    with pytest.raises(IndexError):
        ids.at(4)


def test_strings_are_ranked_by_code_point() -> None:
    assert ranks(["b", "10", "9", "B", "é", "b"]).tolist() == [3, 0, 1, 2, 4, 3]


@pytest.mark.parametrize(
    ("references", "images", "rows"),
    [
        ([30, 10, 99], [10, 30], [1, 0, -1]),
        (["30", "10", "x"], [10, 30], [1, 0, -1]),
        ([30, "010"], ["30", "10"], [0, -1]),
        ([5], [], [-1]),
        ([], [1], []),
    ],
)
def test_references_are_found_in_either_form(references: list[ImageId], images: list[ImageId], rows: list[int]) -> None:
    assert rows_of(column(references), column(images)).tolist() == rows

"""Pictures of samples, in scripts and notebooks."""

import base64
import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import client
from client import Batch, ClientError, MissingExtraError, RequestRefusedError, SamplerClient
from client.batches.notebook_view import MOST_THUMBNAILS, THUMBNAIL_SIDE
from sampler.drawing.colours import BOTTOM_RIGHT, IGNORED, OBJECT, TOP_LEFT
from tests.support.processes import output_of
from tests.support.scripted_server import SMALL_SACCADE, ScriptedServer, scripted
from tests.support.toy_family import FAMILY, PATH

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted(SMALL_SACCADE) as running:
        yield running


@pytest.fixture(scope="module")
def batch(server: ScriptedServer) -> Batch:
    with SamplerClient(server.url) as opened:
        return opened.batch(indices=[*range(10), *range(10)], seed=2)


class Seen(HTMLParser):
    """The pictures and the text of a piece of HTML. Raises for tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.sources.append(dict(attrs)["src"] or "")
        else:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def colours(picture: Any) -> set[tuple[int, ...]]:
    return {colour for _, colour in picture.getcolors(picture.width * picture.height)}


def test_a_picture_shows_objects_ignored_boxes_and_both_corners(batch: Batch) -> None:
    number = next(n for n in range(len(batch)) if batch.objects(n).any() and not batch.objects(n).all())
    picture = batch.show(number)
    assert (picture.size, picture.mode) == ((768, 768), "RGB")
    assert {OBJECT, IGNORED, TOP_LEFT, BOTTOM_RIGHT} <= colours(picture)
    assert batch.show(number, size=100).size == (100, 100)


@pytest.mark.parametrize("size", [0, 8193, 7.5, True, None])
def test_the_size_of_a_picture_has_a_range(batch: Batch, size: Any) -> None:
    with pytest.raises(RequestRefusedError, match=f"size = {size}: expected an integer from 1 to 8192"):
        batch.show(3, size=size)
    assert batch.show(3, size=1).size == (1, 1)


def test_names_with_accents_are_drawn_in_letters_of_the_font(batch: Batch) -> None:
    pictures = [
        replace(batch, spec=replace(batch.spec, category_names=names)).show(4).tobytes()
        for names in (("Crème", "naïf", "où"), ("Creme", "naif", "ou"), ("?", "?", "?"))
    ]
    assert pictures[0] == pictures[1] != pictures[2]


def test_tensors_of_low_precision_are_shown(batch: Batch) -> None:
    torch = pytest.importorskip("torch")
    tensors = batch[3:5].torch()
    for dtype in (torch.bfloat16, torch.float16):
        low: dict[str, Any] = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in tensors.arrays.items()
        }
        shown = replace(tensors, arrays=low)
        assert shown.show(0).size == (768, 768)
        assert np.abs(shown.image(1).astype(int) - batch.image(4)).mean() < 2


def test_a_picture_can_be_saved_and_displayed(batch: Batch) -> None:
    file = io.BytesIO()
    batch.show(3).save(file, "PNG")
    assert Image.open(file).size == (768, 768)
    assert batch.show(3)._repr_png_() is not None


def test_a_sample_without_boxes_is_its_image(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as opened:
        empty = opened.batch(indices=[0])
    assert len(empty.boxes(0)) == 0
    np.testing.assert_array_equal(np.asarray(empty.show(0, size=63)), empty.image(0))


def test_tensors_have_the_same_pictures(batch: Batch) -> None:
    pytest.importorskip("torch")
    tensors = batch.torch()
    assert tensors.show(4).tobytes() == batch.show(4).tobytes()
    assert tensors._repr_html_().count("<img") == batch._repr_html_().count("<img")


def test_a_notebook_shows_thumbnails_of_the_first_samples_and_counts_the_others(batch: Batch) -> None:
    html = batch._repr_html_()
    seen = Seen(html)
    assert len(seen.sources) == MOST_THUMBNAILS == 16
    assert "and 4 more samples" in seen.text
    assert repr(batch) in seen.text
    for source in seen.sources:
        kind, data = source.split(",")
        assert kind == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    assert len(html) < 400_000
    assert "more samples" not in Seen(batch[:16]._repr_html_()).text


def test_names_are_escaped_in_html_and_drawn_in_pictures(batch: Batch) -> None:
    names = ("<b>&</b>\n" + "long" * 50, "人", 'quo"te')
    odd = replace(batch, spec=replace(batch.spec, category_names=names))
    seen = Seen(odd._repr_html_())
    assert len(seen.sources) == 16
    assert "<b>&</b>" in seen.text
    assert all(odd.show(number).size == (768, 768) for number in range(10))


def test_without_boxes_the_corners_are_shown_all_the_same(server: ScriptedServer) -> None:
    with SamplerClient(server.url) as opened:
        sparse = opened.batch(indices=[4, 5], layout="sparse")
    shown = colours(sparse.show(1))
    assert {TOP_LEFT, BOTTOM_RIGHT} <= shown
    assert OBJECT not in shown
    assert len(Seen(sparse._repr_html_()).sources) == 2


def test_a_family_without_corners_has_pictures_too() -> None:
    client.register_family(PATH)
    with scripted(FAMILY.presets[0]) as running, SamplerClient(running.url) as opened:
        toy = opened.batch(indices=[4, 5])
    assert len(toy.boxes(1)) == len(toy.labels(1)) > 0
    assert OBJECT in colours(toy.show(1))
    assert len(Seen(toy._repr_html_()).sources) == 2


def test_without_pillow_the_error_names_the_extra(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "client.batches.pictures", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'saccade-sampler\[pictures\]'"):
        batch.show(0)
    seen = Seen(batch._repr_html_())
    assert seen.sources == []
    assert repr(batch) in seen.text
    assert "pip install 'saccade-sampler[pictures]'" in seen.text


def test_a_broken_pillow_is_not_called_missing(batch: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("client.batches.pictures", "sampler.drawing.boxes", "sampler.drawing.text"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "PIL").mkdir()
    (tmp_path / "PIL" / "__init__.py").write_text("raise ImportError('libjpeg.so.62: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClientError, match="Pillow cannot be imported: libjpeg") as caught:
        batch.show(0)
    assert not isinstance(caught.value, MissingExtraError)
    assert "Pillow cannot be imported: libjpeg" in Seen(batch._repr_html_()).text


def test_html_never_raises_and_says_what_went_wrong(batch: Batch) -> None:
    broken = replace(batch, spec=replace(batch.spec, category_names=()))
    seen = Seen(broken._repr_html_())
    assert seen.sources == []
    assert f"{broken!r}\nno pictures: IndexError: " in seen.text


def test_pillow_is_loaded_by_the_first_picture() -> None:
    assert (
        output_of("import sys, client.batches, client.loading.loader; print('PIL' in sys.modules)").strip() == "False"
    )

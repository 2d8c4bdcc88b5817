"""The dataset the server serves when it is told of none: drawn once, on first start, into the cache folder."""

import json
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sampler.cpus import processors
from sampler.errors import SamplerError
from service.demo.layout import Picture, coco_json, plan_pictures
from service.demo.scene import encode_picture
from service.demo.shapes import load_shapes

PICTURES = 256
"""Pictures in the demo."""

_VERSION = 1  # raised whenever the pictures or the annotations change, so that the new demo gets a new folder
_WAIT_SECONDS = 300.0
_MANIFEST = "manifest.json"
_ANNOTATIONS = Path("annotations", "instances_demo.json")
_IMAGES = Path("images")

_log = logging.getLogger("saccade_sampler.demo")


class DemoError(SamplerError):
    """The demo dataset cannot be made: `folder` says where, `cause` why."""

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"{folder}: cannot make the demo dataset here: {cause}; set another cache folder (SAMPLER_CACHE_DIR), or "
            "a dataset of your own (SAMPLER_ANNOTATIONS, SAMPLER_IMAGES)"
        )
        self.folder = folder
        self.cause = cause


@dataclass(frozen=True, slots=True)
class DemoDataset:
    """Where the demo is: `annotations`, a COCO instances file, and `images`, the folder of its pictures."""

    annotations: Path
    images: Path


def _dataset(folder: Path) -> DemoDataset:
    return DemoDataset(annotations=folder / _ANNOTATIONS, images=folder / _IMAGES)


def _is_complete(folder: Path) -> bool:
    """Whether every file that the manifest lists is there with its size; contents are not read."""
    try:
        sizes = json.loads((folder / _MANIFEST).read_bytes())
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
        # No manifest, a listed file that is gone, or a manifest cut short: not a demo that can be served.
        return False


class _Ticker:
    """Counts finished pictures on a progress bar, or nowhere."""

    def __init__(self, bar: Progress | None, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("Drawing the demo dataset", total=total) if bar else None

    def tick(self) -> None:
        """One more picture is finished."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task)


@contextmanager
def _progress(show: bool, folder: Path, count: int) -> Iterator[_Ticker]:
    """A progress bar on a terminal, a log line before and after elsewhere."""
    if show and sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            yield _Ticker(bar, count)
        return
    _log.info("drawing the demo dataset (%d pictures) into %s", count, folder)
    yield _Ticker(None, count)
    _log.info("the demo dataset is ready")


def _draw_all(pictures: Sequence[Picture], images: Path, ticker: _Ticker) -> None:
    """Draw and write every picture, on as many threads as there are processors: OpenCV and NumPy release the GIL."""
    shapes = load_shapes()

    def draw(picture: Picture) -> None:
        (images / picture.file_name).write_bytes(encode_picture(picture, shapes))

    pool = ThreadPoolExecutor(max_workers=processors(), thread_name_prefix="demo")
    try:
        for _ in pool.map(draw, pictures):
            ticker.tick()
    finally:
        # After an error or Ctrl-C the pictures still queued are not drawn any more.
        pool.shutdown(cancel_futures=True)


def _build(folder: Path, count: int, ticker: _Ticker) -> None:
    """Make a whole demo in `folder`, which must not exist; the manifest is written last."""
    (folder / _IMAGES).mkdir(parents=True)
    (folder / _ANNOTATIONS).parent.mkdir()
    pictures = plan_pictures(count)
    (folder / _ANNOTATIONS).write_bytes(coco_json(pictures))
    _draw_all(pictures, folder / _IMAGES, ticker)
    names = [_ANNOTATIONS, *(_IMAGES / picture.file_name for picture in pictures)]
    sizes = {name.as_posix(): (folder / name).stat().st_size for name in names}
    (folder / _MANIFEST).write_text(json.dumps(sizes, indent=0))


def _replace(folder: Path, count: int, progress: bool) -> None:
    """Put a newly built demo at `folder`. The caller holds the lock, so any leftover belongs to a dead process."""
    partial, discarded = (folder.with_name(folder.name + end) for end in (".partial", ".discarded"))
    for leftover in (partial, discarded):
        if leftover.exists():
            shutil.rmtree(leftover)
    try:
        with _progress(progress, folder, count) as ticker:
            _build(partial, count, ticker)
        if folder.exists():
            _log.warning("%s: files are missing or have another size; it was made again", folder)
            folder.rename(discarded)
        partial.rename(folder)
    finally:
        # What cannot be removed now is removed by the next start; the first error is the one to report.
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(discarded, ignore_errors=True)


def ensure_demo(cache_dir: Path, progress: bool = True, count: int = PICTURES) -> DemoDataset:
    """The demo dataset below `cache_dir`, made first where it is absent or damaged (a few seconds; else at once).

    `count` pictures (1 or more) of about 640×480 pixels with COCO's 80 categories; the first `count` of an endless
    series, the same on every machine. Fewer than the usual 256 get a folder of their own. Any number of processes
    may call this at once: one builds, the others wait for it. `progress` shows a bar if stderr is a terminal.

    Raises DemoError where the folder cannot be written, the disk is full, or another process holds the lock too long.
    """
    if count < 1:
        raise DemoError(cache_dir, f"count = {count}: expected 1 or more")
    folder = cache_dir / (f"demo-v{_VERSION}" if count == PICTURES else f"demo-v{_VERSION}-{count}")
    try:
        if _is_complete(folder):
            return _dataset(folder)
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock"), timeout=_WAIT_SECONDS):
            if not _is_complete(folder):
                _replace(folder, count, progress)
    except Timeout as error:
        raise DemoError(cache_dir, f"another process has been making it for {_WAIT_SECONDS:.0f} seconds") from error
    except OSError as error:
        raise DemoError(cache_dir, error.strerror or str(error)) from error
    return _dataset(folder)

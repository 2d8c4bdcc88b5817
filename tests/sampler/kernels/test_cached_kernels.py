"""What one process compiles to render, the next finds on disk."""

from pathlib import Path

from tests.support.laws import CATEGORIES
from tests.support.processes import run_python

RENDER = f"""
from sampler.kernels.compiled import colour, targets
from sampler.config.presets import PRESETS
from sampler.kernels.selection import fastest_kernels
from sampler.layouts.convert import unpack_batch
from sampler.array_table import allocate
import numpy as np

config = PRESETS["cornernet_saccade"]
sample = {{
    "crop": np.zeros((*config.input_size, 3), np.uint8), "colour": np.zeros((3, 4), np.float32),
    "boxes": np.array([[8, 8, 90, 90, 1]], np.float32), "objects": np.ones(1, np.uint8),
}}
RENDERING = (*colour.KERNELS, *targets.KERNELS)
kernels = fastest_kernels()
assert not any(kernel.stats.cache_misses for kernel in RENDERING), "compiled before anything was to be rendered"
unpack_batch([sample], "compact", config, allocate(config, {CATEGORIES}, 1), kernels)
counts = ([getattr(kernel.stats, name) for kernel in RENDERING] for name in ("cache_misses", "cache_hits"))
print(*(sum(sum(count.values()) for count in named) for named in counts))
"""


NOWHERE = """
from numba.core.caching import CacheImpl, CompileResultCacheImpl

CompileResultCacheImpl._locator_classes = CacheImpl._locator_classes = []
"""
"""Numba's own list of places where compiled code may be kept, emptied: what a read-only system comes to."""


def render(cache: Path, before: str = "") -> tuple[int, int]:
    """How many kernels were compiled, and how many found, in a process of its own."""
    done = run_python("-c", before + RENDER, variables={"NUMBA_CACHE_DIR": cache}, coverage=False)
    compiled, found = done.stdout.split()
    return int(compiled), int(found)


def test_the_first_render_of_a_process_finds_what_another_compiled(tmp_path: Path) -> None:
    compiled, found = render(tmp_path)
    assert compiled > 0
    assert found == 0
    assert any(tmp_path.rglob("*.nbi"))
    assert render(tmp_path) == (0, compiled)


def test_where_no_folder_can_be_written_rendering_works_all_the_same(tmp_path: Path) -> None:
    first = render(tmp_path, NOWHERE)
    assert first[0] > 0
    assert render(tmp_path, NOWHERE) == first == (first[0], 0)
    assert not list(tmp_path.iterdir())

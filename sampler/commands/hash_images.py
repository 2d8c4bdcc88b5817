"""`index --hash-images`: record a hash of every image file, and show what has changed since the last time."""

import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.table import Column, Table

from sampler.cache_folder import default_cache_dir
from sampler.commands.examples import print_errors, print_examples
from sampler.cpus import available_cpus
from sampler.dataset.images.hashes import ImageHashes, find_hashes, hash_images, hashes_file, write_hashes
from sampler.dataset.images.source import ImageSource
from sampler.dataset.index.dataset_index import DatasetIndex
from sampler.errors import HashError
from sampler.printable import printable
from sampler.progress import progress_bar


def record_hashes(opened: DatasetIndex, source: ImageSource, cache_dir: Path | None, examples: int) -> bool:
    """Hash every image file and record the hashes. Print a summary. Return whether every file could be read."""
    started = time.perf_counter()
    file = hashes_file(cache_dir or default_cache_dir(), opened.digest, source)
    console = Console(highlight=False)
    older = _older_hashes(file, len(opened), console)
    nbytes = 0
    with progress_bar("hashing images", len(opened)) as advance:

        def count(length: int) -> None:
            nonlocal nbytes
            nbytes += length
            advance(length)

        hashes, errors = hash_images(opened, source, available_cpus(), count)
    write_hashes(file, hashes)
    changed = [] if older is None else hashes.changed_from(older).tolist()
    table = Table("image hashes", Column(overflow="fold"), show_header=False)
    table.add_row("images", f"{len(opened) - len(errors):,} ({decimal(nbytes)})")
    for kind, number in Counter(error.kind for error in errors).most_common():
        table.add_row(f"  {kind}", f"{number:,}")
    table.add_row("pixels digest", hashes.digest)
    _add_comparison(table, hashes, older, len(changed))
    table.add_row("file", escape(printable(str(file))))
    table.add_row("time", f"{time.perf_counter() - started:.2f} s")
    console.print(table)
    names = [source.describe(opened.file_name(index)) for index in changed[:examples]]
    print_examples(console, "changed", names, len(changed))
    print_errors(console, errors, examples)
    return not errors


def _older_hashes(file: Path, images: int, console: Console) -> ImageHashes | None:
    try:
        return find_hashes(file, images)
    except HashError as error:
        line = f"the hashes recorded before are damaged and are replaced: {printable(error.cause)}"
        console.print(escape(line), soft_wrap=True)
        return None


def _add_comparison(table: Table, hashes: ImageHashes, older: ImageHashes | None, changed: int) -> None:
    if older is None:
        table.add_row("recorded before", "no")
    elif hashes.digest == older.digest:
        table.add_row("recorded before", "yes, no file has changed")
    else:
        table.add_row("recorded before", f"yes, as {older.digest}")
        table.add_row("changed files", f"{changed:,}")

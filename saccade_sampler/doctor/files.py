"""Checks of files and folders: the dataset's, the cache folder, the token and the certificate."""

import stat

from saccade_sampler.doctor.finding import Finding, ok, problem, size, skipped, warning
from saccade_sampler.doctor.paths import LOOKED_AT, FolderFacts, PathFacts
from sampler.printable import path_text
from sampler.system_errors import cause, remedy

CACHE_FOLDER = "cache folder"
TOKEN = "token"

ROOM = 1 << 30
"""Bytes for entry points of a large dataset, which take up to 8 kB an image, and for compiled kernels."""


def check_readable(check: str, facts: PathFacts, setting: str) -> Finding:
    """Check that a file or folder can be read. setting: the one that names it."""
    shown = path_text(facts.path)
    if facts.error is not None:
        advice = remedy(facts.error, f"set {setting} to one that this user can read")
        return problem(check, f"{shown}: {cause(facts.error, facts.path)}", advice)
    return ok(check, f"{shown} can be read")


def check_images(check: str, facts: PathFacts) -> Finding:
    """Check that an image folder can be read and has images."""
    found = check_readable(check, facts, "SAMPLER_IMAGES")
    if found.status != "ok" or facts.has_images:
        return found
    if facts.has_images is None:
        first = f"the first {LOOKED_AT:,} entries of {path_text(facts.path)} are neither images nor folders"
        return skipped(check, f"{first}; `saccade-sampler verify` looks for each image")
    advice = "set SAMPLER_IMAGES to the folder that the file names in the annotations are relative to"
    return problem(check, f"{path_text(facts.path)} has neither images nor folders", advice)


def check_cache_folder(facts: FolderFacts, annotations: int) -> Finding:
    """Check that the cache folder can be written and has room. annotations: bytes of all annotation files."""
    shown = path_text(facts.path)
    if facts.error is not None:
        return problem(CACHE_FOLDER, f"{shown}: {cause(facts.error, facts.path)}", remedy(facts.error))
    state = "can be written" if facts.exists else "does not exist yet, and can be made"
    found = f"{shown} {state}; {size(facts.free)} free"
    need = annotations + ROOM
    if facts.free < annotations:
        advice = "make space, or set SAMPLER_CACHE_DIR to a folder with more"
        return problem(CACHE_FOLDER, f"{found}; the index may take {size(annotations)}", advice)
    if facts.free < need:
        advice = "make space, set SAMPLER_CACHE_DIR to a folder with more, or SAMPLER_ENTRY_POINTS=false"
        return warning(CACHE_FOLDER, f"{found}; index and entry points may take {size(need)}", advice)
    return ok(CACHE_FOLDER, found)


def check_token_file(facts: PathFacts, error: str) -> Finding:
    """Check that a file has a token that only its users can read. error: why the token in it is refused, if it is."""
    shown = path_text(facts.path)
    if facts.error is not None:
        advice = remedy(facts.error, "name a file with the token that this user can read")
        return problem(TOKEN, f"{shown}: {cause(facts.error, facts.path)}", advice)
    if error:
        return problem(TOKEN, error, f"write a token into {shown}: openssl rand -hex 32 > {shown}")
    if facts.mode & stat.S_IROTH:
        return warning(TOKEN, f"every user of this host can read the token in {shown}", f"chmod o-r {shown}")
    return ok(TOKEN, f"{shown} has a token (mode {facts.mode:03o})")

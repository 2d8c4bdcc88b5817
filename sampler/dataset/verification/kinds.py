"""The kinds of findings: what each means, and what to do about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes:
        is_fault: Whether it makes samples fail or loses data. The others are notes: the data is used as it is.
        meaning: What is found, in the plural.
        remedy: What to do, in one sentence.
    """

    is_fault: bool
    meaning: str
    remedy: str


KINDS: dict[str, Kind] = {
    "missing": Kind(
        True,
        "image files that do not exist",
        "Copy the files into the image folder, or check that it is the folder of these annotations.",
    ),
    "unreadable": Kind(
        True,
        "image files that cannot be decoded",
        "Copy or download the files again; they are truncated, damaged or of another format.",
    ),
    "mis-sized": Kind(
        True,
        "image files of another size than annotated",
        "Use the images that were annotated, or correct width and height in the annotation file.",
    ),
    "too-large": Kind(
        True,
        "image files beyond the pixel limit",
        "Scale the images and their boxes down, or raise SAMPLER_MAX_IMAGE_PIXELS.",
    ),
    "damaged": Kind(
        True,
        "image files that are damaged but can be decoded",
        "Copy or download the files again; a part of these images is grey or distorted.",
    ),
    "changed": Kind(
        True,
        "image files that have changed since they were hashed",
        "Restore the files, or run `index --hash-images` again if the new files are meant.",
    ),
    "outside": Kind(
        True,
        "image files that are links to files outside the image folder",
        "Copy the files into the image folder, or allow such links with SAMPLER_FOLLOW_LINKS=true.",
    ),
    "dropped": Kind(
        True,
        "invalid boxes, which were dropped",
        "Correct the boxes in the annotation file; samples do not contain them.",
    ),
    "store-damaged": Kind(
        True,
        "damaged images in the decoded store",
        "Run `saccade-sampler decode`, which decodes them again.",
    ),
    "warning": Kind(
        False,
        "image files with warnings that are mostly harmless",
        "Look at these images; if a part is distorted, copy or download the file again.",
    ),
    "orientation": Kind(
        False,
        "images whose EXIF orientation was not applied",
        "Check that the boxes fit the image as it is stored; only the stored image has the annotated size.",
    ),
    "out-of-range": Kind(
        False,
        "boxes that extend more than one pixel beyond their image",
        "Check that the boxes belong to this image; they are clipped like those of the published sampler.",
    ),
    "degenerate": Kind(
        False,
        "boxes without area inside their image",
        "Correct or remove the boxes; no target can be made from them.",
    ),
    "tiny": Kind(
        False,
        "boxes that are narrower or lower than one pixel",
        "If the coordinates are normalised (0…1), multiply them by width and height of the image.",
    ),
    "identical": Kind(
        False,
        "boxes with the image, category and coordinates of an earlier one",
        "Remove the repeated boxes from the annotation file.",
    ),
    "duplicate-id": Kind(
        False,
        "annotations with the id of an earlier one",
        "Give every annotation its own id; some tools drop all but one of them.",
    ),
    "shared-file": Kind(
        False,
        "images with the file of an earlier one",
        "Merge the entries if they are the same image; it is drawn once for each id.",
    ),
    "same-name": Kind(
        False,
        "categories with the name of an earlier one",
        "Merge or rename the categories; the detector learns them as different classes.",
    ),
    "no-boxes": Kind(
        False,
        "images without boxes",
        "Nothing needs to be done if these images are meant as background.",
    ),
    "unlisted": Kind(
        False,
        "boxes of images that are not among the images, which were ignored",
        "Add the images to the annotation file if their boxes should be used.",
    ),
    "duplicate-key": Kind(
        False,
        "JSON objects with the same key twice",
        "Remove the repeated key; the last value is used.",
    ),
}
"""Every kind, in the order of reports: faults first."""

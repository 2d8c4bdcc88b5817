"""Notes of an image: something about its file or its stored pixels is unusual, or it cannot be used at all."""

from dataclasses import dataclass
from typing import Literal, get_args

NoteKind = Literal["damaged", "warning", "orientation", "store-damaged", "unreadable"]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


@dataclass(frozen=True, slots=True)
class ImageNote:
    """One observation about an image.

    Attributes:
        kind: "damaged" if the decoder reports lost or corrupt data, "warning" if it reports something harmless,
            "orientation" if the file has an EXIF orientation that is not applied, "store-damaged" if its pixels in the
            decoded store are damaged, so that its file is read instead, "unreadable" if it cannot be read as annotated
            for another reason than damage.
        text: The observation, in words.
    """

    kind: NoteKind
    text: str

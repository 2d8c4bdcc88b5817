"""Notes of an image that can be used although something about its file is unusual."""

from dataclasses import dataclass
from typing import Literal, get_args

NoteKind = Literal["damaged", "warning", "orientation"]
NOTE_KINDS: tuple[NoteKind, ...] = get_args(NoteKind)


@dataclass(frozen=True, slots=True)
class ImageNote:
    """One observation about an image file.

    Attributes:
        kind: "damaged" if the decoder reports lost or corrupt data, "warning" if it reports something harmless,
            "orientation" if the file has an EXIF orientation that is not applied.
        text: The observation, in words.
    """

    kind: NoteKind
    text: str

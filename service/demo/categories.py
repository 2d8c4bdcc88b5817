"""COCO's 80 categories, and the shapes that the demo draws for them."""

from typing import NamedTuple

# COCO id and name, by supercategory; the ids have gaps.
_NAMES = {
    "person": {1: "person"},
    "vehicle": {2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck", 9: "boat"},
    "outdoor": {10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench"},
    "animal": {
        16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear",
        24: "zebra", 25: "giraffe",
    },
    "accessory": {27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase"},
    "sports": {
        34: "frisbee", 35: "skis", 36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat",
        40: "baseball glove", 41: "skateboard", 42: "surfboard", 43: "tennis racket",
    },
    "kitchen": {44: "bottle", 46: "wine glass", 47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl"},
    "food": {
        52: "banana", 53: "apple", 54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog",
        59: "pizza", 60: "donut", 61: "cake",
    },
    "furniture": {62: "chair", 63: "couch", 64: "potted plant", 65: "bed", 67: "dining table", 70: "toilet"},
    "electronic": {72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard", 77: "cell phone"},
    "appliance": {78: "microwave", 79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator"},
    "indoor": {
        84: "book", 85: "clock", 86: "vase", 87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
    },
}  # fmt: skip


class Category(NamedTuple):
    """One of COCO's categories."""

    coco_id: int
    name: str
    supercategory: str


CATEGORIES = tuple(
    Category(coco_id, name, supercategory) for supercategory, names in _NAMES.items() for coco_id, name in names.items()
)
"""All categories in ascending COCO id."""


class Silhouette(NamedTuple):
    """A polygon that touches all four sides of an object's box, and the parts painted inside it.

    Polygons are "x,y x,y …" in per cent of the box. Each part has a tone and a polygon. `stretch` is the square root of
    the usual width over height, in per cent.
    """

    stretch: int
    outline: str
    parts: tuple[tuple[str, str], ...]


_BOTTLE = Silhouette(
    56, "34,0 66,0 68,22 78,34 97,44 100,54 100,95 92,100 8,100 0,95 0,54 3,44 22,34 32,22",
    (("light", "0,56 100,56 100,82 0,82"), ("shade", "0,64 100,64 100,70 0,70"), ("dark", "30,0 70,0 70,9 30,9")),
)  # fmt: skip
_ROUND = Silhouette(
    104, "50,0 75,7 93,25 100,50 93,75 75,93 50,100 25,93 7,75 0,50 7,25 25,7",
    (("shade", "93,25 100,50 93,75 75,93 50,100 25,93 60,86 82,62"), ("light", "22,30 30,20 42,17 40,28 28,38")),
)  # fmt: skip
_SCREEN = Silhouette(
    108, "3,0 97,0 100,4 100,82 70,82 78,100 22,100 30,82 0,82 0,4",
    (("dark", "5,6 95,6 95,75 5,75"), ("glass", "9,10 91,10 91,70 9,70"), ("shade", "0,82 100,82 100,100 0,100")),
)  # fmt: skip

SILHOUETTES = {
    "person": Silhouette(
        62, "42,2 50,0 58,2 62,8 58,16 72,20 84,30 100,52 90,57 72,42 72,60 77,100 57,100 50,66 43,100 23,100 28,60 "
            "28,42 10,57 0,52 16,30 28,20 42,16 38,8",
        (("skin", "0,48 100,48 100,60 0,60"), ("self", "18,46 82,46 82,56 18,56"), ("shade", "20,56 80,56 80,95 20,95"),
         ("skin", "30,0 70,0 70,17 30,17"), ("dark", "30,0 70,0 70,5 30,5"), ("dark", "0,95 100,95 100,100 0,100")),
    ),
    "vehicle": Silhouette(
        132, "0,62 5,46 22,38 36,8 50,0 72,4 88,36 98,44 100,76 93,82 88,96 81,100 74,96 68,84 34,84 28,96 20,100 "
             "13,96 7,82 1,78",
        (("glass", "28,38 39,13 53,8 53,38"), ("glass", "57,38 57,8 69,11 82,38"), ("light", "0,52 8,52 6,62 0,62"),
         ("dark", "13,72 20,68 27,72 31,84 27,96 20,100 13,96 9,84"),
         ("dark", "74,72 81,68 88,72 92,84 88,96 81,100 74,96 70,84")),
    ),
    "animal": Silhouette(
        108, "0,30 9,12 18,0 26,10 40,26 70,24 86,28 97,38 100,62 95,64 92,48 88,62 90,100 78,100 74,68 48,68 44,100 "
             "32,100 28,62 20,42 6,42 0,36",
        (("dark", "11,14 15,14 15,20 11,20"), ("shade", "22,4 32,14 30,28 24,24"), ("dark", "28,93 94,93 94,99 28,99")),
    ),
    "outdoor": Silhouette(
        62, "30,0 70,0 100,18 100,42 70,60 57,60 57,94 72,94 72,100 28,100 28,94 43,94 43,60 30,60 0,42 0,18",
        (("light", "14,24 86,24 86,36 14,36"), ("shade", "28,60 72,60 72,100 28,100")),
    ),
    "accessory": Silhouette(
        84, "28,24 34,6 50,0 66,6 72,24 92,28 98,40 100,92 94,100 6,100 0,92 2,40 8,28",
        (("shade", "9,56 91,56 91,90 9,90"), ("dark", "36,24 42,12 58,12 64,24"), ("light", "44,56 56,56 56,66 44,66")),
    ),
    "furniture": Silhouette(
        82, "6,0 72,0 76,46 100,50 100,62 96,62 98,100 86,100 82,66 24,66 20,100 8,100 10,64 6,60 0,10",
        (("shade", "15,8 28,8 28,42 17,42"), ("shade", "38,8 62,8 66,42 38,42"), ("light", "8,50 98,50 98,56 8,56")),
    ),
    "sports": _ROUND, "food": _ROUND, "kitchen": _BOTTLE, "indoor": _BOTTLE, "electronic": _SCREEN,
    "appliance": _SCREEN,
}  # fmt: skip
"""One for each of COCO's supercategories."""

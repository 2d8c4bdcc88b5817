"""COCO's 80 categories, and how the demo draws each: silhouette, colour, real size, where it is found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoClass:
    """One category. `coco_id` is 1…90 with COCO's gaps; `length_cm` is the real longer side.

    `shape` names an entry of `demo_shapes.SHAPES`, `colour` is 0xRRGGBB, `scene` one of `SCENES`,
    `aloft` says that it is seen above the ground (in the air, on a wall or a pole).
    """

    coco_id: int
    name: str
    supercategory: str
    shape: str
    colour: int
    length_cm: int
    scene: str
    aloft: bool = False


SCENES = ("street", "field", "water", "snow", "room", "table")
"""The backdrops that exist."""

CLASSES = (
    DemoClass(1, "person", "person", "person", 0x3F63A8, 170, "street"),
    DemoClass(2, "bicycle", "vehicle", "bicycle", 0x2B8C8A, 170, "street"),
    DemoClass(3, "car", "vehicle", "car", 0xA8262C, 420, "street"),
    DemoClass(4, "motorcycle", "vehicle", "bicycle", 0x34343C, 200, "street"),
    DemoClass(5, "airplane", "vehicle", "airplane", 0xDDE2E8, 900, "field", True),
    DemoClass(6, "bus", "vehicle", "bus", 0xD98C1A, 900, "street"),
    DemoClass(7, "train", "vehicle", "bus", 0x2A6B4C, 1200, "field"),
    DemoClass(8, "truck", "vehicle", "truck", 0x3B5B7D, 700, "street"),
    DemoClass(9, "boat", "vehicle", "boat", 0xE4E0D4, 600, "water"),
    DemoClass(10, "traffic light", "outdoor", "traffic light", 0x2E3A30, 90, "street", True),
    DemoClass(11, "fire hydrant", "outdoor", "hydrant", 0xC8321E, 75, "street"),
    DemoClass(13, "stop sign", "outdoor", "sign", 0xB81C22, 80, "street", True),
    DemoClass(14, "parking meter", "outdoor", "meter", 0x77808A, 140, "street"),
    DemoClass(15, "bench", "outdoor", "bench", 0x86592F, 160, "field"),
    DemoClass(16, "bird", "animal", "bird", 0x4B4A55, 40, "water", True),
    DemoClass(17, "cat", "animal", "cat", 0xB3793C, 45, "room"),
    DemoClass(18, "dog", "animal", "beast", 0x8A6440, 75, "field"),
    DemoClass(19, "horse", "animal", "horse", 0x6E3F22, 230, "field"),
    DemoClass(20, "sheep", "animal", "beast", 0xDAD5C6, 110, "field"),
    DemoClass(21, "cow", "animal", "beast", 0x4A3A32, 210, "field"),
    DemoClass(22, "elephant", "animal", "elephant", 0x7D7A78, 380, "field"),
    DemoClass(23, "bear", "animal", "bear", 0x47301F, 190, "field"),
    DemoClass(24, "zebra", "animal", "zebra", 0xE9E7E2, 220, "field"),
    DemoClass(25, "giraffe", "animal", "giraffe", 0xC8994A, 450, "field"),
    DemoClass(27, "backpack", "accessory", "bag", 0x2F5E45, 50, "street"),
    DemoClass(28, "umbrella", "accessory", "umbrella", 0x8C2F6B, 100, "street", True),
    DemoClass(31, "handbag", "accessory", "bag", 0x8B3F34, 35, "street"),
    DemoClass(32, "tie", "accessory", "tie", 0x27336B, 45, "room"),
    DemoClass(33, "suitcase", "accessory", "suitcase", 0x57467E, 70, "street"),
    DemoClass(34, "frisbee", "sports", "disc", 0xE8D23A, 27, "field", True),
    DemoClass(35, "skis", "sports", "stick", 0xCF3048, 180, "snow"),
    DemoClass(36, "snowboard", "sports", "board", 0x2F86C5, 150, "snow"),
    DemoClass(37, "sports ball", "sports", "ball", 0xE36B1F, 23, "field", True),
    DemoClass(38, "kite", "sports", "kite", 0xE0453A, 150, "water", True),
    DemoClass(39, "baseball bat", "sports", "bat", 0xC79A5B, 85, "field"),
    DemoClass(40, "baseball glove", "sports", "glove", 0x7A4A24, 30, "field"),
    DemoClass(41, "skateboard", "sports", "skateboard", 0x3A3A3A, 80, "street"),
    DemoClass(42, "surfboard", "sports", "board", 0xF0DC8C, 210, "water"),
    DemoClass(43, "tennis racket", "sports", "racket", 0x3C7DB8, 70, "field"),
    DemoClass(44, "bottle", "kitchen", "bottle", 0x2E6B3A, 30, "table"),
    DemoClass(46, "wine glass", "kitchen", "wine glass", 0xC9D3DA, 22, "table"),
    DemoClass(47, "cup", "kitchen", "cup", 0xD9D3C8, 11, "table"),
    DemoClass(48, "fork", "kitchen", "fork", 0xA9AEB4, 19, "table"),
    DemoClass(49, "knife", "kitchen", "knife", 0xB9BDC2, 22, "table"),
    DemoClass(50, "spoon", "kitchen", "spoon", 0x9DA2A8, 18, "table"),
    DemoClass(51, "bowl", "kitchen", "bowl", 0x4C86A0, 20, "table"),
    DemoClass(52, "banana", "food", "banana", 0xE3C233, 20, "table"),
    DemoClass(53, "apple", "food", "apple", 0xB8252B, 8, "table"),
    DemoClass(54, "sandwich", "food", "sandwich", 0xCE9A55, 15, "table"),
    DemoClass(55, "orange", "food", "apple", 0xE98A1B, 8, "table"),
    DemoClass(56, "broccoli", "food", "tree", 0x4D8A35, 12, "table"),
    DemoClass(57, "carrot", "food", "carrot", 0xE0701E, 18, "table"),
    DemoClass(58, "hot dog", "food", "hot dog", 0xC98545, 17, "table"),
    DemoClass(59, "pizza", "food", "pizza", 0xDDAA4B, 32, "table"),
    DemoClass(60, "donut", "food", "donut", 0xA65E3A, 9, "table"),
    DemoClass(61, "cake", "food", "cake", 0xF0D9D2, 25, "table"),
    DemoClass(62, "chair", "furniture", "chair", 0x6B4528, 90, "room"),
    DemoClass(63, "couch", "furniture", "couch", 0x60708A, 200, "room"),
    DemoClass(64, "potted plant", "furniture", "plant", 0x3E7A3A, 60, "room"),
    DemoClass(65, "bed", "furniture", "bed", 0xC9C2D6, 210, "room"),
    DemoClass(67, "dining table", "furniture", "desk", 0x93633A, 180, "room"),
    DemoClass(70, "toilet", "furniture", "toilet", 0xECECE8, 75, "room"),
    DemoClass(72, "tv", "electronic", "screen", 0x1E1F24, 110, "room", True),
    DemoClass(73, "laptop", "electronic", "laptop", 0x8D9299, 35, "table"),
    DemoClass(74, "mouse", "electronic", "mouse", 0x45484F, 11, "table"),
    DemoClass(75, "remote", "electronic", "remote", 0x2A2C33, 18, "table"),
    DemoClass(76, "keyboard", "electronic", "keyboard", 0xD5D7D9, 44, "table"),
    DemoClass(77, "cell phone", "electronic", "phone", 0x25262B, 15, "table"),
    DemoClass(78, "microwave", "appliance", "oven", 0xC3C7CB, 50, "room"),
    DemoClass(79, "oven", "appliance", "oven", 0x6E7378, 85, "room"),
    DemoClass(80, "toaster", "appliance", "toaster", 0xB5BAC0, 30, "table"),
    DemoClass(81, "sink", "appliance", "bowl", 0xE3E6E8, 60, "room"),
    DemoClass(82, "refrigerator", "appliance", "fridge", 0xDFE3E6, 180, "room"),
    DemoClass(84, "book", "indoor", "book", 0x9A3B2E, 24, "table"),
    DemoClass(85, "clock", "indoor", "clock", 0xEFEBDD, 35, "room", True),
    DemoClass(86, "vase", "indoor", "vase", 0x3F6E9C, 35, "table"),
    DemoClass(87, "scissors", "indoor", "scissors", 0xC23B3B, 18, "table"),
    DemoClass(88, "teddy bear", "indoor", "teddy", 0xB58550, 35, "room"),
    DemoClass(89, "hair drier", "indoor", "drier", 0xB84C84, 25, "room"),
    DemoClass(90, "toothbrush", "indoor", "stick", 0x3AA6A0, 19, "table"),
)
"""COCO's categories in ascending id."""

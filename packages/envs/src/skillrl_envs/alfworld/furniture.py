"""What stands in generated rooms and what may lie where.

The kinds are those of the AI2-THOR simulator that ALFWorld is built on, so that an
agent meets the same words in generated and in official games.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Furniture:
    """A kind of receptacle and how many of it a room has."""

    kind: str
    least: int
    most: int
    openable: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A kind of room."""

    furniture: tuple[Furniture, ...]
    objects: tuple[str, ...]
    lamps: tuple[str, ...] = ()


ROOMS: dict[str, Room] = {
    "kitchen": Room(
        (
            Furniture("Cabinet", 1, 3, openable=True),
            Furniture("CounterTop", 1, 2),
            Furniture("Drawer", 0, 2, openable=True),
            Furniture("Fridge", 1, 1, openable=True),
            Furniture("Microwave", 1, 1, openable=True),
            Furniture("SinkBasin", 1, 1),
            Furniture("StoveBurner", 0, 1),
            Furniture("GarbageCan", 0, 1),
            Furniture("DiningTable", 0, 1),
        ),
        (
            "Apple", "Bread", "Egg", "Lettuce", "Potato", "Tomato", "Bowl", "Cup", "Mug", "Plate",
            "Pan", "Pot", "Fork", "Knife", "ButterKnife", "Spoon", "Spatula", "Ladle",
            "SaltShaker", "PepperShaker", "DishSponge",
        ),
    ),
    "bathroom": Room(
        (
            Furniture("Cabinet", 1, 3, openable=True),
            Furniture("CounterTop", 1, 1),
            Furniture("Drawer", 0, 2, openable=True),
            Furniture("SinkBasin", 1, 1),
            Furniture("Toilet", 1, 1),
            Furniture("GarbageCan", 1, 1),
            Furniture("BathtubBasin", 0, 1),
        ),
        ("Cloth", "SoapBar", "SoapBottle", "SprayBottle", "ToiletPaper", "Candle"),
    ),
    "bedroom": Room(
        (
            Furniture("Bed", 1, 1),
            Furniture("Desk", 1, 1),
            Furniture("Drawer", 1, 3, openable=True),
            Furniture("Dresser", 0, 1),
            Furniture("GarbageCan", 0, 1),
            Furniture("Shelf", 1, 2),
            Furniture("SideTable", 1, 1),
            Furniture("Safe", 0, 1, openable=True),
        ),
        (
            "AlarmClock", "Book", "CD", "CellPhone", "CreditCard", "KeyChain", "Laptop", "Pen",
            "Pencil", "Pillow",
        ),
        lamps=("DeskLamp",),
    ),
    "living room": Room(
        (
            Furniture("ArmChair", 1, 1),
            Furniture("CoffeeTable", 1, 1),
            Furniture("Drawer", 1, 3, openable=True),
            Furniture("GarbageCan", 0, 1),
            Furniture("SideTable", 1, 2),
            Furniture("Sofa", 1, 1),
            Furniture("Shelf", 0, 1),
            Furniture("TVStand", 0, 1),
        ),
        (
            "Box", "Newspaper", "RemoteControl", "Statue", "TissueBox", "Vase", "Watch", "Book",
            "KeyChain", "Laptop", "Pillow", "CreditCard",
        ),
        lamps=("FloorLamp", "DeskLamp"),
    ),
}  # fmt: skip

CLEANABLE = frozenset(
    {
        "Apple", "Bowl", "ButterKnife", "Cloth", "Cup", "DishSponge", "Egg", "Fork", "Knife",
        "Ladle", "Lettuce", "Mug", "Pan", "Plate", "Pot", "Potato", "SoapBar", "Spatula", "Spoon",
        "Tomato",
    }
)  # fmt: skip
HEATABLE = frozenset({"Apple", "Bread", "Cup", "Egg", "Mug", "Plate", "Potato", "Tomato"})
COOLABLE = frozenset(
    {
        "Apple", "Bowl", "Bread", "Cup", "Egg", "Lettuce", "Mug", "Pan", "Plate", "Pot", "Potato",
        "Tomato",
    }
)  # fmt: skip
SLICEABLE = frozenset({"Apple", "Bread", "Lettuce", "Potato", "Tomato"})

_FLAT = frozenset(
    {
        "Book", "ButterKnife", "CD", "Candle", "CellPhone", "Cloth", "CreditCard", "DishSponge",
        "Fork", "KeyChain", "Knife", "Ladle", "Newspaper", "Pen", "Pencil", "PepperShaker",
        "RemoteControl", "SaltShaker", "SoapBar", "SoapBottle", "Spatula", "Spoon", "SprayBottle",
        "ToiletPaper", "Watch",
    }
)  # fmt: skip
_SOFT = frozenset({"Book", "Box", "CellPhone", "CreditCard", "KeyChain", "Laptop", "Newspaper",
                   "Pillow", "RemoteControl"})  # fmt: skip
_ONLY = {
    "ArmChair": _SOFT,
    "Bed": _SOFT,
    "Drawer": _FLAT,
    "Fridge": COOLABLE,
    "Microwave": HEATABLE,
    "Safe": _FLAT,
    "SinkBasin": CLEANABLE,
    "Sofa": _SOFT,
    "StoveBurner": frozenset({"Pan", "Pot"}),
}


def can_hold(receptacle: str, thing: str) -> bool:
    """Whether an object of kind `thing` may lie in or on a receptacle of that kind."""
    return thing in _ONLY[receptacle] if receptacle in _ONLY else True

"""Words in the names of classes that tell of sides, which a mirror or turning over exchanges."""

import re

CHIRAL = {"left", "right"}
"""Words in the names of classes that a mirror turns into each other."""

VERTICAL = {"up", "down", "top", "bottom", "upper", "lower", "upright", "upside", "inverted", "flipped"}
"""Words in the names of classes that turning over may turn into each other."""


def words(name: str) -> set[str]:
    """The words in the name of a class, in lower case: of its folders, its parts, and its camel case.

    >>> sorted(words("lung/LeftLobe_2"))
    ['2', 'left', 'lobe', 'lung']
    """
    return {word.lower() for word in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name)}

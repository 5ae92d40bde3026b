"""Options that several commands share, each written once."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from striate.core.errors import UnknownName, UsageError
from striate.core.registry import file_names

DEVICES = ("auto", "cpu", "cuda", "mps")
_READ, _DECIDE = "Reading", "Deciding"


def _names(package: str) -> str:
    return ", ".join(file_names(package))


Data = Annotated[
    str | None,
    typer.Argument(
        help="A folder, table, .zip, .tar (or a folder of these) or .npz. Without: the digits.", metavar="DATA"
    ),
]
Run = Annotated[str, typer.Argument(help="A Run's folder.", metavar="RUN")]
Paths = Annotated[list[str], typer.Argument(help="Pictures, folders, .zip or .tar files.", metavar="PATH")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; all else goes to standard error.")]

Task = Annotated[
    str | None,
    typer.Option(
        help=f"In place of what the targets suggest: {_names('striate.tasks')}.",
        rich_help_panel=_READ,
    ),
]
Reader = Annotated[
    str | None,
    typer.Option(help=f"In place of looking at the data: {_names('striate.data.readers')}.", rich_help_panel=_READ),
]
LabelDepth = Annotated[
    int | None, typer.Option(help="How many folders below the root make the label.", min=1, rich_help_panel=_READ)
]
Root = Annotated[
    str | None, typer.Option(help="What a table's paths are relative to.", metavar="DIR", rich_help_panel=_READ)
]
Group = Annotated[
    str | None,
    typer.Option(
        help="What must not straddle a split: a table's column, or a pattern for file names with {group} in it.",
        metavar="COLUMN|PATTERN",
        rich_help_panel=_READ,
    ),
]
Time = Annotated[
    str | None,
    typer.Option(
        help="A table's column of dates or numbers, or `exif`: the latest samples are the test, those before validate.",
        metavar="COLUMN|exif",
        rich_help_panel=_READ,
    ),
]
Val = Annotated[str | None, typer.Option(help="Further data, for validation.", metavar="DIR", rich_help_panel=_READ)]
Test = Annotated[str | None, typer.Option(help="Further data, for the test.", metavar="DIR", rich_help_panel=_READ)]
Relabel = Annotated[
    str | None,
    typer.Option(
        help="Corrected labels, path,label; an empty label or exclude leaves out. The data stays as it is.",
        metavar="FILE",
        rich_help_panel=_READ,
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        help=f"The network: {_names('striate.nets.families')}, timm/NAME, torchvision/NAME, smp/NAME, or a .yaml or "
        ".json file.",
        metavar="NAME|FILE",
        rich_help_panel=_DECIDE,
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="Pretrained weights: a file with its sidecar, a Run, hub, or none. Repeated: the best of them.",
        metavar="FILE|RUN|hub|none",
        rich_help_panel=_DECIDE,
    ),
]
Minutes = Annotated[
    float | None, typer.Option(help="Time budget, from start to finished Run.", metavar="M", rich_help_panel=_DECIDE)
]
Epochs = Annotated[
    int | None,
    typer.Option(
        help="Passes over the training data, in place of --minutes.", min=1, metavar="N", rich_help_panel=_DECIDE
    ),
]
Size = Annotated[
    int | None,
    typer.Option(help="Side of the network's input, in pixels.", min=1, metavar="S", rich_help_panel=_DECIDE),
]
Seed = Annotated[
    int | None,
    typer.Option(help="Of initial weights, order and augmentation.", min=0, metavar="N", rich_help_panel=_DECIDE),
]
CacheSize = Annotated[
    str | None,
    typer.Option(
        help="Prepared pictures kept on disk between runs, such as 500M or 20G; 0 keeps none.",
        metavar="BYTES",
        rich_help_panel=_DECIDE,
    ),
]
PlanFile = Annotated[
    str | None,
    typer.Option(
        "--plan", help="A plan file, as `striate plan --out` writes it.", metavar="FILE", rich_help_panel=_DECIDE
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Any leaf of the plan, such as optimizer.rate=0.01; may be repeated.",
        metavar="KEY=VALUE",
        rich_help_panel=_DECIDE,
    ),
]
Augment = Annotated[
    str | None,
    typer.Option(
        help="A function of your own that alters a training picture; see docs/augment.md.",
        metavar="MODULE:FUNCTION",
        rich_help_panel=_DECIDE,
    ),
]
Device = Annotated[
    str | None, typer.Option(help="Where to compute: " + "|".join(DEVICES), metavar="DEVICE", rich_help_panel=_DECIDE)
]
Tile = Annotated[
    str | None,
    typer.Option(help="Look for things in tiles of so many pixels; auto: as large as training pictures.", metavar="PX"),
]
Overlap = Annotated[
    int | None, typer.Option(help="Pixels that tiles share at least; a quarter of one or more without.", metavar="PX")
]


def parse_settings(texts: list[str] | None) -> dict[str, str] | None:
    """`KEY=VALUE` texts as a mapping; the last of a key wins. Raises `UsageError` for a text of another form.

    >>> parse_settings(["optimizer.rate=0.01", "network.arguments={pad_type: same}"])
    {'optimizer.rate': '0.01', 'network.arguments': '{pad_type: same}'}
    """
    settings = {}
    for text in texts or []:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set takes KEY=VALUE, not {text!r}", fix="for example --set optimizer.rate=0.01")
        settings[key.strip()] = value.strip()
    return settings or None


def one_or_several(texts: list[str] | None) -> str | list[str] | None:
    """What an option that may be repeated was given: nothing, one text, or several.

    >>> one_or_several(["a"]), one_or_several(["a", "b"])
    ('a', ['a', 'b'])
    """
    return texts[0] if texts and len(texts) == 1 else texts or None


def parse_bytes(text: str | None) -> int | None:
    """A number of bytes, with K, M, G or T for powers of 1,000. Raises `UsageError`.

    >>> parse_bytes("1.5G"), parse_bytes("0"), parse_bytes("20GB")
    (1500000000, 0, 20000000000)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageError(f"{text!r} is no number of bytes", fix="for example 500M, 20G, or 0")
    return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


def parse_epochs(text: str | None) -> int | None:
    """A number of epochs, 1 at least, with or without a plus before it. Raises `UsageError`.

    >>> parse_epochs("40"), parse_epochs("+10")
    (40, 10)
    """
    if text is None:
        return None
    found = re.fullmatch(r"\+?(\d+)", text.strip())
    if found is None or int(found[1]) < 1:
        raise UsageError(f"--epochs {text} is no number of epochs", fix="for example 40, or with --resume +10")
    return int(found[1])


def with_function(settings: dict[str, str] | None, augment: str | None) -> dict[str, str] | None:
    """The settings with a function of the user's to augment by.

    >>> with_function({"augment.shift": "0"}, "mine:tilt")
    {'augment.shift': '0', 'augment.function': 'mine:tilt'}
    """
    return settings if augment is None else {**(settings or {}), "augment.function": augment}


def check_device(name: str | None) -> str | None:
    """The device, if there is such a kind. Raises `UnknownName`."""
    if name is not None and name not in DEVICES:
        raise UnknownName("device", name, DEVICES)
    return name


def check_budget(minutes: float | None, epochs: int | None) -> None:
    """Raises `UsageError` where there are two budgets, or one of no time."""
    if minutes is not None and epochs is not None:
        raise UsageError("--minutes and --epochs are two budgets; a training has one", fix="give one of them")
    if minutes is not None and not minutes > 0:
        raise UsageError(f"--minutes must be above 0, not {minutes:g}")


def given(**options: Any) -> dict[str, Any]:
    """The options that the user gave, so that what is not given keeps the default of the called function."""
    return {name: value for name, value in options.items() if value is not None}


def parse_tile(text: str | None) -> int | str | None:
    """Pixels, or auto. Raises `UsageError`.

    >>> parse_tile("640"), parse_tile("auto"), parse_tile(None)
    (640, 'auto', None)
    """
    if text is None or text == "auto":
        return text
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"--tile {text} is no number of pixels", fix="for example 640, or auto")
    return int(text)

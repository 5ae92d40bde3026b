"""`striate inspect`: what each layer of a network makes, costs and sees; and whether its gradients are right."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from striate.cli import _options
from striate.cli._console import note, print_json, print_table, reporting, say
from striate.core.errors import UsageError

MOST_ROWS = 60
NARROW = 110

_LOOK = "What to look at"
_PROVE = "Gradients"


def inspect(
    network: Annotated[
        str,
        typer.Argument(
            help="A family, timm/NAME, torchvision/NAME, smp/NAME, a .yaml or .json file, or a Run.", metavar="NET"
        ),
    ],
    size: Annotated[int | None, typer.Option("--size", min=1, help="Side of the input; 224 unless given.")] = None,
    height: Annotated[int | None, typer.Option("--height", min=1, help="In place of --size.")] = None,
    width: Annotated[int | None, typer.Option("--width", min=1, help="In place of --size.")] = None,
    channels: Annotated[int | None, typer.Option("--channels", min=1, help="Of the input; 3 unless given.")] = None,
    shape: Annotated[
        str | None,
        typer.Option("--input", help="The input's whole shape, such as 1x128 for a signal.", metavar="SHAPE"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", min=1, help="Outputs; 1000 unless given.")] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, help="Samples that memory is predicted for; 32 unless given.")
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option("--depth", min=1, help=f"Group layers below this depth; what fits {MOST_ROWS} rows without."),
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", help="Write an interactive diagram, one offline page.", metavar="FILE")
    ] = None,
    gradcheck: Annotated[
        bool, typer.Option("--gradcheck", help="Gradients against central differences.", rich_help_panel=_PROVE)
    ] = False,
    gradients: Annotated[
        bool, typer.Option("--gradients", help="Their size by layer in the first steps.", rich_help_panel=_PROVE)
    ] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", help="Labelled data; random numbers without.", metavar="DATA", rich_help_panel=_PROVE),
    ] = None,
    entries: Annotated[
        int | None,
        typer.Option("--entries", min=1, help="Numbers checked of each tensor; 8 without.", rich_help_panel=_PROVE),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of what is drawn.", rich_help_panel=_PROVE)] = 0,
    as_json: _options.Json = False,
) -> None:
    """Show what every layer of a network makes, costs and sees.

    Shapes, parameters, multiply-accumulates, receptive fields, and the memory that training and inference will take;
    or prove its gradients. Nothing is trained, and nothing of the network is allocated to count it.

    \b
    [bold]Examples[/]
    striate inspect resnet18 --size 224
    striate inspect timm/mobilenetv3_small_100 --batch 64 --html net.html
    striate inspect my_net.yaml --size 32 --channels 1 --gradcheck
    striate inspect fcn1d --input 1x128 --classes 5
    striate inspect runs/photos --gradients --data photos/
    """
    if size is not None and (height is not None or width is not None):
        raise UsageError("--size is both --height and --width", fix="give --size, or the other two")
    if data is not None and not (gradcheck or gradients):
        raise UsageError("--data is for --gradcheck and --gradients", fix="add one of them, or leave --data out")
    table = html is not None or not (gradcheck or gradients) or as_json
    for option, value, useful in (
        ("--entries", entries, gradcheck),
        ("--batch", batch, table),
        ("--depth", depth, table and not as_json),
    ):
        if value is not None and not useful:
            raise UsageError(f"{option} changes nothing of what was asked for", fix="leave it out")
    where = _options.given(
        height=height or size, width=width or size, channels=channels, classes=classes, input=_axes(shape)
    )
    from striate import api

    content: dict[str, Any] = {}
    if table:
        found = api.inspect(network, html=html, **_options.given(batch=batch), **where)
        content = found.to_dict()
        if not as_json:
            _show(content, depth)
        if html is not None:
            note(f"written to {html}")
    passed = True
    if gradcheck:
        with reporting() as reporter:
            more = _options.given(entries=entries)
            checked = api.gradcheck(network, data=data, seed=seed, reporter=reporter, **more, **where)
        content["gradcheck"], passed = checked, checked["passed"]
        if not as_json:
            _show_check(checked)
    if gradients:
        with reporting() as reporter:
            watched = api.gradients(network, data=data, seed=seed, reporter=reporter, **where)
        content["gradients"] = watched
        if not as_json:
            _show_gradients(watched)
    if as_json:
        print_json(content)
    if not passed:
        raise typer.Exit(1)


def _axes(shape: str | None) -> list[int] | None:
    """The sizes in `1x128`."""
    if shape is None:
        return None
    parts = shape.lower().replace("×", "x").split("x")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--input {shape} is not a shape", fix="write its sizes with x between, channels first: 1x128")
    return [int(part) for part in parts]


def _show(content: Mapping[str, Any], depth: int | None) -> None:
    layers = content["layers"]
    deepest = max((row["name"].count(".") + 1 for row in layers), default=1)
    if depth is None:
        fitting = [one for one in range(1, deepest + 1) if len(_rows(content, one)) <= MOST_ROWS]
        depth = max(fitting, default=1)
    rows = _rows(content, depth)
    shape = "×".join(map(str, content["input"]))
    say(f"{content['network']}, input {shape}")
    if depth < deepest:
        say(f"{len(layers)} layers in {len(rows)} rows: grouped below depth {depth}; --depth {deepest} shows each")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 10_000
    _print_layers(rows, width)
    memory, batch = content["memory"], content["batch"]
    kept = content["parameters"] - content["trainable"]
    say(
        f"\n{content['parameters']:,} parameters{f', {kept:,} of them not trained' if kept else ''}; "
        f"{content['macs']:,} multiply-accumulates for one sample"
    )
    say(
        f"memory for {batch} at once, float32: training {_bytes(memory['training'])} (parameters "
        f"{_bytes(memory['parameters'])}, gradients {_bytes(memory['gradients'])}, optimizer "
        f"{_bytes(memory['state'])}, activations and buffers {_bytes(memory['activations'])}), "
        f"inference {_bytes(memory['inference'])}"
    )
    for key, what in (("macs", "operations"), ("parameters", "parameters"), ("activation_bytes", "kept for backward")):
        if said := _shares(layers, key):
            say(f"most {what}: {said}")
    idle = [row for row in layers if not row["output"]]
    if idle:
        held = sum(row["parameters"] for row in idle)
        say(
            f"–: training alone computes it, or what holds it reads its weights ({len(idle)} layers, {held:,} "
            "parameters)"
        )
    unknown = sum(row["receptive_field"] is None and bool(row["output"]) for row in layers)
    told = f"; ? where it cannot be told ({unknown} layers)" if unknown else ""
    for source in content.get("sources", []):
        bias = f"; known bias: {source['bias']}" if source.get("bias") else ""
        say(f"trained from: {source.get('source', 'not stated')}; licence: {source.get('license', 'not stated')}{bias}")
    say(f"field: what one position sees of the input, size/stride@offset in pixels; without a stride, all of it{told}")


def _rows(content: Mapping[str, Any], depth: int) -> list[dict[str, Any]]:
    """Layers, those below a depth summed into one row for each part."""
    rows: dict[str, dict[str, Any]] = {}
    for layer in content["layers"]:
        name = ".".join(layer["name"].split(".")[:depth])
        if name == layer["name"]:
            rows[name] = dict(layer)
            continue
        group = content["groups"].get(name)
        row = rows.setdefault(
            name, {**layer, "name": name, "parameters": 0, "trainable": 0, "macs": 0, "activation_bytes": 0}
        )
        for key in ("parameters", "trainable", "macs", "activation_bytes"):
            row[key] += layer[key]
        row["output"] = group["output"] if group else layer["output"]
        row["kind"] = group["kind"] if group else "…"
        row["receptive_field"] = group["receptive_field"] if group else layer["receptive_field"]
    return list(rows.values())


def _print_layers(rows: Sequence[Mapping[str, Any]], width: int) -> None:
    """As wide as the terminal allows: without the kind where it is narrow, names cut on their left."""
    columns = ["layer", "kind", "output", "parameters", "MACs", "kept", "field"]
    cells = [
        [
            row["name"] or "(itself)",
            row["kind"],
            "×".join(map(str, row["output"])) or "–",
            _parameters(row),
            _count(row["macs"]),
            _bytes(row["activation_bytes"]) if row["activation_bytes"] else "",
            _field(row["receptive_field"]) if row["output"] else "",
        ]
        for row in rows
    ]
    if width < NARROW:
        columns.pop(1)
        for line in cells:
            line.pop(1)
    others = sum(
        max([len(name), *(len(line[place]) for line in cells)]) + 2 for place, name in enumerate(columns) if place
    )
    room = max(12, width - others - 1)
    for line in cells:
        line[0] = line[0] if len(line[0]) <= room else "…" + line[0][1 - room :]
    print_table(columns, cells, right=["parameters", "MACs", "kept"])


def _parameters(row: Mapping[str, Any]) -> str:
    kept = row["parameters"] - row["trainable"]
    if not row["parameters"]:
        return ""
    return f"{row['parameters']:,}" + (
        " frozen" if kept == row["parameters"] else f" ({kept:,} frozen)" if kept else ""
    )


def _count(value: int) -> str:
    """A count with three digits and a power of a thousand.

    >>> _count(1814073344), _count(0), _count(950)
    ('1.81 G', '', '950')
    """
    return "" if not value else _scaled(value, ("", " k", " M", " G", " T"))


def _bytes(value: int) -> str:
    """Bytes with three digits.

    >>> _bytes(46827520)
    '46.8 MB'
    """
    return _scaled(value, (" B", " kB", " MB", " GB", " TB"))


def _scaled(value: float, units: Sequence[str]) -> str:
    for unit in units:
        if value < 999.5 or unit == units[-1]:
            break
        value /= 1000
    return f"{value:.3g}{unit}"


def _field(field: Mapping[str, Any] | None) -> str:
    """A receptive field as `7/2@-3`: size, stride, offset; by axis where the axes differ."""
    if field is None:
        return "?"

    def one(values: Sequence[Any]) -> str:
        shown = ["–" if value is None else f"{value:g}" for value in values]
        return shown[0] if len(set(shown)) == 1 else "×".join(shown)

    if not field["size"] or not any(field["size"]):
        return "–"
    return one(field["size"]) + (
        f"/{one(field['stride'])}@{one(field['offset'])}" if any(value is not None for value in field["stride"]) else ""
    )


def _shares(layers: Sequence[Mapping[str, Any]], key: str) -> str:
    total = sum(layer[key] for layer in layers)
    top = sorted(layers, key=lambda layer: -layer[key])[:3]
    return ", ".join(f"{layer['name'] or '(itself)'} {layer[key] / total:.0%}" for layer in top if total and layer[key])


def _show_check(found: Mapping[str, Any]) -> None:
    say(f"gradient check: {found['about']}; {found['mode']}")
    rows = list(_checked(found["tensors"]))
    print_table(
        ["tensor", "checked", "of", "kinks", "still", "relative", "normalised", ""], rows,
        right=["checked", "of", "kinks", "still", "relative", "normalised"],
    )  # fmt: skip
    limits = f"thresholds {found['thresholds']['relative']:g} and {found['thresholds']['normalised']:g}"
    unproved = [tensor["name"] for tensor in found["tensors"] if not tensor["sampled"]]
    if unproved:
        say(
            f"{len(unproved)} tensors could not be checked, as each number drawn lies at a kink or does not move the "
            f"loss (still): {unproved[-1]}"
        )
        say("  fix: draw others with --seed, more with --entries, or give --data")
    if found["passed"]:
        say(f"every gradient {'that was checked ' if unproved else ''}agrees with its differences ({limits})")
        return
    failed = [tensor["name"] for tensor in found["tensors"] if not tensor["passed"]]
    if not failed:
        return
    say(f"{len(failed)} tensors disagree ({limits}), the last in the order of the network: {failed[-1]}")
    if found["wrong"]:
        say(f"the backward pass is wrong in: {', '.join(found['wrong'])}")
    else:
        say("each part by itself agrees: look between the parts, in the forward of the module that holds them")


def _checked(tensors: Sequence[Mapping[str, Any]]) -> Iterator[list[object]]:
    for one in tensors:
        figures = [f"{one['relative']:.1e}", f"{one['normalised']:.1e}"] if one["sampled"] else ["–", "–"]
        said = "" if one["passed"] else "wrong" if one["sampled"] else "not checked"
        yield [
            one["name"],
            one["sampled"],
            f"{one['entries']:,}",
            one["kinks"] or "",
            one["still"] or "",
            *figures,
            said,
        ]


def _show_gradients(found: Mapping[str, Any]) -> None:
    say(f"gradients of the first steps: {found['about']}")
    rows = [[one["name"], one["kind"], *(f"{norm:.2e}" for norm in one["norms"])] for one in found["layers"]]
    steps = [f"step {number}" for number in range(1, len(found["layers"][0]["norms"]) + 1)]
    print_table(["layer", "kind", *steps], rows, right=steps)
    say(f"{found['verdict']}: {found['finding']}")
    if found["remedy"]:
        say(f"  fix: {found['remedy']}")

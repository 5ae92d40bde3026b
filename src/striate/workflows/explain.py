"""`explain`: pictures with the heat maps of their predictions, in a folder with one offline page."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

from striate.core.artifacts import make_folder, write_text
from striate.core.errors import DataError
from striate.core.events import Reporter
from striate.core.records import Sample
from striate.data.dataset import list_pictures
from striate.data.decode import decode_sample
from striate.data.store import Store
from striate.infer import Model
from striate.workflows.checks import check_one_answer
from striate.workflows.figures import draw_explanations

CHUNK = 16


def explain(model: Model, paths: Sequence[str | Path], out: Path, reporter: Reporter) -> Path:
    """Draw Grad-CAM heat maps for every whole picture under `paths`.

    Returns:
        the page, `out/explain.html`; the pictures lie beside it.

    Raises:
        DataError: not one picture could be read.
    """
    check_one_answer(model, "explain", "`striate predict --draw DIR` shows what it says, and where")
    store = Store()
    entries: list[dict[str, str]] = []
    chunk: list[Sample] = []
    reporter.stage("explaining")

    def flush() -> None:
        found = draw_explanations(out, model, store, chunk, f"explanation-{len(entries) // 2:05d}")
        entries.extend(found)
        chunk.clear()

    for sample in list_pictures(paths):
        try:
            decode_sample(store, sample)
        except (DataError, OSError) as error:
            reporter.warn(f"{sample.key}: {error}")
            continue
        chunk.append(sample)
        if len(chunk) == CHUNK:
            flush()
    flush()
    if not entries:
        raise DataError("there was no whole picture to explain")
    figures = "".join(
        f'<figure><img src="{data_uri(out / one["file"])}" alt=""><img src="{data_uri(out / two["file"])}" alt="">'
        f"<figcaption>{html.escape(one['caption'])}</figcaption></figure>"
        for one, two in zip(entries[::2], entries[1::2], strict=True)
    )
    page = make_folder(out) / "explain.html"
    write_text(page, _PAGE.replace("{{figures}}", figures))
    return page


def data_uri(path: Path) -> str:
    """A PNG file as the address that holds it."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Explained</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;
padding:0 1rem}main{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0;width:min(22rem,100%)}
img{width:49%;image-rendering:pixelated}</style>
<h1>Where the evidence lies</h1>
<p>Left the picture as the network saw it, right the Grad-CAM map of its prediction: yellow is strong evidence, dark
violet none, on one scale for all pictures.</p>
<main>{{figures}}</main></html>
"""

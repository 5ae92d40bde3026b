"""HTML by construction: every text is escaped unless it is `Html` already, so no name in the data can become a tag."""

from __future__ import annotations

import base64
import html
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MEDIA = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_VOID = {"img", "meta", "br", "hr", "col"}
NONE = "–"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> Html:
    """Any text made safe for HTML: tags and quotes escaped; what is not Unicode, or a control character, shown as �.

    >>> escape("<b> & 'c'")
    '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    if isinstance(value, Html):
        return value
    characters = (
        "\ufffd" if "\ud800" <= character <= "\udfff" or (character < " " and character not in "\n\t") else character
        for character in str(value)
    )
    return Html(html.escape("".join(characters), quote=True))


def join(parts: Iterable[object], separator: object = "") -> Html:
    """Several pieces as one, each escaped where it is not HTML; None is left out."""
    return Html(escape(separator).join(escape(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: Any) -> Html:
    """One element.

    Args:
        children: texts (escaped) and `Html` (taken as it is); None is left out.
        attributes: `class_` stands for class, other underscores for hyphens; None and False are left out.

    >>> tag("td", "<5", class_="number")
    '<td class="number">&lt;5</td>'
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{written}>" + ("" if name in _VOID else f"{join(children)}</{name}>"))


def prose(text: str) -> Html:
    """A sentence, with what stands between backticks as code.

    >>> prose("give `--group`, <b>")
    'give <code>--group</code>, &lt;b&gt;'
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)  # an odd backtick is only a character
    return join(tag("code", part) if place % 2 else part for place, part in enumerate(parts))


def shown(value: Any) -> str:
    """A number as people read it: about four digits that matter, thousands apart.

    >>> shown(0.98611), shown(12.3456), shown(1234567), shown(0.00012), shown(None)
    ('0.9861', '12.35', '1\u202f234\u202f567', '0.00012', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    size = abs(value)
    if size == 0 or 1e-3 <= size < 10:
        return f"{value:.4f}"
    if 10 <= size < 1e5:
        return f"{value:,.2f}".replace(",", "\u202f")
    return f"{value:.3g}"


def number(value: Any) -> Html:
    """A figure of the Run: shown rounded, its full value kept in the `data` element."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return tag("span", NONE, title="not defined, or not recorded")
    if not isinstance(value, int | float):
        return escape(value)
    return tag("data", shown(value), value=repr(value))


def data_uri(path: Path) -> str:
    """A picture file as a URI that holds it. Raises `ValueError` for what is not a picture that browsers show."""
    media = MEDIA.get(path.suffix.lower())
    if media is None:
        raise ValueError(f"{path.name} is not a picture that a browser shows")
    return f"data:{media};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def label(name: str) -> str:
    """A metric's or setting's name as people write it.

    >>> label("macro_f1"), label("rmse"), label("log_loss")
    ('macro F1', 'RMSE', 'log loss')
    """
    words = {"f1": "F1", "r2": "R²", "mae": "MAE", "rmse": "RMSE", "macs": "MACs", "top5": "top-5"}
    words |= {"roc": "ROC", "auc": "area", "matthews": "Matthews’ correlation", "kappa": "Cohen’s kappa"}
    words |= {"iou": "IoU", "dice": "Dice", "hausdorff95": "Hausdorff 95"}
    words |= {"map": "mAP", "map50": "mAP50", "map75": "mAP75", "mar100": "mAR100"}
    words |= {"ap": "AP", "ap50": "AP50", "ap75": "AP75"}
    words |= {"brier": "Brier score", "spearman": "Spearman’s correlation"}
    return " ".join(words.get(word, word) for word in name.split("_"))

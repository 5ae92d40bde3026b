"""The README's code blocks run as they stand, from top to bottom, as a reader would type them.

They share one temporary folder, in which `photos/` holds a few small pictures of two kinds and `new/` some without a
label. Lines that install are left out: `.ci/run` has done what they say.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

README = Path(__file__).parent.parent / "README.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block."""
    return [(found[1], found[2]) for found in FENCE.finditer(text)]


def make_photos(folder: Path, each: int = 20, size: int = 32) -> None:
    """Pictures of two kinds that a small network tells apart: horizontal and vertical stripes under noise."""
    random = np.random.default_rng(0)
    for kind in ("photos/across", "photos/along", "new"):
        (folder / kind).mkdir(parents=True)
        for number in range(each):
            stripes = np.sin(np.arange(size) * random.uniform(0.6, 1.2) + random.uniform(0, 6))
            wave = np.broadcast_to(stripes[:, None] if kind.endswith("across") else stripes[None, :], (size, size))
            pixels = np.clip(128 + 70 * wave[..., None] + random.normal(0, 25, (size, size, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / kind / f"{number:03}.jpg", quality=92)


def runnable(language: str, code: str) -> str:
    """The code without the lines that install."""
    if language != "bash":
        return code
    kept = [re.sub(r"^pip install [^&]*&& ", "", line) for line in code.splitlines()]
    return "\n".join(line for line in kept if not line.startswith("pip install"))


def test_there_are_blocks_of_both_kinds_and_of_no_other() -> None:
    found = blocks(README.read_text("utf-8"))
    assert {language for language, _ in found} == {"bash", "python"}
    assert "pip install . && striate train" in README.read_text("utf-8")


def test_installing_lines_are_left_out_and_no_others() -> None:
    assert runnable("bash", "pip install . && striate train\n") == "striate train"
    assert runnable("bash", 'pip install -e ".[dev]"\nstriate runs\n') == "striate runs"
    assert runnable("python", "pip = 1\n") == "pip = 1\n"


def test_relative_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", README.read_text("utf-8")):
        if "://" not in link:
            assert (README.parent / link).exists(), f"README.md links to {link}, which is not there"


@pytest.mark.slow
def test_every_block_runs(tmp_path: Path) -> None:
    make_photos(tmp_path)
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    if shutil.which("striate", path=environment["PATH"]) is None:
        pytest.skip("striate is not installed here, only on the path: its command cannot be called")
    for language, code in blocks(README.read_text("utf-8")):
        script = tmp_path / "block"
        script.write_text(runnable(language, code), "utf-8")
        command = {"bash": ["bash", "-euo", "pipefail"], "python": [sys.executable]}[language]
        child = subprocess.run(
            [*command, str(script)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert child.returncode == 0, f"{code}\nended with {child.returncode}:\n{child.stdout}\n{child.stderr}"

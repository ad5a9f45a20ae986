"""The options that benchmarks of images, limits and a journal of answers have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_run_options(options: argparse.ArgumentParser, folder: Path) -> None:
    """--images, --limit, --resume and --out, by default this folder."""
    options.add_argument("--images", type=int, default=3, help="images of a network (3)")
    options.add_argument("--limit", type=float, default=6.0, help="seconds for one query (6)")
    options.add_argument("--resume", action="store_true", help="keep what the last run has answered already")
    options.add_argument("--out", type=Path, default=folder, metavar="FOLDER", help=f"({folder})")

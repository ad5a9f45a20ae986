"""The build id, by which a flashed image is known: of another image another one, in any folder the same."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mutants import HARNESS


def build_id(folder: Path, *variables: str, harness: Path = HARNESS) -> str:
    """What make would give to the compiler."""
    command = ["make", "-n", "-C", str(harness), f"BUILD={folder}", *variables]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (found,) = set(re.findall(r'CV_BUILD_ID=\'"([0-9a-f]{16})"\'', said))
    return str(found)


@pytest.mark.parametrize(
    "images",
    [
        [("PORT=mps2", f"MACHINE={machine}") for machine in ("an385", "an386", "an500", "an505", "an547")],
        [("PORT=stm32f4",), ("PORT=stm32f4", "BAUD=921600"), ("PORT=nrf51",)],
        [(), ("SAN=1",), ("CC=gcc -O1",)],
    ],
)
def test_cores_baud_rates_and_flags_are_told_apart(images, tmp_path):
    assert len({build_id(tmp_path, *image) for image in images}) == len(images)


@pytest.mark.parametrize("image", [("PORT=mps2", "MACHINE=an386"), ("PORT=native",)])
def test_the_same_image_has_the_same_id_in_any_folder(image, tmp_path):
    shutil.copytree(HARNESS, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("build"))
    ids = {build_id(tmp_path / "a", *image), build_id(tmp_path / "b", *image, harness=tmp_path / "elsewhere")}
    assert len(ids) == 1

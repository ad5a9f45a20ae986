"""What is said of packages that are not here: a command that installs them, or that there is none."""

from __future__ import annotations

import re
import sys

import pytest

from coverify.extras import LAST_OF, installs
from coverify.verify.engines.packages import PACKAGES
from oracle import ROOT


@pytest.mark.parametrize("here", [(3, 10), (3, 11), (3, 12), (3, 13), (4, 0)])
def test_no_command_is_named_that_installs_nothing(here, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (*here, 1, "final", 0))
    version = "{}.{}".format(*here)
    for package in ("tflite-runtime", "maraboupy"):
        said = installs(package, "oracle")
        if here <= (3, 11):
            assert said == "pip install 'coverify[oracle]'"
        else:
            assert said == f"there is none for Python {version}, the last is 3.11"
    assert installs("tflite-micro", "oracle") == "pip install 'coverify[oracle]'"
    assert ("there is none" in PACKAGES["marabou"].hint) == (here > (3, 11))
    assert PACKAGES["z3"].hint == "pip install z3-solver"
    assert PACKAGES["bitwuzla"].hint == "pip install 'coverify[solvers]'"


def test_the_last_pythons_are_those_of_the_distribution():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for package, (major, minor) in LAST_OF.items():
        markers = re.findall(rf'"{package}[=<>][^;"]*; ([^"]*)"', text)
        assert markers
        assert all(f"python_version < '{major}.{minor + 1}'" in marker for marker in markers), package

"""The list of verbs: what --help shows of each is there, and what is not called is not imported."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from coverify.cli import app
from coverify.cli.verbs import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "-h"])
    assert shown.exit_code == 0
    assert f"Usage: coverify {verb} " in shown.output


def test_help_lists_the_verbs_and_imports_none() -> None:
    code = (
        "import sys; sys.argv = ['coverify', '--help']\n"
        "from coverify.__main__ import main\n"
        "try: main()\n"
        "finally: print(sorted({'numpy', 'pydantic', 'coverify.verify'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    for name, verb in VERBS.items():
        assert f"{name}  " in shown.stdout and verb.help in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


def test_an_unknown_verb_is_an_error_that_names_it() -> None:
    shown = CliRunner().invoke(app, ["verifi"])
    assert shown.exit_code == 2
    assert "verifi" in shown.output

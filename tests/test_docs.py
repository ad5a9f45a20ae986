"""README and docs: the commands that they show exist with these options, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from typer.main import get_command

from coverify.cli import app
from coverify.cli.ops import firmware_operators
from oracle import ROOT
from tflm_int8 import PROFILES
from tflm_int8.operators import OPERATORS

PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]
GROUPS = {"study"}


def shown_commands(page: Path) -> list[list[str]]:
    """The words of each `coverify …` of an indented block, continued lines joined."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4,}(coverify .*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@cache
def options(path: tuple[str, ...]) -> frozenset[str]:
    """All options of a verb, or of a verb of a group."""
    command = get_command(app)
    for name in path:
        command = command.get_command(None, name)
        assert command is not None, f"coverify {' '.join(path)}: no such verb"
    return frozenset(o for parameter in command.params for o in (*parameter.opts, *parameter.secondary_opts))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_shown_exist(page):
    for words in shown_commands(page):
        path = tuple(words[1 : 3 if words[1] in GROUPS else 2])
        known = options(path) | {"--help", "-h"}
        for word in words:
            if re.match(r"--?[a-z]", word):
                assert word.partition("=")[0] in known, (
                    f"{page.name}: coverify {' '.join(path)} has no {word}"
                )


def test_the_pages_show_commands():
    shown = {words[1] for page in PAGES for words in shown_commands(page)}
    assert len(shown) >= 8


def test_every_verb_but_demo_takes_json():
    group = get_command(app)
    paths = [(name,) for name in group.list_commands(None) if name not in GROUPS]
    paths += [(name, verb) for name in GROUPS for verb in group.get_command(None, name).list_commands(None)]
    assert [path for path in paths if "--json" not in options(path)] == [("demo",)]


def test_the_readme_counts_the_operators_as_ops_does():
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert re.findall(r"reference models (\d+) operators", text) == [str(len(OPERATORS))]
    assert re.findall(r"own engine has (\d+) of them", text) == [str(len(firmware_operators()))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_of_docs_that_are_named_exist(page):
    for name in re.findall(r"docs/[a-z-]+\.md", page.read_text("utf-8")):
        assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_what_other_runtimes_profiles_refuse_is_in_the_table_of_the_profiles():
    page = (ROOT / "docs" / "profiles.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in page.splitlines() if "|" in line
    ]
    columns = next(i for i, row in enumerate(rows) if row[0] == "operator")
    for column, profile in enumerate(cell.strip("`") for cell in rows[columns][1:]):
        refused = {
            name for row in rows[columns:] if row[1 + column] == "refused" for name in row[0].split(", ")
        }
        told = {n for n in OPERATORS if n in refused or n.removeprefix("CUSTOM:") in refused}
        if "the Signal operators" in refused:
            told |= {n for n in OPERATORS if n.startswith("CUSTOM:Signal")}
        assert told == {n for n in OPERATORS if PROFILES[profile].refusal(n)}, profile

"""Imports point one way, as ARCHITECTURE.md says."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

from oracle import ROOT

PACKAGES = {
    "host/coverify/check": {"numpy", "coverify.check"},
    "firmware_models/tflm_int8": {"numpy", "tflm_int8"},
    "host/coverify/link": {"serial", "cobs", "coverify.link", "coverify.errors"},
    "host/coverify/report": {
        "coverify.report", "coverify.errors", "coverify.files", "numpy", "pydantic", "rich", "jinja2",
        "junitparser", "markupsafe",
    },
    "host/coverify/verify": {
        "coverify.verify", "coverify.errors", "coverify.files", "coverify.interrupts", "coverify.npy",
        "coverify.extras",
        "tflm_int8", "numpy",
        "pydantic", "z3", "bitwuzla", "pyboolector", "highspy", "ortools", "maraboupy",
        "pysat",
    },
    "host/coverify/campaign": {
        "coverify.campaign", "coverify.verify", "coverify.report", "coverify.errors", "tflm_int8", "numpy",
        "coverify.__version__", "coverify.interrupts", "pydantic", "distributed",
    },
    "host/coverify/boards": {
        "coverify.boards", "coverify.link", "coverify.errors", "coverify.files", "tomli", "serial",
        "elftools",
    },
    "host/coverify/repair": {
        "coverify.repair", "coverify.verify", "coverify.conformance", "coverify.errors", "tflm_int8", "numpy",
        "highspy", "ortools",
    },
    "host/coverify/study": {
        "coverify.study", "coverify.verify", "coverify.conformance", "coverify.errors", "coverify.npy",
        "coverify.files", "tflm_int8", "numpy", "highspy",
    },
    "host/coverify/conformance": {
        "coverify.conformance", "coverify.link", "coverify.errors", "coverify.interrupts", "coverify.report",
        "coverify.extras",
        "tflm_int8", "numpy", "tflite_micro", "tflite_runtime",
    },
}  # fmt: skip
STANDARD = set(__import__("sys").stdlib_module_names)


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_it_may(package):
    allowed = PACKAGES[package]
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name in imported(path):
            known = name.partition(".")[0] in STANDARD or any(
                name == a or name.startswith(f"{a}.") for a in allowed
            )
            assert known, f"{path.relative_to(ROOT)} imports {name}"


def test_nothing_but_its_entry_imports_the_command_line():
    package = ROOT / "host" / "coverify"
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] not in ("cli", "__main__.py"):
            above = [name for name in imported(path) if name.startswith("coverify.cli")]
            assert not above, f"{path.relative_to(ROOT)} imports {above}"


def at_import(nodes: list[ast.stmt]) -> Iterator[str]:
    """What a module imports when it is imported itself: not in functions, not for types alone."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from at_import(node.orelse)
        elif isinstance(node, (ast.If, ast.Try)):
            yield from at_import([*node.body, *node.orelse])


def test_no_module_imports_itself_by_way_of_others():
    files = {}
    for package in (ROOT / "host" / "coverify", ROOT / "firmware_models" / "tflm_int8"):
        for path in package.rglob("*.py"):
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            files[name.removesuffix(".__init__")] = path

    def module(name: str) -> str:
        while name and name not in files:
            name = name.rpartition(".")[0]
        return name

    needs = {
        name: {module(other) for other in at_import(ast.parse(path.read_text("utf-8")).body)} - {"", name}
        for name, path in files.items()
    }
    assert sum(map(len, needs.values())) > 1000
    TopologicalSorter(needs).prepare()  # raises CycleError, which names them


def test_no_source_file_is_longer_than_450_lines():
    for folder in ("host", "firmware_models", "device_harness"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".c", ".h") and path.name != "builtin_names.py":
                assert len(path.read_text("utf-8").splitlines()) <= 450, path


def test_the_checker_of_certificates_is_small():
    """Lines of code are counted: not blank ones, comments or docstrings, but imports and signatures too.

    What it says of proofs, and how it reads networks, operator by operator.
    """
    code = {"proofs": 0, "networks": 0}
    for path in (ROOT / "host" / "coverify" / "check").rglob("*.py"):
        text = path.read_text("utf-8")
        prose = {
            line
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        lines = [line.strip() for i, line in enumerate(text.splitlines(), 1) if i not in prose]
        kind = "networks" if path.parent.name == "networks" else "proofs"
        code[kind] += sum(bool(line) and not line.startswith("#") for line in lines)
    assert code["proofs"] <= 574 and code["networks"] <= 729, code


def test_every_package_is_in_the_distribution():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    for folder in ("host", "firmware_models"):
        for init in (ROOT / folder).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT / folder).parts)
            assert f'"{name}",' in text, f"{name} is missing in [tool.setuptools] packages"


@pytest.mark.parametrize("package", ["tflm_int8", "coverify.verify"])
def test_a_package_that_imports_on_demand_has_the_names_that_it_lists(package):
    module = import_module(package)
    assert all(hasattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = module.nothing


def test_a_process_that_solves_begins_without_kernels_files_and_solvers():
    show = "import sys, coverify.verify.solver_child; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "z3", "highspy", "ortools", "tflm_int8.operators", "coverify.verify.witness"}
    assert not heavy & set(modules.split())

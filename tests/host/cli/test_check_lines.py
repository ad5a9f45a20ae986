"""`check --lines`: what is listed is all that a check needs, and it is little."""

import ast
import re
import subprocess
import sys

import pytest

from command import coverify
from coverify.check import check
from coverify.cli.check_lines import FOLDER, MODULES, Lines, Module
from oracle import ROOT

NETWORKS = ROOT / "firmware_models" / "networks"


@pytest.fixture(scope="module", params=[("digits_mlp", 4), ("digits_cnn", 5)], ids=lambda pair: pair[0])
def network(request):
    """A network, and a radius at which its first inputs are proved."""
    name, eps = request.param
    return NETWORKS / f"{name}.tflite", eps


@pytest.fixture(scope="module")
def proofs(network, tmp_path_factory):
    """Certificates of three inputs."""
    (file, eps), folder = network, tmp_path_factory.mktemp("proofs")
    done = coverify(
        "verify", file, "--inputs", file.with_suffix(".npz"), "--index", "0-2", "--eps", eps,
        "--engine", "bab", "--out", folder,
    )  # fmt: skip
    assert done.code == 0, done.stdout
    return folder


@pytest.mark.parametrize("name", MODULES)
def test_where_every_line_is_run_every_line_of_code_is_listed(name):
    n = len((FOLDER / f"{name}.py").read_text("utf-8").splitlines())
    module = Module.of(name, set(range(1, n + 1)))
    assert module.run == module.code


def test_every_module_of_the_checker_is_listed():
    files = (path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.py"))
    assert set(files) == set(MODULES)


class Without(ast.NodeTransformer):
    """The checker without what was not run: an error stands there."""

    def __init__(self, run):
        self.run, self.taken = run, 0

    def visit(self, node):
        if isinstance(node, ast.FunctionDef) and self.run.isdisjoint(range(node.lineno, node.body[0].lineno)):
            node.body = [self.error()]
            return node
        said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        statement = isinstance(node, ast.stmt) and not said
        if statement and self.run.isdisjoint(range(node.lineno, node.end_lineno + 1)):
            return self.error()
        return self.generic_visit(node)

    def error(self):
        self.taken += 1
        return ast.Raise(exc=ast.Name("SystemError", ast.Load()), cause=None)


def test_what_is_not_listed_has_no_part_in_the_answer(proofs, tmp_path):
    with Lines() as lines:
        labels = [check(path).label for path in sorted(proofs.glob("certificate*.zip"))]
    package = tmp_path / "coverify" / "check"
    package.mkdir(parents=True)
    (tmp_path / "coverify" / "__init__.py").touch()
    taken = 0
    for module in lines.listing().modules:
        without = Without(module.run)
        tree = without.visit(ast.parse((FOLDER / f"{module.name}.py").read_text("utf-8")))
        copy = package / f"{module.name}.py"
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(ast.unparse(ast.fix_missing_locations(tree)), "utf-8")
        taken += without.taken
    assert taken > 50
    program = (
        "import sys, pathlib\nfrom coverify.check import check\n"
        "assert sys.modules['coverify.check'].__file__.startswith(sys.argv[2])\n"
        "print([check(path).label for path in sorted(pathlib.Path(sys.argv[1]).glob('certificate*.zip'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, proofs, tmp_path],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(labels) and len(labels) == 3, done.stderr


def test_a_part_of_the_checker_is_all_that_has_to_be_read(proofs, network, tmp_path):
    listing, most = tmp_path / "lines.txt", {"digits_mlp": 600, "digits_cnn": 700}[network[0].stem]
    done = coverify("check", proofs, "--lines", listing, "--json", "-")
    assert done.code == 0
    run, code = map(int, re.findall(r"(\d+) of the checker's (\d+) lines", done.result["message"])[0])
    assert 300 < run < most < code
    text = listing.read_text("utf-8")
    assert f": {run} of its {code} lines of code" in text.splitlines()[0]
    assert len([line for line in text.splitlines() if re.match(r" *\d+ ", line)]) == run


def test_a_listing_is_not_written_over_a_certificate(proofs):
    certificate = sorted(proofs.glob("certificate*.zip"))[0]
    before = certificate.read_bytes()
    done = coverify("check", proofs, "--lines", certificate, "--json", "-")
    assert done.code == 2 and "written over" in done.result["message"]
    assert certificate.read_bytes() == before


def test_a_trace_that_was_set_stays(proofs):
    before = sys.gettrace()
    try:
        sys.settrace(other := lambda *_: None)
        with Lines() as lines:
            check(sorted(proofs.glob("certificate*.zip"))[0])
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is other and lines.hit["certificate"]

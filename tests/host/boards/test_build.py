"""Builds: once per source, never half done, and errors that say what to do. Uses a Makefile of its own."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from coverify.boards import build
from coverify.cli.outcome import verdict_of
from coverify.errors import BuildError, ToolMissing
from coverify.report import exit_code

MAKEFILE = """\
all:
\techo built >> $(LOG)
\tsleep 0.2
\tcp source.c $(BUILD)/coverify-native
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("make") is None or shutil.which("gcc") is None:
        pytest.skip("make and gcc are not installed")
    monkeypatch.setattr(build, "_checkout", lambda: tmp_path)
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    (tmp_path / "device_harness").mkdir()
    (tmp_path / "device_harness" / "Makefile").write_text(MAKEFILE)
    (tmp_path / "device_harness" / "source.c").write_text("one")
    return tmp_path


def times_built(project: Path) -> int:
    return len((project / "log").read_text().splitlines())


def test_the_same_source_is_built_once_and_a_changed_one_again(project: Path) -> None:
    first = build.build(build.NATIVE)
    assert first == build.build(build.NATIVE)
    assert (first.read_text(), times_built(project)) == ("one", 1)
    (project / "device_harness" / "source.c").write_text("two")
    second = build.build(build.NATIVE)
    assert (first.read_text(), second.read_text(), times_built(project)) == ("one", "two", 2)


def test_what_a_build_leaves_in_the_sources_does_not_count(project: Path) -> None:
    first = build.build(build.NATIVE)
    (project / "device_harness" / "build").mkdir()
    (project / "device_harness" / "build" / "x.o").write_text("object")
    assert build.build(build.NATIVE) == first


def test_builds_at_the_same_time_all_get_a_whole_file_and_leave_nothing_behind(project: Path) -> None:
    got: list[str] = []
    threads = [
        threading.Thread(target=lambda: got.append(build.build(build.NATIVE).read_text())) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["one"] * 5
    assert len(list((project / "build" / "firmware").iterdir())) == 1


def test_a_build_that_fails_shows_its_last_lines_and_leaves_nothing(project: Path) -> None:
    (project / "device_harness" / "Makefile").write_text(
        "all:\n\t@seq 1000; echo source.c:7: no such thing; exit 1\n"
    )
    with pytest.raises(BuildError, match=r"source\.c:7: no such thing") as failed:
        build.build(build.NATIVE)
    assert "PORT=native" in str(failed.value)
    assert len(failed.value.output.splitlines()) <= 30
    assert list((project / "build" / "firmware").iterdir()) == []


def test_a_build_that_makes_nothing_is_an_error(project: Path) -> None:
    (project / "device_harness" / "Makefile").write_text("all:\n")
    with pytest.raises(BuildError, match="made no coverify-native"):
        build.build(build.NATIVE)


def test_a_machine_is_built_under_its_short_name() -> None:
    target = build.machine_target("mps2-an386")
    assert target.artifact == "coverify-an386.elf"
    assert target.make_variables == ["PORT=mps2", "MACHINE=an386"]


@pytest.mark.parametrize(
    ("machine", "port"),
    [("netduinoplus2", "stm32f4"), ("olimex-stm32-h405", "stm32f4"), ("microbit", "nrf51")],
)
def test_a_port_with_one_image_is_built_under_its_own_name(machine: str, port: str) -> None:
    target = build.machine_target(machine)
    assert (target.artifact, target.compiler) == (f"coverify-{port}.elf", "arm-none-eabi-gcc")
    assert target.make_variables == [f"PORT={port}"]


@pytest.mark.parametrize(
    ("target", "package"),
    [(build.machine_target("mps2-an386"), "gcc-arm-none-eabi"), (build.NATIVE, "gcc")],
    ids=["cross", "native"],
)
def test_a_missing_compiler_names_its_package(
    project: Path, monkeypatch: pytest.MonkeyPatch, target: build.Target, package: str
) -> None:
    only_make = project / "bin"
    only_make.mkdir()
    (only_make / "make").symlink_to(str(shutil.which("make")))
    monkeypatch.setenv("PATH", str(only_make))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ToolMissing, match=package) as missing:
        build.build(target)
    assert exit_code(verdict_of(missing.value)) == 2


def test_a_checkout_that_cannot_be_written_builds_into_the_users_cache(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "cache"))
    assert build.build(build.NATIVE).is_relative_to(project / "cache" / "coverify" / "firmware")


def test_without_sources_the_error_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "_checkout", lambda: tmp_path)
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match="device_harness"):
        build.build(build.NATIVE)


def test_a_tflm_of_the_user_is_linked_from_absolute_paths_and_bad_ones_are_named(tmp_path: Path) -> None:
    library = tmp_path / "lib.a"
    library.write_bytes(b"!<arch>\n")
    target = build.machine_target("mps2-an386", build.Tflm(library, (tmp_path,), ("-DA", "-DB")))
    assert target.compiler == "arm-none-eabi-g++"
    assert target.make_variables[2:] == [
        "ENGINE=tflm", f"TFLM_LIB={library}", f"TFLM_INCLUDE={tmp_path}", "TFLM_FLAGS=-DA -DB"
    ]  # fmt: skip
    for bad in (tmp_path / "absent", tmp_path / "with space"):
        with pytest.raises(BuildError, match=r"absent|space"):
            _ = build.Tflm(library, (bad,)).make_variables

"""Damaged files in a child process under limits; and the campaign notices a crash, a hang and a blow-up."""

import os
import time

import numpy as np
import pytest

from fuzz import files

FILES = 20 * int(os.environ.get("COVERIFY_FUZZ_CASES", "60"))


def test_damaged_files_are_refused_or_run_within_limits(tmp_path):
    figures, _ = files.campaign(range(FILES), 1, tmp_path)
    assert not figures.findings, figures.findings
    assert figures.verdicts["accepted"] > 0.02 * FILES
    assert figures.verdicts["refused"] > 0.3 * FILES


def test_every_intact_file_is_accepted():
    assert {files.verdict(files.base(n)) for n in range(files.N_BASES + 1)} == {"accepted"}


def _hang(content: bytes) -> str:
    time.sleep(60)
    return "accepted"


def _abort(content: bytes) -> str:
    os.abort()


def _devour(content: bytes) -> str:
    try:
        return f"accepted {np.ones(1 << 30).sum()}"
    except MemoryError:
        return "raised MemoryError"


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (_hang, "no answer within 1 s"),
        (_abort, "died with exit code -6"),
        (_devour, "raised MemoryError"),
    ],
)
def test_a_reader_that_hangs_dies_or_devours_memory_is_noticed_and_replaced(reader, said):
    victim = files.Victim(1.0, 4 << 30, reader)
    try:
        assert victim.read(b"")[0] == said
        assert victim.read(b"")[0] == said
    finally:
        victim.close()

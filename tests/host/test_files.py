"""Evidence lies in the folder that was named, whatever lies there already."""

from __future__ import annotations

import os

import pytest

from coverify.files import keep_evidence


def test_evidence_takes_the_place_of_a_link_and_not_of_what_it_leads_to(tmp_path):
    other, link = tmp_path / "other.txt", tmp_path / "certificate-0-eps1.zip"
    other.write_bytes(b"someone's")
    link.symlink_to(other)
    keep_evidence(link, b"evidence")
    assert other.read_bytes() == b"someone's"
    assert link.read_bytes() == b"evidence" and not link.is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == [link.name, other.name]


def test_what_is_no_file_is_in_the_way(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(FileExistsError):
            keep_evidence(place, b"evidence")

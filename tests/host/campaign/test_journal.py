"""The journal: what was committed comes back; what is not ours, damaged or in use is refused by name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from campaign_entries import entry
from coverify.campaign.errors import Difference, JournalBusy, JournalDamaged, JournalDiffers, JournalInTheWay
from coverify.campaign.inquiry import Question
from coverify.campaign.journal import LOCK, NAME, Journal
from coverify.campaign.ledger import Ledger, Retry
from coverify.errors import BadInput
from coverify.report import Result, write_result

WHAT = {"model": "ab" * 32, "engine": "auto"}


def filled(folder, *entries):
    with Journal.open(folder, WHAT) as journal:
        for one in entries:
            journal.record(one)
    return folder / NAME


def known(folder, timeout_s=60.0, retry=Retry.LARGER, monotone=False):
    with Journal.open(folder, WHAT) as journal:
        return [(e.index, e.eps, e.row.verdict) for e in Ledger(journal, folder, timeout_s, retry, monotone)]


def test_what_was_recorded_comes_back_unchanged(tmp_path):
    said = [entry(3, 2, note="naïve\n✓"), entry(1, 4, "VIOLATED", predicted=7, label=2)]
    filled(tmp_path, *said)
    with Journal.open(tmp_path, WHAT) as journal:
        assert list(journal.entries()) == said


@pytest.mark.parametrize("name", ["model", "engine", "seed"])
def test_the_journal_of_another_campaign_is_refused_with_what_differs(tmp_path, name):
    filled(tmp_path, entry())
    with pytest.raises(JournalDiffers, match=f"{name} .* there, 'other' here") as caught:
        Journal.open(tmp_path, {**WHAT, name: "other"})
    (difference,) = caught.value.differences
    assert (difference.name, difference.journal) == (name, WHAT.get(name, ""))


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ("0123456789ab" + "c" * 52, "ba" * 32, "'0123456789ab' there, 'babababababa' here"),
        ("a" * 64, "a" * 20 + "b" * 44, f"'{'a' * 21}' there, '{'a' * 20}b' here"),
        ("a" * 64, "", "'aaaaaaaaaaaa' there, '' here"),
        ("short", "s" * 80, f"'short' there, '{'s' * 80}' here"),
        ("one", "t" * 81, f"'one' there, '{'t' * 79}…' here"),
        ("same " * 30 + "one", "same " * 30 + "two", f"'…{'same ' * 8}one' there, '…{'same ' * 8}two' here"),
    ],
)
def test_where_two_campaigns_differ_is_seen_however_long_their_values_are(there, here, said):
    assert said in str(JournalDiffers(Path("j"), [Difference("property", there, here)]))


def test_fresh_forgets_the_other_campaign_and_the_evidence_that_it_names(tmp_path):
    (tmp_path / "witness-0-eps1.zip").write_bytes(b"w")
    (tmp_path / "witness-9-eps1.zip").write_bytes(b"not the journal's")
    filled(tmp_path, entry(files={"witness-0-eps1.zip": "00"}))
    with Journal.open(tmp_path, WHAT) as journal:
        journal.begin("3-eps2")
    made = [
        "certificate-3-eps2.zip",
        ".certificate-3-eps2.zip.0123456789ab.tmp",
        "accuracy.svg",
        "cactus.svg",
    ]
    for name in made:
        (tmp_path / name).write_bytes(b"of a process that was killed, and plots")
    with Journal.open(tmp_path, {"model": "other"}, fresh=True) as journal:
        assert list(journal.entries()) == [] and not journal.begun()
    assert [path.name for path in tmp_path.glob("*.zip")] == ["witness-9-eps1.zip"]
    assert not any((tmp_path / name).exists() for name in made)


def test_a_journal_that_is_empty_beside_the_result_that_says_why_is_begun_anew(tmp_path):
    """As a full disk leaves it."""
    (tmp_path / NAME).write_bytes(b"")
    write_result(tmp_path, Result(verb="verify", verdict="ERROR", message="the disk is full", versions={}))
    Journal.open(tmp_path, WHAT).close()
    assert (tmp_path / NAME).stat().st_size


def test_an_answer_that_is_no_text_is_damage_and_not_a_full_disk(tmp_path):
    filled(tmp_path, entry(0, note="naïve"))
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.execute("UPDATE answers SET row = CAST(x'7bff7d' AS TEXT)")
        connection.commit()
    with pytest.raises(JournalDamaged, match="not UTF-8"), Journal.open(tmp_path, WHAT) as journal:
        list(journal.entries())


@pytest.mark.parametrize("content", [b"garbage\n", b"", b"SQLite format 3\0" + b"\0" * 100])
def test_fresh_forgets_what_is_called_as_evidence_where_the_journal_cannot_be_read(tmp_path, content):
    for name in ("witness-0-eps1.zip", "certificate-3-eps2.zip", "witness-property.zip", "witness-mine.zip"):
        (tmp_path / name).write_bytes(b"found")
    (tmp_path / "certificate-4-eps2.zip").mkdir()
    (tmp_path / NAME).write_bytes(content)
    Journal.open(tmp_path, WHAT, fresh=True).close()
    assert known(tmp_path) == []
    assert sorted(p.name for p in tmp_path.glob("*.zip")) == ["certificate-4-eps2.zip", "witness-mine.zip"]


def test_a_second_process_is_refused_and_welcome_after_the_first_was_killed(tmp_path):
    hold = (
        "import sys; from pathlib import Path; from coverify.campaign.journal import Journal\n"
        f"journal = Journal.open(Path(sys.argv[1]), {WHAT!r}); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(JournalBusy, match="another process"):
            Journal.open(tmp_path, WHAT)
        other.kill()
        other.wait()
    Journal.open(tmp_path, WHAT).close()


def test_the_journal_can_be_read_while_it_is_written(tmp_path):
    with Journal.open(tmp_path, WHAT) as journal:
        journal.record(entry())
        with sqlite3.connect(f"file:{tmp_path / NAME}?mode=ro", uri=True) as reader:
            assert reader.execute("SELECT verdict FROM answers").fetchall() == [("HOLDS",)]
            journal.record(entry(1))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE answers SET verdict = 'VIOLATED'",
        "UPDATE answers SET row = replace(row, 'HOLDS', 'VIOLATED'), verdict = 'VIOLATED'",
        "UPDATE answers SET eps = eps + 1",
        "UPDATE answers SET timeout_s = 'long'",
        "UPDATE answers SET row = '{'",
        "UPDATE answers SET row = 7",
        "UPDATE answers SET files = '[]'",
        "UPDATE answers SET step = 'guess'",
        "UPDATE answers SET digest = x'00ff'",
        "DELETE FROM campaign WHERE name = 'started'",
        "DROP TABLE answers",
        "CREATE TABLE more (x)",
        "CREATE TRIGGER t AFTER INSERT ON answers BEGIN DELETE FROM answers; END",
        "PRAGMA user_version = 2",
        "PRAGMA application_id = 7",
    ],
)
def test_a_changed_journal_is_damaged(tmp_path, damage):
    path = filled(tmp_path, entry())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(damage)
    connection.close()
    with pytest.raises(JournalDamaged, match="--fresh"):
        known(tmp_path)
    Journal.open(tmp_path, WHAT, fresh=True).close()


def test_an_answer_that_names_a_file_elsewhere_is_damaged(tmp_path):
    filled(tmp_path, entry(files={"../../etc/witness-1.zip": "00"}))
    with pytest.raises(JournalDamaged, match="no evidence"):
        known(tmp_path)


def test_every_flipped_byte_is_noticed_or_harmless(tmp_path):
    said = [entry(i, 1, note=f"number {i}") for i in range(20)]
    path = filled(tmp_path, *said)
    good = path.read_bytes()
    noticed = 0
    for place in range(0, len(good), max(1, len(good) // 300)):
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x41]) + good[place + 1 :])
        try:
            with Journal.open(tmp_path, WHAT) as journal:
                assert all(one in said for one in journal.entries())
        except BadInput:  # damaged, or of another campaign where a name was hit
            noticed += 1
    assert noticed > 20


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + b"\0" * 100, b"no database at all" * 99])
def test_any_file_is_a_journal_or_damaged(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    if not content:  # what SQLite leaves when the process is killed before its first commit
        assert known(tmp_path) == []
        return
    with pytest.raises(JournalDamaged):
        known(tmp_path)


@pytest.mark.parametrize("beside", ["verify.json", "certificate-0-eps1.zip", "witness-property.zip"])
def test_an_empty_journal_beside_what_a_campaign_found_is_damaged(tmp_path, beside):
    (tmp_path / beside).write_bytes(b"found")
    filled(tmp_path)
    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(JournalDamaged, match=f"{beside} of a campaign lies beside it; --fresh"):
        known(tmp_path)
    assert (tmp_path / NAME).read_bytes() == b""
    assert (tmp_path / beside).read_bytes() == b"found"
    Journal.open(tmp_path, WHAT, fresh=True).close()
    assert known(tmp_path) == []


@pytest.mark.parametrize("content", [b"x", b"\0"])
def test_a_short_file_that_sqlite_takes_for_an_empty_one_is_damaged(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(JournalDamaged, match="not written by coverify"):
        known(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_campaign_that_was_killed_before_its_tables_were_made_begins(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert (tmp_path / NAME).stat().st_size
    assert known(tmp_path) == []


@pytest.mark.parametrize("name", [NAME, LOCK])
def test_what_is_no_regular_file_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(JournalInTheWay, match="regular file"):
        known(tmp_path)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("name", [NAME, LOCK])
def test_a_folder_where_a_file_belongs_stays_and_is_said_in_a_line(tmp_path, name, fresh):
    (tmp_path / name).mkdir()
    with pytest.raises(JournalInTheWay, match=r"it is a folder; .* move it away") as caught:
        Journal.open(tmp_path, WHAT, fresh)
    assert "--fresh" not in str(caught.value)
    assert (tmp_path / name).is_dir()


@pytest.mark.parametrize("content", [b"written", b"changed", None])
def test_an_answer_counts_while_its_evidence_is_as_it_was_written(tmp_path, content):
    name = "certificate-0-eps1.zip"
    filled(tmp_path, entry(files={name: hashlib.sha256(b"written").hexdigest()}))
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert known(tmp_path) == ([(0, 1, "HOLDS")] if content == b"written" else [])


@pytest.mark.parametrize(
    ("timeout_s", "retry", "counts"),
    [
        (60.0, Retry.LARGER, True),
        (30.0, Retry.LARGER, True),
        (61.0, Retry.LARGER, False),
        (99.0, Retry.NEVER, True),
        (1.0, Retry.ALWAYS, False),
    ],
)
def test_an_unknown_gets_another_chance_when_it_is_given_more_time(tmp_path, timeout_s, retry, counts):
    filled(tmp_path, entry(verdict="UNKNOWN"))
    assert bool(known(tmp_path, timeout_s, retry)) is counts


def test_what_does_not_count_is_shown_as_unknown_until_there_is_a_new_answer(tmp_path):
    files = {"witness-3-eps2.zip": hashlib.sha256(b"w").hexdigest()}
    broken = entry(3, 2, "VIOLATED", files=files, witness="witness-3-eps2.zip", predicted=7, label=2)
    filled(tmp_path, entry(1, 4, "UNKNOWN", timeout_s=5.0), broken, entry(0, 1))
    with Journal.open(tmp_path, WHAT) as journal:
        ledger = Ledger(journal, tmp_path, 60.0)
        assert [e.index for e in ledger] == [0]
        shown = [(e.index, e.row.verdict, e.row.witness) for e in ledger.shown()]
        assert shown == [(0, "HOLDS", None), (1, "UNKNOWN", None), (3, "UNKNOWN", None)]
        assert "it was VIOLATED" in ledger.shown()[2].row.note
        assert ledger.answer(Question(3, 2), broken.query) is None
        ledger.record(entry(3, 2, "HOLDS"))
        ledger.record(entry(1, 4, "UNKNOWN", timeout_s=60.0))
        assert [e.row.verdict for e in ledger.shown()] == ["HOLDS", "UNKNOWN", "HOLDS"]
        assert len(list(ledger)) == 3


def test_a_decided_answer_wins_over_an_unknown_whichever_came_first(tmp_path):
    filled(tmp_path, entry(0, verdict="UNKNOWN"), entry(0), entry(1), entry(1, verdict="UNKNOWN"))
    assert known(tmp_path) == [(0, 1, "HOLDS"), (1, 1, "HOLDS")]


def test_only_the_very_query_is_answered(tmp_path):
    with Journal.in_memory() as journal:
        ledger = Ledger(journal, None, 60.0)
        ledger.record(entry(4, 2))
        assert ledger.answer(Question(4, 2), "digest of 4, 2") is not None
        assert ledger.answer(Question(4, 2), "another region") is None
        assert ledger.answer(Question(4, 3), "digest of 4, 2") is None


def test_a_smaller_proof_without_its_file_counts_only_where_radii_are_compared(tmp_path):
    (tmp_path / "certificate-0-eps4.zip").write_bytes(b"c")
    there = {"certificate-0-eps4.zip": hashlib.sha256(b"c").hexdigest()}
    filled(tmp_path, entry(0, 2, files={"certificate-0-eps2.zip": "00"}), entry(0, 4, files=there))
    assert known(tmp_path, monotone=True) == [(0, 2, "HOLDS"), (0, 4, "HOLDS")]
    assert known(tmp_path) == [(0, 4, "HOLDS")]


def test_evidence_whose_answer_was_never_committed_is_removed_and_nothing_else(tmp_path):
    old = tmp_path / "witness-7-eps1.zip"
    old.write_bytes(b"from before the campaign")
    os.utime(old, (1e9, 1e9))
    filled(tmp_path)
    with Journal.open(tmp_path, WHAT) as journal:
        for name in ("7-eps1", "8-eps1", "8-eps1", "../beside", "9-eps1"):
            Ledger(journal, tmp_path, 60.0).begin(name)
            assert name in journal.begun()
    others = ["certificate-8-eps2.zip", "data.zip", "notes.txt"]  # another verb's, or copied to here
    for name in ("witness-8-eps1.zip", *others):
        (tmp_path / name).write_bytes(b"x")
    assert known(tmp_path) == []
    names = sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("journal"))
    assert names == [*others, "witness-7-eps1.zip"]


def test_a_journal_of_a_version_that_did_not_note_what_it_wrote_goes_on(tmp_path):
    filled(tmp_path, entry(4))
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        connection.execute("DROP TABLE begun")
        connection.commit()
    (tmp_path / "witness-8-eps1.zip").write_bytes(b"x")
    assert [key[0] for key in known(tmp_path)] == [4]
    assert (tmp_path / "witness-8-eps1.zip").is_file()
    with Journal.open(tmp_path, WHAT) as journal:
        journal.begin("8-eps1")
    known(tmp_path)
    assert not (tmp_path / "witness-8-eps1.zip").exists()


def test_an_answer_that_was_committed_and_not_taken_in_is_caught_up_with_and_keeps_its_evidence(tmp_path):
    name = "witness-5-eps1.zip"
    with Journal.open(tmp_path, WHAT) as journal:
        ledger = Ledger(journal, tmp_path, 60.0)
        ledger.record(entry(4))
        (tmp_path / name).write_bytes(b"w")
        journal.record(entry(5, files={name: hashlib.sha256(b"w").hexdigest()}))  # Ctrl-C falls here
        ledger.sweep()
        assert [one.index for one in ledger] == [4, 5]
        assert (tmp_path / name).is_file()
        ledger.catch_up()
        ledger.record(entry(6))
        assert [one.index for one in ledger] == [4, 5, 6] == [one.index for one in journal.entries()]

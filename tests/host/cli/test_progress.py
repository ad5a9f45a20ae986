"""Where no terminal shows a bar, lines tell how far the work is."""

import sys
import time

import pytest

from coverify.cli.campaign_progress import CampaignBar
from coverify.cli.progress import LINE_EVERY_S, Bar, progress_bar
from coverify.link.deadline import Deadline

EVERY_S = 0.02


def told(capsys, wanted: str) -> str:
    """What standard error has said when it has said this."""
    said, deadline = "", Deadline.in_s(20)
    while wanted not in said:
        assert not deadline.passed, said
        time.sleep(EVERY_S)
        said += capsys.readouterr().err
    return said


def test_lines_say_how_far_each_task_is_until_it_is_finished(capsys):
    with progress_bar(EVERY_S) as progress:
        upload, samples = Bar(progress, "upload"), Bar(progress, "samples [of the file]")
        told(capsys, "upload: 0, after 0 min\n")
        upload(7, 7)
        samples(3, 10)
        told(capsys, "samples [of the file]: 3 of 10, after 0 min\n")
        assert "upload" not in told(capsys, "samples")
    time.sleep(5 * EVERY_S)
    capsys.readouterr()
    time.sleep(5 * EVERY_S)
    assert capsys.readouterr().err == ""


def test_work_of_less_than_a_minute_says_nothing(capsys):
    assert LINE_EVERY_S >= 60
    with progress_bar() as progress:
        Bar(progress, "samples")(1, 2)
        time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_a_campaign_says_what_was_decided(capsys):
    class Tally:
        done, total = 3, 8

        def __str__(self) -> str:
            return "2 HOLDS, 1 VIOLATED"

    with CampaignBar(EVERY_S) as bar:
        bar(Tally())
        told(capsys, "queries: 3 of 8, 2 HOLDS, 1 VIOLATED, after 0 min\n")


def test_a_closed_standard_error_disturbs_nothing(monkeypatch):
    tried = []

    class Closed:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            tried.append(text)
            raise BrokenPipeError

        flush = isatty = lambda self: False

    monkeypatch.setattr(sys, "stderr", Closed())
    with progress_bar(EVERY_S) as progress:
        Bar(progress, "samples")(1, 2)
        deadline = Deadline.in_s(20)
        while len(tried) < 2:
            assert not deadline.passed
            time.sleep(EVERY_S)


@pytest.mark.parametrize(("width", "bars"), [(70, 0), (120, 1)])
def test_on_a_narrow_terminal_the_numbers_of_a_campaign_come_first(monkeypatch, width, bars):
    monkeypatch.setenv("COLUMNS", str(width))
    columns = [type(column).__name__ for column in CampaignBar()._progress.columns]
    assert (columns.count("BarColumn"), columns.count("AtWork")) == (bars, bars)
    assert [columns.count(name) for name in ("MofNCompleteColumn", "TimeElapsedColumn", "Left")] == [1, 1, 1]

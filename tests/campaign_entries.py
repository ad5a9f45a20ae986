"""Entries for tests, made by hand."""

from __future__ import annotations

from coverify.campaign.entry import Entry
from coverify.report import Query


def entry(index=0, eps=1, verdict="HOLDS", step="decide", files=None, timeout_s=60.0, engine="bab", **more):
    row = Query(index=index, eps=eps, verdict=verdict, engine=engine, time_s=0.25, **more)
    return Entry(row, f"digest of {index}, {eps}", timeout_s, step, files or {})

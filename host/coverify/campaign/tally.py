"""How far is the campaign? What is decided, broken and open, for people who wait."""

from __future__ import annotations

from dataclasses import dataclass

from coverify.campaign.entry import Entry


@dataclass(frozen=True)
class Tally:
    """inputs or queries in all and done; answers by verdict, those of earlier runs included."""

    total: int
    done: int = 0
    holds: int = 0
    violated: int = 0
    unknown: int = 0

    def counted(self, entry: Entry) -> Tally:
        """With one more answer."""
        verdict = entry.row.verdict
        return Tally(
            self.total,
            self.done,
            self.holds + (verdict == "HOLDS"),
            self.violated + (verdict == "VIOLATED"),
            self.unknown + (verdict == "UNKNOWN"),
        )

    def finished(self) -> Tally:
        """With one more inquiry done."""
        return Tally(self.total, self.done + 1, self.holds, self.violated, self.unknown)

    def __str__(self) -> str:
        return f"{self.holds} hold, {self.violated} violated, {self.unknown} open"

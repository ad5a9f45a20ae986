"""With how many models was each operator held equal to TFLM's own interpreter, byte for byte?

The record is a file of the package, written by the differential run (`make counts`) and never by hand: per
operator and type of its first input, the number of random models on which every tensor was equal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = "coverify-oracle-counts/1"
PATH: Final = Path(__file__).with_name("oracle_counts.json")


@dataclass(frozen=True)
class OracleRecord:
    """oracle, version: the interpreter; seeds: first and last + 1 of each generator; cases: operator → type →
    models.
    """

    oracle: str
    version: str
    seeds: tuple[int, int]
    cases: Mapping[str, Mapping[str, int]]

    @staticmethod
    def read() -> OracleRecord:
        """The record of this package."""
        raw = json.loads(PATH.read_text("utf-8"))
        first, end = raw["seeds"]
        return OracleRecord(raw["oracle"], raw["version"], (first, end), raw["operators"])

    def write(self) -> None:
        """Replace the package's record."""
        body: dict[str, Any] = {
            "schema": SCHEMA,
            "oracle": self.oracle,
            "version": self.version,
            "seeds": list(self.seeds),
            "operators": {op: dict(sorted(counts.items())) for op, counts in sorted(self.cases.items())},
        }
        PATH.write_text(json.dumps(body, indent=1) + "\n", "utf-8")

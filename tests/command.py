"""Run the command line as a user does: another process, its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """What `--json -` printed."""
        return json.loads(self.stdout)


def coverify(
    *arguments: object, timeout_s: float = 240, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Done:
    """Run `coverify ARGUMENTS`, env beside what is set; whatever happens, no traceback may be shown."""
    done = subprocess.run(
        [sys.executable, "-m", "coverify", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)

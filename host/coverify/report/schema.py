"""Which JSON is a result? Writes result.schema.json from the models: `python -m coverify.report.schema`.

The published file is generated, never edited; a test holds it equal to the models. Rules that JSON Schema
cannot say (a picture fills its shape) are in the models alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from coverify.report.result import SCHEMA, Result, write_atomically

PATH: Final = Path(__file__).with_name("result.schema.json")


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a result file."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{SCHEMA.replace('/', ':')}",
    }
    body = Result.model_json_schema(by_alias=True, mode="validation")
    body["required"] = ["schema", *body["required"]]
    return {**head, **body}


def text() -> str:
    """The published file's text."""
    return json.dumps(schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_atomically(PATH, text())

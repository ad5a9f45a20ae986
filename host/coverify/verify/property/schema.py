"""Which TOML is a property? Writes property.schema.json: `python -m coverify.verify.property.schema`.

Generated, never edited; a test holds it equal to the models. What JSON Schema cannot say (as many
coefficients as outputs) is in the models alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from coverify.files import replace_file
from coverify.verify.property.document import PropertyDocument

PATH: Final = Path(__file__).with_name("property.schema.json")


def text() -> str:
    """The published file's text."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:coverify-property:1",
    }
    body = PropertyDocument.model_json_schema(mode="validation")
    return json.dumps({**head, **body}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    replace_file(PATH, text().encode())

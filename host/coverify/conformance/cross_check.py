"""The reference held against its profile's interpreter: every tensor, on samples that a device is given."""

from __future__ import annotations

import numpy as np

from coverify.conformance.batch import Batch, Given
from coverify.conformance.compare import Progress
from coverify.conformance.oracles import Oracle, OracleName, package, version
from coverify.errors import CoverifyError
from coverify.report import Oracle as OracleRow
from tflm_int8 import Reference

_BATCH = 64


def cross_check(
    reference: Reference, name: OracleName, samples: Given, progress: Progress | None = None
) -> OracleRow:
    """The oracle that gave the reference's bytes.  Raises CoverifyError where it gave others, OracleError."""
    x = Batch.of(samples)
    with Oracle(name, reference.model) as interpreter:
        for start in range(0, len(x), _BATCH):
            batch = x[start : start + _BATCH]
            ours = reference.trace(*batch.arrays)  # first: it refuses what is undefined in an interpreter
            expected = interpreter.trace(batch)
            for tensor, values in ours.items():
                unwritten = reference.unwritten.get(tensor, np.zeros((), bool))
                if not np.array_equal(np.where(unwritten, expected[tensor], values), expected[tensor]):
                    raise CoverifyError(
                        f"the reference differs from {package(name)} {version(name)} at tensor {tensor} of "
                        f"{reference.model.name}: a defect of coverify; please report it with this model"
                    )
            if progress is not None:
                progress(start + len(batch), len(x))
    return OracleRow(name=package(name), version=version(name))

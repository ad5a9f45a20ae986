"""Where do elements differ? Counts by row and column as a small PNG in a data: URL, none white, most dark."""

from __future__ import annotations

import numpy as np

from coverify.report.diagnosis import ErrorMap
from coverify.report.picture import EQUAL, HIGHER, data_url


def heat_url(errors: ErrorMap) -> str:
    """The map as an image; a single difference is still seen."""
    counts = np.array(errors.counts, np.float64).reshape(*errors.shape, 1)
    part = counts / max(1.0, float(counts.max()))
    part = np.where(counts == 0, 0.0, 0.25 + 0.75 * part)
    mixed = np.array(EQUAL, np.float64) * (1 - part) + np.array(HIGHER, np.float64) * part
    return data_url(np.rint(mixed).astype(np.uint8))

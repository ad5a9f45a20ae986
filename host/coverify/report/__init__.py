"""What coverify says: results as data (result.json), for CI (junit.xml), for people (report.html, text).

Only reads results; knows no device, solver or model file. `coverify.report.folder` makes the page of a
folder: what writes results alone need not import it.
"""

from coverify.report.campaign_rows import CactusLine, CurvePoint, Radius
from coverify.report.diagnosis import (
    AxisErrors,
    Diagnosis,
    ErrorCount,
    ErrorMap,
    Explanation,
    Stage,
)
from coverify.report.errors import ForgottenWitness, NoResults, ReportError, ResultFileError, ResultInTheWay
from coverify.report.kernel_rows import KernelRow, SeparatedVariant
from coverify.report.repair_rows import (
    ByteRow,
    FitnessRow,
    GridRow,
    NeuronRow,
    PartRow,
    Repair,
    RobustRow,
)
from coverify.report.result import SCHEMA, Result, read_result, write_result
from coverify.report.rows import (
    BoardRow,
    Check,
    Device,
    Mismatch,
    ModelRef,
    OperatorRow,
    OperatorSupport,
    Oracle,
    Part,
    Picture,
    Query,
    Replay,
    TensorRow,
    Values,
)
from coverify.report.study_rows import (
    CarriedRow,
    ChangeRow,
    ExampleRow,
    GapRow,
    RealRow,
    Study,
    TransferRow,
    WidthRow,
)
from coverify.report.text import render
from coverify.report.verdict import Verdict, exit_code, worst

__all__ = [
    "SCHEMA",
    "AxisErrors",
    "BoardRow",
    "ByteRow",
    "CactusLine",
    "CarriedRow",
    "ChangeRow",
    "Check",
    "CurvePoint",
    "Device",
    "Diagnosis",
    "ErrorCount",
    "ErrorMap",
    "ExampleRow",
    "Explanation",
    "FitnessRow",
    "ForgottenWitness",
    "GapRow",
    "GridRow",
    "KernelRow",
    "Mismatch",
    "ModelRef",
    "NeuronRow",
    "NoResults",
    "OperatorRow",
    "OperatorSupport",
    "Oracle",
    "Part",
    "PartRow",
    "Picture",
    "Query",
    "Radius",
    "RealRow",
    "Repair",
    "Replay",
    "ReportError",
    "Result",
    "ResultFileError",
    "ResultInTheWay",
    "RobustRow",
    "SeparatedVariant",
    "Stage",
    "Study",
    "TensorRow",
    "TransferRow",
    "Values",
    "Verdict",
    "WidthRow",
    "exit_code",
    "read_result",
    "render",
    "worst",
    "write_result",
]

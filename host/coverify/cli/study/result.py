"""How does a study end? Its verdict, and what all studies say besides what they found."""

from __future__ import annotations

from collections.abc import Sequence

from coverify.cli.outcome import versions
from coverify.cli.study.device import Said, not_deployed
from coverify.cli.study.options import Prepared
from coverify.report import Result, Study
from coverify.report.verdict import Verdict
from coverify.verify.engines.packages import PACKAGES


def study_result(
    prepared: Prepared, study: Study, said: Said, n_open: int, message: str, gaps: Sequence[str]
) -> Result:
    """The result of a study; n_open: what is not decided; gaps: what studies of this kind leave open."""
    verdict: Verdict = "MISMATCH" if said.contradicted else "UNKNOWN" if n_open else "OK"
    options, networks = prepared.options, prepared.networks
    return Result(
        verb=f"study-{study.kind}",
        verdict=verdict,
        message=message + networks.said,
        model=study.original,
        device=said.device,
        samples=len(prepared.data.labels),
        study=study,
        not_covered=(*gaps, *not_deployed(options.device, networks.widths, said), *networks.missing),
        versions=versions(*(package.distribution for package in PACKAGES.values())),
        seed=options.seed,
    )

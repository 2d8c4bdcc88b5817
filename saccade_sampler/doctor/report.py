"""Findings as text and as JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from saccade_sampler.doctor.finding import Finding


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return a line for each finding, its remedy below it, and the numbers of findings at the end."""
    width = max((len(finding.check) for finding in findings), default=0)
    text = []
    for finding in findings:
        text.append(f"{finding.status:8} {finding.check:{width}}  {finding.found}")
        if finding.remedy:
            text.append(f"{'':{width + 11}}→ {finding.remedy}")
    return [*text, "", _summary(findings)]


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a document for programs."""
    return {"findings": [asdict(finding) for finding in findings]}


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.status for finding in findings)
    problems, warnings = counts["problem"], counts["warning"]
    return (
        f"{problems} {'problem' if problems == 1 else 'problems'}, "
        f"{warnings} {'warning' if warnings == 1 else 'warnings'}, {counts['ok']} ok, {counts['skipped']} skipped"
    )

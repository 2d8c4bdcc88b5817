"""Findings as text and as JSON."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

from saccade_sampler.doctor.finding import Finding
from sampler.printable import printable


def as_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, its remedy below it, and the numbers of findings at the end."""
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:8} {finding.check:{width}}  {printable(finding.found)}")
        if finding.remedy:
            lines.append(f"{'':{width + 11}}→ {printable(finding.remedy)}")
    return "\n".join([*lines, "", _summary(findings)])


def as_json(findings: Sequence[Finding]) -> str:
    """Return a document for programs."""
    return json.dumps({"findings": [asdict(finding) for finding in findings]}, indent=2)


def _summary(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.status for finding in findings)
    problems, warnings = counts["problem"], counts["warning"]
    return (
        f"{problems} {'problem' if problems == 1 else 'problems'}, "
        f"{warnings} {'warning' if warnings == 1 else 'warnings'}, {counts['ok']} ok, {counts['skipped']} skipped"
    )

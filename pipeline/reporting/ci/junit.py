"""JUnit XML: a test case per gate, grouped by file. What is not decided or skipped is `skipped`."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import sentence
from targets.published import published


def write(rows: Sequence[GateRow], path: Path, *, run: str) -> None:
    from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

    document = JUnitXml(run)
    for file in dict.fromkeys(row.file for row in rows):
        suite = TestSuite(file)
        for row in rows:
            if row.file != file:
                continue
            case = TestCase(" on ".join(filter(None, [row.name, row.device])), classname=file)
            if row.verdict != "passed":
                kind = Failure if row.verdict == "failed" else Skipped
                case.result = [kind(sentence(row), row.verdict)]
            suite.add_testcase(case)
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    with published(path, remedy="Give another file with --junit.") as part:
        document.write(str(part), pretty=True)

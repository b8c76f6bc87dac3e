"""JUnit XML: a test case per gate, grouped by file. What is not decided is `skipped`."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.reporting.schema.gate import GateRow
from pipeline.reporting.tables.gates import failing, sentence
from targets.errors import printable
from targets.files.published import published


def write(rows: Sequence[GateRow], path: Path, *, run: str, strict: bool) -> None:
    """`strict`: what is not decided is a failure too."""
    from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

    document, bad = JUnitXml(printable(run)), failing(rows, strict=strict)
    for file in dict.fromkeys(row.file for row in rows):
        suite = TestSuite(printable(file))
        for row in rows:
            if row.file != file:
                continue
            name = printable(" on ".join(filter(None, [row.name, row.device])))
            case = TestCase(name, classname=printable(file))
            if row.verdict != "passed":
                kind = Failure if row in bad else Skipped
                case.result = [kind(sentence(row), row.verdict)]
            suite.add_testcase(case)
        document.add_testsuite(suite)
    document.update_statistics()  # type: ignore[no-untyped-call]
    with published(path, remedy="Give another file with --junit.") as part:
        document.write(str(part), pretty=True)

"""`python -I agent.pyz JOB.json` measures; `--selftest [RUNTIME ...]` tries the packed runtimes."""

from __future__ import annotations

import faulthandler
import json
import sys

from targets.bench.agent.job import AgentJob, Job, finish, phase


def main(arguments: list[str]) -> int:
    faulthandler.enable()
    if arguments[:1] == ["--selftest"]:
        from targets.bench.agent.selftest import selftest

        document, code = selftest(arguments[1:])
        print(json.dumps(document))
        return code
    with open(arguments[0], encoding="utf-8") as file:
        job: AgentJob = json.load(file, object_hook=Job)
    return finish(lambda: measure(job), job["out"])


def measure(job: AgentJob) -> dict[str, object]:
    with phase("import"):  # a missing numpy is reported like a missing runtime
        from targets.bench.agent.measure import run
    return run(job)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m pipeline.ci STEP…`: the steps in order, until one fails."""

import os
import sys
from collections.abc import Mapping, Sequence

from pipeline.ci import inputs, steps
from targets.errors import EdgeDistillError, InputError, printable, unknown

STEPS = {"run": steps.run, "check": steps.check, "package": steps.package}


def main(names: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        if not names:
            raise InputError(f"python -m pipeline.ci: name the steps: {', '.join(STEPS)}.")
        for name in names:
            if name not in STEPS:
                raise unknown("step", name, STEPS)
        given = inputs.read(environment)
        return next(filter(None, (STEPS[name](given) for name in names)), 0)
    except (EdgeDistillError, OSError) as error:
        print(f"Error: {printable(str(error))}", file=sys.stderr)
        return error.exit_code if isinstance(error, EdgeDistillError) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))

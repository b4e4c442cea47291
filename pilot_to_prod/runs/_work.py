"""Execute one notebook in a process of its own: `python -m pilot_to_prod.runs._work WORK.json`. The outcome goes to a file beside the work."""

import json
import sys
from pathlib import Path

from pilot_to_prod.runs._execute import execute

if __name__ == "__main__":
    job = Path(sys.argv[1])
    work = json.loads(job.read_text(encoding="utf-8"))
    outcome = execute(
        Path(work["notebook"]),
        Path(work["out"]),
        work["parameters"],
        cwd=Path(work["cwd"]),
        cell_timeout=work["cell_timeout"],
        engine=work["engine"],
    )
    job.with_suffix(".outcome").write_text(json.dumps(outcome), encoding="utf-8")

"""Execute one notebook in a process of its own: `python -m pilot_to_prod.runs._work WORK.json`.

A process a notebook, so that a deadline or an interrupt ends everything that the notebook started. The outcome goes to a
file beside the work; a notebook that was not finished keeps its cells under another name.
"""

import json
import sys
import traceback
from pathlib import Path
from typing import Any


def execute(work: dict[str, Any]) -> dict[str, Any]:
    "Run one notebook with papermill; never raises for what the notebook does."
    import papermill
    from papermill.exceptions import PapermillExecutionError

    aside = Path(work["aside"])
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            work["notebook"],
            str(aside),
            parameters=work["parameters"],
            engine_name=work["engine"],
            cwd=work["cwd"],
            progress_bar=False,
            log_output=False,
            execution_timeout=work["cell_deadline"],
            request_save_on_cell_execute=False,
        )
    except PapermillExecutionError as e:
        return {"status": "failed", "error": e.ename, "message": str(e.evalue)[:4000]}
    except Exception as e:  # noqa: BLE001 - timeouts, dead kernels, broken notebooks: all are outcomes of the work
        return {
            "status": "failed",
            "error": type(e).__name__,
            "message": str(e)[:4000],
            "trace": traceback.format_exc()[-2000:],
        }
    return {"status": "done", "error": None, "message": None}


if __name__ == "__main__":
    task = Path(sys.argv[1])
    outcome = execute(json.loads(task.read_text(encoding="utf-8")))
    task.with_suffix(".outcome").write_text(json.dumps(outcome), encoding="utf-8")

"""Build the wheel, install it in a clean environment, and use it from an empty folder: notebooks, pilots, command."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USE = (
    "from pilot_to_prod import Pilot, suite; p = Pilot.load('credit'); print(len(p.replay_set), len(suite('standard', p.spec)))"
)


def run(*command: str, **options: object) -> str:
    "A command that must succeed; what it printed."
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return str(done.stdout)


def main() -> None:
    "The smoke test."
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        run(sys.executable, "-m", "build", "--wheel", "--outdir", str(here / "dist"), str(ROOT))
        wheel = next((here / "dist").glob("*.whl"))
        run(sys.executable, "-m", "venv", str(here / "env"))
        python = here / "env" / "bin" / "python"
        fast = [uv, "pip", "install", "--quiet", "--python", str(python), str(wheel)] if uv else ["false"]
        if subprocess.run(fast, capture_output=True, check=False).returncode:
            run(str(python), "-m", "pip", "install", "--quiet", str(wheel))
        empty = here / "empty"
        empty.mkdir()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("P2P_", "PYTHON", "JUPYTER", "VIRTUAL_ENV"))}
        env |= {"PATH": f"{here / 'env' / 'bin'}{os.pathsep}{env['PATH']}", "P2P_REPLAY_EXAMPLES": "3"}
        print(run(str(python), "-c", USE, cwd=empty, env=env).strip())
        print(run(str(here / "env" / "bin" / "p2p"), "notebooks", "copy", "stress", cwd=empty, env=env).strip())
        papermill = [str(python), "-m", "papermill", "--no-progress-bar", "--log-level", "ERROR"]
        values = ["-p", "pilot", "feedback", "-y", "{severities: [0.3], seeds: [0]}", "-p", "output", "messy.parquet"]
        run(*papermill, "stress/messy.ipynb", "out.ipynb", *values, cwd=empty, env=env)
        if not (empty / "messy.parquet").is_file() or not (empty / "out.ipynb").is_file():
            sys.exit("the notebook from the wheel left no evidence")
    print(f"{wheel.name}: installed, and its notebook replayed a pilot from it in an empty folder")


if __name__ == "__main__":
    main()

"""Is the package what its notebooks export, and are the notebooks clean? Works on a copy and changes nothing here."""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("pilot_to_prod", "nbs", "pyproject.toml", "README.md")


def files(root: Path) -> set[str]:
    "Notebooks and modules below a folder."
    found = (p.relative_to(root) for part in PARTS[:2] for p in (root / part).rglob("*") if p.suffix in (".py", ".ipynb"))
    return {str(p) for p in found if not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)}


def main() -> int:
    "Export and clean a copy; name every file that comes out different."
    bin_ = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in PARTS:
            source = ROOT / part
            ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
            shutil.copytree(source, copy / part, ignore=ignore, symlinks=True) if source.is_dir() else shutil.copy(
                source, copy / part
            )
        for command in ("nbdev-export", "nbdev-clean"):
            env = {**os.environ, "PATH": f"{bin_}{os.pathsep}{os.environ['PATH']}"}
            subprocess.run([str(bin_ / command)], cwd=copy, env=env, check=True, stdout=subprocess.DEVNULL)
        names = files(ROOT) | files(copy)
        stale = [n for n in sorted(names) if not same(ROOT / n, copy / n)]
    for name in stale:
        print(f"{name}: not what the notebooks export. Edit the notebook in nbs/api, then: make export")
    print(f"{len(names)} files compared, {len(stale)} stale")
    return 1 if stale else 0


def same(a: Path, b: Path) -> bool:
    "Whether both are there with the same bytes."
    return a.is_file() and b.is_file() and filecmp.cmp(a, b, shallow=False)


if __name__ == "__main__":
    sys.exit(main())

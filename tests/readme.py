"""README.md from nbs/index.ipynb: the same cells, as Markdown. With --write it writes, without it compares."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def rendered() -> str:
    "Markdown cells as they are, code cells fenced; pictures and pages found from the top folder."
    cells = json.loads((ROOT / "nbs" / "index.ipynb").read_text(encoding="utf-8"))["cells"]
    parts = ["<!-- Written from nbs/index.ipynb: edit that, then make export. -->"]
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(
                source.replace("](images/", "](nbs/images/")
                .replace("](explanations/", "](nbs/explanations/")
                .replace("](api/", "](nbs/api/")
            )
        elif cell["cell_type"] == "code":
            shown = "\n".join(line for line in source.splitlines() if not line.startswith("#|"))
            parts.append(f"```python\n{shown}\n```")
    return "\n\n".join(p.strip() for p in parts if p.strip()) + "\n"


def main() -> int:
    "Write or compare."
    target = ROOT / "README.md"
    if "--write" in sys.argv:
        target.write_text(rendered(), encoding="utf-8")
        return 0
    if target.read_text(encoding="utf-8") != rendered():
        print("README.md is not what nbs/index.ipynb says: make export")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

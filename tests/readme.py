"""README.md from nbs/index.ipynb, and the published schemas from the package. With --write it writes, without it compares."""

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
                .replace("](how-to/", "](nbs/how-to/")
                .replace("](tutorials/", "](nbs/tutorials/")
            )
        elif cell["cell_type"] == "code":
            shown = "\n".join(line for line in source.splitlines() if not line.startswith("#|"))
            parts.append(f"```python\n{shown}\n```")
    return "\n\n".join(p.strip() for p in parts if p.strip()) + "\n"


def schema() -> str:
    "The JSON Schema of pilot.yaml, as the site publishes it for editors."
    from pilot_to_prod.spec import json_schema

    return json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"


def card_schemas() -> dict[str, str]:
    "The JSON Schemas of a card and of a diff of two, by file name."
    from pilot_to_prod.card._schema import card_schema, diff_schema

    found = {"scorecard-2.json": card_schema(), "card-diff-1.json": diff_schema()}
    return {n: json.dumps(s, indent=1, ensure_ascii=False) + "\n" for n, s in found.items()}


def main() -> int:
    "Write or compare."
    made = {ROOT / "README.md": rendered(), ROOT / "nbs" / "schemas" / "pilot.json": schema()}
    made |= {ROOT / "nbs" / "schemas" / n: text for n, text in card_schemas().items()}
    stale = [p for p, text in made.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--write" in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            print(f"{path.relative_to(ROOT)} is not what its source says: make export")
    return 1 if stale and "--write" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())

"The page of benchmarks says what was measured, and nothing else."

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_page_is_made_from_the_results():
    made = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "page.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr

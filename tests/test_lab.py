"""A run's notebook opened in JupyterLab by a browser: its plot and its widget are there, without anything being run again."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from conftest import free_port, wait_for
from test_executors import settings_of

from pilot_to_prod.runs import Plan, Unit, run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CELLS = (
    ("output = None", ["parameters"]),
    ("import matplotlib.pyplot as plt\nplt.plot([1, 3, 2])\nplt.show()", []),
    ("import ipywidgets\nipywidgets.VBox([ipywidgets.HTML('<b>a widget of a run</b>'), ipywidgets.IntSlider(value=42)])", []),
    ("open(output, 'w').write('x')", []),
)


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    "A notebook with a plot and a widget, executed by a run."
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))  # where signatures of trusted notebooks are
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s, metadata={"tags": t}) for s, t in CELLS])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, tmp_path / "shown.ipynb")
    plan = Plan("tiny", (Unit("shown", tmp_path / "shown.ipynb", {}, "k"),), {"spec": "s", "data": "d", "model": "m"})
    done = run(plan, settings_of(tmp_path / "runs"))
    assert not done.failed
    return done.folder / "shown.ipynb"


@pytest.fixture
def lab(executed: Path, tmp_path: Path) -> Iterator[str]:
    "JupyterLab on the folder of the run; the address of the notebook."
    port, log = free_port(), (tmp_path / "lab.log").open("wb")
    options = f"--no-browser --ip=127.0.0.1 --port={port} --IdentityProvider.token=t --ServerApp.root_dir={executed.parent}"
    home = {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "HOME": str(tmp_path),
    }
    if os.geteuid() == 0:
        options += " --allow-root"
    quiet = ["--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command = [sys.executable, "-m", "jupyterlab", *options.split(), *quiet]
    with log, subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **home}, start_new_session=True) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token=t", server, tmp_path / "lab.log")
            yield f"http://127.0.0.1:{port}/doc/tree/{executed.name}?token=t"
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
def test_a_run_s_notebook_shows_its_plot_and_its_widget(lab: str, executed: Path, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    before = executed.read_bytes()
    state = json.loads(before)["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any("a widget of a run" in str(one) for one in state.values())
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.goto(lab)
            page.wait_for_selector(".jp-Notebook .jp-OutputArea-output img", timeout=60_000)
            page.get_by_text("a widget of a run", exact=True).wait_for(timeout=60_000)
            assert page.evaluate("document.querySelector('.jp-OutputArea-output img').naturalWidth") > 100
            assert page.locator(".widget-readout").inner_text() == "42"
            if kept := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=str(Path(kept) / "lab.png"))
        finally:
            browser.close()
    assert executed.read_bytes() == before

"""The explorer: from a slider's move to the redrawn curve, a drag, a page, a key press in a Chromium of the system.

Wall clock: quote the numbers of a quiet machine. The bare parts stand beside each: the theory's run by itself, and a
redraw of the same curves without the server.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import emit, machine, timed

from ode_sgd.explorer.begin import origin_of
from ode_sgd.explorer.written import study_text
from ode_sgd.studies.runs import theory_of
from ode_sgd.studies.study_file import parse_study

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
MOVES, DRAG = 60, 60
HELPERS = """
window.model = name => Bokeh.documents[0].get_model_by_name(name)
window.painted = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
window.shown = () => new Promise(done => {
  const signal = model('state').properties.data.change
  const heard = () => { signal.disconnect(heard); done() }
  signal.connect(heard)
})
window.still = async () => {
  while (model('marks').data.revision[0] != model('state').data.revision[0]) await painted()
}
"""
MOVE = """async count => {
  const slider = model('problem.learning_rate'), found = []
  for (let n = 0; n < count; n++) {
    await still()
    const came = shown(), began = performance.now()
    slider.value = Math.log10(0.504 + 0.004 * (n % 50))  // never the value that it has
    await came; await painted()
    found.push(performance.now() - began)
  }
  return found
}"""
REDRAW = """async count => {
  const found = []
  for (let n = 0; n < count; n++) {
    const began = performance.now()
    for (const name of ['curve', 'slope', 'components'])
      model(name).setv({data: {...model(name).data}}, {sync: false, check_eq: false})  // equal data are not drawn again
    await painted()
    found.push(performance.now() - began)
  }
  return found
}"""
DRAGGED = """async count => {
  await still()
  const slider = model('problem.learning_rate'), before = model('state').data.revision[0], wanted = []
  for (let n = 0; n < count; n++) {
    slider.value = Math.log10(0.5 + 0.004 * n)
    await new Promise(done => setTimeout(done, 16))
  }
  const last = performance.now(), asked = String(Number((0.5 + 0.004 * (count - 1)).toPrecision(4)))
  while (!model('state').data.address[0].includes('learning_rate=' + asked)) await shown()
  await painted()
  return [performance.now() - last, model('state').data.revision[0] - before]
}"""


@contextmanager
def served(study: Path) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "ode_sgd", "explore", str(study), "--no-browser"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    found = re.match(r"http://\S+", process.stdout.readline())
    assert found is not None
    yield found[0]
    process.send_signal(signal.SIGINT)
    began = time.perf_counter()
    process.wait(30)
    emit("explorer, Ctrl-C to its end", ours_s=time.perf_counter() - began)


def opened(browser: Any, address: str) -> Any:
    """A page with its first curve."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.wait_for_function("() => window.Bokeh?.documents[0]?.get_model_by_name('state')?.data.revision[0] > 0")
    page.evaluate(f"() => {{ {HELPERS} }}")
    return page


def measure(browser: Any, distinct: int) -> None:
    """All of it at one number of eigenvalues."""
    tables = origin_of().tables
    tables["spectrum"]["distinct"], tables["start"]["dimension"] = distinct, 5 * distinct
    study = parse_study(tables)
    bare = timed(lambda: theory_of(study, lambda stage, fraction: None), clock=time.perf_counter).median
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.toml"
        path.write_text(study_text(tables))
        with served(path) as address:
            opened(browser, address).close()  # loads kernels
            began = time.perf_counter()
            page = opened(browser, address)
            emit(f"explorer, page to first curve, L = {distinct}", ours_s=time.perf_counter() - began)
            page.evaluate(MOVE, 10)
            moves = 1e-3 * np.array(page.evaluate(MOVE, MOVES))
            redraw = 1e-3 * float(np.median(page.evaluate(REDRAW, MOVES)))
            name, ours = f"explorer, slider to redraw, L = {distinct}", float(np.median(moves))
            parts = {"rival": "theory's run and redraw by themselves", "rival_s": bare + redraw}
            emit(name, ours_s=ours, **parts, p95_s=float(np.quantile(moves, 0.95)), theory_s=bare, redraw_s=redraw)
            after, redraws = page.evaluate(DRAGGED, DRAG)
            emit(f"explorer, end of a drag of {DRAG} moves, L = {distinct}", ours_s=1e-3 * after, redraws=redraws)


def main() -> None:
    """Measure in a Chromium; say so where there is none."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        print("no Chromium on PATH: nothing measured", file=sys.stderr)
        return
    from playwright.sync_api import sync_playwright

    print(json.dumps({"name": "machine"} | machine()), flush=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for distinct in (4, 100):
            measure(browser, distinct)
        browser.close()


if __name__ == "__main__":
    main()

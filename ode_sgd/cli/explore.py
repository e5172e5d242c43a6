"""The command `ode-sgd explore`."""

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

from ode_sgd.cli.command import DONE, add_command

EXAMPLES = """examples:
  ode-sgd explore                    the study that `ode-sgd init` writes, in the browser
  ode-sgd explore study.toml         a study of your own
  ode-sgd explore study.toml --set problem.learning_rate=0.1
  ode-sgd explore --no-browser --port 5006
                                     on a login node; then on your own machine
                                     ssh -L 5006:127.0.0.1:5006 HOST, and open the address that is printed
  ode-sgd explore --no-browser --port 5006 --origin hub.example.org
                                     on a JupyterHub with jupyter-server-proxy

Sliders, fields and buttons change the tables of the study, curves follow; the address carries what was changed. The
page is served to this machine only, at an address with a token: whoever has it can use the server. Needs the extra
`explore` (pip install 'ode-sgd[explore]'). Ctrl-C ends the server.
"""


def add_commands(commands: Any) -> None:
    """Put the command among those of `ode-sgd`."""
    explore = add_command(commands, "explore", _explore, "show a study in the browser while you move it", EXAMPLES)
    explore.add_argument("file", nargs="?", type=Path, metavar="STUDY", help="default: what `ode-sgd init` writes")
    explore.add_argument(
        "--set", action="append", default=[], metavar="A.B=V", help="override one key; may be repeated"
    )
    explore.add_argument("--model", metavar="MODEL", help='without STUDY: name, "path/file.py:Class" or "module:Class"')
    explore.add_argument("--port", type=int, default=0, metavar="N", help="default: any free one")
    explore.add_argument("--prefix", default="", metavar="PATH", help="what a proxy leaves before the page's path")
    explore.add_argument(
        "--origin", action="append", default=[], metavar="HOST", help="a proxy's host; may be repeated, * is any"
    )
    explore.add_argument("--no-browser", action="store_true", help="only print the address")
    explore.set_defaults(interrupted="interrupted; the explorer had not begun")


def _explore(arguments: argparse.Namespace) -> int:
    from ode_sgd.explorer.begin import origin_of, usual_simulation
    from ode_sgd.explorer.server import Explorer

    for name in ("bokeh", "tornado.access"):  # of tabs that are closed, and of pages that there are not
        logging.getLogger(name).setLevel(logging.ERROR)
    origin = origin_of(arguments.file, arguments.model, arguments.set)
    explorer = Explorer(
        origin,
        usual_simulation(origin),
        port=arguments.port,
        prefix=arguments.prefix,
        origins=arguments.origin,
    )
    try:
        print(explorer.address, flush=True)
        if explorer.proxied:
            print(f"on this JupyterHub: {explorer.proxied}", flush=True)
        if not arguments.no_browser and not explorer.open():
            print("ode-sgd: no browser was found; open the address in one", file=sys.stderr)
        explorer.wait()
    except KeyboardInterrupt:
        _leave()
    return DONE


def _leave() -> None:
    """End the process at once: there is nothing to keep, and a compiler in another thread would be waited for."""
    print("ode-sgd: the explorer has ended", file=sys.stderr, flush=True)
    os._exit(DONE)

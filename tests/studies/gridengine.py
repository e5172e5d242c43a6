"""A Grid Engine of our own on this machine, while a test runs: one node of four slots, all below one folder."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.studies.slurm import free_ports

PROGRAMS = ("sge_qmaster", "sge_execd", "qsub", "qconf", "qstat", "qdel")
SHARED, PRIVATE, INSTALLED = (Path(f"/{name}/gridengine") for name in ("usr/share", "usr/lib", "var/lib"))
SLOTS, MEMORY = 4, "16G"  # of the node
PATIENCE = 30.0

BOOTSTRAP = """admin_user none
default_domain none
ignore_fqdn false
spooling_method classic
spooling_lib libspoolc
spooling_params {common};{spool}
binary_path /usr/sbin
qmaster_spool_dir {spool}
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
ENVIRONMENT = """pe_name smp
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule $pe_slots
control_slaves FALSE
job_is_first_task TRUE
urgency_slots min
accounting_summary FALSE
qsort_args NONE
"""


def reason_to_skip() -> str:
    """Why no Grid Engine can be started here; empty if one can."""
    if os.geteuid() != 0:
        return "starting Grid Engine's daemons needs root"
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    missing += [
        str(path) for path in (PRIVATE / "spooldefaults", SHARED / "util", INSTALLED / "util") if not path.exists()
    ]
    return f"Grid Engine is not installed ({', '.join(missing)} missing)" if missing else ""


class GridEngine:
    """Context: daemons started as children, and ended by their ids.

    The memory of the node is the consumable h_vmem, as at most sites: a job that asks for it holds it for every slot.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.common, self.spool = folder / "default" / "common", folder / "spool"
        ports = free_ports(2)
        self.environment = os.environ | {
            "SGE_ROOT": str(folder),
            "SGE_CELL": "default",
            "SGE_QMASTER_PORT": str(ports[0]),
            "SGE_EXECD_PORT": str(ports[1]),
            "SGE_ND": "1",  # daemons stay in the foreground
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin",
        }
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "GridEngine":
        self.host = socket.gethostname().partition(".")[0]
        for path in (self.common, self.spool / "job_scripts", self.folder / "execd"):
            path.mkdir(parents=True)
        for name in ("bin", "lib", "util", "utilbin"):
            (self.folder / name).symlink_to(INSTALLED / name)
        (self.common / "bootstrap").write_text(BOOTSTRAP.format(common=self.common, spool=self.spool))
        (self.common / "act_qmaster").write_text(f"{self.host}\n")
        found = {self.host, *socket.gethostbyaddr("127.0.0.1")[1], socket.gethostbyaddr("127.0.0.1")[0]}
        (self.common / "host_aliases").write_text(" ".join([self.host, *sorted(found - {self.host})]) + "\n")
        try:
            self._initialise()
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _initialise(self) -> None:
        """What Debian's package does for a cell, in our folder."""
        self._done(PRIVATE / "spoolinit", "classic", "libspoolc", f"{self.common};{self.spool}", "init")
        text = (SHARED / "default-configuration").read_text()
        first = (
            1_000_000 + 100 * os.getpid()
        )  # groups by which a job's processes are known, and ended: of this one only
        for name, value in {
            "execd_spool_dir": self.folder / "execd", "min_uid": 0, "min_gid": 0, "mailer": "/bin/true",
            "load_report_time": "00:00:02", "gid_range": f"{first}-{first + 99}",
        }.items():  # fmt: skip
            text = re.sub(rf"^{name}\s.*", f"{name} {value}", text, flags=re.MULTILINE)
        (self.folder / "configuration").write_text(text)
        self._done(PRIVATE / "spooldefaults", "configuration", str(self.folder / "configuration"))
        for what, name in (("complexes", "centry"), ("usersets", "usersets")):
            self._done(PRIVATE / "spooldefaults", what, str(SHARED / "util" / "resources" / name))
        self._done(PRIVATE / "spooldefaults", "managers", "root")

    def _start(self) -> None:
        self._child("sge_qmaster")
        self._wait(lambda: self.host in self.call("qconf", "-sh"), "sge_qmaster")
        self._configure("-Mc", self.call("qconf", "-sc"), {r"^(h_vmem.*<=\s+YES\s+)NO": r"\1YES"})
        self._configure("-Ap", ENVIRONMENT, {})
        quick = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1"}
        settings = {rf"^{name}\s.*": f"{name} {value}" for name, value in quick.items()}
        self._configure("-Msconf", self.call("qconf", "-ssconf"), settings)
        self.call("qconf", "-as", self.host)
        self._child("sge_execd")
        self._wait(lambda: self.host in self.call("qconf", "-sel"), "sge_execd")
        self.call("qconf", "-mattr", "exechost", "complex_values", f"h_vmem={MEMORY},slots={SLOTS}", self.host)
        queue = {"qname": "all.q", "hostlist": self.host, "slots": SLOTS, "pe_list": "smp", "load_thresholds": "NONE"}
        settings = {rf"^{name}\s.*": f"{name} {value}" for name, value in queue.items()}
        self._configure("-Aq", self.call("qconf", "-sq"), settings)
        self._wait(self._up, "the node")

    def _up(self) -> bool:
        """Whether the node reports its load, and so takes jobs."""
        lines = [line.split() for line in self.call("qhost").splitlines() if line.startswith(self.host)]
        return bool(lines) and lines[0][3] != "-"

    def _configure(self, option: str, text: str, changes: dict[str, str]) -> None:
        """Hand `qconf` a file: what it showed, with some lines changed."""
        for pattern, value in changes.items():
            text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
            assert count == 1, f"{pattern} is not in {text}"
        path = self.folder / "configured"
        path.write_text(text)
        self._done("qconf", option, str(path))

    def _done(self, *command: object) -> None:
        done = subprocess.run(
            [str(word) for word in command], env=self.environment, capture_output=True, text=True, timeout=PATIENCE,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")

    def _child(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("ab") as output:
            child = subprocess.Popen(command, env=self.environment, stdout=output, stderr=output)
        self._children.append(child)

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline or any(child.poll() is not None for child in self._children):
                told = "".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.out"))
                raise RuntimeError(f"{what} did not come up: {told}")
            time.sleep(0.05)

    def __exit__(self, *error: object) -> None:
        if len(self._children) > 1:
            for job in self.jobs():
                self.call("qdel", "-f", job.split()[0])
            deadline = time.monotonic() + 10.0
            while self.jobs() and time.monotonic() < deadline:
                time.sleep(0.1)
        for child in reversed(self._children):  # the master, which comes last, takes nine seconds to end by itself
            child.kill() if child is self._children[0] else child.terminate()
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def call(self, *command: str) -> str:
        """Output of one of Grid Engine's commands."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Ids of the jobs in the queue and what qstat says behind them, and their states."""
        lines = [line.split() for line in self.call("qstat", "-g", "d", "-u", "*").splitlines()[2:]]
        return {" ".join(words[:1] + words[8:]): words[4] for words in lines}

"""A SLURM of our own on this machine, for as long as a test takes: two nodes of one core, all below one folder."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "scancel")
NODES = 2
PATIENCE = 30.0

CONFIGURATION = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/completed.txt
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,sched_interval=1,bf_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
SlurmctldPort={port}
MinJobAge=300
KillWait=2
{nodes}
PartitionName=short Nodes=n[1-{count}] Default=YES MaxTime=INFINITE State=UP
"""


def reason_to_skip() -> str:
    """Why no SLURM can be started here; empty if one can."""
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    return f"SLURM is not installed ({', '.join(missing)} missing)" if missing else ""


class Slurm:
    """Context: daemons started as children, and ended by their ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin",
        }
        self._children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Slurm":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        host = socket.gethostname().partition(".")[0]
        ports = free_ports(NODES + 1)
        nodes = "\n".join(
            f"NodeName=n{n + 1} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[n + 1]} CPUs=1 RealMemory=2000"
            for n in range(NODES)
        )
        text = CONFIGURATION.format(host=host, folder=self.folder, port=ports[0], nodes=nodes, count=NODES)
        (self.folder / "slurm.conf").write_text(text)
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _start(self) -> None:
        names = ("socket", "key-file", "pid-file", "log-file", "seed-file")
        files = ("munge.sock", "munge.key", "munged.pid", "munged.log", "munged.seed")
        options = [f"--{name}={self.folder / file}" for name, file in zip(names, files, strict=True)]
        self._child("munged", "--foreground", "--force", *options)
        self._wait((self.folder / "munge.sock").exists, "munged")
        configuration = str(self.folder / "slurm.conf")
        self._child("slurmctld", "-D", "-c", "-i", "-f", configuration)
        for n in range(NODES):
            self._child("slurmd", "-D", "-N", f"n{n + 1}", "-f", configuration)
        self._wait(lambda: self.call("sinfo", "-h", "-o", "%T").split() == ["idle"], "slurmctld")

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
            self.call("scancel", "--state=RUNNING", "--full", "--quiet")
            self.call("scancel", "--state=PENDING", "--quiet")
            deadline = time.monotonic() + 10.0
            while self.jobs() and time.monotonic() < deadline:
                time.sleep(0.1)
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def call(self, *command: str) -> str:
        """Output of one of SLURM's commands."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        return done.stdout

    def jobs(self) -> dict[str, str]:
        """Ids of the jobs in the queue, and their states."""
        lines = self.call("squeue", "-h", "-r", "-o", "%i %T").split("\n")
        return dict(line.split() for line in lines if line.strip())


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports

"""What stands for the commands of a queueing system that is not at hand: it refuses whatever the system's manual lacks.

`installed` puts sbatch, qsub, bsub, condor_submit, oarsub and their counterparts that cancel jobs into a folder. Each
knows the options that its system has, and the form of their values; a job is refused with exit status 1 and a sentence.
With STUB_RUNS in the environment a job that is taken is also run, on this machine.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

CLOCK = r"\d+:[0-5]\d:[0-5]\d"
NAME, PATH, TEXT, COUNT = r"[\w.@-]+", r"[\w./%-]+", r".+", r"[1-9]\d*"
FLAG = None
SIZE = r"\d+(\.\d+)?[kmgtKMGT]?[bB]?"

# Options of each system's own manual, as far as job scripts of sweeps could have a use for them.
SLURM = {
    "-J": NAME, "-e": PATH, "-o": PATH, "-p": NAME, "-A": NAME, "-n": COUNT, "-t": rf"\d+|{CLOCK}|\d+-{CLOCK}|\d+:\d+",
    "--cpus-per-task": COUNT, "--mem": r"\d+[KMGT]?", "--requeue": FLAG, "--exclude": NAME, "--array": r"\d+-\d+",
}  # fmt: skip
SLURM |= {"--job-name": NAME, "--ntasks": COUNT, "--time": SLURM["-t"], "--output": PATH}
PBS_LIST = rf"(select=\d+:ncpus=\d+:mem={SIZE}|nodes=\d+:ppn=\d+(,mem={SIZE})?|walltime={CLOCK}|mem={SIZE})"
PBS = {
    "-N": NAME, "-q": NAME, "-A": NAME, "-l": rf"{PBS_LIST}(,{PBS_LIST})*", "-e": PATH, "-o": PATH, "-r": r"[yn]",
    "-J": r"\d+-\d+", "-j": r"oe|eo|n",
}  # fmt: skip
SGE_LIST = rf"(h_rt=(\d+|{CLOCK})|(h_vmem|mem_free|m_mem_free)={SIZE}|exclusive=(true|1))"
SGE = {
    "-N": NAME, "-q": NAME, "-P": NAME, "-l": rf"{SGE_LIST}(,{SGE_LIST})*", "-e": PATH, "-o": PATH, "-cwd": FLAG,
    "-j": r"y|n", "-r": r"y|n", "-pe": (r"[A-Za-z]\w*", COUNT), "-t": r"[1-9]\d*-\d+", "-S": PATH,
}  # fmt: skip
LSF = {
    "-J": r"[\w.@-]+(\[\d+-\d+\])?", "-e": PATH, "-o": PATH, "-q": NAME, "-P": NAME, "-n": COUNT, "-r": FLAG,
    "-R": r"span\[hosts=1\]|rusage\[mem=\d+\]", "-M": COUNT, "-W": r"(\d+:)?\d+", "-m": NAME,
}  # fmt: skip
OAR = {
    "-n": NAME, "-q": NAME, "--project": NAME, "-t": r"idempotent|besteffort", "-p": TEXT, "-O": PATH, "-E": PATH,
    "-l": rf"/nodes=1/core=\d+,walltime={CLOCK}", "--array": COUNT, "-S": FLAG,
}  # fmt: skip
CONDOR = {
    "batch_name": TEXT, "requestcpus": TEXT, "requestmemory": TEXT, "requestdisk": TEXT, "logdirectory": PATH,
    "output": TEXT, "error": TEXT, "log": TEXT, "stream_output": "True", "stream_error": "True", "arguments": TEXT,
    "should_transfer_files": r"YES|NO|IF_NEEDED", "periodic_remove": TEXT, "accounting_group": NAME, "executable": PATH,
    "request_cpus": COUNT, "request_memory": SIZE, "request_disk": SIZE, "environment": TEXT, "initialdir": PATH,
}  # fmt: skip
SYSTEMS = {  # mark of a directive, options, answer
    "sbatch": ("#SBATCH", SLURM, "Submitted batch job {}"),
    "qsub": ("#PBS", PBS, "{}.server"),
    "bsub": ("#BSUB", LSF, "Job <{}> is submitted to queue <normal>."),
    "oarsub": ("#OAR", OAR, "[ADMISSION RULE]\nOAR_JOB_ID={}"),
    "condor_submit": ("", CONDOR, "Submitting job(s).\n1 job(s) submitted to cluster {}."),
}
GRID_ENGINE = ("#$", SGE, 'Your job {} ("ode-sgd") has been submitted')
CANCEL = ("scancel", "qdel", "bkill", "oardel", "condor_rm")


class Refused(Exception):
    """What the system would say."""


def installed(folder: Path) -> Path:
    """The commands in a folder, for the head of PATH."""
    folder.mkdir()
    for name in (*SYSTEMS, *CANCEL):
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        command.chmod(0o755)
    return folder


def check_options(words: list[str], options: dict[str, object]) -> None:
    """Raise for an option that there is not, or a value of another form."""
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in options:
            raise Refused(f"invalid option {word}")
        form = options[name]
        for pattern in () if form is FLAG else form if isinstance(form, tuple) else (form,):
            if not equals and not left:
                raise Refused(f"option {name} requires an argument")
            given = value if equals else left.pop(0)
            if not re.fullmatch(pattern, given):
                raise Refused(f"invalid value {given!r} of option {name}")


def check_script(text: str, mark: str, options: dict[str, object]) -> None:
    """Raise for a directive that the system does not have; those below the first command are none."""
    for line in text.splitlines()[1:]:
        if line.startswith(f"{mark} "):
            check_options(shlex.split(line.removeprefix(mark)), options)
        elif line.strip() and not line.startswith("#"):
            return


def check_description(text: str) -> None:
    """Raise for a key that HTCondor does not have."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines[:-1]:
        key, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not (key.startswith(("MY.", "+")) or re.fullmatch(CONDOR.get(key.lower(), "$"), value)):
            raise Refused(f"submit file line is no command of mine: {line}")
    if not re.fullmatch(r"queue( \d+)?", lines[-1].strip(), re.IGNORECASE):
        raise Refused("no 'queue' command in submit file")


def condor_command(text: str) -> list[str]:
    """Executable and arguments, by the rules of HTCondor's new syntax."""
    values = dict(re.findall(r"^(Executable|Arguments) = (.*)$", text, re.MULTILINE))
    inner = values["Arguments"].strip()[1:-1].replace('""', '"')
    words = re.findall(r"(?:[^\s']|'(?:[^']|'')*')+", inner)
    return [values["Executable"], *(re.sub(r"'((?:[^']|'')*)'", lambda m: m[1].replace("''", "'"), w) for w in words)]


def submit(command: str, words: list[str]) -> str:
    """Check a job as its system would, perhaps run it, and give the system's answer."""
    system = GRID_ENGINE if command == "qsub" and "STUB_GRID_ENGINE" in os.environ else SYSTEMS[command]
    mark, options, answer = system
    if command == "oarsub" and not (words and Path(words[-1]).is_file()):  # options, and the text of the job
        check_options(words[:-1], options)
        run = ["bash", "-c", words[-1]]
    else:
        text = Path(words[-1]).read_text() if words else sys.stdin.read()
        check_options(words[:-1], options)
        if command == "condor_submit":
            check_description(text)
            run = condor_command(text) if "STUB_RUNS" in os.environ else []
        else:
            check_script(text, mark, options)
            run = ["bash", "-c", text]
    return answer.format(started(command, run) if "STUB_RUNS" in os.environ else 7)


def started(command: str, run: list[str]) -> int:
    """Run a job as its system does: PBS in the home folder, and with hardly anything of the environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME")}
    job = subprocess.Popen(
        run,
        env=kept if command in ("qsub", "oarsub", "condor_submit") else None,
        cwd=os.environ["HOME"] if command == "qsub" else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with Path(os.environ["STUB_RUNS"]).open("a") as file:
        file.write(f"{job.pid}\n")
    return job.pid


def cancel(words: list[str]) -> None:
    """End a job that was started here."""
    begun = Path(os.environ.get("STUB_RUNS", os.devnull)).read_text().split()
    for word in words:
        if word.partition(".")[0] in begun:
            os.killpg(int(word.partition(".")[0]), signal.SIGTERM)


def main(words: list[str]) -> int:
    """Exit status of one command."""
    command, *rest = words
    if command in CANCEL:
        cancel(rest)
        return 0
    try:
        print(submit(command, rest))
    except Refused as refusal:
        print(f"{command}: {refusal}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

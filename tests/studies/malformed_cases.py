"""What is malformed: files and command lines, made from sound ones by mistakes; see malformed.py.

Long lists stand as texts, one entry a line.
"""

from dataclasses import dataclass, field

from tests.studies.malformed_calls import ARGUMENTS, CALLS

STUDY = {
    "spectrum": {"kind": '"power_law"', "distinct": "2", "beta": "1.0"},
    "problem": {"student_units": "2", "teacher_units": "2", "learning_rate": "0.5", "label_noise": "0.1"},
    "start": {"kind": '"random"', "dimension": "40", "student_scale": "0.3", "seed": "6"},
    "integration": {"alpha": "2.0", "rtol": "1e-6", "moments": "[0, 1]"},
    "simulation": {"dimension": "40", "replicas": "2", "points": "5"},
}
AXES = {"problem.learning_rate": "[0.1, 0.2]", "spectrum.beta": "{ linspace = [0.5, 1.0, 2] }", "replicas": "2"}
CLUSTER = {
    "kind": '"slurm"',
    "jobs": "2",
    "cores": "1",
    "memory": '"2GB"',
    "walltime": '"01:00:00"',
    "directives": '["-x"]',
}

# Values in place of sound ones, as TOML or as what is none.
JUNK = [
    r"",
    r"-1",
    r"0",
    r"1e400",
    r"-1e400",
    r"nan",
    r"inf",
    r"1e-320",
    r"1e200",
    r"2.5",
    r"9223372036854775808",
    r"100000000000",
    r"true",
    r"[]",
    r"[[]]",
    r"{}",
    r'""',
    r'"\u0000"',
    r'"auto"',
    r"1979-05-27",
    r"07:32:00",
    r'["a"]',
    r"[1, [2]]",
    r"{ a = 1 }",
    r"[nan, 1.0]",
    r"[0.0, 1.0, 1.0]",
    r"[true, false]",
    r"1_0",
    r"0x10",
    r'"\U0001F600"',
    r"{ linspace = [0, 1] }",
    r"{ logspace = [0, 1, 3] }",
    r"{ range = [1, 1e9, 1] }",
    r"",
][1:-1]
JUNK += [
    "1" + "0" * 500,
    "[" * 30 + "]" * 30,
    f'"{"long " * 20_000}"',
    f"[{'1, ' * 30_000}]",
    "[" + '"x", ' * 5_000 + "]",
]
STRAY = ['"a b"', "x" * 5000, r'"\n"', "learning_rates", "a.b.c.d", "k" + ".k" * 2000]
BYTES = (
    b"\0",
    b"\xff\xfe",
    b"[",
    b"]]",
    b'"',
    b"=",
    b"\n[problem]\n",
    b"\xc3",
    b"a.b.c = 1\n",
    b"'''",
    b"\r",
    b"#",
    b"\\",
)

# Refused, whatever stands for a name in capitals.
COMMANDS = [
    "",
    "",
    "NOTHING",
    "sweep",
    "sweep NOTHING",
    "run",
    "run NAME",
    "run study.toml --NOTHING",
    "run study.toml -o FIGURE",
    "run study.toml study.toml",
    "run study.toml --set",
    "run study.toml -o missing/out.h5",
    "init study.toml",
    "init missing/study.toml",
    "init .",
    "compare",
    "compare NAME",
    "compare out.h5 NAME",
    "compare out.h5 --figure FIGURE",
    "plot NAME",
    "plot out.h5 -o FIGURE",
    "plot out.h5 --NOTHING",
    "show",
    "show NAME",
    "info NAME",
    "info --NOTHING",
    "sweep run NAME",
    "sweep run scan.toml -j WRONG",
    "sweep run scan.toml --shard WRONG",
    "sweep run scan.toml --shard WRONG/2",
    "sweep run scan.toml --shard 2/WRONG",
    "sweep run scan.toml --runs-per-file WRONG",
    "sweep run scan.toml --cluster NAME",
    "sweep run scan.toml -o study.toml",
    "sweep run other.toml -o scan.sweep",
    "sweep status NAME",
    "sweep collect NAME",
    "sweep collect scan.sweep --columns WRONG",
    "sweep collect scan.sweep -o missing/a.h5",
    "sweep collect scan.sweep --file NAME",
    "sweep plot NAME",
    "sweep plot scan.sweep -o FIGURE",
    "sweep plot scan.sweep -x WRONG",
    "sweep plot scan.sweep -z WRONG",
    "",
][1:-1]
WORDS = {
    "NAME": ["missing.h5", "empty.h5", "cut.h5", "study.png", ".", "a/b/c.h5", "", "x" * 300 + ".h5", "\udcff.h5"],
    "FIGURE": ["fig.gif", "fig", "missing/fig.png", ".", "out.h5x", "", "study.toml/fig.png", "x" * 300 + ".png"],
    "WRONG": ["x", "1.5", "", "-1", "1e3", "\u0663x", "nan", "2 2", "1" * 5000],
    "NOTHING": ["x", "rum", "-x", "\u00e9", "y" * 9000],
}


@dataclass
class Case:
    """Arguments of `ode-sgd`, or a Python call as source, and a file that is needed besides those that are there."""

    kind: str
    told: str
    arguments: list[str] = field(default_factory=list)
    file: bytes | None = None  # bad.toml
    call: str = ""


def written(tables):
    """TOML of tables of texts."""
    parts = (f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in table.items()) for name, table in tables.items())
    return "".join(parts).encode()


def mistaken(tables, chance):
    """The text with a mistake or two, and what they are; it may happen to be valid still."""
    tables = {name: dict(table) for name, table in tables.items()}
    told = [_one_mistake(tables, chance) for _ in range(chance.choice((1, 1, 2)))]
    text = written(tables)
    if chance.random() < 0.25:
        place, torn = chance.randrange(len(text) + 1), chance.choice(("cut", "inserted", "doubled"))
        middle = {"cut": b"", "inserted": chance.choice(BYTES) + text[place:], "doubled": text[place:] * 2}
        text = text[:place] + middle[torn]
        told.append(torn)
    return text, ", ".join(told)


def _one_mistake(tables, chance):
    name = chance.choice([name for name in tables if tables[name]] or list(tables) or ["none"])
    table = tables.setdefault(name, {})
    key = chance.choice(list(table) or ["key"])
    what = chance.choice(("value", "value", "value", "value", "drop", "rename", "table", "stray", "name"))
    if what == "value":
        table[key] = chance.choice(JUNK)
        return f"{name}.{key} = {table[key][:40]}"
    if what == "drop":
        table.pop(key, None)
    elif what == "rename":
        place = chance.randrange(len(key))
        table[key[:place] + chance.choice("xyz_9") + key[place:]] = table.pop(key, "1")
    elif what == "table":
        tables.pop(name)
    elif what == "stray":
        table[chance.choice(STRAY)] = "1"
    else:
        tables[name + chance.choice(("s", "_", "2"))] = tables.pop(name)
    return f"{what} {name}.{key}"


def of_a_study(chance):
    """`run` with a mistaken file, or with a mistaken --set."""
    if chance.random() < 0.25:
        name = chance.choice(list(STUDY))
        key, value = chance.choice(list(STUDY[name])), chance.choice(JUNK)
        forms = (f"{name}.{key}={value}", f"{name}{key}={value}", f"{key}={value}", value, f"{name}.{key}")
        setting = chance.choice(forms)
        return Case("study", f"--set {setting[:60]}", ["run", "study.toml", "-o", "out.h5", f"--set={setting}"])
    text, told = mistaken(STUDY, chance)
    return Case("study", told, ["run", "bad.toml", "-o", "out.h5"], text)


def of_a_sweep(chance):
    """`sweep run` with a mistaken file."""
    text, told = mistaken(STUDY | {"sweep": AXES}, chance)
    return Case("sweep", told, ["sweep", "run", "bad.toml", "-o", "scan.sweep"], text)


def of_a_cluster(chance):
    """`sweep run` with a mistaken cluster file."""
    text, told = mistaken({"cluster": CLUSTER}, chance)
    return Case("cluster", told, ["sweep", "run", "scan.toml", "--cluster", "bad.toml"], text)


def every_command():
    """All command lines with a mistake."""
    for line in COMMANDS:
        name = next((name for name in WORDS if name in line), "")
        for value in WORDS.get(name, [""]):
            words = [word.replace(name, value) if name else word for word in line.split()]
            told = " ".join(word[:60] for word in words)
            yield Case("command", told.encode("ascii", "backslashreplace").decode(), words)


def every_call():
    """All Python calls with a mistake; where one is made twice, it is the same one."""
    for line in CALLS:
        name = next((name for name in ARGUMENTS if name in line), "")
        for value in ARGUMENTS.get(name, [""]):
            call = line.replace(name, value) if name else line
            yield Case("call", call[:160], call=call)


def of_a_command(chance):
    """One of them."""
    return chance.choice(list(every_command()))


def of_a_call(chance):
    """One of them."""
    return chance.choice(list(every_call()))


SHARES = {of_a_study: 0.35, of_a_sweep: 0.2, of_a_cluster: 0.1, of_a_command: 0.2, of_a_call: 0.15}


def drawn(count, chance, valid):
    """So many cases of all kinds; those of files and settings that are `valid` after all are left out."""
    for make, share in SHARES.items():
        found = 0
        while found < round(share * count):
            case = make(chance)
            if case.kind in ("command", "call") or not valid(case):
                found += 1
                yield case

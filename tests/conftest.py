"""What all tests share: measured numbers are printed at the end of the run.

A test that measures something a reader wants to see (a pooled z-score, a plateau height) calls
`record_property("measured", "text")`.
"""


def pytest_terminal_summary(terminalreporter):
    """List the measured numbers of all tests, whichever worker ran them."""
    lines = [
        f"{report.nodeid.rsplit('/', 1)[-1]}: {text}"
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, text in getattr(report, "user_properties", [])
        if name == "measured" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured")
        for line in sorted(lines):
            terminalreporter.write_line(line)

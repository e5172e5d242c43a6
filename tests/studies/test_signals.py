"""A few runs that are ended from outside; `make signals` has 200."""

from tests.studies import signals


def test_runs_that_are_ended_go_on_and_leave_nothing(tmp_path, record_property):
    told = signals.study(tmp_path, kills=2, stops=2, seed=3, share=1.0)
    record_property("measured", ", ".join(f"{what} {count}" for what, count in told.items()))
    assert told.total() == 4

"""The study that tests of the command line run."""

from tests.study_text import study_text

STUDY = study_text(
    start={"student_scale": 0.5}, integration={"alpha": 2.0}, simulation={"dimension": 40, "replicas": 6, "points": 10}
)

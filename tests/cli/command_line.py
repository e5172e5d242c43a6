"""The study that tests of the command line run."""

STUDY = """
[spectrum]
kind = "power_law"
distinct = 2
beta = 1.0
[problem]
student_units = 2
teacher_units = 2
learning_rate = 0.5
[start]
kind = "random"
student_scale = 0.5
[integration]
alpha = 2.0
[simulation]
dimension = 40
replicas = 6
points = 10
"""

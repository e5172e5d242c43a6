"""Python calls with one argument left open, for what is no number, no array, nothing of ours: see malformed.py."""

# What is defined where a call is made. An own error is exit status 2; what a call returns is no refusal.
PRELUDE = """
import sys
import numpy as np
import ode_sgd
from ode_sgd import OrderParameters, Problem, Spectrum, Sweep, integrate, integrate_batch, simulate, theory

nan = float("nan")
spectrum = Spectrum.power_law(2, 1.0)
units = {"student_units": 2, "teacher_units": 2, "learning_rate": 0.5}
problem = Problem(spectrum=spectrum, **units)
linear = Problem(spectrum=spectrum, activation="linear", **units)
start = OrderParameters.random(problem, 40, 0.3, seed=1)
tables = {
    "spectrum": {"kind": "power_law", "distinct": 2, "beta": 1.0},
    "problem": units,
    "start": {"kind": "random", "dimension": 40},
    "integration": {"alpha": 1.0},
}
deep = []
for _ in range(3000):
    deep = [deep]


class Frame(dict):
    columns, shape = ("a", "b"), (2, 2)

    def __array__(self, *_, **__):
        return np.array([["x", True], ["y", False]], dtype=object)


pandas_frame = Frame(a=np.array(["x", "y"]), b=np.array([True, False]))


def attempt(call):
    try:
        result = call()
    except ode_sgd.OdeSgdError as error:
        print(f"own error: {error}", file=sys.stderr)
        raise SystemExit(2)
    print(f"no refusal: {result!r}"[:300], file=sys.stderr)


"""
VALID = "integrate(problem, start, 1.0)"

VALUES = r"""
'x'
[]
{}
nan
[[1]]
1j
b'x'
np.array(None)
np.array(['a'])
object()
lambda: 1
deep
pandas_frame
np.ma.masked
"""[1:-1].split("\n")
NUMBERS = ["-1", "np.inf", "10**400", "True", "np.array([1.0, 2.0])", "-np.float64(1)", "1e200"]
INTEGERS = ["-1", "2.0", "np.inf", "True", "np.array([1, 2])", "np.float64(2)", "'2'", "-(10**30)"]
ARRAYS = ["[1, [2]]", "[np.inf, 1.0]", "np.ones((2, 2, 2, 2))", "[10**400]", "{1, 2}", "[True]"]
THINGS = ["[[[[[[1]]]]]]", "range(0)", "'x' * 5000", "int", "..."]
PATHS = ["'x' * 5000", "'\\ud800.h5'", "'a\\0b'", "3", "'.'", "'study.toml/x.h5'"]
ARGUMENTS = {  # longer names first
    "SOME_NUMBER": VALUES + NUMBERS,
    "SOME_INTEGER": VALUES + INTEGERS,
    "SOME_ARRAY": VALUES + ARRAYS,
    "SOME_ANYTHING": VALUES + THINGS,
    "NUMBER": ["None", *VALUES, *NUMBERS],
    "INTEGER": ["None", *VALUES, *INTEGERS],
    "ARRAY": ["None", *VALUES, *ARRAYS],
    "EXPONENT": ["None", *VALUES, *NUMBERS[:-1]],
    "ORDERS": ["None", *NUMBERS, *(value for value in VALUES if value not in ("[]", "{}"))],
    "PATH": ["None", *VALUES[1:], *PATHS],
    "ANYTHING": ["None", *VALUES, *THINGS],
}
CALLS = """
Spectrum(ARRAY, [1.0])
Spectrum([1.0], ARRAY)
Spectrum.power_law(INTEGER, 1.0)
Spectrum.power_law(2, EXPONENT)
Spectrum.power_law(2, 1.0, NUMBER)
Spectrum.from_eigenvalues(ARRAY)
Spectrum.from_eigenvalues([1.0], tolerance=SOME_NUMBER)
Spectrum.from_data(ARRAY)
spectrum.powers(INTEGER)
spectrum.moment(INTEGER)
spectrum.sector_dimensions(INTEGER)
Problem(spectrum=ANYTHING, **units)
Problem(spectrum=spectrum, **(units | {'student_units': INTEGER}))
Problem(spectrum=spectrum, **(units | {'learning_rate': NUMBER}))
Problem(spectrum=spectrum, label_noise=NUMBER, **units)
Problem(spectrum=spectrum, activation=ANYTHING, **units)
Problem(spectrum=spectrum, output=ANYTHING, **units)
Problem(spectrum=spectrum, gradient_flow=ANYTHING, **units)
OrderParameters(ARRAY, start.r, start.t)
OrderParameters(start.q, ARRAY, start.t)
OrderParameters(start.q, start.r, ARRAY)
OrderParameters.from_weights(ARRAY, np.ones((2, 40)), spectrum)
OrderParameters.from_weights(np.ones((2, 40)), np.ones((2, 40)), ANYTHING)
OrderParameters.random(ANYTHING, 40)
OrderParameters.random(problem, INTEGER)
OrderParameters.random(problem, 40, NUMBER)
OrderParameters.typical(problem, NUMBER)
start.moments(ANYTHING)
start.moments(spectrum, INTEGER)
start.generalization_error(ANYTHING)
integrate(ANYTHING, start, 1.0)
integrate(problem, ANYTHING, 1.0)
integrate(problem, start, ARRAY)
integrate(problem, start, 1.0, rtol=NUMBER)
integrate(problem, start, 1.0, moments=ORDERS)
integrate(problem, start, 1.0, sectors=ANYTHING)
integrate(problem, start, 1.0, nodes=SOME_INTEGER)
integrate(problem, start, 1.0, method=ANYTHING)
integrate_batch(ANYTHING, [start], 1.0)
integrate_batch([problem], ANYTHING, 1.0)
integrate_batch([ANYTHING], [start], 1.0)
integrate_batch([problem], [start], ARRAY)
simulate(ANYTHING, start, 1.0, dimension=40, seed=1)
simulate(problem, start, ARRAY, dimension=40, seed=1)
simulate(problem, start, 1.0, dimension=INTEGER, seed=1)
simulate(problem, start, 1.0, dimension=40, seed=INTEGER)
simulate(problem, start, 1.0, dimension=40, seed=1, replicas=INTEGER)
simulate(problem, start, 1.0, dimension=40, seed=1, method=ANYTHING)
simulate(problem, start, 1.0, seed=1, inputs=ARRAY)
simulate(problem, start, 1.0, dimension=40, seed=1, checkpoint=SOME_ANYTHING)
theory.linear_error(ANYTHING, start, [1.0])
theory.linear_error(linear, ANYTHING, [1.0])
theory.linear_error(linear, start, ARRAY)
theory.linear_order_parameters(linear, start, [1.0], moments=ORDERS)
theory.linear_modes(ANYTHING)
theory.linear_error(linear, start, [1.0], dimension=SOME_INTEGER)
theory.linear_error_variance(linear, start, ARRAY, dimension=40)
theory.critical_learning_rate(ANYTHING)
theory.critical_learning_rate(linear, dimension=SOME_INTEGER)
theory.fixed_point(ANYTHING)
theory.fixed_point(problem, SOME_ARRAY)
theory.fixed_point(problem, method=ANYTHING)
theory.small_noise_floor(ANYTHING)
theory.norm_divergence_rate(ANYTHING)
theory.relaxation_rate(ANYTHING)
theory.relaxation_rates(problem, count=INTEGER)
theory.optimal_learning_rate(ANYTHING)
theory.excess_pair(problem, NUMBER, [1.0])
theory.noise_floor(ANYTHING, start)
theory.noise_floor(linear, SOME_ARRAY)
theory.plateau_height(ANYTHING)
theory.symmetric_saddle(ANYTHING)
theory.symmetric_saddle(problem, branch=SOME_NUMBER)
theory.escape_rate(ANYTHING)
theory.escape_law(ANYTHING)
theory.escape_time(problem, ANYTHING)
theory.asymptotic_exponent(ANYTHING)
theory.asymptotic_exponent(problem, NUMBER)
theory.power_law_exponent(ANYTHING)
theory.linear_time_exponent(EXPONENT)
theory.linear_time_window(ANYTHING)
theory.linear_feature_window(linear, NUMBER)
ode_sgd.findings(ANYTHING)
ode_sgd.describe(ANYTHING)
ode_sgd.find_plateau(ANYTHING)
ode_sgd.half_height(ANYTHING)
ode_sgd.search_half_height(ANYTHING)
ode_sgd.fit_escape(ANYTHING)
ode_sgd.asymmetry(ANYTHING)
ode_sgd.specialisation(ANYTHING)
ode_sgd.local_exponent(ANYTHING)
ode_sgd.fit_power_law(ANYTHING)
ode_sgd.find_crossover(ANYTHING)
ode_sgd.compare(ANYTHING, ANYTHING)
ode_sgd.extrapolate(ANYTHING)
ode_sgd.plots.run_figure(ANYTHING)
ode_sgd.plots.agreement_figure(ANYTHING)
ode_sgd.plots.plot_error(ANYTHING, ANYTHING)
ode_sgd.save('out.h5', ANYTHING)
ode_sgd.save(PATH, integrate(problem, start, 1.0))
Sweep.read(PATH)
ode_sgd.load(PATH)
ode_sgd.Checkpoint(PATH)
Sweep(ANYTHING, {'problem.learning_rate': [0.1]})
Sweep(tables, ANYTHING)
Sweep(tables, {'problem.learning_rate': ANYTHING})
Sweep(tables, {'problem.learning_rate': [0.1, NUMBER]})
Sweep(tables, {'problem.learning_rate': [0.1]}, replicas=INTEGER)
Sweep(tables, {'problem.learning_rate': [0.1]}, zip=ORDERS)
Sweep(tables | {'problem': ANYTHING}, {'start.seed': [1]})
ode_sgd.run_sweep(ANYTHING, 'scan.sweep')
ode_sgd.run_sweep(Sweep.read('scan.toml'), 'scan.sweep', jobs=INTEGER)
ode_sgd.run_sweep(Sweep.read('scan.toml'), 'scan.sweep', shard=SOME_ARRAY)
ode_sgd.run_sweep(Sweep.read('scan.toml'), PATH)
ode_sgd.collect_sweep(PATH)
ode_sgd.sweep_status(PATH)
"""[1:-1].split("\n")

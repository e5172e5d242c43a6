"""What stands on the axes of figures of sweeps: name of a column or of a key -> words and symbol."""

from ode_sgd.teacher_student.study_columns import COLUMNS

_SYMBOLS = {
    "learning_rate": r"learning rate  $\eta$",
    "beta": r"decay of the spectrum  $\beta$",
    "distinct": r"eigenvalues  $L$",
    "trace": "trace of the covariance",
    "student_units": "student units  $K$",
    "teacher_units": "teacher units  $M$",
    "label_noise": r"label noise  $\sigma$",
    "weight_decay": r"weight decay  $\kappa$",
    "batch_size": r"batch size  $b$",
    "second_layer_rate": r"rate of the second layer  $\eta_v$",
    "second_layer_decay": r"decay of the second layer  $\kappa_v$",
    "student_scale": "scale of the student's weights",
    "teacher_scale": "scale of the teacher's weights",
    "dimension": "dimension  $N$",
    "final_error": r"last generalization error  $\epsilon_g$",
    "plateau_length": r"length of the plateau  $\Delta\alpha$",
    "plateau_start": r"start of the plateau  $\alpha$",
    "plateau_end": r"end of the plateau  $\alpha$",
    "plateau_height": r"$\epsilon_g$ on the plateau",
    "half_height_time": r"half-height time  $\alpha_{1/2}$",
    "saddle_height": r"$\epsilon_g$ at the symmetric saddle",
    "saddle_time": r"time near the saddle's height  $\Delta\alpha$",
    "escape_rate": "rate of escape, measured",
    "theory_escape_rate": "rate of escape, theory",
    "exponent": r"exponent of $\epsilon_g(\alpha)$",
    "floor": r"floor of $\epsilon_g$",
    "error_ratio": r"largest ratio of $\epsilon_g$, SGD over ODE",
}
SYMBOLS = {
    name: f"{_SYMBOLS.get(name, name.replace('_', ' '))}  (dimensionless)"
    for name in dict.fromkeys([*_SYMBOLS, *COLUMNS])
}

"""Names of all that is measured on a run of a sweep: name of a measurement -> its columns -> what they are."""

CATALOGUE = {
    "final_error": {"final_error": "eps_g of the ODE at the last time reached"},
    "half_height": {
        "half_height_time": "first alpha at which eps_g is half-way down from the saddle's height to its floor"
    },
    "saddle": {
        "saddle_height": "eps_g at the symmetric saddle of the run's teacher, from theory",
        "saddle_time": "time that eps_g spends within 10 % of saddle_height, in units of alpha",
    },
    "plateau": {
        "plateau_start": "alpha from which eps_g stays within 10 % of the height of its longest plateau",
        "plateau_end": "first alpha at which eps_g is half-way down from that height to its floor",
        "plateau_length": "plateau_end - plateau_start",
        "plateau_height": "eps_g on its longest plateau",
    },
    "escape": {
        "escape_rate": "measured rate per unit of alpha at which the students part on leaving the saddle",
        "escape_rate_error": "its error",
        "escape_from": "first alpha of its window",
        "escape_to": "last alpha of its window",
    },
    "exponent": {
        "exponent": "exponent of the power law eps_g ~ alpha^-exponent, after the half-height time",
        "exponent_error": "its error",
        "exponent_from": "first alpha of its window",
        "exponent_to": "last alpha of its window",
    },
    "floor": {"floor": "level on which eps_g ends: it moves by less than 1 % over the last third of alpha"},
    "theory_escape": {
        "theory_escape_rate": "rate at which the students part at the saddle of the run's branch, from theory"
    },
}
COLUMNS = {name: text for columns in CATALOGUE.values() for name, text in columns.items()}

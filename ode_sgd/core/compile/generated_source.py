"""Functions from text that the program writes, such as loops written out for numbers of units.

Python keeps the text, so that `inspect.getsource`, a debugger and a traceback show the generated line (that of the
interpreter itself from Python 3.13 on; those of pytest, IPython and the `traceback` module in every version).

For one student and one teacher (K = M = 1) weight_pass.py of the teacher-student model writes, for a tile of weights:

    def columns(J0, B0, f0, update, xi, amplitude, normals):
        x0 = x1 = 0.0
        for n in range(xi.size):
            old, new = xi[n], amplitude[n] * normals[n]
            w0 = moved(J0[n], update, f0, old)
            J0[n] = w0
            x0 += w0 * new
            x1 += B0[n] * new
            xi[n] = new
        return x0, x1
"""

import linecache
from collections.abc import Callable
from typing import Any


def defined_by(text: str, title: str, **names: Any) -> Callable[..., Any]:
    """The function that a text defines.

    Parameters
    ----------
    text : str
        One definition of a function.
    title : str
        Says what was written and for what, e.g. "columns, K = 1, M = 1": in a traceback it is the name of the file.
    **names
        What the text refers to, and `__name__`, the module that the function shall belong to.

    Raises
    ------
    ValueError
        If another text has the title already: a traceback would show lines of the wrong one.
    """
    file = f"<{title}>"
    entry = len(text), None, text.splitlines(keepends=True), file  # None: there is no such file to look at again
    if linecache.cache.setdefault(file, entry) != entry:
        raise ValueError(f"another text has the title {title!r}; name in it what the two differ in")
    namespace = dict(names)
    exec(compile(text, file, "exec"), namespace)
    function: Callable[..., Any] = namespace[name_in(text)]
    return function


def name_in(text: str) -> str:
    """The name of the function that a text defines."""
    return text[len("def ") : text.index("(")]

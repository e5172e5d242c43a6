"""Where a simulation leaves what it needs to go on: one file, replaced as a whole, readable at any moment."""

import io
import os
from typing import Any

import numpy as np

from ode_sgd.core import check
from ode_sgd.core.errors import StorageError
from ode_sgd.core.keywords import own_keywords
from ode_sgd.storage import files, seal

TEXT = "text_"  # prefix of what is no array
BEGIN = "remove it to begin anew"


@own_keywords
class Checkpoint:
    """A checkpoint file for `simulate`.

    Parameters
    ----------
    path : path-like
        Its folder must exist. A file that is there is gone on from, and replaced.

    Raises
    ------
    StorageError
        If no file can be written there, or what is there is no file.

    Notes
    -----
    Written by temporary file, fsync and os.replace: a run killed at any moment leaves the old state or the new one. It
    is what `numpy.savez` writes, and a line with a checksum behind it.

    Examples
    --------
    >>> checkpoint = ode_sgd.Checkpoint("run.checkpoint")
    >>> run = ode_sgd.simulate(problem, start, 10.0, dimension=400, seed=0, checkpoint=checkpoint)
    >>> checkpoint.remove()
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = check.path("path", path)
        files.check_writable(self.path)

    def read(self) -> dict[str, Any] | None:
        """The state written last, a dictionary of arrays and texts; None if there is no file.

        Raises
        ------
        StorageError
            If a single bit of the file has changed, or it is none of ours.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if not seal.sealed(io.BytesIO(data), self.path, BEGIN):
            # Without the checksum nothing vouches for the numbers, and a version that wrote none had other kernels.
            raise StorageError(
                f"{self.path} is damaged or no checkpoint of this ode_sgd: it does not end with a checksum; {BEGIN}, "
                "or go on with the version that wrote it"
            )
        try:
            with np.load(io.BytesIO(data[: -seal.LENGTH]), allow_pickle=False) as held:
                if sum(entry.file_size for entry in held.zip.infolist()) > len(data):
                    raise ValueError("it claims more than it holds")  # ours are not compressed
                state: dict[str, Any] = {name: held[name] for name in held.files}
        except Exception as error:  # zipfile and NumPy raise nearly anything
            raise StorageError(f"{self.path} cannot be read as a checkpoint ({error}); {BEGIN}") from error
        return {name.removeprefix(TEXT): str(v) if name.startswith(TEXT) else v for name, v in state.items()}

    def write(self, state: dict[str, Any]) -> None:
        """Put a state in place of the one before.

        Raises
        ------
        StorageError
            If it cannot be written; the one before is still there then.
        """
        memory = io.BytesIO()
        arrays: dict[str, Any] = {
            f"{TEXT}{name}" if isinstance(value, str) else name: np.asarray(value) for name, value in state.items()
        }
        np.savez(memory, **arrays)
        files.write_whole(self.path, seal.seal(memory))

    def remove(self) -> None:
        """Remove the file, once what it led to is stored elsewhere; a symbolic link to it stays."""
        files.followed(self.path).unlink(missing_ok=True)

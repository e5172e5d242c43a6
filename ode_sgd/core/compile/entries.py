"""Entries of the cache on disk: Numba's files with our place and our key, checksums, and a folder that is only read."""

import functools
import hashlib
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile, NullCache
from numba.core.runtime.nrt import rtsys

from ode_sgd.core.compile.cache_folder import cache_place, prebuilt_folder, source_digest, tell

SEAL = hashlib.sha256().digest_size  # bytes behind those of a file
STALE = 3600.0  # seconds after which an unfinished file is of a process that was killed


class Locator:
    """Where and under which stamp one kernel is kept (the duck type that Numba's cache asks)."""

    def __init__(self, folder: Path, name: str, source_file: str) -> None:
        self._folder, self._name = folder, name
        self._py_file = source_file  # Numba names it when it warns that a function cannot be cached

    def ensure_cache_path(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self._folder)

    def get_source_stamp(self) -> str:
        return source_digest()

    def get_disambiguator(self) -> str:
        return self._name


class SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and data, with a checksum behind the bytes of each: unpickling does not come as far as there.

    Neither a damaged pickle nor damaged machine code says so itself; they crash, or give other numbers.
    """

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        memory = io.BytesIO()
        yield memory
        with super()._open_for_write(filepath) as file:
            file.write(memory.getvalue() + hashlib.sha256(memory.getvalue()).digest())

    def _load_index(self) -> Any:
        with suppress(FileNotFoundError):
            self._check_seal(Path(self._index_path))
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        self._check_seal(Path(self._data_path(name)))
        return super()._load_data(name)

    def _check_seal(self, path: Path) -> None:
        """Remove a file of our own that does not match its checksum, and raise ValueError."""
        data = path.read_bytes()
        if data[-SEAL:] != hashlib.sha256(data[:-SEAL]).digest():
            if path.parent != prebuilt_folder():
                path.unlink(missing_ok=True)
            raise ValueError(f"{path} is damaged")


class NoCache(NullCache):  # type: ignore[misc]
    """No cache, which is told where it takes time."""

    def save_overload(self, signature: Any, data: Any) -> None:
        tell(f"nothing can be kept: {cache_place()[1]}")

    def kept(self, signature: Any) -> bool:
        """Nothing is."""
        return False


class KernelCache(FunctionCache):  # type: ignore[misc]
    """Numba's function cache with our place and our key, that no fault of the disk gets past."""

    def __init__(
        self,
        function: Callable[..., Any],
        folder: Path | None,
        name: str,
        implementation: Callable[..., Any],
        processor: Callable[[], Any],
    ) -> None:
        self._processor = processor  # what tells its code from that of others
        self._variant, self._folders = name, [each for each in (folder, prebuilt_folder()) if each is not None]
        self._own = folder
        locator = Locator(self._folders[0], name, function.__code__.co_filename)
        self._impl_class = functools.partial(implementation, locator=locator)
        super().__init__(function)

    def _choose_file(self, signature: Any, folder: Path) -> None:
        """A pair of files for every signature: in one index, processes that compile at once lose and mix entries."""
        name = hashlib.sha256(repr((signature, self._processor())).encode()).hexdigest()[:16]
        self._cache_file = SealedFiles(
            cache_path=str(folder),
            filename_base=f"{self._impl.filename_base}-{name}",
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def kept(self, signature: Any) -> bool:
        """Whether there is an entry, sound or not."""
        for folder in self._folders:
            self._choose_file(signature, folder)
            if Path(self._cache_file._index_path).exists():
                return True
        return False

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """From the folder of our own; what is not there, from the one that is only read.

        Numba loads beforehand all that a compiler needs, which takes longer than any kernel.
        """
        rtsys.initialize(target_context)  # memory of arrays
        for folder in self._folders:
            self._choose_file(signature, folder)
            try:
                with self._guard_against_spurious_io_errors():
                    found = self._load_overload(signature, target_context)
            except Exception as error:  # pickle and LLVM raise nearly anything
                tell(f"the cache {folder} cannot be read ({error})")
            else:
                if found is not None:
                    return found
        return None

    def save_overload(self, signature: Any, data: Any) -> None:
        if self._own is None:
            tell(f"nothing can be kept: {cache_place()[1]}")
            return
        self._choose_file(signature, self._own)
        try:
            super().save_overload(signature, data)
        except (OSError, ValueError) as error:
            tell(f"the cache {self._cache_path} cannot be written ({error})")

    def _save_overload(self, signature: Any, data: Any) -> None:
        super()._save_overload(signature, data)
        for path in Path(self._cache_path).glob("*.tmp.*"):
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - STALE:
                    path.unlink()

    def _index_key(self, signature: Any, codegen: Any) -> Any:
        # Closure cells hold other kernels, whose pickles differ in every process; variant and stamp say the same.
        return signature, self._processor(), self._variant

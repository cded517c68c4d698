"""Machine code for the hot loops, made by two processes side by side where there is none yet.

numba compiles one function at a time in a process, and needs half a minute of a core for all of
them. So where nothing is compiled yet (the first start of an installation), two processes do the
pieces of `service.warming` side by side. What they compile goes to numba's cache on disk; the one
that wants to use it looks there until it finds it (`clustering.compiled.leave_to`). A loop is
compiled by the one that needs it first; the other one goes on with something else meanwhile
(`clustering.compiled.share_with`). What a posting needs comes first, what only a night needs last.

::

    python -m service.compiling        compile what is missing and say how long it took

However many services, workers and commands start at once, locks let one of them start these two
processes, and the others wait for what these make.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from service.clusterer import Clusterer

ORDERS: Final = (
    ("measure", "clean", "unwrap", "find", "sketch", "waves", "learn", "decide"),
    ("sketch", "unwrap", "find", "clean", "measure", "decide", "waves", "learn"),
)
"""In which order each process looks for something to do among the pieces that postings need. All
are in both: who has done his own does what is left of the other's."""

# numba names its index of a loop by it, wherever its cache is. These loops are among the last that
# each piece compiles.
_SIGNS: Final = (
    ("prepare", "kernel_texts.find_needles-*.nbi"),
    ("propose", "kernels.bucket_ids_of_all-*.nbi"),
    ("refine", "linkage._link_blocks-*.nbi"),
)
_PACKAGE: Final = Path(__file__).resolve().parent.parent / "clustering"
_STOP_SECONDS: Final = 5.0
_LOOKING_SECONDS: Final = 0.02
_ALL: Final = "all"
_SERVING: Final = "serving"
_CLAIMS: Final = "claims"

_known: Final[list[Compiling]] = []


class Compiling:
    """The two processes, which end by themselves when all is compiled.

    Parameters
    ----------
    everything, serving
        File descriptors of the locks. They hold the one as long as one of them runs, and the other
        as long as one of them compiles what postings need.
    """

    def __init__(self, everything: int, serving: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module, with words of this one
            [sys.executable, "-m", "service.compiling", str(serving)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[everything, serving],
            # The second is forked from the first. There is no thread of others then, and they are
            # ended together.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            process_group=0,
        )

    def wait(self) -> None:
        """Return when both have ended, however they did: what they left undone is done later."""
        self._process.wait()

    def stop(self) -> None:
        """End them; what was not compiled yet will be by whoever needs it."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def compile_what_is_missing() -> Compiling | None:
    """Start compiling what the service needs, unless it is done or under way.

    Returns
    -------
    The processes that were started; ``None`` when there was no need.
    """
    return None if seems_compiled() else _started()


def begin_compiling(*, for_postings: bool = False) -> Compiling | None:
    """Start compiling what the service needs, unless it is done or under way.

    From here on this process waits for what is being compiled instead of compiling it.

    Parameters
    ----------
    for_postings
        ``True`` in the service: it waits only as long as what postings need is being compiled, and
        until `compile_here`, what is missing in spite of all (after an update, say) starts it.

    Returns
    -------
    The processes that were started; ``None`` when there was no need.
    """
    is_done = seems_compiled()
    compiling = compile_what_is_missing()
    # Loads numba, while the others are loading theirs.
    from clustering.compiled import leave_to

    leave_to(_Others(may_start=is_done) if for_postings else is_running)
    return compiling


def is_running() -> bool:
    """Whether processes of this installation are compiling."""
    return _is_held(_ALL)


def serving_is_compiled() -> bool:
    """Whether none of them is compiling what postings need, be it that it is compiled or not."""
    return not _is_held(_SERVING)


def compile_here() -> None:
    """Let this process compile from here on what it misses, once others are not at it."""
    from clustering.compiled import leave_to

    leave_to(lambda: not serving_is_compiled())


class _Others:
    """Asked at a loop that is not compiled whether others compile it; may make them, once."""

    def __init__(self, *, may_start: bool) -> None:
        self._may_start = may_start

    def __call__(self) -> bool:
        if not serving_is_compiled():
            return True
        may_start, self._may_start = self._may_start, False
        return may_start and _started() is not None


def _started() -> Compiling | None:
    try:
        with _lock_path(_ALL).open("ab") as everything, _lock_path(_SERVING).open("ab") as serving:
            fcntl.flock(everything, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Nobody has this without that; whoever asks for it lets go at once.
            fcntl.flock(serving, fcntl.LOCK_EX)
            # The locks are theirs when the files are closed here.
            compiling = Compiling(everything.fileno(), serving.fileno())
    except OSError:
        # Others have them; or there is nowhere to write, and every process compiles by itself.
        return None
    # A process that nobody knows of any more could not be waited for.
    _known.append(compiling)
    return compiling


def _is_held(lock: str) -> bool:
    try:
        with _lock_path(lock).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # Nobody ever had it, or nobody can.
        pass
    return False


def seems_compiled() -> bool:
    """Whether earlier processes have compiled, told from file names alone."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())

    def is_there(folder: str, name: str) -> bool:
        if given:
            return any(Path(given).glob(f"{folder}_*/{name}"))
        own = (_PACKAGE / folder / "__pycache__").glob(name)
        return any(own) or any(caches.glob(f"numba/{folder}_*/{name}"))

    return all(is_there(folder, name) for folder, name in _SIGNS)


def _lock_path(lock: str) -> Path:
    """Return the file of a lock: one for each user, installation and cache."""
    cache = os.environ.get("NUMBA_CACHE_DIR", "")
    place = hashlib.sha256(f"{_PACKAGE}\n{cache}\n{sys.version}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir(), f"samestory-compiling-{os.getuid()}-{place}-{lock}.lock")


class _Claims:
    """Who compiles which loop: locks on the bytes of a file, one of them for each name.

    They end with the process that has them.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def take(self, name: str) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._byte(name))
        except BlockingIOError:
            return False
        return True

    def give_back(self, name: str) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._byte(name))

    @staticmethod
    def _byte(name: str) -> int:
        return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def _compile(serving: int) -> None:
    """Do all pieces, in two processes; what they need is then compiled and kept on disk."""
    # Compiling makes much that lives to the end: looking through it for garbage takes a tenth.
    gc.disable()
    # Loads all that is to be compiled.
    from clustering.compiled import load_compiler, share_with
    from service.clusterer import Clusterer
    from service.warming import LATER, SERVING

    load_compiler()
    clusterer = Clusterer()
    with _lock_path(_CLAIMS).open("ab") as file:
        second = os.fork()
        share_with(_Claims(file))
        _do({name: SERVING[name] for name in ORDERS[second == 0]}, clusterer)
        os.close(serving)
        os.nice(10)
        _do(dict(LATER), clusterer)
    if second:
        os.waitpid(second, 0)


def _do(pieces: dict[str, Callable[[Clusterer], None]], clusterer: Clusterer) -> None:
    """Do pieces, going on with the next where another process is at what one needs."""
    from clustering.compiled import CompiledElsewhereError

    while pieces:
        for name in tuple(pieces):
            with contextlib.suppress(CompiledElsewhereError):
                pieces[name](clusterer)
                del pieces[name]
                # Something before it may have become possible.
                break
        else:
            time.sleep(_LOOKING_SECONDS)


def main(arguments: Sequence[str]) -> None:
    """Compile what is missing, saying so; with the number of a lock, as `Compiling` wants it."""
    if arguments:
        _compile(int(arguments[0]))
        return
    begun = time.perf_counter()
    # Whatever file names say: where all is compiled, this takes a few seconds.
    compiling = _started()
    if compiling is None:
        print("other processes are compiling the hot loops already", file=sys.stderr)
        return
    if not seems_compiled():
        print("compiling the hot loops, once; some 20 s on two cores", file=sys.stderr)
    compiling.wait()
    print(f"hot loops compiled in {time.perf_counter() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])

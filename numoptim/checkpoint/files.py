"""Regular files, replaced whole: a temporary beside the file is written, synced, and renamed over it.

The writer keeps its temporary locked, and the kernel unlocks it when the writer dies: the next writer to the folder
removes temporaries that are not locked.
"""
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, BinaryIO, TypeAlias, TypeGuard

if sys.platform != "win32":
    import fcntl

Path: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]
File: TypeAlias = Path | IO[bytes]

PREFIX = ".numoptim-"
TEMPORARY = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device",
         stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
NO_RIGHT = "a file is replaced whole, which takes the right to make and rename files in its folder"
NO_ROOM = "there must be room for the new file beside the old one"
MOUNTED = "it is mounted by itself, as containers do with single files, and cannot be replaced; mount its folder"
ADVICE = {
    errno.ENOENT: "its folder must exist", errno.ENOTDIR: "its folder must exist",
    errno.EACCES: NO_RIGHT, errno.EPERM: NO_RIGHT, errno.EROFS: NO_RIGHT,
    errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM, errno.EFBIG: NO_ROOM,
    errno.EBUSY: MOUNTED, errno.EXDEV: MOUNTED,
}


def is_path(file: Any) -> TypeGuard[Path]:
    """Whether ``file`` is a path; else it should be a file object."""
    return isinstance(file, (str, bytes, os.PathLike))


def label(file: Any) -> str:
    """What messages call a path or file object."""
    name = file if is_path(file) else getattr(file, "name", None)
    return os.fsdecode(name) if is_path(name) else f"<{type(file).__name__}>"


def regular(path: Path) -> os.stat_result | None:
    """The status of a regular file, links followed; None for no file. OSError for what is there but is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(status.st_mode):
        return status
    kind = stat.S_IFMT(status.st_mode)
    raise OSError(errno.EISDIR if kind == stat.S_IFDIR else errno.EEXIST,
                  f"it is {KINDS.get(kind, 'something else')}; expected a regular file, or a binary file object",
                  os.fsdecode(path))


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of ``path`` when the block ends well.

    Links are followed. Mode and owner of an older file stay, as far as permitted; a new one has the umask's mode.
    Raises OSError for all that is in the way, and then the older file is as it was.
    """
    try:
        old = regular(path)
        target = os.path.realpath(os.fsdecode(path))
        folder = os.path.dirname(target)
        _sweep(folder)
        with _temporary(folder, 0o600 if old else 0o666) as file:
            try:
                yield file
                file.flush()
                if old:
                    _resemble(file.fileno(), old)
                os.fsync(file.fileno())
                if sys.platform == "win32":
                    file.close()                # which renames no open file; elsewhere it stays locked until then
                os.replace(file.name, target)
            except BaseException:
                with suppress(OSError):
                    file.close()                # may fail again to write what is left
                with suppress(OSError):
                    os.unlink(file.name)
                raise
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        raise OSError(error.errno, f"{os.strerror(error.errno)}: {ADVICE[error.errno]}", os.fsdecode(path)) from error
    _sync(folder)


def _temporary(folder: str, mode: int) -> BinaryIO:
    """A new file in ``folder``, locked."""
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), mode)

    for _ in range(100):
        try:
            file = open(os.path.join(folder, PREFIX + os.urandom(8).hex()), "xb", opener=opener)   # noqa: SIM115
        except FileExistsError:
            continue
        if _lock(file):
            return file
        file.close()
        with suppress(OSError):
            os.unlink(file.name)
    raise OSError(errno.EEXIST, "a hundred temporaries were taken away while they were made", folder)


def _lock(file: BinaryIO) -> bool:
    """Lock a new temporary; False where another writer took it for an abandoned one before."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True                         # a file system without locks: nobody gets one to remove it
    return _is_at(file, file.name)


def _is_at(file: BinaryIO, name: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(name, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _sweep(folder: str) -> None:
    """Remove the temporaries of writers that were killed; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _remove_abandoned(entry.path)


def _remove_abandoned(name: str) -> None:
    """Remove a temporary; OSError where its writer lives."""
    if sys.platform == "win32":
        os.unlink(name)                         # fails while it is open
        return
    with open(name, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)        # over NFS LOCK_EX would take a file open for writing
        if _is_at(file, name):
            os.unlink(name)


def _resemble(descriptor: int, old: os.stat_result) -> None:
    """Give a file owner and mode of another, as far as permitted."""
    if sys.platform == "win32":
        return
    for owner in (old.st_uid, -1):
        with suppress(OSError):
            os.fchown(descriptor, owner, old.st_gid)
            break
    mode = old.st_mode & 0o777
    if os.fstat(descriptor).st_gid != old.st_gid:
        mode = mode & 0o707 | (mode & 0o007) << 3               # another group may do what everybody may
    with suppress(OSError):
        os.fchmod(descriptor, mode)


def _sync(folder: str) -> None:
    """Make a rename last, where a folder can be synced."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:                     # a folder that may not be listed; any folder on Windows
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)

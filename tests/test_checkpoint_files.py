"""How files of states are written: regular files are replaced whole, whatever happens, and nothing else is touched."""
import contextlib
import errno
import gc
import gzip
import io
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import zipfile

import numpy as np
import pytest
from test_checkpoint_reading import same, whole
from tools import runs

from numoptim import checkpoint
from numoptim.checkpoint import files

OLD, NEW = {"old": np.arange(3)}, {"new": [1.5, np.ones((2, 3), np.float32)]}
root = pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices, mounts and files of others")


@pytest.fixture
def path(tmp_path):
    """A file of states, alone in its folder."""
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "states"
    checkpoint.save(path, OLD)
    return path


def check_untouched(path):
    assert os.listdir(path.parent) == [path.name] and same(whole(path), OLD)


# --- what is replaced

def special(kind, path):
    """Something that is no regular file."""
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.relpath(path))                       # which may only be short
    else:
        block = kind == "block device"
        os.mknod(path, 0o600 | (stat.S_IFBLK if block else stat.S_IFCHR), os.makedev(7 if block else 1, 3))


@pytest.mark.parametrize("kind", ["folder", "FIFO", "socket", pytest.param("character device", marks=root),
                                  pytest.param("block device", marks=root)])
def test_only_regular_files_are_replaced_and_read(tmp_path, kind):
    special(kind, tmp_path / "it")
    (tmp_path / "link").symlink_to(tmp_path / "it")
    before = os.lstat(tmp_path / "it")
    for path in (tmp_path / "it", tmp_path / "link"):
        with pytest.raises(OSError, match=f"it is a {kind}; expected a regular file.*{path.name}"):
            checkpoint.save(path, NEW)
        with pytest.raises(OSError, match=f"it is a {kind}"), checkpoint.reading(path):
            pass
    after = os.lstat(tmp_path / "it")
    assert (after.st_ino, after.st_mode, after.st_rdev) == (before.st_ino, before.st_mode, before.st_rdev)
    assert sorted(os.listdir(tmp_path)) == ["it", "link"] and (tmp_path / "link").is_symlink()


def test_links_are_followed(path, tmp_path):
    (tmp_path / "link").symlink_to("folder/states")
    (tmp_path / "dangling").symlink_to(tmp_path / "folder" / "states2")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("link", "dangling"):
        checkpoint.save(tmp_path / name, NEW)
        assert (tmp_path / name).is_symlink() and same(whole(tmp_path / name), NEW)
    with pytest.raises(OSError, match="loop") as error:
        checkpoint.save(tmp_path / "loop", NEW)
    assert error.value.errno == errno.ELOOP and (tmp_path / "loop").is_symlink()
    assert sorted(os.listdir(path.parent)) == ["states", "states2"]
    assert sorted(os.listdir(tmp_path)) == ["dangling", "folder", "link", "loop"]


def test_paths_are_of_any_kind_and_length(tmp_path):
    folder = os.fsencode(tmp_path)
    for path in (os.path.join(folder, b"bytes"), os.path.join(folder, b"no UTF-8 \xff"), os.fspath(tmp_path / "str"),
                 tmp_path / ("n" * 255), os.path.join(folder, "ä".encode() * 127)):
        checkpoint.save(path, NEW)
        assert same(whole(path), NEW)
    assert len(os.listdir(tmp_path)) == 5
    for path in (3, None, 1.5, io.StringIO(), (tmp_path / "str").open()):
        with pytest.raises(TypeError, match="expected a path or a file object open for"):
            checkpoint.save(path, NEW)
        with pytest.raises(TypeError, match="expected a path or a file object open for"), checkpoint.reading(path):
            pass


def test_mode_of_a_new_file_and_of_a_replaced_one(tmp_path):
    old = os.umask(0o027)
    try:
        checkpoint.save(tmp_path / "new", NEW)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == 0o640
    for mode in (0o600, 0o664, 0o444):
        os.chmod(tmp_path / "new", mode)
        checkpoint.save(tmp_path / "new", NEW)
        assert stat.S_IMODE(os.stat(tmp_path / "new").st_mode) == mode


@root
def test_the_owner_stays_as_far_as_permitted(path, monkeypatch):
    os.chown(path, 1234, 1235)
    os.chmod(path, 0o664)
    fchown = os.fchown

    def forbidden(descriptor, owner, group):
        if owner != -1 or group in refused:
            raise PermissionError(errno.EPERM, "no")
        fchown(descriptor, owner, group)

    checkpoint.save(path, NEW)
    refused = ()
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (1234, 1235, 0o664)
    monkeypatch.setattr(os, "fchown", forbidden)
    checkpoint.save(path, NEW)
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (0, 1235, 0o664)
    refused = (1235,)
    checkpoint.save(path, NEW)              # another group gets no more than others have
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (0, 0, 0o644)


def test_a_file_in_the_making_is_nobody_elses(path, monkeypatch):
    seen, write = [], np.lib.format.write_array
    monkeypatch.setattr(np.lib.format, "write_array", lambda *args, **kwargs: (seen.append(
        {name: stat.S_IMODE(os.stat(path.parent / name).st_mode) for name in os.listdir(path.parent)}),
        write(*args, **kwargs)))
    os.chmod(path, 0o640)
    checkpoint.save(path, NEW)
    temporary, = seen[0].keys() - {"states"}
    assert seen[0][temporary] == 0o600 and files.TEMPORARY.fullmatch(temporary)


def test_planted_links_are_not_followed(path, tmp_path, monkeypatch):
    (tmp_path / "victim").write_text("precious")
    for digit, target in (("0", "victim"), ("1", "absent")):
        (path.parent / f".numoptim-{digit * 16}").symlink_to(tmp_path / target)
    names = iter([b"\x00" * 8, b"\x11" * 8, b"\x22" * 8])
    monkeypatch.setattr(os, "urandom", lambda count: next(names))
    checkpoint.save(path, NEW)
    assert (tmp_path / "victim").read_text() == "precious" and not (tmp_path / "absent").exists()
    assert same(whole(path), NEW) and next(names, None) is None


# --- order and failures

def test_the_file_is_synced_before_it_is_renamed_and_its_folder_then(path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append(os.fstat(fd).st_ino), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    checkpoint.save(path, NEW)
    assert calls == [path.stat().st_ino, "rename", path.parent.stat().st_ino]


@pytest.mark.parametrize("code, message", [
    (errno.EBUSY, "mounted by itself.*mount its folder"), (errno.EXDEV, "mounted by itself"),
    (errno.EPERM, "right to make and rename files in its folder"), (errno.ENOSPC, "must be room for the new file"),
    (errno.EIO, "Input/output error"),
])
@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_errors_of_the_system_say_what_to_do(path, monkeypatch, function, code, message):
    def fails(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, function, fails)
    with pytest.raises(OSError, match=message) as error:
        checkpoint.save(path, NEW)
    assert error.value.errno == code and error.value.filename in (os.fspath(path), None)
    monkeypatch.undo()
    check_untouched(path)


def test_folders_that_cannot_be_written_to(tmp_path):
    for path, error in [(tmp_path / "no" / "states", FileNotFoundError), ("/proc/states", OSError)]:
        with pytest.raises(error, match="folder") as info:
            checkpoint.save(path, NEW)
        assert info.value.filename == os.fspath(path)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="its folder must exist"):
        checkpoint.save(tmp_path / "file" / "states", NEW)


@root
def test_a_folder_without_permission():
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "states")
    checkpoint.save(path, OLD)
    os.chmod(folder, 0o755)
    try:
        os.seteuid(65534)
        with pytest.raises(PermissionError, match="right to make and rename files in its folder") as error:
            checkpoint.save(path, NEW)
    finally:
        os.seteuid(0)
        content, names = whole(path), os.listdir(folder)
        shutil.rmtree(folder)
    assert same(content, OLD) and names == ["states"] and error.value.filename == path


def test_a_full_disk_in_the_middle(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (0, 100, 5000, 300_000, 799_000, 801_000):     # at the first byte, in arrays, at the end
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(OSError, match="must be room for the new file") as error:
                checkpoint.save(path, {"a": np.zeros(100), "b": np.zeros(99_990)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert error.value.errno == errno.EFBIG
        check_untouched(path)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")     # of the member left open here
def test_an_interrupt_while_an_array_is_ended_stays_one(path, monkeypatch):
    opened, members = zipfile.ZipFile.open, []

    @contextlib.contextmanager
    def interrupted(archive, *args, **kwargs):
        members.append(opened(archive, *args, **kwargs))
        yield members[-1]
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "open", interrupted)
    stream = io.BytesIO()
    for target in (path, stream):
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(target, NEW)
    monkeypatch.undo()
    check_untouched(path)
    gc.collect()
    assert b"PK\5\6" not in stream.getvalue()               # nor does an unfinished stream look finished


MOUNTS = """
import os, subprocess, sys
import numpy as np
from numoptim import checkpoint

def mounted(*options):
    subprocess.run(["mount", *options], check=True)

def fails(path, kind):
    try:
        checkpoint.save(path, {"new": np.zeros(100_000)})
    except OSError as error:
        print(kind, error)
    with checkpoint.reading(path) as tree:
        assert tree["old"].read().tolist() == [1, 2, 3]
    assert os.listdir(os.path.dirname(path)) == ["states"]

os.chdir(sys.argv[1])
for kind in ("bind", "small", "readonly"):
    os.mkdir(kind)
    if kind != "bind":
        mounted("-t", "tmpfs", "-o", "size=256k", "tmpfs", kind)
    path = os.path.abspath(f"{kind}/states")
    checkpoint.save(path, {"old": np.array([1, 2, 3])})
    if kind == "bind":
        mounted("--bind", path, path)
    if kind == "readonly":
        mounted("-o", "remount,ro", kind)
    fails(path, kind)
"""


@pytest.mark.skipif(not runs("unshare", "-m", "true"), reason="no right to mount")
def test_mounted_files_full_and_read_only_file_systems(tmp_path):
    run = subprocess.run(["unshare", "-m", sys.executable, "-c", MOUNTS, tmp_path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for line, message in zip(run.stdout.splitlines(), [
            "bind .*mounted by itself.*mount its folder", "small .*No space left.*must be room",
            "readonly .*Read-only file system.*right to make"], strict=True):
        assert re.search(message, line), line


# --- killed writers

def killed(save, at):
    """Run ``save`` in a process that is killed when it gets to a function."""
    child = os.fork()
    if not child:
        try:
            module, name = at
            setattr(module, name, lambda *args, **kwargs: os.kill(os.getpid(), signal.SIGKILL))
            save()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("at, left", [
    ((files, "_lock"), 1), ((np.lib.format, "write_array"), 1), ((os, "fsync"), 1), ((os, "replace"), 1),
    ((files, "_sync"), 0),
], ids=lambda at: at[1] if isinstance(at, tuple) else "")
def test_the_next_writer_removes_what_a_killed_one_left(path, at, left):
    killed(lambda: checkpoint.save(path, NEW), at)
    assert len(os.listdir(path.parent)) == 1 + left
    assert same(whole(path), OLD if left else NEW)
    killed(lambda: checkpoint.save(path.parent / "other", NEW), at)
    assert len(os.listdir(path.parent)) == 2                # the second killed writer removed the first one's
    checkpoint.save(path.parent / "third", NEW)             # whatever the file
    assert set(os.listdir(path.parent)) == {"states", "third"} | (set() if left else {"other"})


KILLS = """
import os, random, signal, sys, time
import numpy as np
from numoptim import checkpoint

def content(k):
    return {"k": k, "a": np.full(100_000, k), "b": [np.full(1000, k)]}

path, rng, left = sys.argv[1], random.Random(0), 0
checkpoint.save(path, content(-1))
for k in range(100):
    child = os.fork()
    if not child:
        while True:
            checkpoint.save(path, content(k))
    time.sleep(rng.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    left += len(os.listdir(os.path.dirname(path))) - 1
    with checkpoint.reading(path) as tree:
        assert (tree["a"].read() == tree["k"]).all() and (tree["b"][0].read() == tree["k"]).all()
checkpoint.save(path, content(-1))
print(left)
"""


def test_a_hundred_kills(path):
    run = subprocess.run([sys.executable, "-c", KILLS, path], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 10                             # kills in the middle there were
    assert os.listdir(path.parent) == ["states"]


def test_a_living_writer_keeps_its_temporary(path):
    """In another process and in a thread; each is halfway while others save to the same folder and the same file."""
    ready, go = os.pipe(), os.pipe()

    def save_slowly(tree):
        fsync = os.fsync
        os.fsync = lambda fd: (os.write(ready[1], b"."), os.read(go[0], 1), setattr(os, "fsync", fsync), fsync(fd))
        checkpoint.save(path, tree)

    child = os.fork()
    if not child:
        save_slowly({"by": "process"})
        os._exit(0)
    os.read(ready[0], 1)
    thread = threading.Thread(target=save_slowly, args=({"by": "thread"},))
    fsync = os.fsync
    thread.start()
    os.read(ready[0], 1)
    os.fsync = fsync
    for name in ("states", "other", "states"):
        checkpoint.save(path.parent / name, NEW)
    assert len(os.listdir(path.parent)) == 4 and same(whole(path), NEW)
    os.write(go[1], b"..")
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(os.listdir(path.parent)) == ["other", "states"] and whole(path)["by"] in ("process", "thread")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_temporary_taken_for_abandoned_is_made_anew(path, monkeypatch, moment):
    """Another writer looks between the moments when this one makes its temporary and locks it."""
    lock, locked = files._lock, []

    def meddled(file):
        locked.append(file.name)
        if len(locked) == 1 and moment == "before":
            files._sweep(os.fspath(path.parent))
        with open(file.name if os.path.exists(file.name) else os.devnull, "rb") as sweeper:
            if len(locked) == 1 and moment == "after":
                files.fcntl.flock(sweeper, files.fcntl.LOCK_SH)
            return lock(file)

    monkeypatch.setattr(files, "_lock", meddled)
    checkpoint.save(path, NEW)
    assert len(locked) == 2 and os.listdir(path.parent) == ["states"] and same(whole(path), NEW)


def test_what_is_no_temporary_is_not_removed(path):
    for name in (".numoptim-0123", ".numoptim-0123456789abcdef0", ".numoptim-0123456789ABCDEF", "states.1.part"):
        (path.parent / name).touch()
    (path.parent / ".numoptim-0123456789abcdef").mkdir()
    os.mkfifo(path.parent / ".numoptim-0123456789abcde0")
    (path.parent / ".numoptim-0123456789abcde1").symlink_to(path)
    before = sorted(os.listdir(path.parent))
    checkpoint.save(path, NEW)
    assert sorted(os.listdir(path.parent)) == before


def test_a_file_system_without_locks(path, monkeypatch):
    """Nothing is locked and nothing removed."""
    def without(*args):
        raise OSError(errno.ENOLCK, "no locks")

    killed(lambda: checkpoint.save(path, NEW), (os, "replace"))
    monkeypatch.setattr(files.fcntl, "flock", without)
    checkpoint.save(path, NEW)
    assert len(os.listdir(path.parent)) == 2 and same(whole(path), NEW)


# --- file objects

class Pipe:
    """Takes bytes, and has nothing else of a file."""

    def __init__(self):
        self.content = bytearray()

    def write(self, data):
        self.content += data


class Raw(io.RawIOBase):
    """Takes 1,000 bytes at most, and at last none."""

    def __init__(self, size):
        self.content, self.size = bytearray(), size

    def write(self, data):
        count = min(1000, len(data), self.size - len(self.content))
        self.content += bytes(data[:count])
        return count or None


def test_file_objects(tmp_path):
    tree = {**NEW, "large": np.arange(10_000)}
    for file in (Pipe(), Raw(10**6)):
        checkpoint.save(file, tree)
        assert same(whole(io.BytesIO(file.content)), tree)
    with pytest.raises(BlockingIOError):
        checkpoint.save(Raw(3000), tree)
    with gzip.open(tmp_path / "gz", "wb") as file:
        checkpoint.save(file, tree)
    with gzip.open(tmp_path / "gz") as file:
        assert same(whole(file), tree)
    with open(tmp_path / "states", "wb") as file:
        checkpoint.save(file, tree)
        assert not file.closed
    for buffering in (0, -1):
        with open(tmp_path / "states", "rb", buffering) as file:
            assert same(whole(file), tree) and not file.closed
    with np.load(tmp_path / "states", allow_pickle=False) as file:
        assert file["array1"].tolist() == tree["large"].tolist()


def test_a_file_object_is_written_and_read_from_its_position():
    file = io.BytesIO(b"before")
    file.seek(6)
    checkpoint.save(file, NEW)
    end = file.tell()
    file.write(b"and after")
    content = file.getvalue()
    assert content[:6] == b"before" and same(whole(io.BytesIO(content[6:end])), NEW)
    file = io.BytesIO(content[:end])
    file.seek(6)
    assert same(whole(file), NEW)
    for start, stop in ((0, end), (6, None), (6, end - 1), (7, end), (end, end)):
        file = io.BytesIO(content[:stop])
        file.seek(start)
        with pytest.raises(ValueError, match="<BytesIO>: not a file of optimizer states"):
            whole(file)
    with pytest.raises(io.UnsupportedOperation, match="can seek"), os.fdopen(os.pipe()[0], "rb") as pipe:
        whole(pipe)


def test_saving_copies_no_array_whole(tmp_path):
    array = np.zeros(8_000_000)
    tracemalloc.start()
    try:
        checkpoint.save(tmp_path / "states", {"contiguous": array, "strided": array[::-2]})
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()

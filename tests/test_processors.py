"""How many processors count: the system's, those of control groups' quotas (fake ones here), OMP_NUM_THREADS."""
import os
import subprocess
import sys

import pytest

from numoptim.native import processors


@pytest.fixture
def usable(monkeypatch):
    """Make the system let this process run on so many, with no quota and no OMP_NUM_THREADS but what a test sets."""
    def set_to(number):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(number), raising=False)
        monkeypatch.setattr(os, "process_cpu_count", lambda: number, raising=False)

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processors, "quota", lambda root: sys.maxsize)
    processors._limit.cache_clear()
    yield set_to
    processors._limit.cache_clear()


@pytest.fixture
def root(tmp_path):
    """Writes files of a system by their names; its root."""
    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


V1, V2 = "sys/fs/cgroup/cpu,cpuacct", "sys/fs/cgroup"


def version_1(folder, quota, period="100000"):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(("cgroup", "files", "wanted"), [
    # Version 2: in a container, on a host, around the own group, and without a limit.
    ("0::/\n", {f"{V2}/cpu.max": "200000 100000\n"}, 2),
    ("0::/\n", {f"{V2}/cpu.max": "150000 100000\n"}, 2),
    ("0::/\n", {f"{V2}/cpu.max": "10000 100000\n"}, 1),
    ("0::/a/b\n", {f"{V2}/a/b/cpu.max": "300000 100000\n", f"{V2}/a/cpu.max": "max 100000\n"}, 3),
    ("0::/a/b\n", {f"{V2}/a/b/cpu.max": "max 100000\n", f"{V2}/a/cpu.max": "450000 100000\n"}, 5),
    ("0::/a/b\n", {f"{V2}/a/b/cpu.max": "800000 100000\n", f"{V2}/a/cpu.max": "200000 50000\n"}, 4),
    ("0::/a\n", {f"{V2}/a/cpu.max": "max 100000\n"}, None),
    ("0::/a\n", {f"{V2}/a/cpu.max": "x\n"}, None),
    ("0::/elsewhere\n", {f"{V2}/cpu.max": "100000 100000\n"}, 1),
    # Version 1: the host's name of the group, which a container does not show; and another mount.
    ("4:cpu,cpuacct:/\n1:name=systemd:/\n", version_1(V1, 250000), 3),
    ("4:cpu,cpuacct:/docker/0123\n", version_1(V1, 100000), 1),
    ("4:cpu,cpuacct:/docker/0123\n", version_1(f"{V1}/docker/0123", 600000) | version_1(V1, -1), 6),
    ("4:cpu:/a\n0::/\n", version_1("sys/fs/cgroup/cpu/a", 400000, "200000"), 2),
    ("4:cpuacct,cpu:/a\n", version_1("sys/fs/cgroup/cpu/a", 100000), 1),
    ("4:cpu,cpuacct:/\n", version_1(V1, -1), None),
    ("4:cpu,cpuacct:/\n", version_1(V1, 100000, "0"), None),
    ("4:cpuset:/a\n2:memory:/\n", version_1("sys/fs/cgroup/cpu/a", 100000), None),
    # Neither.
    ("", {}, None),
])
def test_quota(root, cgroup, files, wanted):
    found = processors.quota(root({"proc/self/cgroup": cgroup, **files}))
    assert found == (sys.maxsize if wanted is None else wanted)


def test_no_control_groups_at_all(tmp_path):
    assert processors.quota(tmp_path) == sys.maxsize


@pytest.mark.parametrize(("system", "quota", "given", "wanted"), [
    (8, None, None, 8), (8, 3, None, 3), (2, 3, None, 2), (8, None, "4", 4), (8, None, " 4 ,2", 4), (8, None, "1,8", 1),
    (2, None, "16", 2), (8, 3, "2", 2), (8, 2, "3", 2), (8, None, "", 8)])
def test_the_least_counts(usable, monkeypatch, system, quota, given, wanted):
    usable(system)
    if quota is not None:
        monkeypatch.setattr(processors, "quota", lambda root: quota)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert processors.usable() == wanted


@pytest.mark.parametrize("given", ["0", "-2", "x", "2.5", ",4", "2x"])
def test_an_OMP_NUM_THREADS_that_is_no_number_is_named_and_ignored(usable, monkeypatch, given):
    usable(8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    with pytest.warns(RuntimeWarning, match=f"OMP_NUM_THREADS='{given}' is ignored"):
        assert processors.usable() == 8


def test_a_process_heeds_OMP_NUM_THREADS():
    code = "from numoptim import Parameters, Trainer; print(Trainer(Parameters({'w': [1.0]}), 'sgd').threads)"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1,2"}, check=True,
                          capture_output=True, text=True)
    assert done.stdout == "1\n"

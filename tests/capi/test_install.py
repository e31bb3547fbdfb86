"""Programs find the library when they are linked and when they run: installed, in a package, in folders with spaces."""
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from library import PATH, STATIC
from test_abi import ROOT
from tools import needs, run

from numoptim import cli
from numoptim.aot import PACKAGE

MINIMAL = ROOT / "capi" / "examples" / "minimal.c"
PRINTED = "0.7000 2.3000 3.0000\n"
pytestmark = [needs("gcc", "make", "pkg-config"),
              pytest.mark.skipif(not MINIMAL.exists(), reason="not run from the repository")]


def shell(line, folder, **variables):
    """What a line prints in a shell as users have it: no LD_LIBRARY_PATH helps."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    return run("sh", "-euc", line, cwd=folder, env={**environment, **variables})


@pytest.fixture
def built(tmp_path):
    """A checkout, in a folder with a space, after `make capi`; beside what it makes lies what others left."""
    checkout = tmp_path / "my checkout"
    shutil.copytree(ROOT / "capi", checkout / "capi")
    shutil.copy(ROOT / "Makefile", checkout)
    for folder in ("lib", "include"):
        shutil.copytree(PACKAGE / folder, checkout / "build" / "capi" / folder)
    (checkout / "build/lib/numoptim").mkdir(parents=True)
    (checkout / "build/lib/numoptim/trainer.py").touch()
    (checkout / "build/capi/lib/libnumoptim.so.0.0").touch()
    return checkout


def files(folder):
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir())


INSTALLED = ["include/numoptim.h", "lib/cmake/numoptim/numoptim-config-version.cmake",
             "lib/cmake/numoptim/numoptim-config.cmake", "lib/libnumoptim.a", "lib/libnumoptim.so", f"lib/{PATH.name}",
             "lib/pkgconfig/numoptim.pc"]


@pytest.mark.parametrize("name", ["prefix", "my prefix", "pre'fix"])
def test_make_install(built, tmp_path, name):
    prefix = tmp_path / name
    before = files(built)
    for _ in range(2):                                        # also over an older one
        run("make", "-C", built, f"PREFIX={prefix}", "install")
    assert files(prefix) == INSTALLED and files(built) == before
    assert os.readlink(prefix / "lib/libnumoptim.so") == PATH.name
    assert (prefix / "lib" / PATH.name).read_bytes() == PATH.read_bytes()
    assert (prefix / "lib/pkgconfig/numoptim.pc").read_text().startswith("prefix=" + str(prefix).replace(" ", r"\ "))
    if "'" not in name:                                       # pkg-config has no way to write that
        compiles_by_pkg_config(prefix, tmp_path)


def compiles_by_pkg_config(prefix, folder):
    """A program that is linked by pkg-config's flags runs from anywhere, and looks for the versioned name."""
    shell(f"eval gcc {MINIMAL.name} $(pkg-config --cflags --libs numoptim) -o minimal", copied(folder),
          PKG_CONFIG_PATH=str(prefix / "lib/pkgconfig"))
    assert shell("cd / && \"$OLDPWD/minimal\"", folder) == PRINTED
    needed = re.findall(r"NEEDED.*\[(libnumoptim.*)\]", run("readelf", "-d", folder / "minimal"))
    assert needed == [PATH.name] == [f"libnumoptim.so.{version('MAJOR')}.{version('MINOR')}"]


def copied(folder):
    shutil.copy(MINIMAL, folder)
    return folder


def version(part):
    return re.search(rf"#define NUMOPTIM_VERSION_{part} (\d+)", (PACKAGE / "include/numoptim.h").read_text())[1]


def test_make_install_into_a_stage(built, tmp_path):
    """DESTDIR is where files are put, PREFIX where they will be found."""
    stage = tmp_path / "my stage"
    run("make", "-C", built, f"DESTDIR={stage}", "PREFIX=/opt/num optim", "install")
    assert files(stage / "opt/num optim") == INSTALLED and len(files(stage)) == len(INSTALLED)
    flags = shell("pkg-config --cflags --libs numoptim", tmp_path,
                  PKG_CONFIG_PATH=str(stage / "opt/num optim/lib/pkgconfig"))
    assert shlex.split(flags) == ["-I/opt/num optim/include", "-L/opt/num optim/lib", "-Wl,-rpath,/opt/num optim/lib",
                                  "-lnumoptim"]


def test_make_install_builds_nothing(built, tmp_path):
    shutil.rmtree(built / "build/capi")
    done = subprocess.run(["make", "-C", built, f"PREFIX={tmp_path / 'prefix'}", "install"], capture_output=True,
                          text=True)
    assert done.returncode != 0 and "make capi first" in done.stderr
    assert not (tmp_path / "prefix").exists() and not (built / ".venv").exists()


def test_make_install_wants_an_absolute_prefix(built):
    done = subprocess.run(["make", "-C", built, "PREFIX=prefix", "install"], capture_output=True, text=True)
    assert done.returncode != 0 and "PREFIX=prefix: expected an absolute path" in done.stderr
    assert not (built / "prefix").exists()


def test_the_gpu_library_is_installed_where_it_was_built(built, tmp_path):
    library = built / "build/capi"
    for file in (f"lib/{PATH.name}", "lib/libnumoptim.so", "lib/libnumoptim.a", "include/numoptim.h",
                 "lib/pkgconfig/numoptim.pc"):
        other = library / file.replace("numoptim", "numoptim_cuda", 1)
        other.write_bytes((library / file).read_bytes().replace(b"INPUT(libnumoptim", b"INPUT(libnumoptim_cuda"))
    run("make", "-C", built, f"PREFIX={tmp_path / 'prefix'}", "install")
    more = {file.replace("numoptim", "numoptim_cuda", 1) for file in INSTALLED if "cmake" not in file}
    assert set(files(tmp_path / "prefix")) == {*INSTALLED, *more}
    assert os.readlink(tmp_path / "prefix/lib/libnumoptim_cuda.so") == PATH.name.replace("numoptim", "numoptim_cuda")


# --- a package: wheels hold no links

def test_the_package_has_no_links():
    assert not [file for file in PATH.parent.rglob("*") if file.is_symlink()]
    assert re.search(rf"SONAME.*\[{re.escape(PATH.name)}\]", run("readelf", "-d", PATH))


@pytest.mark.parametrize("name", ["site", "my site"])
def test_a_package_anywhere(tmp_path, name):
    """`numoptim config` and pkg-config's file name the folder that the package was put into."""
    site = tmp_path / name
    shutil.copytree(PACKAGE, site / "numoptim", ignore=shutil.ignore_patterns("__pycache__"))
    for flags in ('"$PYTHON" -m numoptim config --cflags --libs', "pkg-config --cflags --libs numoptim"):
        shell(f"cp '{MINIMAL}' . && eval gcc minimal.c $({flags}) -o minimal", site, PYTHON=sys.executable,
              PKG_CONFIG_PATH=str(site / "numoptim/lib/pkgconfig"))
        assert shell("./minimal", site) == PRINTED
        assert str(site) in os.path.realpath(run("ldd", site / "minimal").split(f"{PATH.name} => ")[1].split(" (")[0])


def test_config_says_what_it_is_asked(capsys):
    printed = {}
    for asked in (("--cflags",), ("--libs",), ("--cflags", "--libs")):
        assert cli.main(["config", *asked]) == 0
        printed[asked] = shlex.split(capsys.readouterr().out)
    assert printed["--cflags",] == [f"-I{PACKAGE / 'include'}"]
    assert printed["--cflags", "--libs"] == printed["--cflags",] + printed["--libs",]
    assert cli.main(["config"]) == 2


@pytest.mark.parametrize("linker", ["bfd", "gold", "lld"])
def test_every_linker_follows_the_name_without_a_version(tmp_path, linker):
    if not re.search("GNU|LLD", subprocess.getoutput(f"ld.{linker} --version")):
        pytest.skip(f"does not run here: ld.{linker}")
    run("gcc", f"-fuse-ld={linker}", MINIMAL, f"-I{PACKAGE / 'include'}", f"-L{PATH.parent}", "-lnumoptim",
        f"-Wl,-rpath,{PATH.parent}", "-o", tmp_path / "minimal")
    assert run(tmp_path / "minimal") == PRINTED
    assert f"[{PATH.name}]" in run("readelf", "-d", tmp_path / "minimal")


@needs("cmake")
@pytest.mark.parametrize("target", ["numoptim", "static"])
def test_cmake(tmp_path, target):
    (tmp_path / "CMakeLists.txt").write_text(f"""
cmake_minimum_required(VERSION 3.16)
project(minimal C)
find_package(numoptim 0.1 REQUIRED)
add_executable(minimal "{MINIMAL}")
target_link_libraries(minimal numoptim::{target})
""")
    run("cmake", "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={PACKAGE}", tmp_path)
    run("cmake", "--build", tmp_path / "build")
    assert run(tmp_path / "build" / "minimal") == PRINTED


def test_static_library(tmp_path):
    run("gcc", MINIMAL, f"-I{PACKAGE / 'include'}", STATIC, "-o", tmp_path / "minimal")
    assert run(tmp_path / "minimal") == PRINTED

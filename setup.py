"""The native build step: everything else is in pyproject.toml."""
import shutil
import sys
import traceback
from pathlib import Path

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class Build(build_py):
    """Puts library, header and extension into the package; without a C compiler the package works without them."""

    native = False

    def run(self):
        package = ROOT / "numoptim" if self.editable_mode else Path(self.build_lib, "numoptim")
        # What an earlier build left would be found, or packed, where this one fails or no longer makes it.
        for old in (package / "lib", package / "include") if self.editable_mode else (package,):
            shutil.rmtree(old, ignore_errors=True)
        for old in package.glob("_native.*"):
            old.unlink()
        super().run()
        sys.path.insert(0, str(ROOT))
        try:
            from numoptim.aot.build import build
            Build.native = build(package, self.distribution.get_version(), python=True)
        except Exception:
            # In an editable install setuptools makes a warning of any exception, and goes on without.
            sys.exit(traceback.format_exc())


class Wheel(bdist_wheel):
    """A wheel with an extension belongs to a platform, and to every Python from 3.11 on."""

    def get_tag(self):
        python, abi, platform = super().get_tag()
        return ("cp311", "abi3", platform) if Build.native else (python, abi, platform)

    def run(self):
        self.run_command("build_py")
        self.root_is_pure = not Build.native
        self.distribution.has_ext_modules = lambda: Build.native
        super().run()


setup(cmdclass={"build_py": Build, "bdist_wheel": Wheel})

"""The README's Python runs as printed, one block after the other."""
import re
from pathlib import Path

import pytest

from numoptim.optimizer import base

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)


def test_every_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("addsign", "plain"):             # other tests register some, too
        monkeypatch.delitem(base._registry, name, raising=False)
    if not BLOCKS:
        pytest.fail("README.md has no Python")
    names: dict[str, object] = {"__name__": "readme"}
    for number, block in enumerate(BLOCKS):
        exec(compile(block, f"README block {number}", "exec"), names)

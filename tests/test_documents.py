"""The documents beside the README: links lead somewhere, versions agree, TESTING.md names every test file."""
import re
from pathlib import Path

import pytest

import numoptim

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), ROOT / "capi/README.md", ROOT / "numoptim/cuda/README.md"])
SHOWN = ("test_*.py", "outside/test_*.py", "capi/test_*.py", "cuda/test_*.py", "ptx/test_*.py")


def prose(document):
    """A document without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "code", document.read_text(), flags=re.S)


def anchors(document):
    """The addresses of a document's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", document.read_text(), flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for link in re.findall(r"\]\(([^)]+)\)", prose(document)):
        if not link.startswith("https://"):
            path, _, heading = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), link
            assert not heading or heading in anchors(target), link


def test_versions_agree():
    """A version under way has "Unreleased" first; the citation's is the latest with a date."""
    sections = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d{2}-\d{2})?$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert sections[:2] == ["Unreleased", numoptim.__version__]
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    assert cited and cited[1] == numoptim.__version__


def test_testing_names_every_test_file():
    text = (ROOT / "TESTING.md").read_text()
    named = set(re.findall(r"`tests/((?:\w+/)*test_\w+\.py)`", text))
    there = {str(path.relative_to(ROOT / "tests")) for pattern in SHOWN for path in (ROOT / "tests").glob(pattern)}
    assert named == there

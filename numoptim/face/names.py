"""Names: which a pattern fits, and in messages the nearest that is known, and some of many."""
import difflib
import fnmatch
from collections.abc import Callable, Iterable, Sequence

MOST_KNOWN = 40         # names that a message about an unknown one lists


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for an error message about an unknown word, or a list of what is known."""
    known = list(known)
    found = close(word, known)
    return f"; did you mean {found!r}?" if found is not None else f"; known: {some(known, str, MOST_KNOWN)}"


def close(word: str, known: Iterable[str]) -> str | None:
    """The name that is most like a word, or None."""
    import heapq
    lower, word = {k.lower(): k for k in known}, word.lower()
    # Comparing a word with each of thousands takes seconds: with those that begin and end as it does.
    like = heapq.nlargest(100, lower, lambda k: _common(k, word) + _common(k[::-1], word[::-1]))
    return next((lower[k] for k in difflib.get_close_matches(word, like, n=1)), None)


def _common(a: str, b: str) -> int:
    """How many characters two words begin with alike."""
    return next((k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def some(names: Iterable[str], form: Callable[[str], str] = repr, most: int = 8) -> str:
    """The first few names, and how many there are: a message is to fit a screen."""
    names = list(names)
    shown = ", ".join(map(form, names[:most]))
    return f"{shown} ... ({len(names):,} in all)" if len(names) > most else shown


def fitting(name: str, known: Sequence[str]) -> set[int]:
    """The numbers of the parameters that a name, or else a pattern, fits. ValueError where it fits none."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is neither a name nor a pattern")
    numbers = {k for k, each in enumerate(known) if each == name} or {
        k for k, each in enumerate(known) if fnmatch.fnmatchcase(each, name)}
    if not numbers:
        raise ValueError(f"{name!r} fits no parameter{nearest(name, known)}")
    return numbers

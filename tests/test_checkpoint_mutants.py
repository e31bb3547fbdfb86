"""Thousands of mutants of a file of states are refused or do not matter, and cost no memory to speak of."""
import io
import json
import random
import re
import tracemalloc
import zipfile

import numpy as np
from test_checkpoint_damage import TREE, archive, npy
from test_checkpoint_reading import same, saved, whole

from numoptim import checkpoint

EXTREMES = [0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]


def mutate_bytes(rng, content):
    """A file damaged in one way or another."""
    content = bytearray(content)
    at, n = rng.randrange(len(content)), rng.choice((1, 2, 4, 8, rng.randrange(300)))
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice((1, 1, 1, 3, 20))):
            content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    elif kind == 1:
        del content[at:at + rng.choice((n, len(content)))]
    elif kind == 2:
        other = rng.randrange(len(content))
        content[at:at + rng.choice((0, n))] = content[other:other + n]
    elif kind == 3:                                             # a number of a record blown up
        start = rng.choice([m.start() for m in re.finditer(rb"PK[\1-\6][\2-\7]", content)])
        size = rng.choice((2, 4, 8))
        at = start + rng.randrange(4, 56)
        content[at:at + size] = (rng.choice(EXTREMES) % 2**(8 * size)).to_bytes(size, "little")
    elif kind == 4:                                             # digits likewise
        digits = rng.choice([m.span() for m in re.finditer(rb"\d+", content)])
        content[slice(*digits)] = str(rng.choice(EXTREMES)).encode()[:rng.choice((digits[1] - digits[0], 20))]
    else:
        content[at:at] = rng.randbytes(n)
    return bytes(content)


def mutate_members(rng, content):
    """A file whose members are other ones, with checksums that are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as given:
        names = given.namelist()
        changed = [[name, given.read(name)] for name in names]
    for _ in range(rng.choice((1, 1, 2))):
        member = rng.choice(changed)
        kind = rng.randrange(4)
        if kind == 0 and member[0] == "tree.npy":
            text = mutate_text(rng, member[1][128:].decode("latin1"))
            member[1] = npy(np.frombuffer(text.encode(), np.uint8))
        elif kind == 1 and len(changed) > 1:
            changed.remove(member)
        elif kind == 2:
            member[0] = rng.choice([*names, "array9.npy", "x"])
        else:
            member[1] = mutate_bytes(rng, member[1] + b"PK\1\2" + bytes(60))[:-64]
    return archive(dict(changed).items())


def mutate_text(rng, text):
    """JSON with some tokens exchanged."""
    tokens = re.findall(r'"[^"]*"|[\[\]{},:]|[^"\[\]{},:]+', text)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(tokens))
        tokens[at] = rng.choice([rng.choice(tokens), rng.choice(tokens) * 2, "", "1e999", "NaN", "-1", "9" * 5000,
                                 '"\\ud800"', "[" * 2000, "null", json.dumps({"list": [{"array": "array0"}] * 9})])
    return "".join(tokens)


def survivors(mutants):
    """The trees of mutants that are not refused, while nothing but Damaged is raised and memory stays in proportion."""
    tracemalloc.start()
    try:
        for mutant in mutants:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                tree = whole(io.BytesIO(mutant))
            except checkpoint.Damaged as error:
                assert str(error).startswith("<BytesIO>: not a file of optimizer states, or damaged (")
            else:
                yield tree
            assert tracemalloc.get_traced_memory()[1] - before < 2**18 + 50 * len(mutant)
    finally:
        tracemalloc.stop()


def test_mutants_are_refused_or_do_not_matter():
    rng, content = random.Random(12), saved(TREE)
    left = list(survivors([mutate_bytes(rng, content) for _ in range(4000)]))
    assert 0 < len(left) < 1000 and all(same(tree, TREE) for tree in left)


def test_mutants_with_right_checksums_are_refused_or_are_trees():
    rng, content = random.Random(12), saved(TREE)
    left = list(survivors([mutate_members(rng, content) for _ in range(2000)]))
    assert 0 < len(left) < 1000 and all(same(whole(io.BytesIO(saved(tree))), tree) for tree in left)


def test_a_flipped_byte_is_refused_or_does_not_matter():
    content = saved(TREE)
    flipped = [content[:at] + bytes([content[at] ^ 0x41]) + content[at + 1:] for at in range(len(content))]
    left = list(survivors(flipped))
    assert 0 < len(left) < len(content) / 4             # dates, attributes, what the directory says again
    assert all(same(tree, TREE) for tree in left)

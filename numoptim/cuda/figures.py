"""What is known of GPU kernels without a GPU: counted in their machine code, and worked out on paper."""
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from numoptim.rule import Rule

from . import ARCHITECTURES
from .assemble import Assembled, assembled
from .compile import compiled, symbol
from .noisy import RUN
from .parameters import suffixes

WIDE = 16                               # bytes of an access
SUMMED = 4                              # elements a lane of the norms kernel adds in one pass of its loop


class Card(NamedTuple):
    """Data sheet: bytes and cycles a second, multiprocessors, and what each starts in a cycle, counted in threads."""

    name: str
    sm: int
    bandwidth: float
    clock: float
    multiprocessors: int
    issued: int = 128                   # four schedulers, one instruction of a warp of 32 each
    special: int = 16                   # reciprocals and roots
    doubles: float = 64                 # float64


CARDS = (Card("H100 SXM", 90, 3.35e12, 1.98e9, 132), Card("RTX 5090", 120, 1.79e12, 2.4e9, 170, doubles=2))
HEAD = ("kernel", "registers", "shared", "bytes", *(f"instructions, sm_{card.sm}" for card in CARDS),
        *(card.name for card in CARDS))


class Loop(NamedTuple):
    """The loop that a kernel spends its time in, per element."""

    instructions: float
    special: float
    doubles: float
    bytes: float

    def share(self, card: Card) -> float:
        """The part of a card's bandwidth that its arithmetic can keep up with."""
        cycles = max(self.instructions / card.issued, self.special / card.special, self.doubles / card.doubles)
        moved = card.bandwidth / card.multiprocessors / card.clock          # bytes in a cycle
        return min(1.0, self.bytes / moved / cycles)


def instructions(code: bytes) -> dict[str, tuple[list[str], list[tuple[int, int]]]]:
    """Of each kernel in machine code: its instructions, and the first and last one of every loop."""
    from cuda.pathfinder import find_nvidia_binary_utility
    program = find_nvidia_binary_utility("nvdisasm")
    with tempfile.NamedTemporaryFile() as file:
        file.write(code)
        file.flush()
        text = subprocess.run([program, "-c", file.name], capture_output=True, text=True, check=True).stdout
    return {part.partition(":")[0]: _parsed(part) for part in re.split(r"^\.text\.", text, flags=re.MULTILINE)[1:]}


def _parsed(text: str) -> tuple[list[str], list[tuple[int, int]]]:
    found: list[str] = []
    labels, loops = {}, []
    for line in text.split("\n"):
        if label := re.match(r"(\.L_\w+):", line):
            labels[label[1]] = len(found)
        elif instruction := re.search(r"/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;", line):
            found.append(instruction[1])
            target = re.search(r"\bBRA.*`\((\.L_\w+)\)", line)
            if target and target[1] in labels:
                loops.append((labels[target[1]], len(found) - 1))
    return found, loops


def vector_loop(found: list[str], loops: list[tuple[int, int]], itemsize: int, written: int, noisy: bool) -> Loop:
    """The loop over vectors of a kernel that writes so many buffers; a noisy rule's has one for RUN lanes in it."""
    stores = [k for k, line in enumerate(found) if "STG" in line and ".128" in line]
    around = sorted((last - first, first, last) for first, last in loops if first <= stores[0] <= last)
    if noisy:                           # all of a thread's unit, which the assembler may or may not have unrolled
        around = [loop for loop in around if any("IMAD.HI" in line for line in found[loop[1]:loop[2] + 1])]
    _, first, last = around[0]
    inner = [(a, b) for a, b in loops if first < a and b < last]
    times = [RUN ** sum(a <= k <= b for a, b in inner) for k in range(first, last + 1)]
    body = list(zip(found[first:last + 1], times, strict=True))
    accesses = [(line, n) for line, n in body if re.search(r"\b(LDG|STG)", line)]
    assert all(".128" in line for line, _ in accesses)
    elements = sum(n for line, n in accesses if "STG" in line) * WIDE / itemsize / written
    return _loop(body, elements, sum(n for _, n in accesses) * WIDE / elements)


def norms_loop(found: list[str], loops: list[tuple[int, int]], itemsize: int) -> Loop:
    """The loop of the norms kernel that adds SUMMED elements of a lane."""
    inmost = [(a, b) for a, b in loops if not any(a <= c and d <= b and (a, b) != (c, d) for c, d in loops)]
    first, last = max(inmost, key=lambda loop: sum("LDG" in line for line in found[loop[0]:loop[1] + 1]))
    body = [(line, 1) for line in found[first:last + 1]]
    return _loop(body, SUMMED, sum("LDG" in line for line, _ in body) * itemsize / SUMMED)


def _loop(body: Sequence[tuple[str, int]], elements: float, moved: float) -> Loop:
    def count(pattern: str) -> float:
        return sum(n for line, n in body if re.search(pattern, line)) / elements

    return Loop(count(""), count(r"\bMUFU"), count(r"\b(DADD|DMUL|DFMA|DSETP|F2F)\b"), moved)


def loop_of(rule: Rule, dtype: str, suffix: str, made: Assembled) -> Loop:
    found, loops = instructions(made.code)[symbol(rule, dtype, suffix)]
    itemsize = 4 if dtype == "f32" else 8
    if suffix.startswith("_norms"):
        return norms_loop(found, loops, itemsize)
    written = len(rule.slots_over("element")) + (suffix == "")
    return vector_loop(found, loops, itemsize, written, rule.noisy and suffix == "")


def rows(rule: Rule, dtype: str) -> Iterator[tuple[str, ...]]:
    """One row of the table for each kernel of a rule."""
    made = {sm: assembled(compiled(rule, dtype, 80), sm) for sm in ARCHITECTURES}
    for suffix in suffixes(rule):
        name = symbol(rule, dtype, suffix)
        usage = [made[sm].usage[name] for sm in ARCHITECTURES]
        registers = "/".join(str(used.registers) for used in usage)
        shared = str(max(used.shared for used in usage))
        stores = any("STG" in line for line in instructions(made[80].code)[name][0])
        if suffix.startswith(("_trust", "_advance")) or not stores:         # gradient_norm's update writes nothing
            yield name, registers, shared, *["-"] * 5
            continue
        loops = [loop_of(rule, dtype, suffix, made[card.sm]) for card in CARDS]
        yield (name, registers, shared, f"{loops[0].bytes:.0f}", *(f"{loop.instructions:.0f}" for loop in loops),
               *(f"{loop.share(card):.0%}" for loop, card in zip(loops, CARDS, strict=True)))


def table(rules: Sequence[Rule]) -> str:
    """The table of these rules in Markdown."""
    lines = [HEAD, ["---"] + ["---:"] * (len(HEAD) - 1)]
    for rule in rules:
        for dtype in ("f32", "f64"):
            lines += rows(rule, dtype)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"

"""PTX's instructions on control flow, barriers and warps. Rows as in ``opcodes``."""
from .emit import expect, mangle


def branch(emitter, instruction, kinds):
    return f"goto {emitter.label(*expect(emitter, instruction, 1))};"


def branch_indexed(emitter, instruction, kinds):
    """brx.idx: by a number, from a list of labels."""
    index, name = expect(emitter, instruction, 2)
    if name not in emitter.targets:
        emitter.fail(f"unknown list of targets {name}")
    cases = " ".join(f"case {i}: goto {emitter.label(label)};" for i, label in enumerate(emitter.targets[name]))
    return f'switch ({emitter.read(index, "u32")}) {{ {cases} default: fault(t, {emitter.line}, "no such target"); }}'


def call(emitter, instruction, kinds):
    """call of a function of this module, by name; parameters are variables in .param space."""
    operands = list(instruction.operands)
    names = [part for part in operands if "(" not in part]
    given = [name.strip() for part in operands if "(" in part for name in part.strip("() ").split(",") if name.strip()]
    if len(names) != 1 or names[0] not in emitter.functions:
        emitter.fail(f"call of {', '.join(names)} not modelled")
    function = emitter.functions[names[0]]
    if function.body is None or function.entry:
        emitter.fail(f"{function.name} is no function with a body")
    expected = function.results + function.parameters
    places = [emitter.place(name, "param") for name in given]
    if [place.size for place in places] != [parameter.size for parameter in expected]:
        emitter.fail(f"arguments of {function.name} differ from its parameters")
    emitter.calls.add(function.name)
    return f"f_{mangle(function.name)}(t{''.join(f', (u8 *){place.address}' for place in places)});"


def leave(emitter, instruction, kinds):
    expect(emitter, instruction, 0)
    return emitter.leave()


def leave_kernel(emitter, instruction, kinds):
    if not emitter.function.entry:
        emitter.fail("exit in a function not modelled")
    return emitter.leave()


def trap(emitter, instruction, kinds):
    return f'fault(t, {emitter.line}, "trap");'


def barrier(emitter, instruction, kinds):
    """bar.sync of the whole block."""
    emitter.waits = True
    name, = expect(emitter, instruction, 1)
    return f"barrier(t, BAR, {emitter.read(name, 'u32')}, 0, {emitter.line});"


def barrier_reduce(emitter, instruction, kinds):
    """bar.red: a barrier that tells every thread how many predicates are true, whether all or any."""
    emitter.waits = True
    to, name, predicate = expect(emitter, instruction, 3)
    operation, kind = kinds["op"], kinds["t"]
    if (kind == "u32") != (operation == "popc"):
        emitter.fail(f"{instruction.opcode} not modelled")
    result = emitter.write(to, kind, "t->result" if kind == "u32" else "t->predicate")
    return (f"barrier(t, BAR_{operation.upper()}, {emitter.read(name, 'u32')}, {emitter.read(predicate, 'pred')}, "
            f"{emitter.line}); {result}")


def barrier_warp(emitter, instruction, kinds):
    emitter.waits = True
    return f"meet(t, SYNC, 0, 0, 0, {emitter.read(*expect(emitter, instruction, 1), 'u32')}, {emitter.line});"


def shuffle(emitter, instruction, kinds):
    emitter.waits = True
    to, value, source, clamp, mask = expect(emitter, instruction, 5)
    to, _, predicate = to.partition("|")
    operands = ", ".join([emitter.read(value, "b32"), *(emitter.read(each, "u32") for each in (source, clamp, mask))])
    done = emitter.write(to, "b32", "t->result")
    done += emitter.write(predicate, "pred", "t->predicate") if predicate else ""
    return f"meet(t, {kinds['mode'].upper()}, {operands}, {emitter.line}); {done}"


def vote(emitter, instruction, kinds):
    emitter.waits = True
    to, predicate, mask = expect(emitter, instruction, 3)
    operation = {"all": "ALL", "any": "ANY", "uni": "UNIFORM", "ballot": "BALLOT"}[kinds["op"]]
    done = emitter.write(to, kinds["t"], "t->result" if operation == "BALLOT" else "t->predicate")
    return (f"meet(t, {operation}, {emitter.read(predicate, 'pred')}, 0, 0, {emitter.read(mask, 'u32')}, "
            f"{emitter.line}); {done}")


def nothing(emitter, instruction, kinds):
    """Fences: threads run in turn, each seeing what those before it wrote."""
    return ";"


CONTROL = [
    ("bra(?:.uni|)", branch),
    ("brx.idx(?:.uni|)", branch_indexed),
    ("call(?:.uni|)", call),
    ("ret(?:.uni|)", leave),
    ("exit", leave_kernel),
    ("trap", trap),
    ("(?:bar|barrier)(?:.cta|).sync(?:.aligned|)", barrier),
    ("bar(?:.cta|).red.(?P<op>popc|and|or)(?:.aligned|).(?P<t>u32|pred)", barrier_reduce),
    ("bar.warp.sync", barrier_warp),
    ("shfl.sync.(?P<mode>up|down|bfly|idx).b32", shuffle),
    ("vote.sync.(?P<op>all|any|uni).(?P<t>pred)", vote),
    ("vote.sync.(?P<op>ballot).(?P<t>b32)", vote),
    ("membar.(?:cta|gl|sys)", nothing),
    ("fence(?:.(?:sc|acq_rel|acquire|release)|).(?:cta|gpu|sys)", nothing),
]

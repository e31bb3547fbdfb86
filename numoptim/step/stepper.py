"""Stepper: a rule's optimizer bound to flat buffers and their segments, ready to make steps on them."""
import itertools
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numoptim import kernels
from numoptim.buffers.memory import Buffer, Memory
from numoptim.native.arrays import Array, Span
from numoptim.native.library import extension
from numoptim.native.plan import ANOTHER, EVERY, Pass, StepRecord
from numoptim.rule import Rule

from .followed import AHEAD, Followed, apart, foresee
from .locks import check_outside
from .rest import by_lag

if TYPE_CHECKING:
    from numoptim.optimizer import RuleOptimizer
    from numoptim.optimizer.multipliers import Key

    from .state import State

_tickets = itertools.count(1)


class Stepper:
    """A rule's optimizer bound to flat buffers and their segments: makes steps on them, all or none of each.

    It holds what it needs of the state, and not the state, which may hold it. captures: what memory.captures() gave,
    for who may capture its steps in CUDA graphs.
    """

    def __init__(self, optimizer: "RuleOptimizer", memory: Memory, weight: Buffer, grad: Buffer, state: "State",
                 indices: "Sequence[Key]", offsets: Array, threads: int, captures: Any = None) -> None:
        self.optimizer, self.memory, self.captures = optimizer, memory, captures
        self.lock = optimizer._lock                # held during a step
        self.weight, self.grad = weight, grad
        self.indices, self.offsets, self.threads = indices, offsets, threads
        self._of_state, self._count = (state.rule, state.slots, state.offset, state._rest), state._count
        self.plans: Sequence[Any] = ()
        self.ticket = 0                            # of who may repeat the latest step; 0: nobody
        self._scheduled: Any = None                # the learning rate's schedule in steps that may be repeated
        # That schedule and the others, an update, and what they say from that on; what the others said of the latest.
        self._foreseen: tuple[Any, Any, int, dict[Any, Array] | None] = None, None, 0, None
        self._followed: dict[Any, float] = {}
        # Tables by parameter, with the group of each segment and the sets that they gave; what plans were made for, and
        # what steps set of these. (Fewer tuples would be more attributes: of 30 Python reads each twice as slowly.)
        self._grouped: tuple[Any, Any, list[tuple[float, float, int]]] = None, None, []
        self._planned: tuple[tuple[Pass, ...], Any, Any, list[Followed]] = (), None, None, []
        self.spans: tuple[Span, ...]
        # Of the latest list of updates that began with this one: where all of it is, and the addresses of records.
        self.listed: tuple[list[tuple[Span, ...]], Array] = [], np.zeros(0, np.int64)
        self.refresh()

    @property
    def which(self) -> Array:
        """The set of each segment in the latest plans, or FROZEN."""
        return np.asarray(self._planned[1])

    @property
    def _follows(self) -> list[Followed]:
        """What steps set beside the learning rate."""
        return self._planned[3]

    def check_outside(self) -> None:
        """RuntimeError in the middle of a step or an update."""
        check_outside(self.lock)

    def counts(self) -> Any:
        """Others once a step is made."""
        return self._count[0]

    def is_of(self, optimizer: "RuleOptimizer", index: "Key", weight: Any) -> bool:
        return self.weight is weight and self.indices[0] == index and self.optimizer is optimizer

    def set_gradient(self, grad: Buffer) -> None:
        """Read another array from the next step on. ValueError where it shares memory with the weight or a slot."""
        weight, _, *slots = self.spans
        span = self.memory.span(grad)
        names = "weight", *(f"slot '{name}'" for name in self._of_state[1])
        check_apart("gradient", self.indices[0], span, zip(names, (weight, *slots), strict=False))
        self.grad = None                           # whatever interrupts this, none is taken for set
        self.plans[0].set_gradient(grad, span[0])
        self.spans = (weight, span, *slots)
        self.grad = grad

    def refresh(self) -> None:
        """Take hyper-parameters and multipliers as they are now; plans are made anew where passes or groups are."""
        optimizer, version = self.optimizer, self.optimizer._version      # first: changes meanwhile are for the next
        rule, held, _, rest = self._of_state
        optimizer._check_rule(rule, held)
        passes, (which, sets) = optimizer._passes(), self._groups()
        which = rest.without(which)
        made, groups, latest, _ = self._planned
        if (passes != made or latest is not optimizer._latest or not np.array_equal(which, groups)
                or len(sets) != len(self.plans[0].hyper)):
            self._plan(passes, which, len(sets))
        optimizer._check_read(self._of_state[0])
        self._planned = *self._planned[:3], optimizer._following(sets)
        self._rate, self._followed = math.nan, {}  # whatever interrupts this, nothing half set is taken for set
        for plan in self.plans:
            plan.fill(self._filled(sets), apart(self._follows))
        self._warmup = optimizer._warmup           # here, as every step asks
        self._batch_size: float = 1
        self._rescale = math.nan
        self.version = version

    def _filled(self, sets: list[tuple[float, float, int]]) -> list[dict[str, float]]:
        """The hyper-parameters of each set, but those of a step."""
        values, groups = {**self.optimizer._values, "offset": self._of_state[2]}, self.optimizer._groups
        own = [groups.groups[place].fixed if groups and place >= 0 else {} for _, _, place in sets]
        return [{**values, **its, "lr_mult": rate, "wd_mult": wd} for its, (rate, wd, _) in zip(own, sets, strict=True)]

    def outdated(self) -> bool:
        """Whether hyper-parameters or multipliers are others than when plans were filled."""
        return self.version is not self.optimizer._version

    def _plan(self, passes: tuple[Pass, ...], which: Array, groups: int) -> None:
        self._check_between_batches(passes)
        _, slots, _, rest = self._of_state
        lags = rest.begin(which, self._count[0])
        self._planned = (), which, None, []        # whatever interrupts this, nothing half made is taken for made
        self.plans = plans = [self._bound(each._replace(lag=lag), of_lag, groups, slots)
                              for each in passes for lag, of_lag in by_lag(each.rule, which, lags)]
        self.record = StepRecord(plans, self._count, self.optimizer._latest)
        # Of no bytes, the last one tells records apart.
        self.spans = (*map(self.memory.span, (self.weight, self.grad, *slots.values())), (self.record.address, 0))
        self._step = self.memory.kernels.stepper(plans)
        self._repeat = extension().repeat
        self._planned = passes, which, self.optimizer._latest, []

    def bound(self, one: Pass, groups: int, slots: Mapping[Any, Buffer]) -> Any:
        """The plan of another pass over the segments of the latest plans, with weight, gradient and these slots."""
        return self._bound(one, self._planned[1], groups, slots)

    def _bound(self, one: Pass, which: Array, groups: int, slots: Mapping[Any, Buffer]) -> Any:
        """The plan of a pass."""
        buffers = {"w": self.weight, "g": self.grad, **slots}
        return self.memory.kernels.Plan(one, [buffers[name].reshape(-1) for name in one.buffers], self.offsets, which,
                                        groups, self.threads)

    def run(self, only: Pass) -> None:
        """Make a pass that is no step and is not counted; it leaves frozen segments alone.

        Its hyper-parameters are those of the latest step, whose weights it takes.
        """
        (which, sets), (_, slots, _, rest) = self._groups(), self._of_state
        which = rest.without(which)
        plan = self._bound(only, which, len(sets), slots)
        plan.fill(self._filled(sets))
        for key in only.rule.hyper:
            for k, latest in self._latest_sets(which, len(sets)):
                plan.follow(key, self.plans[0].hyper[key][latest], [k])
        plan.set(1, 0.0, 1.0)
        record = StepRecord([plan], array("q", [0]), array("q", [0]))
        status = self.memory.kernels.stepper([plan])(record.address, 1)
        if status:
            raise failed(only.rule, status)

    def _check_between_batches(self, passes: Sequence[Pass]) -> None:
        """ValueError where passes would take gradients for a whole batch that others have begun to sum."""
        for old, new in zip(self._planned[0], passes, strict=False):
            if (old.every, old.since) != (new.every, new.since):
                self._check_whole(f"batch_scale={new.every} can follow")

    def _check_whole(self, then: str) -> None:
        """ValueError where only some gradients of a batch are summed."""
        for each in self._planned[0]:
            if done := (self._count[0] - each.since) % each.every:
                raise ValueError(f"{type(self.optimizer).__name__}: {done} of {each.every} gradients of a batch are "
                                 f"summed: {then} when that is whole")

    def _latest_sets(self, which: Array, count: int) -> Iterator[tuple[int, int]]:
        """The number of each of so many sets, and which a segment of it had in the latest step, if one took part."""
        latest = self._planned[1]
        for k in range(count):
            took_part = latest[(which == k) & (latest != kernels.FROZEN)]
            if took_part.size:
                yield k, int(took_part[0])

    def _groups(self) -> tuple[Array, list[tuple[float, float, int]]]:
        """The set of each segment, FROZEN where its rate is times 0, and the sets: multipliers, place of the group."""
        rates, decays, groups = self.optimizer._lr_mult, self.optimizer._wd_mult, self.optimizer._groups
        if self._grouped[0] != (rates, decays, groups):    # objects that do not change
            each = [(1.0, 1.0, -1)] * len(self.indices)
            if rates.table or decays.table or groups is not None:
                each = [(rates.of(index), decays.of(index), -1 if groups is None else groups.place(index))
                        for index in self.indices]
            sets = [one for one in dict.fromkeys(each) if one[0]] or [(1.0, 1.0, -1)]
            number = {one: k for k, one in enumerate(sets)}
            which = np.array([number[one] if one[0] else kernels.FROZEN for one in each], np.int64)
            self._grouped = (rates, decays, groups), which, sets
        return self._grouped[1:]

    def prepare(self, batch_size: float = 1, rates: dict[Any, float] | None = None) -> None:
        """All of the next update that can fail. The gradient is that of a sum over ``batch_size``.

        rates: what schedules said, of a list of updates, filled here: {t: learning rate, (key, t): another number}.
        """
        if self.captures is not None and self.captures.begun(self):
            return
        optimizer, t = self.optimizer, self._count[0] + 1
        if self.version is not optimizer._version:
            self.refresh()
        if optimizer._lr_scheduler is None:
            rate = optimizer._learning_rate
        elif rates is None:
            rate = optimizer._rate(t)
        else:
            rate = rates[t] if t in rates else rates.setdefault(t, optimizer._rate(t))
        warmup = 1.0
        if self._warmup is not None:
            rate *= (warmup := self._warmup(t - optimizer._begin_num_update))
        if self._planned[3]:
            self._follow(t, {} if rates is None else rates, batch_size, warmup)
        rescale = self._followed.get("rescale_grad", optimizer._values["rescale_grad"]) / batch_size
        if rate != self._rate or rescale != self._rescale:
            self._rate = math.nan                  # whatever interrupts this, nothing half set is taken for set
            for plan in self.plans:
                plan.set(t, rate, rescale)
            self._batch_size, self._rescale = batch_size, rescale
            self._rate = rate
        self.next = t

    def _follow(self, t: int, told: dict[Any, float], batch_size: float, warmup: float) -> None:
        """Take what schedules say of other hyper-parameters in update t; told: what they have said."""
        for name, key, say, _, sets in self._follows:
            if (name, t) not in told:
                told[name, t] = say(t)
            value = told[name, t]
            if name is not key and key == "learning_rate":         # a group's
                value *= warmup
            elif name is not key and key == "rescale_grad":
                value /= batch_size
            if self._followed.get(name) != value:
                self._rate = math.nan              # so that ``set`` checks it
                for plan in self.plans:
                    plan.follow(key, value, sets)
                self._followed[name] = value

    def step(self) -> None:
        """The update that ``prepare`` prepared, and its count: both or neither, whatever interrupts it.

        In a capture neither, but a record of it in the graph, for any t.
        """
        if self.captures is not None and self.captures.recorded(self):
            return
        status = self._step(self.record.address, self.next)
        if status:
            raise failed(self._of_state[0], status)

    def scale(self, factor: float) -> None:
        """Multiply the gradient of the update that ``prepare`` prepared."""
        self._rate, self._followed = math.nan, {}  # of the next one it is another
        for plan in self.plans:
            plan.scale(factor)

    def made_elsewhere(self) -> None:
        """Count the update that ``prepare`` prepared."""
        latest = self.optimizer._latest
        self._count[0], latest[0] = self.next, max(latest[0], self.next)

    def admit(self) -> None:
        """Let ``repeat`` make steps as the latest was, where they are small and their rates are known."""
        if not self.record.small or self._warmup is not None:
            return
        optimizer, begin, numbers = self.optimizer, self.next + 1, []
        schedule, others = optimizer._lr_scheduler, (optimizer._schedules, optimizer._groups)
        if schedule is not None or self._follows:
            known = self._foreseen
            if known[0] is not schedule or known[1] != others or not known[2] <= begin < known[2] + AHEAD:
                known = self._foreseen = schedule, others, begin, foresee(schedule, self._follows, begin)
            _, _, begin, found = known
            if found is None:
                return
            if found:
                self._followed = {}                # steps set them that are not prepared
            if schedule is not None:
                self._rate = math.nan
            sets = {name: (key, sets) for name, key, _, _, sets in self._follows}
            for name, values in found.items():
                key, which = sets.get(name, (name, EVERY))
                numbers.append((key, which, values / self._batch_size if key == "rescale_grad" else values))
        self._scheduled, ticket = schedule, next(_tickets)
        self.record.admit(ticket, numbers, begin)
        self.ticket = ticket                       # last: before, nobody has it

    def leave_out(self, out: frozenset[int]) -> None:
        """Leave these parameters out of steps from the next one on, and no others. ValueError in a batch of several."""
        rest = self._of_state[3]
        if out != rest.out:
            self._check_whole("parameters can sit out, and take part again,")
            self.halt()
            rest.out, self.version = out, None     # refreshed then

    def halt(self) -> None:
        """Admit no more of them: who holds the lock is alone then."""
        if self.ticket:
            self.record.admit(0)
            self.ticket = 0

    def repeat(self, batch_size: float, ticket: int = 0) -> bool:
        """The next update, with all that the latest one took: in one call, and without a lock.

        False, and none, where that is not admitted. ticket: read before anything that a step takes was compared.
        """
        ticket = ticket or self.ticket             # first: it is void once anything that follows is of another
        if ticket == 0:
            return False
        optimizer = self.optimizer
        schedule = optimizer._lr_scheduler
        return (batch_size.__class__ is int and batch_size == self._batch_size and schedule is self._scheduled
                and (schedule is not None or optimizer._learning_rate == self._rate)
                and self.version is optimizer._version and self._repeat(self.record.address, ticket) == 0)


def failed(rule: Rule, status: int) -> RuntimeError:
    """Why a step was not made that had been prepared."""
    if status == ANOTHER:
        return RuntimeError(f"{rule.name}: the update number was changed in the middle of a step")
    return RuntimeError(f"{rule.name}: {kernels.STATUS[status]} in a step that was checked before")


def check_apart(what: str, index: "Key", span: Span, others: Iterable[tuple[str, Span]]) -> None:
    """ValueError where an array of a parameter shares bytes with others of it, which are of its size."""
    begin, end = span
    for name, (first, last) in others:
        if begin < last and first < end:
            raise ValueError(f"{what} of {index!r} overlaps the {name} in memory")

"""A trainer's slots by name, and states that are carried over when parameters were added."""
import numpy as np
import pytest
from test_mxnet_face import HeavyBall
from test_optimizer import COMMON, bits, draw, each_case, make

from numoptim import Parameters, Trainer, checkpoint, optimizer

OLD = {"w": (3, 5), "v": (7,), "b": ()}
NEW = {"head": (2, 2), "b": (), "w": (3, 5), "tail": (4,), "v": (7,)}


def trained(opt, shapes, steps, seed=0):
    trainer = Trainer(Parameters(draw(seed, shapes)), opt)
    for k in range(steps):
        trainer.step(grads=draw(k + 1, shapes))
    return trainer


# --- slots

def test_slots_are_live_views():
    trainer = trained(make("adam", {}), OLD, 2)
    assert list(trainer.slots) == ["m", "v"] and list(trainer.slots["m"]) == list(OLD)
    m = trainer.slots["m"]["w"]
    assert m.shape == (3, 5) and np.shares_memory(m, trainer.slots["m"].flat) and m.any()
    before = m.copy()
    trainer.step(grads=draw(9, OLD))
    assert (m != before).all()
    trainer.slots["v"]["w"] = np.full((3, 5), 7.0, np.float32)
    trainer.slots["m"]["w"][...] = 0.0
    weight = trainer.params["w"].copy()
    trainer.step(grads={name: np.zeros(shape) for name, shape in OLD.items()})
    assert (trainer.slots["v"]["w"] < 7.0).all() and (trainer.slots["v"]["w"] > 6.9).all()
    assert np.abs(trainer.params["w"] - weight).max() < 1e-4           # m is what wd makes of it
    with pytest.raises(AttributeError):
        trainer.slots = {}


def test_every_slot_of_every_rule_is_there():
    assert list(Trainer(Parameters(draw(0)), make("lbsgd", {"momentum": 0.5, "batch_scale": 2})).slots) == ["v", "sum"]
    assert Trainer(Parameters(draw(0)), "sgd").slots == {}


def test_a_class_in_python_has_states_of_its_own():
    with pytest.raises(AttributeError, match="slots are a rule's: a HeavyBall keeps states of its own"):
        _ = Trainer(Parameters(draw(0)), HeavyBall()).slots


# --- parameters that were added

@each_case
def test_old_parameters_go_on_bit_for_bit_and_new_ones_begin(name, keywords, tmp_path):
    if name == "SGLD":
        pytest.skip("its noise depends on where an element is")
    old = trained(make(name, keywords), OLD, 4)
    old.save_states(tmp_path / "states")
    new = trained(make(name, keywords), NEW, 2, seed=3)
    new.load_states(tmp_path / "states", missing="new")
    assert new.optimizer.num_update == 4
    for key in OLD:
        new.params[key] = old.params[key]
    fresh = Trainer(Parameters({key: x.copy() for key, x in new.params.items()}), make(name, keywords))
    for slot in new.slots:
        if slot.over == "all":
            assert new.slots[slot] == old.slots[slot], slot
            continue
        for key in NEW:
            assert bits(new.slots[slot][key]) == bits((old if key in OLD else fresh).slots[slot][key]), (slot, key)
    if name == "Prodigy":
        return                                              # its steps are by sums over all
    for k in range(5):
        grads = draw(k + 20, NEW)
        old.step(grads={key: grads[key] for key in OLD})
        new.step(grads=grads)
    for key in OLD:
        assert bits(new.params[key]) == bits(old.params[key]), key


def test_a_class_in_python(tmp_path):
    old = trained(HeavyBall(learning_rate=0.5), OLD, 3)
    old.save_states(tmp_path / "states")
    new = trained(HeavyBall(learning_rate=0.5), NEW, 1, seed=3)
    new.load_states(tmp_path / "states", missing="new")
    for key in OLD:
        new.params[key] = old.params[key]
    head = new.params["head"].copy()
    grads = draw(30, NEW)
    old.step(grads={key: grads[key] for key in OLD})
    new.step(grads=grads)
    assert all(bits(new.params[key]) == bits(old.params[key]) for key in OLD)
    assert bits(new.params["head"]) == bits(head - new.optimizer.learning_rate * grads["head"])
    assert new.optimizer._counts == dict.fromkeys(range(5), 4)


class Counted(HeavyBall):
    """Knows for which parameters it made states, and with which of its attributes."""

    saved = ("speed",)

    def __init__(self, speed=1.0, **keywords):
        super().__init__(**keywords)
        self.speed, self.made = speed, []

    def create_state(self, index, weight):
        self.made.append((index, self.speed, self._get_lr(index)))
        return super().create_state(index, weight)


def test_a_class_in_python_makes_new_states_alone(tmp_path):
    old = trained(Counted(2.0, lr_scheduler=lambda n: 1 / n), OLD, 3)
    old.save_states(tmp_path / "states")
    new = trained(Counted(3.0, lr_scheduler=lambda n: 1 / n), NEW, 0)
    new.optimizer.made.clear()
    new.load_states(tmp_path / "states", missing="new")
    assert new.optimizer.made == [(0, 2.0, 1 / 3), (3, 2.0, 1 / 3)]
    head = new.params["head"].copy()
    new.step(grads=draw(30, NEW))
    np.testing.assert_allclose(new.params["head"], head - draw(30, NEW)["head"] / 4, rtol=1e-6)


def test_a_class_in_python_of_another_file_changes_nothing(tmp_path):
    trained(Counted(2.0), {**OLD, "gone": (1,)}, 3).save_states(tmp_path / "states")
    new = trained(Counted(3.0), NEW, 2)
    new.optimizer.made.clear()
    before = bits(new._state[0])
    with pytest.raises(ValueError, match="'gone"):
        new.load_states(tmp_path / "states", missing="new")
    assert new.optimizer.made == [] and bits(new._state[0]) == before and new.optimizer.num_update == 2


def test_multipliers_by_index_follow_their_parameters(tmp_path):
    trained(optimizer.SGD(lr_mult={0: 0.5, "b": 0.25}, wd_mult={2: 3.0}), OLD, 1).save_states(tmp_path / "states")
    new = trained(optimizer.SGD(), NEW, 0)
    new.load_states(tmp_path / "states", missing="new")
    assert dict(new.optimizer.lr_mult) == {2: 0.5, "b": 0.25} and dict(new.optimizer.wd_mult) == {1: 3.0}


@pytest.mark.parametrize("opt", [optimizer.SGD, HeavyBall], ids=["rule", "class"])
def test_new_parameters_keep_their_multipliers(opt, tmp_path):
    """A table of the file's holds for its parameters, by patterns for new ones too; entries for new ones stay."""
    trained(opt(lr_mult={"w": 0.5}, wd_mult={"*": 2.0}), OLD, 1).save_states(tmp_path / "states")
    new = trained(opt(lr_mult={"head": 0, 3: 0.25, "w": 0.75}, wd_mult={"[a-h]*": 3.0}), NEW, 0)
    new.load_states(tmp_path / "states", missing="new")
    factors = [[table.of(k) for k in range(5)] for table in (new.optimizer._lr_mult, new.optimizer._wd_mult)]
    assert factors == [[0, 1, 0.5, 0.25, 1], [3, 2, 2, 2, 2]]
    head = bits(new.params["head"])
    new.step(grads=draw(30, NEW))
    assert bits(new.params["head"]) == head


def test_noise_is_not_drawn_twice(tmp_path):
    trained(optimizer.SGLD(), OLD, 2).save_states(tmp_path / "states")
    new = trained(optimizer.SGLD(), NEW, 0)
    new.load_states(tmp_path / "states", missing="new")
    state = new.optimizer.create_state(9, np.ones(3))
    assert state.offset >= new.params.flat.size


@pytest.mark.parametrize("shapes, missing, message", [
    (NEW, None, "its shapes"),
    ({"w": (3, 5), "b": ()}, "new", r"its parameters 'v \(7,\)' are not here"),
    ({**NEW, "v": (8,)}, "new", r"its parameters 'v \(7,\)' are not here"),
], ids=["not asked for", "one is gone", "another shape"])
def test_what_is_refused_changes_nothing(shapes, missing, message, tmp_path):
    trained(make("adam", {}), OLD, 4).save_states(tmp_path / "states")
    new = trained(make("adam", {}), shapes, 1)
    before = bits(new.slots["m"].flat)
    with pytest.raises(ValueError, match=message):
        new.load_states(tmp_path / "states", missing=missing)
    assert bits(new.slots["m"].flat) == before and new.optimizer.num_update == 1


@pytest.mark.parametrize("spoil", [lambda v: v.astype(float), lambda v: v[:-1], lambda v: np.append(v, v[:1]),
                                   lambda v: v[:, None]], ids=["dtype", "short", "long", "shape"])
def test_a_slot_that_does_not_fit_changes_nothing(tmp_path, spoil):
    """The last of them: the first, which is good, is not written either."""
    old, new = trained(make("adam", {}), OLD, 4), trained(make("adam", {}), NEW, 1)
    old.save_states(tmp_path / "good")
    with checkpoint.reading(tmp_path / "good") as tree:
        tree = checkpoint.loaded(tree)
    tree["slots"]["v"] = spoil(tree["slots"]["v"])
    checkpoint.save(tmp_path / "states", tree)
    before = {name: bits(slot.flat) for name, slot in new.slots.items()}
    with pytest.raises(ValueError, match=r"slot 'v' is float\d\d \(.*\); expected float32 \(23,\)"):
        new.load_states(tmp_path / "states", missing="new")
    assert {name: bits(slot.flat) for name, slot in new.slots.items()} == before and new.optimizer.num_update == 1
    new.load_states(tmp_path / "good", missing="new")
    assert new.optimizer.num_update == 4


@pytest.mark.parametrize("forge", [
    lambda tree: tree["hyper"].update(wd=10**400),
    lambda tree: tree["lr_mult"].update({5: 0.5}),
    lambda tree: tree["wd_mult"].update({-7: 0.5}),
    lambda tree: tree["lr_mult"].update({10**30: 0.5}),
    lambda tree: tree.update(schedule={"class": "dataclass"}),
], ids=["huge", "no index", "negative index", "huge index", "another function"])
@pytest.mark.parametrize("missing", [None, "new"])
def test_forged_files_change_nothing(tmp_path, forge, missing):
    old = trained(make("adam", {"lr_mult": {1: 0.5}}), NEW, 4)
    old.save_states(tmp_path / "good")
    with checkpoint.reading(tmp_path / "good") as tree:
        tree = checkpoint.loaded(tree)
    forge(tree)
    checkpoint.save(tmp_path / "states", tree)
    new = trained(make("adam", {}), NEW, 1)
    before = repr(new.optimizer), bits(new.slots["m"].flat)
    with pytest.raises(ValueError, match="do not fit this trainer"):
        new.load_states(tmp_path / "states", missing=missing)
    assert (repr(new.optimizer), bits(new.slots["m"].flat)) == before and new.optimizer.num_update == 1
    new.step(1)


def test_counts_of_keys_of_its_own_stay(tmp_path):
    """An optimizer in Python may count what is no parameter."""
    old = trained(HeavyBall(), OLD, 3)
    for key in (-1, 1000, "all"):
        old.optimizer._update_count(key)
    old.save_states(tmp_path / "states")
    new = trained(HeavyBall(), NEW, 0)
    new.load_states(tmp_path / "states", missing="new")
    assert {key: new.optimizer._counts[key] for key in (-1, 1000, "all")} == {-1: 1, 1000: 1, "all": 1}
    assert {new.optimizer._counts[k] for k in range(5)} == {3}


def test_damage_changes_nothing(tmp_path):
    old, path = trained(make("adam", {}), OLD, 4), tmp_path / "states"
    old.save_states(path)
    data = bytearray(path.read_bytes())
    data[data.index(old.slots["v"].flat.tobytes())] ^= 1
    path.write_bytes(data)
    new = trained(make("adam", {}), NEW, 1)
    before = {name: bits(slot.flat) for name, slot in new.slots.items()}
    with pytest.raises(checkpoint.Damaged, match="states: not a file of optimizer states, or damaged"):
        new.load_states(path, missing="new")
    assert {name: bits(slot.flat) for name, slot in new.slots.items()} == before and new.optimizer.num_update == 1


def test_another_word_is_refused(tmp_path):
    trainer = trained(optimizer.Adam(**COMMON), OLD, 1)
    trainer.save_states(tmp_path / "states")
    for word, shown in (("skip", "'skip'"), (np.array(["new", "new"]), "array"), (True, "True"), (["new"], "")):
        with pytest.raises(ValueError, match=rf"missing={shown}.*: expected None or 'new'"):
            trainer.load_states(tmp_path / "states", missing=word)

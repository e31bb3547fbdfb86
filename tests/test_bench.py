"""The benches' own arithmetic and report; what they measure is not asserted on."""
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from numoptim.rules import RULES

BENCH = Path(__file__).parents[1] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="not run from the repository")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])


def test_calls_take_turns():
    import common
    order = []

    def call(name):
        return lambda count: (order.append(name), time.sleep(1e-3 * count))

    spent = common.measure({"a": call("a"), "b": call("b")}, 3)
    assert "".join(order[-6:]) == "abbaab"
    assert {name: times.shape for name, times in spent.items()} == {"a": (3,), "b": (3,)}


def test_ratio_is_the_median_over_rounds():
    import common
    own, other = np.array([1.0, 2.0, 4.0]) * 1e-9, np.array([3.0, 4.0, 4.0]) * 1e-9
    (row,) = common.compared({"numoptim": own, "peer": other}, n=7)
    assert row == {"n": 7, "against": "peer", "ns": 2.0, "against_ns": 4.0, "ratio": 2.0, "low": 1.5, "high": 2.5,
                   "steady": False}
    (row,) = common.compared({"numoptim": own, "peer": 2 * own})
    assert row["steady"] and row["ratio"] == row["low"] == row["high"] == 2.0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_wrong_rule_is_not_timed(rule, monkeypatch):
    import roofline
    roofline.check(rule, np.float32)
    if rule.noisy or rule.name == "gradient_norm":         # which leaves weights as they are
        return
    monkeypatch.setattr(roofline, "stepper", lambda made: lambda: None)
    with pytest.raises(AssertionError, match=rule.name):
        roofline.check(rule, np.float32)


def test_fit_of_a_straight_line():
    import scaling
    constant, slope, off = scaling.fitted([(n, 500 + 0.25 * n) for n in (1, 10, 1000, 10**6)])
    assert (constant, slope) == pytest.approx((500, 0.25)) and off < 1e-9
    assert scaling.fitted([(1, 100.0), (10, 100.0), (100, 400.0)])[2] > 0.1


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "lion", "sgd_momentum", "adagrad"])
def test_a_peer_that_computes_something_else_is_not_timed(optimizer, monkeypatch):
    import peers
    with peers.Peer("numpy") as peer:
        assert peers.check(peer, "NumPy", optimizer) == ""
        assert 0 < peer.timed(1) < 10
        monkeypatch.setitem(peers.RATES, optimizer, 2 * peers.RATES[optimizer])
        assert "other weights" in peers.check(peer, "NumPy", optimizer)


def test_kernels_are_compared_after_one_equal_step(monkeypatch):
    import peers
    with peers.Peer("numpy") as peer:
        (row,) = peers.kernel("NumPy", peer, "adam", 1003, 1, 1)
        assert row["against"] == "NumPy" and row["ratio"] > 0
        monkeypatch.setitem(peers.RATES, "adam", 2 * peers.RATES["adam"])
        (row,) = peers.kernel("NumPy", peer, "adam", 1003, 1, 1)
        assert "other weights" in row["absent"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_peer_is_stopped_while_it_is_not_asked():
    import peers
    with peers.Peer("numpy") as peer:
        for _ in range(3):
            assert peer.ask(make="NumPy", optimizer="adam", sizes=[3], threads=1) == {}
            assert Path(f"/proc/{peer.process.pid}/stat").read_text().split()[2] == "T"
        assert "ended with status 1" in peer.ask(make="no such peer")["absent"]


@pytest.mark.parametrize("make", [lambda peers, peer: peers.kernel("NumPy", peer, "adam", 1003, 1, 1),
                                  lambda peers, peer: peers.whole("NumPy", peer, "adam", [[3]], 1)])
@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_peer_that_ends_is_a_row_without_a_ratio(make, after, monkeypatch):
    """Killed while it is stopped, before any of the questions."""
    import peers
    with peers.Peer("numpy") as peer:
        asked, ask = [], peer.ask

        def ask_or_end(**question):
            if len(asked) == after:
                peer.process.kill()
                peer.process.wait()
            asked.append(question)
            return ask(**question)

        monkeypatch.setattr(peer, "ask", ask_or_end)
        row = list(make(peers, peer))[-1]
        assert "its process ended with status -9" in row["absent"] and row["against"] == "NumPy" and "ratio" not in row

"""A factor for losses whose gradients would be too small for 16 bits."""
from typing import SupportsFloat, SupportsIndex

from numoptim.face import display
from numoptim.face.sealed import Sealed
from numoptim.rule.hyperparameters import checked

LEAST, MOST = 2.0**-120, 2.0**127       # beyond them float32 has no number for the scale, or for what it divides by
RANGE = f"[{LEAST!r}, {MOST!r}]"


class LossScaler(Sealed):
    """A factor that grows while gradients are finite, and backs off where one is not.

    Multiply the loss by ``scale`` before its gradients are taken: a Trainer with this ``loss_scaler`` divides them by
    it again, leaves out steps whose gradients are not finite, and tells the scaler. After such a step the scale is
    multiplied by backoff_factor, after growth_interval steps in a row without one by growth_factor, as long as float32
    has the number. A Trainer saves and loads scale and count.

    Source
        Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2; the rules and defaults are those of
        torch.amp.GradScaler. https://arxiv.org/abs/1710.03740
    """

    def __init__(self, scale: SupportsFloat = 65536.0, growth_factor: SupportsFloat = 2.0,
                 backoff_factor: SupportsFloat = 0.5, growth_interval: SupportsIndex = 2000) -> None:
        self._scale = checked("scale", scale, 1.0, RANGE)
        self._growth_factor = checked("growth_factor", growth_factor, 2.0, "(1, inf)")
        self._backoff_factor = checked("backoff_factor", backoff_factor, 0.5, "(0, 1)")
        self._growth_interval = int(checked("growth_interval", growth_interval, 1, "[1, inf)"))
        self._good = 0

    @property
    def scale(self) -> float:
        """What the loss of the next step is multiplied by."""
        return self._scale

    @property
    def good(self) -> int:
        """Steps with finite gradients since the latest change of scale."""
        return self._good

    def observe(self, finite: bool) -> None:
        """Take note of a step: whether its gradients were finite."""
        if not finite:
            scale, good = max(self._scale * self._backoff_factor, LEAST), 0
        elif self._good + 1 < self._growth_interval:
            scale, good = self._scale, self._good + 1
        else:
            grown = self._scale * self._growth_factor
            scale, good = grown if grown <= MOST else self._scale, 0
        vars(self).update(_scale=scale, _good=good)           # at once, whatever interrupts this

    def _checked(self, saved: tuple[object, object]) -> dict[str, float]:
        """What a file says of ``scale`` and ``good``, as changes. TypeError or ValueError for what they cannot be."""
        scale, good = saved
        return {"_scale": checked("scale", scale, 1.0, RANGE),
                "_good": min(int(checked("good", good, 0, "[0, inf)")), self._growth_interval - 1)}

    def __repr__(self) -> str:
        return display.call("LossScaler", {"scale": self._scale, "growth_factor": self._growth_factor,
                                           "backoff_factor": self._backoff_factor,
                                           "growth_interval": self._growth_interval})

"""Every optimizer with the hyper-parameters that the demo gives it, on images and on surfaces."""
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TUNED = Path(__file__).with_name("tuned.json")
DIGITS = "digits"                       # the task beside the surfaces


@dataclass(frozen=True)
class Choice:
    """An optimizer and its keywords: those of every task, of the images alone, and of surfaces alone.

    ``tuned`` is the one that ``numoptim demo --tune`` searches for each task.
    """

    title: str
    name: str
    always: Mapping[str, Any] = field(default_factory=dict)
    digits: Mapping[str, Any] = field(default_factory=dict)
    surface: Mapping[str, Any] = field(default_factory=dict)
    tuned: str = "learning_rate"

    def keywords(self, task: str, value: float | None = None) -> dict[str, Any]:
        """For a task, with another value of the tuned one than was found."""
        value = json.loads(TUNED.read_text())[task][self.title] if value is None else value
        return {self.tuned: value, **self.always, **(self.digits if task == DIGITS else self.surface)}


DECOUPLED = {"wd": 0.01}
CHOICES = (
    Choice("SGD", "SGD"),
    Choice("SGD, momentum", "SGD", {"momentum": 0.9}),
    Choice("NAG", "NAG", {"momentum": 0.9}),
    Choice("DCASGD", "DCASGD", {"lamda": 0.04}),
    Choice("AdaGrad", "AdaGrad"),
    Choice("RMSProp", "RMSProp"),
    Choice("RMSProp, centred", "RMSProp", {"centered": True}),
    Choice("AdaDelta", "AdaDelta"),
    Choice("Adam", "Adam"),
    Choice("AdamW", "AdamW", digits=DECOUPLED),
    Choice("Adamax", "Adamax"),
    Choice("Nadam", "Nadam"),
    Choice("NAdamW", "NAdamW", digits=DECOUPLED),
    Choice("RAdam", "RAdam"),
    Choice("AdaBelief", "AdaBelief"),
    Choice("Yogi", "Yogi"),
    Choice("AdEMAMix", "AdEMAMix", digits={"beta3": 0.999}, surface={"beta3": 0.95}),       # for so few steps
    Choice("Adan", "Adan", digits=DECOUPLED),
    Choice("ADOPT", "ADOPT"),
    Choice("FTML", "FTML"),
    Choice("SignSGD", "Signum", {"momentum": 0.0}),
    Choice("Signum", "Signum", {"momentum": 0.9}),
    Choice("Lion", "Lion", digits=DECOUPLED),
    Choice("Rprop", "Rprop", digits={"min_step": 0.001, "max_step": 0.01}),      # made for whole batches
    Choice("LARS", "LARS", {"momentum": 0.9}, digits={"wd": 1e-4}),
    Choice("NovoGrad", "NovoGrad", digits={"wd": 1e-4}),
    Choice("LBSGD", "LBSGD", {"momentum": 0.9, "batch_scale": 4},
           {"updates_per_epoch": 42, "warmup_epochs": 5}, {"updates_per_epoch": 8}),
    Choice("LAMB", "LAMB", digits=DECOUPLED),
    Choice("LANS", "LANS", digits=DECOUPLED),
    Choice("Ftrl", "Ftrl", {"lamda1": 0.001, "warm_start": True}),
    Choice("SGLD", "SGLD", digits={"n_data": 1347, "wd": 1.0},            # 1,347 images to train on
           surface={"n_data": 1, "wd": 0.0, "temperature": 0.01}),
    Choice("Prodigy", "Prodigy", digits=DECOUPLED, tuned="d_coef"),
    Choice("SGD, averaged", "SGDScheduleFree"),
    Choice("AdamW, averaged", "AdamWScheduleFree", digits=DECOUPLED),
)

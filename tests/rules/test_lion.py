"""Lion: numbers by hand; a sign of 0 is no step."""
import numpy as np
from reference import descend

from numoptim.optimizer import Lion


def test_steps_by_hand():
    # beta1 = 1/2, beta2 = 3/4. g = 1, -1/4, -1:
    # u = sign(1/2); m = 1/4. u = sign(1/8 - 1/8) = 0; m = 3/16 - 1/16 = 1/8. u = sign(1/16 - 1/2); m = 3/32 - 1/4.
    path, state = descend(Lion(learning_rate=0.5, beta1=0.5, beta2=0.75), [1.0], [1.0, -0.25, -1.0])
    assert np.ravel(path).tolist() == [0.5, 0.5, 1.0] and state.slots["m"] == -5 / 32


def test_weights_without_gradients_stay():
    weight = np.array([1.0, -0.0, 1e-300])
    path, _ = descend(Lion(learning_rate=0.5), weight, [0.0] * 5)
    assert path[-1].tolist() == weight.tolist()

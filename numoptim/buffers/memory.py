"""Memory: where buffers live, and all that depends on it. The processor's is native.memory, a GPU's cuda.memory."""
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from numoptim.native.arrays import Array, Span, on_device
from numoptim.native.memory import HOST

Buffer: TypeAlias = Any                         # an array of some memory: NumPy's, or a cuda.Array


class Memory(Protocol):
    """What Parameters, optimizers and Trainer ask of memory."""

    @property
    def name(self) -> str:
        """"cpu", "cuda:0", ..."""
    @property
    def kernels(self) -> ModuleType:
        """The module whose ``Plan``, ``stepper``, ``make`` and ``initialise`` run on buffers here."""
    def __reduce__(self) -> Any:
        """Copies and pickles name the same memory, in another process too; TypeError where nothing does."""
    def zeros(self, size: int, dtype: Any) -> Any:
        """A new buffer: (size,) zeros."""
    def given(self, x: Any) -> Any:
        """What a caller gave to copy from, as an array."""
    def check_source(self, what: str, array: Any, like: Any) -> None:
        """TypeError unless a given array may be copied to ``like`` in a step."""
    def unshared(self, array: Any, buffer: Any) -> Any:
        """A given array, or a copy where it shares bytes with a buffer."""
    def write(self, to: Any, array: Any) -> None:
        """Copy a given array to one of this memory, of one shape."""
    def load(self, to: Any, stored: Any) -> None:
        """Read a checkpoint's array into one of this memory, of one shape and dtype."""
    def host(self, array: Any) -> Array:
        """A NumPy array with the content."""
    def checked(self, what: str, array: Any, like: Any = None, written: bool = True) -> Any:
        """A caller's array as a buffer, in place; TypeError or ValueError for what kernels cannot use."""
    def span(self, array: Any) -> Span:
        """Where a checked array is."""
    def same(self, a: Any, b: Any) -> bool:
        """Whether two checked arrays are one."""
    def captures(self) -> Any:
        """What records steps that go into graphs of calls (cuda.capture.Captures); None where there are none."""


def of(array: Any) -> Memory:
    """The memory of an array; what is no array counts as the processor's, which refuses it."""
    if not on_device(array):
        return HOST
    from numoptim.cuda.memory import Device
    return Device.of(array)


def named(device: str, stream: Any = None) -> Memory:
    """The memory of a device: "cpu", "cuda" (the first GPU) or "cuda:1". ValueError for others."""
    kind, colon, ordinal = device.partition(":") if isinstance(device, str) else ("", "", "")
    if device == "cpu":
        if stream is not None:
            raise ValueError("stream= goes with device='cuda'")
        return HOST
    if kind != "cuda" or (colon and not (ordinal.isascii() and ordinal.isdigit())):
        raise ValueError(f"device={device!r}: expected 'cpu', 'cuda' or 'cuda:1'")
    from numoptim.cuda.memory import Device
    return Device(int(ordinal or 0), stream)

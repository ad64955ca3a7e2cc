"""Dataclasses that are built when the first one is made."""

import dataclasses
import threading
from dataclasses import FrozenInstanceError, field

import pytest

from acrcheck.late import dataclass


def make() -> type:
    """Make a class that nothing has been made of."""

    @dataclass(frozen=True, slots=True)
    class Pod:
        name: str
        labels: dict[str, str] = field(default_factory=dict)
        ready: bool = True

        @property
        def text(self) -> str:
            return f"pod {self.name}"

    return Pod


def test_is_built_when_the_first_is_made() -> None:
    """Until then the class costs nothing."""
    pod = make()

    assert not dataclasses.is_dataclass(pod)
    pod("a")
    assert dataclasses.is_dataclass(pod)


def test_is_what_the_standard_library_makes() -> None:
    """Equal, hashable, frozen, with defaults, methods and a representation."""
    pod = make()
    one = pod("a", ready=False)

    assert one == pod("a", {}, ready=False) != pod("b")
    assert one.labels is not pod("a").labels
    assert one.text == "pod a"
    assert repr(one).endswith("Pod(name='a', labels={}, ready=False)")
    assert dataclasses.replace(one, name="b").name == "b"
    assert dataclasses.asdict(one) == {"name": "a", "labels": {}, "ready": False}
    with pytest.raises(FrozenInstanceError):
        one.name = "b"


@pytest.mark.parametrize("arguments", [(), ("a", {}, True, 4)])
def test_refuses_wrong_arguments(arguments: tuple[object, ...]) -> None:
    """The first one made as well as any other."""
    pod = make()

    for _ in range(2):
        with pytest.raises(TypeError):
            pod(*arguments)


def test_threads_build_it_once() -> None:
    """All that are made at the same time are of the built class."""
    pod, made = make(), []
    ready = threading.Barrier(8, timeout=10)

    def work() -> None:
        ready.wait()
        made.append(pod("a"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == [pod("a")] * 8

"""Dataclasses that are built when the first one is made.

Building one takes half a millisecond, and a check file brings dozens that `list` and `explain` never make.
For a type checker it is the standard library's decorator itself. `dataclasses.fields` of a class knows
nothing until then.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    import threading

    _building = threading.RLock()

    def _make(made: type, *_: Any, **__: Any) -> Any:
        return object.__new__(made)

    def dataclass(**options: Any) -> Any:
        """Give the decorator. `slots` is left out: with them the class would be another one once built."""
        options.pop("slots", None)

        def decorate(cls: type) -> type:
            def first(made: type, *_: Any, **__: Any) -> Any:
                with _building:
                    if cls.__new__ is first:
                        dataclasses.dataclass(**options)(cls)
                        cls.__new__ = _make
                return object.__new__(made)

            cls.__new__ = first
            return cls

        return decorate


__all__ = ["dataclass"]

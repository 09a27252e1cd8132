"""Check the values of a plan by the types of its fields.

A wrong value would otherwise fail far from the plan, or only when the first
cell that uses it is run, hours later.
"""

from dataclasses import is_dataclass
from typing import Any, get_args

from mmsoco.checkpoints.layouts import PRETRAINED_PARTS
from mmsoco.config.value_types import fits, in_words

# The smallest value of numbers.
_LEAST = {
    **dict.fromkeys(('samples', 'batch_size', 'steps', 'max_seeds'), 1),
    **dict.fromkeys(('num_train', 'num_val', 'image_size'), 1),
    **dict.fromkeys(('seeds', 'held_out', 'trials'), 0),
}
_CHOICES = {'amp': ('bf16', 'fp16'), 'parts': PRETRAINED_PARTS}


def check_value(name: str, value: Any, kind: Any, where: str) -> None:
    """Refuse a value that a field of a plan cannot have.

    Args:
        name: The field.
        value: Its value.
        kind: The field's annotation.
        where: The place of the field, for the message.

    Raises:
        TypeError: If the value is of another type.
        ValueError: If it is too small, or not one of the field's choices.
    """
    # The values of a part of a plan are checked when it is built.
    is_part = any(map(is_dataclass, (kind, *get_args(kind))))
    if not (is_part or fits(value, kind)):
        raise TypeError(
            f'{where}: {name} expects {in_words(kind)}, got {value!r}'
        )
    for item in value if isinstance(value, list | tuple) else (value,):
        least = _LEAST.get(name)
        if least is not None and item is not None and item < least:
            raise ValueError(
                f'{where}: {name} expects {least} or more, got {item!r}'
            )
        choices = _CHOICES.get(name, (item,))
        if item is not None and item not in choices:
            raise ValueError(
                f'{where}: {name} expects {" or ".join(choices)}, got {item!r}'
            )

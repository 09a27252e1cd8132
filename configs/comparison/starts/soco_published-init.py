"""SoCo by the recipe for small folders, from the published initialization.

command:   mmsoco compare PLAN, as a start of it
"""

_base_ = 'soco.py'

# It is the default: a config that does not name it is the same to `compare`
# as one that was written before the recipe changed.
model = dict(
    _delete_=True,
    **{k: v for k, v in _base_.model.items() if k != 'initialization'},
)

"""Save the input convention with the weights that were trained on it."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmsoco.registry import HOOKS
from mmsoco.structures import InputConvention
from mmsoco.structures.input_convention import META_KEY


@HOOKS.register_module()
class InputConventionHook(Hook):
    """Note color order, mean and deviation in checkpoints, and compare them.

    Weights that were trained on BGR or with other statistics would silently
    work worse on another input. A checkpoint without this information passes.
    """

    priority = 'VERY_HIGH'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write the model's convention into the checkpoint's ``meta``.

        See Hook.before_save_checkpoint.
        """
        convention = convention_of(runner)
        if convention is not None:
            checkpoint['meta'][META_KEY] = convention.to_meta()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Compare the file's convention with the model's.

        See Hook.after_load_checkpoint.

        Raises:
            ValueError: If they differ.
        """
        convention = convention_of(runner)
        if convention is not None:
            convention.check_file(checkpoint.get('meta'), runner._load_from)


def convention_of(runner: Runner) -> InputConvention | None:
    """Return the input convention of a run's model, None if unknown."""
    model = runner.model
    model = model.module if is_model_wrapper(model) else model
    if hasattr(model, 'input_convention'):
        return model.input_convention
    # A method of another package on our views.
    if hasattr(getattr(model, 'data_preprocessor', None), 'convention'):
        return model.data_preprocessor.convention
    cfg = runner.cfg.get('model') or {}
    cfg = cfg.get('module') or cfg  # with augmentation in tests
    if not cfg.get('data_preprocessor'):
        cfg = dict(data_preprocessor=runner.cfg.get('data_preprocessor'))
    return InputConvention.of_detector(cfg)

"""Pass only the trained parameters to an optimizer."""

from collections import Counter
from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn


class TrainedParametersConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, without a warning for each fixed parameter.

    A target network and frozen stages would give a hundred such lines. Here, a
    module without trained parameters is skipped as a whole; the parameter
    groups stay the same. `fixed_tensors` counts the others.
    """

    def add_params(
        self, params: list[dict], module: nn.Module, *args: Any, **kwargs: Any
    ) -> None:
        """Add the groups of a module, unless it trains nothing.

        See DefaultOptimWrapperConstructor.add_params.
        """
        if any(p.requires_grad for p in module.parameters()):
            super().add_params(params, module, *args, **kwargs)


def with_constructor(optim_wrapper: Any) -> Any:
    """Add the constructor above to the settings of an optimizer.

    Args:
        optim_wrapper: The config's ``optim_wrapper``; it is not changed.

    Returns:
        The settings; unchanged if they name another constructor, or are not
        those of a single optimizer.
    """
    if (
        not isinstance(optim_wrapper, dict)
        or not isinstance(optim_wrapper.get('optimizer'), dict)
        or 'constructor' in optim_wrapper
    ):
        return optim_wrapper
    return {**optim_wrapper, 'constructor': TrainedParametersConstructor}


def fixed_tensors(model: nn.Module) -> dict[str, int]:
    """Count the parameters that are not trained, by the part of a model.

    Args:
        model: The model.

    Returns:
        Number of tensors by the name of the child, without parts that are
        completely trained.
    """
    return dict(
        Counter(
            name.partition('.')[0]
            for name, parameter in model.named_parameters()
            if not parameter.requires_grad
        )
    )

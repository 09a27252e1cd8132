"""What ends a training whose numbers are no longer worth anything."""


class TrainingFailedError(ValueError):
    """The training cannot continue; the message says why and what helps."""

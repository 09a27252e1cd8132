"""The error of a training whose numbers have become useless."""


class TrainingFailedError(ValueError):
    """The training cannot continue; the message says why and what helps."""

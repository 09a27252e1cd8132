"""Images and proposals become samples with views."""

from .proposal_dataset import ProposalDataset
from .samplers import EpochIndexSampler, SampleKey

__all__ = ['EpochIndexSampler', 'ProposalDataset', 'SampleKey']

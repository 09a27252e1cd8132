"""What weights are worth: probes on labelled boxes."""

"""What weights are worth: probes on labeled boxes."""

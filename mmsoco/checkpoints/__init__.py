"""Load, export and convert weights, and report what arrived."""

"""Run longer jobs in resumable steps."""

"""Draw proposals, views and detections, and reports of runs."""

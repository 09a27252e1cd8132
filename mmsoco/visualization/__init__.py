"""Pictures of proposals, of views and of whole runs."""

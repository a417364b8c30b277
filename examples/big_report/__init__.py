"""A report over much data: models and job to copy."""

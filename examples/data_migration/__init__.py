"""A data migration over a table that is in use meanwhile: model and job to copy."""

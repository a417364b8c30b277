"""A bulk clean-up of rows and their files: models and job to copy."""

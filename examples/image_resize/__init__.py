"""Thumbnails of a folder of images, across deploys: a job to copy."""

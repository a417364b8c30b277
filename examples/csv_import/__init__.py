"""A CSV import that outlives a deploy: model, job and script to copy, and a demo of it."""

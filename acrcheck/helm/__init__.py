"""Helm without helm: values files, `--set`, and what a release keeps of itself."""

"""Evidence that travels."""

"""The door to Kubernetes: live, recorded or simulated."""

"""A simulated AKS and Azure: every service is a function from an HTTP request to an HTTP response."""

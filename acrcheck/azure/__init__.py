"""The protocols of identity and registry, spoken step by step over a wire."""

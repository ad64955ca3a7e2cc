"""The door to the network: four questions, asked from a vantage."""

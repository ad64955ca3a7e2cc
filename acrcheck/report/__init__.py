"""Reports: one file per format, all pure functions of a Report."""

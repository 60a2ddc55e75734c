"""Rules of this project, which have nothing to do with the suite."""

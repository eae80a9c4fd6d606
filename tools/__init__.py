"""The machinery of the book: run, build, normalise, lint. Not part of the library."""

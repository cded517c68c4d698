"""Commands that make the data files which ship with the package. Not used when serving."""

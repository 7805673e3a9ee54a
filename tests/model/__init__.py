"""The model of how rights are counted and receive rights move: README.md."""

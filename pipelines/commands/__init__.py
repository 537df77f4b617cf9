"""The commands of the command line: flags in, text out."""

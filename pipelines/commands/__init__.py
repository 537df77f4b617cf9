"""The sub-commands of ``scope``, one module each: flags in, text and files out."""

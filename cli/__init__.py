"""The command line ``jobs``, made of ``client``; see docs/command-line.md."""

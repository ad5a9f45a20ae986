"""`python -m coverify` is the command `coverify`."""

from coverify.cli import main

main()

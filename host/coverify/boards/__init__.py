"""What a device is: boards and device URLs, their firmware, and the processes that emulate them.

`open_device(url)` in device.py gives a greeted client on any of them. Out of scope: a debugger or flasher of
our own (a board file names the program), and sharing boards among people (labgrid).
"""

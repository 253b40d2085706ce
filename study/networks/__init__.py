"""Networks that come with the program, each a file as a user would write it: ``--network cnn``, or copy one."""

"""What server and client say to each other: ``.proto`` files, and code made of them (``make_proto``)."""

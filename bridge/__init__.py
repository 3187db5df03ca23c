"""The protocol to external strategy processes. The room is reserved; nothing is built here yet."""

"""Sockets and bytes, bounded in time and size. This room knows no flags and no threads."""

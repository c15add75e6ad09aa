"""Threads, tasks, forks and the clock. This room knows no flags and no sockets."""

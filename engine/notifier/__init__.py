"""The notifier: what tells other processes that there is something to do or to read. Its loss costs latency alone."""

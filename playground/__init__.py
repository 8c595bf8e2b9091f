"""What the server ships to browsers: sources, and the built files that are committed beside them."""

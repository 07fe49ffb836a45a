"""A simulated Google over real HTTP: OAuth, OpenID Connect, Gmail v1 and Pub/Sub push. A program of its own."""

"""Stories told in a real browser. A package, so that its house can be package-scoped."""

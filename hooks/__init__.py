"""The hooks, as a package, so that the tests can import them."""

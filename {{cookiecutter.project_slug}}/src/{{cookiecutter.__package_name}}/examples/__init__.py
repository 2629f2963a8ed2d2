"""Small flows to learn from: each shows one promise of orchestration, offline."""

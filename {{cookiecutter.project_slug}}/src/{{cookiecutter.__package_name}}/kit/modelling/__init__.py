"""What makes a model: an edit here, or of the user's modules, makes checkpoints again."""

"""The kit: what makes the flows true. It is tested in the template, and updates replace it."""

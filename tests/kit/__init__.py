"""Tests of the kit: test_kit.py copies them into a baked project, and runs them there."""

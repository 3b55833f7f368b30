"""Rendering, at synth time, of every file that an instance gets."""

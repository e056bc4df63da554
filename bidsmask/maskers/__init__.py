"""Maskers: images in, signals out, and back; with scikit-learn's manners."""

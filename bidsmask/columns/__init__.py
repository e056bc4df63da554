"""Columns: what every masker, atlas, seed set, map or voxel gives."""

"""From voxels to columns and back."""

"""nibabel in, nibabel out: grids, label images and the stream of BOLD volumes."""

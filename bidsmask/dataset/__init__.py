"""BIDS: read once, freeze, ask. The only home of pybids and templateflow."""

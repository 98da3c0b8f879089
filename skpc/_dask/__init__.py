"""What `skpc.dask` consists of: collections, what workers do, and how they are asked."""

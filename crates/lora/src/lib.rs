//! Low-rank adapters for any burn module: attach, factored forward, several adapters at once, layer vectors, snapshots, merge.

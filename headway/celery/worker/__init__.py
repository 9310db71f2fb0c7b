"""A worker beside its runs: deliveries, leases, sweeps, stops, and what is done on time."""

"""What a run follows along its reference besides the replicas: one file each."""

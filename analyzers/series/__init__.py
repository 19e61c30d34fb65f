"""What one trajectory tells, without replicas: one file an estimator."""

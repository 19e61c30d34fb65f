"""Second derivatives of the loss: sharpness, tangents, the quadratic expansion."""

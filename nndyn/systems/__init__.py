"""Systems behind one protocol: maps, flows, and (in `nndyn.systems.training`) networks."""

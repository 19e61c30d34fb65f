"""Reports: one self-contained page on recordings, a study, or what a folder holds."""

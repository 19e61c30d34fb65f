"""Directives of the site, for what the code says itself."""

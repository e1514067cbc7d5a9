"""The documentation: pages that are made from the source, man pages, and the site."""

"""What could serve a request: models, decoding options and load configurations."""

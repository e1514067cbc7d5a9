"""One answer in the making, its sequences on models, and how it is decoded."""

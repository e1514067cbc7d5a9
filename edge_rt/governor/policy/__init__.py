"""How the governor sets limits by what it observes and by how fast each setting is."""

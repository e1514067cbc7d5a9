"""What goes into the file that somebody sends who asks for help."""

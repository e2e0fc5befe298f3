"""What the project keeps: its kinds of artefact, and what is said, checked and swept of all of them."""

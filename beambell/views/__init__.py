"""What a person looks at, computed once: views from artefacts, and their rendering as text."""

"""The kinds of artefact there are, a module for each noun. `beambell.artefacts.kind` says what a kind declares."""

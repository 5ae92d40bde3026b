"""Verbs that compose several packages: training from data to report, and what a finished Run is put to."""

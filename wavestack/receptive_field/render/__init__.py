"""Faces of a report: table, JSON, picture, page. Each file is imported only when asked for."""

"""Renders results for people: tables for the terminal, the HTML page, plots and notes."""

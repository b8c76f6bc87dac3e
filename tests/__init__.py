"""Tests as claims."""

"""The steps of a CI job, so that action.yml and templates/ hold no shell."""

"""Run work in shards, each committed by rename."""

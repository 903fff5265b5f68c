-- The version of the run in which the task last changed: a watch is told of what is newer than what it saw.
ALTER TABLE run_tasks ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

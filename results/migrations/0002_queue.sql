-- Schema 2: studies that wait for their turn, and what other processes ask of
-- the head.
--
-- The head is not the only one to write these tables: commands beside it do so
-- too, in short transactions.

-- Whether runs of the study may start.
ALTER TABLE studies ADD COLUMN paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1));

-- The queue. It is executed by priority, then by position, but an entry never
-- before the one that it comes after.
CREATE TABLE queue (
  key      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, people remember them
  study    INTEGER NOT NULL REFERENCES studies,
  state    TEXT    NOT NULL CHECK (state IN ('waiting', 'held', 'running', 'done', 'failed', 'removed')),
  reason   TEXT    NOT NULL DEFAULT '', -- why it is in that state
  priority INTEGER NOT NULL DEFAULT 0,  -- higher first
  position INTEGER NOT NULL,            -- lower first, among equal priorities
  after    INTEGER REFERENCES queue CHECK (after < key), -- entry that has to have ended first; older, so there are no circles
  options  TEXT    NOT NULL,            -- how to execute it, JSON
  program  TEXT    NOT NULL,            -- frozen program, relative to the store's folder
  added    INTEGER NOT NULL,            -- time it was enqueued
  started  INTEGER,                     -- time it last began to run
  ended    INTEGER,                     -- time it was done, failed or was removed
  total    INTEGER NOT NULL,            -- different runs of its study
  done     INTEGER,                     -- runs with an outcome when it ended; NULL while it has not
  CHECK ((state IN ('done', 'failed', 'removed')) = (ended IS NOT NULL)),
  CHECK ((ended IS NULL) = (done IS NULL))
) STRICT;

-- What commands ask of the head, and what it answered.
CREATE TABLE requests (
  key    INTEGER PRIMARY KEY AUTOINCREMENT,
  made   INTEGER NOT NULL,
  kind   TEXT    NOT NULL,            -- such as "cancel"
  study  INTEGER REFERENCES studies,  -- whose, NULL if no study's
  cell   TEXT    NOT NULL DEFAULT '', -- name of one of its cells, '' for all
  run    TEXT    NOT NULL DEFAULT '', -- runs.id, '' for all
  done   INTEGER,                     -- time of the answer, NULL while there is none
  answer TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX open_requests ON requests (key) WHERE done IS NULL;
